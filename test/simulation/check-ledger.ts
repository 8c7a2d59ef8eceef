/** Sections 3 and 4: what is stored is authentic, in its place, of this network, complete, and was not made up. */

import { decodeCbor } from '../../packages/core/src/codec/index.ts'
import { verify } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, idBytes, nodeIdFromPublicKey, toHex } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { type Evidence, fieldOf, nameOf } from './evidence.ts'

export function checkWellFormed(evidence: Evidence): void {
  const { entries, byId, world } = evidence
  const known = new Set<string>()
  const follower = new Map<EntryId, Entry[]>()
  for (const entry of entries) {
    if (entry.prev !== null) follower.set(entry.prev, [...(follower.get(entry.prev) ?? []), entry])
  }
  for (const entry of entries) {
    const name = `${entry.kind} ${entry.id.slice(0, 8)} of ${nameOf(evidence, entry.author)}`
    if (entry.kind === 'found') known.add(entry.author)
    const node = entry.kind === 'admit' ? fieldOf(entry, 'node') : undefined
    if (node?.length === 32) known.add(nodeIdFromPublicKey(node))
    if (!known.has(entry.author))
      evidence.problem(`known-authors: ${name} is stored, and nobody admitted its author before`)
    const [, network] = decodeCbor(entry.bytes, 70_000) as [number, Uint8Array]
    if (entry.kind !== 'found' && toHex(network) !== world.networkId)
      evidence.problem(`own-network: ${name} is another network's`)
    if (entry.prev !== null) {
      const previous = byId.get(entry.prev)
      const fits = previous !== undefined && previous.feed === entry.feed && previous.seq === entry.seq - 1
      if (!fits) evidence.problem(`whole-feeds: ${name} follows nothing`)
      else if (entry.ms < previous.ms || (entry.ms === previous.ms && entry.counter <= previous.counter))
        evidence.problem(`rising-clocks: ${name} is not later than its predecessor`)
    }
    if (!isVouched(entry, follower, world.networkId)) evidence.problem(`authentic: nobody signed for ${name}`)
    if (entry.cosigned) {
      const signed =
        entry.cosig !== null &&
        verify(world.recovery.publicKey, entry.cosig, 'recovery', world.networkId, idBytes(entry.id))
      if (!signed) evidence.problem(`cosigned: ${name} bears no signature of the recovery key`)
    }
  }
}

/** By its own signature, or by that of a later entry of its feed. */
function isVouched(
  entry: Entry,
  follower: ReadonlyMap<EntryId, readonly Entry[]>,
  network: Evidence['world']['networkId'],
): boolean {
  const open = [entry]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at.sig !== null && verify(at.authorKey, at.sig, 'entry', network, idBytes(at.id))) return true
    open.push(...(follower.get(at.id) ?? []).filter(({ feed }) => feed === entry.feed))
  }
  return false
}

export function checkNothingForged(evidence: Evidence): void {
  const honest = new Set(evidence.world.nodes.filter(({ hostile }) => !hostile).map(({ id }) => id))
  for (const entry of evidence.entries) {
    if (honest.has(entry.author) && !evidence.world.written.has(entry.id)) {
      evidence.problem(
        `nothing-forged: ${entry.kind} ${entry.id.slice(0, 8)} in the name of ${nameOf(evidence, entry.author)}`,
      )
    }
  }
}

/** Restored folders and power cuts do not fork a feed; only two copies that run at one time may. */
export function checkOwnFeeds(evidence: Evidence): void {
  const ends = new Map<string, number>()
  for (const { feed } of evidence.witness.up.ledger.heads()) ends.set(feed, (ends.get(feed) ?? 0) + 1)
  for (const node of evidence.world.nodes) {
    if (node.hostile || node.cloned) continue
    const prefix = toHex(node.key.publicKey)
    for (const [feed, count] of ends) {
      if (feed.startsWith(prefix) && count > 1)
        evidence.problem(`honest-feeds-unforked: ${node.name} forked its own feed`)
    }
  }
}

/** What any machine had when the healing began is everywhere. */
export function checkNothingLost(evidence: Evidence): void {
  for (const [id, holder] of evidence.world.atHealing) {
    if (evidence.byId.has(id)) continue
    const entry = evidence.world.written.get(id)?.entry
    evidence.problem(`nothing-lost: ${entry?.kind} ${id.slice(0, 8)}, which ${holder} had, is gone`)
  }
  for (const node of evidence.present) {
    const held = node.up.ledger.held()
    if (held.length > 0) evidence.problem(`held-entries: ${node.name} still holds ${held.length} whose time has come`)
  }
}
