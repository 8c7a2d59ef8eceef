/**
 * Tickets: how a listed holder that has no key of a file gets chunks of a closed access epoch. Spec:
 * docs/specs/keys-protocol.md, "hold"; decision 0021.
 */
import type { Clock } from '../clock.ts'
import { proveKey, verifyKeyProof } from '../crypto/index.ts'
import {
  type AudienceId,
  type BranchId,
  EVERYONE,
  idBytes,
  idFrom,
  type KeyId,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
  type Root,
} from '../ids.ts'
import type { Host } from '../network/index.ts'
import { type Random, shuffled } from '../random.ts'
import { type AudienceList, EVERYONE_LIST, entitled } from './audience-list.ts'
import type { Keyring } from './keyring.ts'
import { askKeys } from './keys-exchange.ts'
import type { SharedReads } from './reads.ts'
import type { SharedEpoch } from './types.ts'

/** Members asked for one ticket before it is given up for now. */
const PEERS_PER_ROUND = 16
const ASK_TIMEOUT_MS = 10_000
/** A member that gave no ticket for a version is not asked for it again for this long. */
const BACKOFF_MS = 30_000
/** (version, member) pairs remembered as asked in vain; beyond that all are forgotten and may be asked again. */
const REFUSALS_MAX = 50_000
/** Tickets kept; the oldest goes first and can be asked for again. */
const KEPT_MAX = 10_000
const HOLD = new TextEncoder().encode('hold')

export interface TicketsInit {
  readonly network: NetworkId
  readonly self: NodeId
  readonly clock: Clock
  readonly random: Random
  readonly host: Pick<Host, 'connections' | 'request'>
  readonly reads: SharedReads
  readonly keyring: Keyring
  /** reads the list beside a key that is here */
  complete(audience: AudienceId, key: KeyId): Promise<boolean>
  /** a member gave a ticket that is none */
  onFalse?(peer: NodeId, what: 'ticket'): void
}

export interface Tickets {
  /** A ticket of this node that is good now; null when it has none. */
  get(root: Root): Uint8Array | null
  /** Asks readers that are connected. @returns whether a ticket is here now; never rejects */
  acquire(root: Root): Promise<boolean>
  /** Answers a member: per root a ticket, or null where it is not keyless or this node cannot tell. */
  answer(peer: NodeId, roots: readonly Uint8Array[]): Promise<(Uint8Array | null)[]>
  /** Whether a ticket lets this peer fetch a version of a closed epoch. @param epoch the file's present one */
  isGood(ticket: Uint8Array, root: Root, peer: NodeId, epoch: SharedEpoch): boolean
  stop(): Promise<void>
}

