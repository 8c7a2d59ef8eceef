/**
 * How audience keys get to those who are entitled to them: from the own slot of a grants box, from a reader on request,
 * and all at once at admission. Whoever a key comes from, it must fit its commitment. Spec: docs/specs/keys-protocol.md.
 */
import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { equalBytes, grantSlot, openSealedTo, type SealingKey, sealTo } from '../crypto/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  EVERYONE,
  idBytes,
  idFrom,
  type KeyId,
  type NetworkId,
  type NodeId,
} from '../ids.ts'
import type { Host } from '../network/index.ts'
import type { Random } from '../random.ts'
import { type AudienceList, EVERYONE_LIST, entitled } from './audience-list.ts'
import { decodeGrants, openGone, openList } from './boxes-format.ts'
import type { HeldAudienceKey, Keyring } from './keyring.ts'
import { askKeys } from './keys-exchange.ts'
import { ASK_MAX, type WantedKey } from './keys-format.ts'
import type { Boxes, BoxSources, SharedReads } from './reads.ts'
import { grantContext, inTurns } from './wraps.ts'

/** Members asked for one batch before it is given up for now. */
const PEERS_PER_ROUND = 16
const ASK_TIMEOUT_MS = 10_000
const BOX_TIMEOUT_MS = 15_000
/** A member that did not have a key is not asked for it again for this long, twice as long each time. */
const BACKOFF_MS = 15_000
const BACKOFF_MAX_MS = 15 * 60_000
/** (key, member) pairs remembered as asked in vain; beyond that all are forgotten and may be asked again. */
const REFUSALS_MAX = 50_000
const NO_SLOT_MAX = 10_000
/** Keys handed over at admission; the rest is asked for. About 600 KiB. */
const HANDED_MAX = 8192
const HANDED_BYTES_MAX = 1024 * 1024
const HANDED_CONTEXT = new TextEncoder().encode('registration')

export interface GrantsInit {
  network: NetworkId
  self: NodeId
  sealing: SealingKey
  clock: Clock
  random: Random
  host: Pick<Host, 'connections' | 'request'>
  reads: SharedReads
  keyring: Keyring
  boxes: Boxes
  sources: BoxSources
  /** a member gave a key that is not the one */
  onFalse?(peer: NodeId, what: 'key'): void
}

export interface Grants {
  /**
   * Resolves to true when the key is here. Looks into the own slot first, then, unless `ask` is false, asks connected
   * members. Calls for one key are one search; it never rejects.
   */
  acquire(audience: AudienceId, key: KeyId, options?: { ask?: boolean }): Promise<boolean>
  /** Reads what is sealed beside a key that is here: the list and who was gone. False when a box is out of reach. */
  complete(audience: AudienceId, key: KeyId): Promise<boolean>
  /** Answers a member: per key, sealed to it, or null where it is not entitled or the key is not here. */
  answer(peer: NodeId, wanted: readonly WantedKey[]): Promise<(Uint8Array | null)[]>
  /** All audience keys that a newcomer is entitled to, sealed to its X25519 key, for `register`. */
  grantsFor(receiver: { branch: BranchId; sealing: Uint8Array }): Promise<Uint8Array>
  /** Keeps the keys that fit their commitment. @returns how many @throws {SealBrokenError} @throws {DecodeError} */
  takeGrants(blob: Uint8Array): Promise<number>
  /** This node stands otherwise than when it was refused: everybody may be asked again. */
  forgetRefusals(): void
  /** A key arrived; the return value unsubscribes. */
  onKey(listener: (audience: AudienceId, key: KeyId) => void): () => void
  /** Ends what is under way; resolves when nothing of it touches the database any more. */
  stop(): Promise<void>
}

interface Ask {
  readonly audience: AudienceId
  readonly key: KeyId
  readonly settle: (found: boolean) => void
}

