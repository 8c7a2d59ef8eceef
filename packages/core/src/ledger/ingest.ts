/**
 * Entries from peers: checked, stored and executed. Spec: docs/specs/entry.md, "What is stored".
 * An entry is taken when its network, form, author, place in its feed and authenticity are right; whether it was
 * allowed is a matter of its execution. Every path accepts the same set.
 */
import type { Clock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { equalBytes } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import type { EntryId, FeedId, NetworkId, NodeId } from '../ids.ts'
import { CLOCK_TOLERANCE_MS, isLater } from './clock.ts'
import { decodeEntry, detached, FOUND, isCosigned, isSigned } from './entry.ts'
import { NotInNetworkError } from './errors.ts'
import type { LedgerStore } from './store.ts'
import type { Entry, SignedBytes } from './types.ts'
import { HELD_LIMITS, type PoolLimits, UNSIGNED_LIMITS, WaitingPool } from './waiting.ts'

/** One transaction. */
export const BATCH_MAX_ENTRIES = 1000
export const BATCH_MAX_BYTES = 4 * 1024 * 1024

/**
 * `malformed` and `foreign` say that the peer which sent it is faulty; `unknown-author`, `not-cosigned` and `clock`
 * that the entry can never be taken, or not before another one.
 */
export type RefusedCode = 'malformed' | 'foreign' | 'unknown-author' | 'not-cosigned' | 'clock'

export interface IngestResult {
  stored: number
  duplicates: number
  /** held until their time, or waiting for a later entry to vouch for them */
  waiting: number
  /** feeds of which an entry came whose predecessor is not here */
  missing: FeedId[]
  refused: { code: RefusedCode; id: EntryId | null; reason: string }[]
}

type Judgement = 'store' | 'hold' | 'missing' | { code: RefusedCode; reason: string }
const UNKNOWN_AUTHOR = { code: 'unknown-author', reason: 'no admission of its author is here' } as const

export interface Ingest {
  /** @throws nothing for what a peer sent; only what storing and `apply` throw */
  ingest(entries: readonly SignedBytes[], from: { peer: NodeId | null; live: boolean }): IngestResult
  held(): Entry[]
  isHeld(id: EntryId): boolean
  /** entries that nobody vouches for yet */
  waiting(): number
  /** Highest sequence number of a feed that is stored or held. */
  reach(feed: FeedId): number
  stop(): void
}

export interface IngestInit {
  db: Database
  store: LedgerStore
  clock: Clock
  isControl(kind: string): boolean
  /** Executes what was stored and tells it after the commit. Inside the transaction. */
  execute(entries: readonly Entry[], from: { peer: NodeId | null; live: boolean }): void
  unsignedLimits?: PoolLimits
  heldLimits?: PoolLimits
  /** entries whose time has come could not be stored */
  onProblem?: ((error: unknown) => void) | undefined
}

export function createIngest(init: IngestInit): Ingest {
  const { db, store, clock } = init
  const unsigned = new WaitingPool(init.unsignedLimits ?? UNSIGNED_LIMITS, 'drop-oldest')
  const held = new WaitingPool(init.heldLimits ?? HELD_LIMITS, 'refuse')
  let cancelRelease: (() => void) | undefined
  let stopped = false
  /** of what is being stored: an entry may come before the one ahead of time that it names */
  let early: ReadonlySet<EntryId> = new Set()
  /** Known by the founding entry (its id is the network's) also while that waits for somebody to vouch for it. */
  let founder: NodeId | undefined

  /** The stored entry that this one follows; undefined when there is none; null for the first of a feed. */
  function predecessor(entry: Entry) {
    if (entry.prev === null) return null
    return store.at(entry.feed, entry.seq - 1).find((link) => link.id === entry.prev)
  }

  /** Of these what is ahead of its time, and what follows or names that, in whatever order they came. */
  function earlyAmong(entries: readonly Entry[]): ReadonlySet<EntryId> {
    const limit = clock.now() + CLOCK_TOLERANCE_MS
    const found = new Set(entries.filter(({ ms }) => ms > limit).map(({ id }) => id))
    if (found.size === 0) return found
    const waitFor = new Map<EntryId, EntryId[]>()
    for (const { id, prev, seen } of entries) {
      for (const named of prev === null ? seen : [prev, ...seen]) {
        const known = waitFor.get(named)
        if (known === undefined) waitFor.set(named, [id])
        else known.push(id)
      }
    }
    // a set goes on to what is added while it is gone through
    for (const id of found) for (const waiting of waitFor.get(id) ?? []) found.add(waiting)
    return found
  }

  /** What becomes of one authentic entry whose predecessors have been dealt with. */
  function judge(entry: Entry): Judgement {
    if (entry.kind !== FOUND && !store.knowsAuthor(entry.author)) return UNKNOWN_AUTHOR
    const link = predecessor(entry)
    const ahead = entry.prev === null ? undefined : held.get(entry.prev)
    const follows = ahead !== undefined && ahead.feed === entry.feed && ahead.seq === entry.seq - 1 ? ahead : undefined
    if (link === undefined && follows === undefined) return 'missing'
    const last = link ?? follows
    if (last !== undefined && !isLater(entry, last)) {
      return { code: 'clock', reason: 'its clock is not later than that of its predecessor' }
    }
    const isAhead = entry.ms > clock.now() + CLOCK_TOLERANCE_MS
    if (isAhead || follows !== undefined || early.has(entry.id) || entry.seen.some((id) => held.has(id))) return 'hold'
    // the recovery key stands in the founding entry, which may have come in this very batch
    const network = store.network()
    if (network !== null && isCosigned(entry, network, store.recovery())) return 'store'
    return { code: 'not-cosigned', reason: 'no valid signature by the recovery key' }
  }

  /** Pools must not hold whole frames for the sake of one entry. */
  function kept(entry: Entry): Entry {
    const network = store.network()
    return network === null ? entry : detached(entry, network)
  }

  /** Inside `db.write`, predecessors first. */
  function accept(entry: Entry, accepted: Entry[], result: IngestResult): void {
    const judgement = judge(entry)
    if (judgement === 'store') {
      store.insert(entry)
      accepted.push(entry)
      result.stored += 1
    } else if (judgement === 'hold') {
      if (held.add(kept(entry))) result.waiting += 1
    } else if (judgement === 'missing') {
      if (!result.missing.includes(entry.feed)) result.missing.push(entry.feed)
    } else {
      result.refused.push({ ...judgement, id: entry.id })
    }
  }

  function write(entries: readonly Entry[], from: { peer: NodeId | null; live: boolean }, result: IngestResult): void {
    db.write(() => {
      db.afterRollback(() => store.reload())
      const accepted: Entry[] = []
      early = earlyAmong(entries)
      for (const entry of entries) accept(entry, accepted, result)
      store.flush()
      if (accepted.length > 0) init.execute(accepted, from)
    })
    scheduleRelease()
  }

  function ingestBatch(
    batch: readonly SignedBytes[],
    from: { peer: NodeId | null; live: boolean },
    result: IngestResult,
  ): void {
    const network = store.network()
    if (network === null) throw new NotInNetworkError()
    const candidates = new Map<EntryId, Entry>()
    for (const signed of batch) {
      let entry: Entry
      try {
        entry = decodeEntry(signed, network)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        result.refused.push({
          code: error.name === 'EntryForeignError' ? 'foreign' : 'malformed',
          id: null,
          reason: error.message,
        })
        continue
      }
      const copy = candidates.get(entry.id)
      if (copy !== undefined) candidates.set(entry.id, merged(copy, entry, network))
      if (copy !== undefined || held.has(entry.id) || store.has(entry)) result.duplicates += 1
      else candidates.set(entry.id, entry)
    }
    const vouched = authenticate(candidates, network)
    // what a later entry vouches for goes before it
    const ordered: Entry[] = []
    const unvouched: Entry[] = []
    const placed = new Set<EntryId>()
    for (const entry of candidates.values()) {
      const chain: Entry[] = []
      for (let at: Entry | undefined = entry; at !== undefined && !placed.has(at.id); at = before(at, candidates)) {
        placed.add(at.id)
        if (vouched.has(at.id)) chain.push(vouched.get(at.id) ?? at)
        else if (candidates.has(at.id)) unvouched.push(at)
      }
      ordered.push(...chain.reverse())
    }
    for (const entry of ordered) unsigned.delete(entry.id)
    if (ordered.length > 0) write(ordered, from, result)
    for (const entry of unvouched) wait(entry, result) // last, since their author may have been admitted just now
  }

  /** Signatures are outside of what the id covers: a copy with a wrong one must not hide the one that is right. */
  function merged(a: Entry, b: Entry, network: NetworkId): Entry {
    const sig = isSame(a.sig, b.sig) || isSigned(a, network) ? a.sig : b.sig
    const cosig = isSame(a.cosig, b.cosig) || isCosigned(a, network, store.recovery()) ? a.cosig : b.cosig
    return { ...a, sig, cosig }
  }

  /**
   * The entries that are authentic by their own signature or by that of a later one. Going backwards, one signature
   * per chain is checked; control entries also by themselves, since they are handed over alone at registering.
   */
  function authenticate(candidates: ReadonlyMap<EntryId, Entry>, network: NetworkId): Map<EntryId, Entry> {
    const authentic = new Map<EntryId, Entry>()
    for (const entry of [...candidates.values()].reverse()) {
      if (authentic.has(entry.id) || !isSigned(entry, network)) continue
      authentic.set(entry.id, entry)
      for (let at = before(entry, candidates); at !== undefined && !authentic.has(at.id); at = before(at, candidates)) {
        const mustBeTrue = at.sig !== null && init.isControl(at.kind)
        authentic.set(at.id, mustBeTrue && !isSigned(at, network) ? { ...at, sig: null } : at)
      }
    }
    return authentic
  }

  /** The predecessor if it came in this batch or waits; only a true one, else a signature would vouch for a stranger's entry. */
  function before(entry: Entry, candidates: ReadonlyMap<EntryId, Entry>): Entry | undefined {
    if (entry.prev === null) return undefined
    const previous = candidates.get(entry.prev) ?? unsigned.get(entry.prev)
    return previous !== undefined && previous.feed === entry.feed && previous.seq === entry.seq - 1
      ? previous
      : undefined
  }

  function wait(entry: Entry, result: IngestResult): void {
    if (entry.kind === FOUND) founder = entry.author
    if (entry.author !== founder && !store.knowsAuthor(entry.author)) {
      result.refused.push({ ...UNKNOWN_AUTHOR, id: entry.id })
      return
    }
    unsigned.add(kept(entry))
    result.waiting += 1
  }

  function scheduleRelease(): void {
    cancelRelease?.()
    cancelRelease = undefined
    if (stopped || held.size === 0) return
    const earliest = Math.min(...held.all().map((entry) => entry.ms))
    // at least a second, since an entry may wait for another one; at most a minute, since our clock may be set
    const delay = Math.min(60_000, Math.max(1000, earliest - CLOCK_TOLERANCE_MS - clock.now()))
    cancelRelease = clock.after(delay, release)
  }

  /** Tries again what is held, in the order in which it came, but for what is still ahead and what waits for that. */
  function release(): void {
    const all = held.all()
    const stillEarly = earlyAmong(all)
    const entries = all.filter(({ id }) => !stillEarly.has(id))
    for (const entry of entries) held.delete(entry.id)
    try {
      for (let at = 0; at < entries.length; at += BATCH_MAX_ENTRIES) {
        write(entries.slice(at, at + BATCH_MAX_ENTRIES), { peer: null, live: false }, emptyResult())
      }
    } catch (error) {
      // a fault of ours (disk full): nobody waits for this call
      init.onProblem?.(error)
      for (const entry of entries) if (!store.has(entry)) held.add(entry)
    }
    scheduleRelease()
  }

  return {
    ingest(entries, from) {
      const result = emptyResult()
      for (const batch of batches(entries)) ingestBatch(batch, from, result)
      return result
    },
    held: () => held.all(),
    isHeld: (id) => held.has(id),
    waiting: () => unsigned.size,
    reach: (feed) => Math.max(store.heads.highest(feed), held.highest(feed)),
    stop() {
      stopped = true
      cancelRelease?.()
    },
  }
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === b || (a !== null && b !== null && equalBytes(a, b))
}

function emptyResult(): IngestResult {
  return { stored: 0, duplicates: 0, waiting: 0, missing: [], refused: [] }
}

function* batches(entries: readonly SignedBytes[]): Generator<SignedBytes[]> {
  let batch: SignedBytes[] = []
  let bytes = 0
  for (const entry of entries) {
    if (batch.length > 0 && (batch.length >= BATCH_MAX_ENTRIES || bytes + entry.bytes.length > BATCH_MAX_BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(entry)
    bytes += entry.bytes.length
  }
  if (batch.length > 0) yield batch
}