export function createTickets(init: TicketsInit): Tickets {
  const { network, self, clock, host, reads, keyring } = init
  const kept = new Map<Root, Uint8Array>()
  const refusals = new Map<string, number>()
  const searches = new Map<Root, Promise<boolean>>()
  const stopped = new AbortController()

  /** The file's present epoch, for a version that is in an older one. */
  function presentEpoch(root: Root): SharedEpoch | null {
    const version = reads.versionOfRoot(root)
    const file = version === null ? null : reads.file(version.file)
    if (version === null || file == null || file.state === 'purged' || version.epoch >= file.epoch) return null
    return reads.epochs(version.file).find((each) => each.epoch === file.epoch) ?? null
  }

  function isGood(ticket: Uint8Array, root: Root, peer: NodeId, epoch: SharedEpoch): boolean {
    const parts = [idBytes(root), publicKeyFromNodeId(peer), HOLD]
    return verifyKeyProof(network, epoch.proof, epoch.file, ticket, ...parts)
  }

  function get(root: Root): Uint8Array | null {
    const ticket = kept.get(root)
    const epoch = ticket === undefined ? null : presentEpoch(root)
    if (ticket === undefined || epoch === null || !isGood(ticket, root, self, epoch)) return null
    return ticket
  }

  /** null where this node cannot read it */
  async function listOf({ audience, key }: SharedEpoch): Promise<AudienceList | null> {
    if (audience === EVERYONE) return EVERYONE_LIST
    const look = () => {
      const held = keyring.audienceKey(audience, key)
      held?.secret.fill(0)
      return held
    }
    const held = look()
    if (held === null || held.list !== null) return held?.list ?? null
    await init.complete(audience, key)
    return stopped.signal.aborted ? null : (look()?.list ?? null)
  }

  /** True when no list since the version's epoch had the branch: it neither has nor can get the key. */
  async function isKeyless(branch: BranchId, since: number, epochs: readonly SharedEpoch[]): Promise<boolean> {
    for (const row of epochs) {
      const list = row.epoch < since ? undefined : await listOf(row)
      if (list === null || (list !== undefined && entitled(list, branch))) return false
    }
    return true
  }

  async function ticketFor(peer: NodeId, root: Root): Promise<Uint8Array | null> {
    const version = reads.versionOfRoot(root)
    const present = presentEpoch(root)
    const member = reads.membership().members.get(peer)
    if (version === null || present === null || member?.state !== 'member') return null
    const keys = keyring.fileKey(version.file, present.epoch)
    if (keys === null || !(await isKeyless(member.branch, version.epoch, reads.epochs(version.file)))) return null
    return proveKey(keys, idBytes(root), publicKeyFromNodeId(peer), HOLD)
  }

  function keep(root: Root, ticket: Uint8Array): boolean {
    const epoch = presentEpoch(root)
    if (epoch === null || !isGood(ticket, root, self, epoch)) return false
    for (const oldest of kept.keys()) {
      if (kept.size < KEPT_MAX) break
      kept.delete(oldest)
    }
    kept.set(root, ticket)
    return true
  }

  async function ask(peer: NodeId, root: Root): Promise<boolean> {
    const options = { timeoutMs: ASK_TIMEOUT_MS, signal: stopped.signal }
    try {
      const answer = await askKeys(host, peer, { hold: [idBytes(root)] }, options)
      const ticket = 'tickets' in answer ? answer.tickets[0] : null
      if (ticket == null) return false
      const isKept = keep(root, ticket)
      if (!isKept && !stopped.signal.aborted) init.onFalse?.(peer, 'ticket')
      return isKept
    } catch {
      return false // out of reach or not sensible: another reader is asked
    }
  }

  async function search(root: Root): Promise<boolean> {
    const version = reads.versionOfRoot(root)
    if (version === null || presentEpoch(root) === null) return false
    const { members, branches } = reads.membership()
    const isMember = (node: NodeId) => members.get(node)?.state === 'member'
    const connected = new Set(host.connections().map(({ peer }) => peer))
    const isDue = (peer: NodeId) => (refusals.get(`${root}/${peer}`) ?? 0) <= clock.now()
    const others = [...connected].filter((peer) => peer !== self && isMember(peer) && isDue(peer))
    // the owner's machine knows all lists
    const owner = branches.get(reads.file(version.file)?.owner ?? version.branch)?.node
    const order = shuffled(others, init.random).sort((a, b) => Number(b === owner) - Number(a === owner))
    for (const peer of order.slice(0, PEERS_PER_ROUND)) {
      if (stopped.signal.aborted) return false
      if (await ask(peer, root)) return true
      if (refusals.size >= REFUSALS_MAX) refusals.clear()
      refusals.set(`${root}/${peer}`, clock.now() + BACKOFF_MS)
    }
    return false
  }

  return {
    get,
    isGood,
    answer: (peer, roots) => Promise.all(roots.map((root) => ticketFor(peer, idFrom<Root>(root)))),
    acquire(root) {
      if (get(root) !== null) return Promise.resolve(true)
      const running = searches.get(root)
      if (running !== undefined) return running
      if (stopped.signal.aborted) return Promise.resolve(false)
      const started = search(root)
        .catch(() => false)
        .finally(() => searches.delete(root))
      searches.set(root, started)
      return started
    },
    async stop() {
      stopped.abort()
      await Promise.all(searches.values())
    },
  }
}