export function createGrants(init: GrantsInit): Grants {
  const { network, self, sealing, clock, host, reads, keyring, boxes } = init
  const listeners = new Set<(audience: AudienceId, key: KeyId) => void>()
  const searches = new Map<string, Promise<boolean>>()
  /** Grants boxes that were looked through in vain: a box never changes. */
  const noSlot = new Set<BoxHash>()
  /** a new one whenever all are forgotten, so that an answer to an earlier question is not remembered */
  let refusals = new Map<string, { until: number; wait: number }>()
  const stopped = new AbortController()
  const completing = new Set<Promise<boolean>>()
  let asks: Ask[] = []
  let asking = false

  function has(audience: AudienceId, key: KeyId): boolean {
    const held = keyring.audienceKey(audience, key)
    held?.secret.fill(0)
    return held !== null
  }

  function keep(audience: AudienceId, key: KeyId, secret: Uint8Array): boolean {
    const known = stopped.signal.aborted || has(audience, key)
    const kept = !stopped.signal.aborted && keyring.putAudienceKey(audience, key, secret)
    secret.fill(0)
    if (kept && !known) for (const listener of listeners) listener(audience, key)
    return kept
  }

  function keyRow(audience: AudienceId, key: KeyId) {
    return reads.audience(audience)?.keys.find((row) => row.key === key)
  }

  async function box(audience: AudienceId, author: NodeId, hash: BoxHash): Promise<Uint8Array | null> {
    const here = boxes.local(hash)
    if (here !== null) return here
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(BOX_TIMEOUT_MS)])
    return await boxes.get(hash, init.sources({ audience, author }), { signal }).catch(() => null)
  }

  async function fromSlot(audience: AudienceId, key: KeyId): Promise<boolean> {
    const row = keyRow(audience, key)
    if (row === undefined || noSlot.has(row.grants)) return false
    const bytes = await box(audience, row.author, row.grants)
    if (bytes === null || stopped.signal.aborted) return false
    try {
      const { from, slots } = decodeGrants(bytes)
      const own = grantSlot(network, sealing, from, audience, key)
      const slot = slots.find(([name]) => equalBytes(name, own))
      if (slot === undefined) {
        if (noSlot.size >= NO_SLOT_MAX) noSlot.clear()
        noSlot.add(row.grants)
        return false
      }
      return keep(audience, key, await openSealedTo(network, sealing, grantContext(audience, key), slot[1]))
    } catch {
      return false // a box that its writer made wrongly; a reader can still give the key
    }
  }

  function ask(audience: AudienceId, key: KeyId): Promise<boolean> {
    return new Promise((settle) => {
      asks.push({ audience, key, settle })
      if (asking) return
      asking = true
      // one turn later, so that what is wanted together is asked for together
      queueMicrotask(() => void askAll())
    })
  }

  /** Settles every question, whatever goes wrong. */
  async function askAll(): Promise<void> {
    while (asks.length > 0) {
      const batch = asks.slice(0, ASK_MAX)
      asks = asks.slice(ASK_MAX)
      if (!stopped.signal.aborted) await askRound(batch).catch(() => undefined)
      for (const each of batch) each.settle(isFound(each))
    }
    asking = false
  }

  function isFound({ audience, key }: Ask): boolean {
    try {
      return !stopped.signal.aborted && has(audience, key)
    } catch {
      return false // the database cannot be read: whoever waits for the key goes on seeking it
    }
  }

  async function askRound(batch: readonly Ask[]): Promise<void> {
    const tried = new Set<NodeId>([self])
    let left = PEERS_PER_ROUND
    // whoever connects meanwhile is asked too: what it causes by connecting joins this search
    for (let peer = untried(tried); peer !== undefined; peer = untried(tried)) {
      tried.add(peer)
      if (left === 0 || stopped.signal.aborted) return
      const open = batch.filter(({ audience, key }) => !has(audience, key))
      if (open.length === 0) return
      const now = clock.now()
      const wanted = open.filter(({ key }) => (refusals.get(`${key}/${peer}`)?.until ?? 0) <= now)
      if (wanted.length === 0) continue
      left -= 1
      const noted = refusals
      const grants = await request(peer, wanted)
      for (const [i, { audience, key }] of wanted.entries()) {
        const sealed = grants?.[i] ?? null
        if (sealed !== null && (await take(audience, key, sealed))) continue
        refused(noted, key, peer)
        if (sealed !== null && !stopped.signal.aborted) init.onFalse?.(peer, 'key')
      }
    }
  }

  function untried(tried: ReadonlySet<NodeId>): NodeId | undefined {
    const { members } = reads.membership()
    const connected = new Set(host.connections().map(({ peer }) => peer))
    const others = [...connected].filter((peer) => !tried.has(peer) && members.get(peer)?.state === 'member')
    return others.length === 0 ? undefined : others[init.random.below(others.length)]
  }

  async function request(peer: NodeId, wanted: readonly Ask[]): Promise<(Uint8Array | null)[] | null> {
    const ask = wanted.map(({ audience, key }): WantedKey => [idBytes(audience), idBytes(key)])
    try {
      const answer = await askKeys(host, peer, { ask }, { timeoutMs: ASK_TIMEOUT_MS, signal: stopped.signal })
      return 'grants' in answer ? answer.grants : null
    } catch {
      return null // out of reach or not sensible: another reader is asked
    }
  }

  async function take(audience: AudienceId, key: KeyId, sealed: Uint8Array): Promise<boolean> {
    try {
      return keep(audience, key, await openSealedTo(network, sealing, grantContext(audience, key), sealed))
    } catch {
      return false
    }
  }

  function refused(noted: typeof refusals, key: KeyId, peer: NodeId): void {
    const name = `${key}/${peer}`
    const wait = Math.min((noted.get(name)?.wait ?? BACKOFF_MS / 2) * 2, BACKOFF_MAX_MS)
    if (noted.size >= REFUSALS_MAX) noted.clear()
    noted.set(name, { until: clock.now() + wait, wait })
  }

  async function search(audience: AudienceId, key: KeyId, mayAsk: boolean): Promise<boolean> {
    if (keyRow(audience, key) === undefined) return false
    const found = (await fromSlot(audience, key)) || (mayAsk && !stopped.signal.aborted && (await ask(audience, key)))
    if (found && !stopped.signal.aborted) await complete(audience, key)
    return found
  }

  async function complete(audience: AudienceId, key: KeyId): Promise<boolean> {
    const row = keyRow(audience, key)
    const held = keyring.audienceKey(audience, key)
    if (row === undefined || held === null) return false
    try {
      const gone = held.gone ?? (await readGone(held, row.author, row.grants))
      const list =
        audience === EVERYONE
          ? EVERYONE_LIST
          : (held.list ?? (row.list === null ? null : await readList(held, row.author, row.list)))
      if (stopped.signal.aborted) return false
      keyring.note(audience, key, { ...(gone === null ? {} : { gone }), ...(list === null ? {} : { list }) })
      return gone !== null && list !== null
    } finally {
      held.secret.fill(0)
    }
  }

  async function readGone(held: HeldAudienceKey, author: NodeId, hash: BoxHash): Promise<NodeId[] | null> {
    const bytes = await box(held.audience, author, hash)
    if (bytes === null) return null
    try {
      return openGone(network, held.audience, held.secret, decodeGrants(bytes).gone)
    } catch {
      return [] // nobody counts as left out
    }
  }

  async function readList(held: HeldAudienceKey, author: NodeId, hash: BoxHash): Promise<AudienceList | null> {
    const bytes = await box(held.audience, author, hash)
    if (bytes === null) return null
    try {
      return openList(network, held.audience, held.secret, bytes)
    } catch {
      return null
    }
  }

  function listOf(held: HeldAudienceKey): AudienceList | null {
    return held.audience === EVERYONE ? EVERYONE_LIST : held.list
  }

  return {
    acquire(audience, key, options = {}) {
      if (has(audience, key)) return Promise.resolve(true)
      const name = `${audience}/${key}/${options.ask ?? true}`
      const running = searches.get(name)
      if (running !== undefined) return running
      if (stopped.signal.aborted) return Promise.resolve(false)
      const started = search(audience, key, options.ask ?? true)
        .catch(() => false)
        .finally(() => searches.delete(name))
      searches.set(name, started)
      return started
    },
    complete(audience, key) {
      if (stopped.signal.aborted) return Promise.resolve(false)
      const running = complete(audience, key).finally(() => completing.delete(running))
      completing.add(running)
      return running
    },
    async answer(peer, wanted) {
      const grants: (Uint8Array | null)[] = []
      await inTurns(wanted, async ([audienceBytes, keyBytes]) => {
        const member = reads.membership().members.get(peer) // who may have gone a turn ago
        const audience = idFrom<AudienceId>(audienceBytes)
        const key = idFrom<KeyId>(keyBytes)
        const held = member?.state === 'member' ? keyring.audienceKey(audience, key) : null
        const list = held === null ? null : listOf(held)
        const may = member !== undefined && held !== null && list !== null && entitled(list, member.branch)
        grants.push(may ? await sealTo(network, member.sealing, grantContext(audience, key), held.secret) : null)
        held?.secret.fill(0)
      })
      return grants
    },
    async grantsFor({ branch, sealing: receiver }) {
      const keys: Uint8Array[][] = []
      await inTurns(keyring.audienceKeys(), async (held) => {
        const list = listOf(held)
        const may = list !== null && keys.length < HANDED_MAX && entitled(list, branch)
        if (may) keys.push([idBytes(held.audience), idBytes(held.key), held.secret])
        else held.secret.fill(0)
      })
      const plain = encodeCbor({ keys })
      try {
        return await sealTo(network, receiver, HANDED_CONTEXT, plain)
      } finally {
        plain.fill(0)
        for (const [, , secret] of keys) secret?.fill(0)
      }
    },
    async takeGrants(blob) {
      if (blob.length === 0) return 0
      const plain = await openSealedTo(network, sealing, HANDED_CONTEXT, blob.subarray(0, HANDED_BYTES_MAX))
      const { keys } = handed(decodeCbor(plain, HANDED_BYTES_MAX))
      let taken = 0
      for (const [audience, key, secret] of keys) {
        if (keep(idFrom<AudienceId>(audience), idFrom<KeyId>(key), secret)) taken += 1
      }
      plain.fill(0)
      return taken
    },
    forgetRefusals() {
      refusals = new Map()
    },
    onKey(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async stop() {
      stopped.abort()
      await Promise.allSettled([...searches.values(), ...completing])
    },
  }
}

const handed = shape.object({
  keys: shape.array(shape.tuple(shape.bytes(16), shape.bytes(16), shape.bytes(32)), HANDED_MAX),
})
