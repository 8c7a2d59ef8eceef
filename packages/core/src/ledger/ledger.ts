/**
 * The ledger of one node: its own feed, the entries of all, and the one transaction in which an entry is stored and
 * executed. Who owns what: the store owns the tables and what is in memory of them; `own-feed` which feed we write to;
 * `ingest` what waits. All calls are synchronous, so nothing interleaves inside a transaction.
 */
import type { Clock } from '../clock.ts'
import type { CborValue } from '../codec/index.ts'
import type { SigningKey } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import {
  type EntryId,
  type FeedId,
  feedIdFrom,
  fromHex,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
} from '../ids.ts'
import type { Skew, Twin } from '../network/index.ts'
import type { Random } from '../random.ts'
import { checkEntries } from './check.ts'
import { CLOCK_TOLERANCE_MS, createHybridClock, type Timestamp } from './clock.ts'
import type { CloseWitness } from './close-witness.ts'
import { FOUND, makeEntry, SEEN_MAX } from './entry.ts'
import {
  BuildsOnFutureError,
  ClockSkewError,
  LedgerTakenError,
  NotInNetworkError,
  RunningTwiceError,
} from './errors.ts'
import { createIngest, type IngestResult } from './ingest.ts'
import { frontier } from './order.ts'
import { createOwnFeed, type FeedWitnesses, type LocalSettings, type OwnFeedState } from './own-feed.ts'
import { createStore, type LedgerStore, type StoredEntry } from './store.ts'
import type { ShortId } from './sync-frames.ts'
import type { Apply, Entry, EntryStore, Head, KindInfo, SignedBytes } from './types.ts'

/** How entries came: written here, pushed by a peer as they were written, or fetched (or released) later. */
export type Origin = 'own' | 'live' | 'catch-up'

export interface EntriesEvent {
  readonly entries: readonly Entry[]
  readonly origin: Origin
  /** who sent them; null when nobody did */
  readonly from: NodeId | null
}

export interface LedgerInit {
  db: Database
  local: LocalSettings
  /** the network that was joined; what is stored goes before */
  network: NetworkId | null
  signer: SigningKey
  clock: Clock
  random: Random
  kinds: (kind: string) => KindInfo | undefined
  /** executes entries, inside the transaction that stores them */
  apply: Apply
  /** null while nobody can tell */
  skew: () => Skew | null
  /** another process with our identity; null when none is known */
  twin: () => Twin | null
  /** what a copy of the folder does not carry */
  closeWitness: CloseWitness
  /** who can confirm our feed */
  witnesses: FeedWitnesses
  /** Throws when this node must not write for a reason that lies outside of the ledger. */
  assertMayWrite?: () => void
  /** what went wrong without anybody waiting for it: for the log */
  onProblem?: (error: unknown) => void
}

export interface AppendOptions {
  /** the recovery key: the entry then outranks everyone */
  cosignWith?: SigningKey
}

/** What the spreading of entries needs besides; not for other rooms. */
export interface SyncView {
  headsHash(): Uint8Array
  buckets(): Uint8Array
  headsIn(bucket: number): Iterable<Head>
  /** True for an entry that is stored or held. */
  knows(head: Head): boolean
  /** True for an entry that is stored. */
  hasShort(id: ShortId): boolean
  reach(feed: FeedId): number
  arrivalsAfter(feed: FeedId, seq: number): number[]
  byArrival(arrival: number): SignedBytes | undefined
  unconfirmedOwn(): Head | null
}

export interface Ledger extends EntryStore {
  readonly self: NodeId
  readonly sync: SyncView
  network(): NetworkId | null
  founding(): Entry | undefined
  /**
   * Writes the first entry; its id is the network's.
   * @throws {LedgerTakenError} when this ledger belongs to a network
   */
  found(body: CborValue): NetworkId
  /** From now on this is the ledger of that network, whose entries come by `ingest`. @throws {LedgerTakenError} */
  join(network: NetworkId): void
  /**
   * Signs, stores and executes an entry; joins the transaction of the caller, if there is one.
   * @throws {NotInNetworkError} @throws {ClockSkewError} @throws {RunningTwiceError} @throws {BuildsOnFutureError}
   * @throws {EntryTooLargeError}
   */
  append(kind: string, body: CborValue, options?: AppendOptions): Entry
  /** Takes entries from a peer. Never throws for what they are. @throws {NotInNetworkError} */
  ingest(entries: readonly SignedBytes[], from?: { peer: NodeId; live: boolean }): IngestResult
  heads(): Head[]
  after(feed: FeedId, seq: number, limit: number): Entry[]
  /** Entries by arrival, which counts up by one from 1. */
  page(after: number, limit: number): StoredEntry[]
  /** The entry with this arrival number. */
  entryAt(arrival: number): Entry | undefined
  /** Of these subjects those, as hex, that an entry which arrived no later was about. */
  subjectsBefore(subjects: readonly Uint8Array[], arrival: number): Set<string>
  /** Entries that are ahead of our time, outside of everything else. */
  held(): Entry[]
  /** Number of entries that wait for a later one of their feed to vouch for them. */
  waiting(): number
  /** Looks anew at entries of kinds that were unknown when they were stored. Inside `db.write`. */
  reclassify(): void
  /** Whether the stored entries are what their authors signed. @returns what is wrong, in words */
  check(pause: () => Promise<void>): Promise<string[]>
  /** After the commit. @returns the way to end it */
  onEntries(listener: (event: EntriesEvent) => void): () => void
  /** A peer ends our feed at this entry; when a majority does, the feed is continued. */
  confirmOwnFeed(head: Head, peer: NodeId): void
  /** How it stands with our own feed, for the operator. */
  ownFeed(): OwnFeedState
  /** Leaves the mark of an orderly close. Before the databases are closed; the ledger is not to be used afterwards. */
  close(): void
}

/**
 * What a new control entry names. Where there are too many ends its author's own come first: nobody may seem not to know
 * what it has written itself.
 */
function seenNow(control: readonly Entry[], self: NodeId): EntryId[] {
  const ends = frontier(control)
  if (ends.length <= SEEN_MAX) return ends
  const own = new Set(control.filter(({ author }) => author === self).map(({ id }) => id))
  const ordered = [...ends.filter((id) => own.has(id)), ...ends.filter((id) => !own.has(id))]
  return ordered.slice(0, SEEN_MAX).sort()
}

/**
 * The latest time of each feed. Where that is ahead of everybody's clock, its entries before may be not: what we write must
 * come after those all the same.
 */
function* latestTimes(store: LedgerStore, limit: number): Generator<Timestamp> {
  for (const tip of store.heads.all()) {
    yield tip
    if (tip.ms <= limit) continue
    // clocks rise along a feed: the first place of which nothing lies within the limit is looked for by halves
    let [within, beyond] = [-1, tip.seq]
    while (beyond - within > 1) {
      const middle = (within + beyond) >> 1
      if (store.at(tip.feed, middle).some(({ ms }) => ms <= limit)) within = middle
      else beyond = middle
    }
    if (within >= 0) yield* store.at(tip.feed, within).filter(({ ms }) => ms <= limit)
  }
}

export function createLedger(init: LedgerInit): Ledger {
  const { db, clock, signer } = init
  const store = createStore(db, init.kinds)
  if (init.network !== null && store.network() === null) store.setNetwork(init.network)
  const self = nodeIdFromPublicKey(signer.publicKey)
  const hybrid = createHybridClock(clock, (limit) => latestTimes(store, limit))
  const own = createOwnFeed({ ...init, publicKey: signer.publicKey, heads: store.heads })
  const listeners = new Set<(event: EntriesEvent) => void>()
  const isControl = (kind: string) => kind === FOUND || init.kinds(kind)?.isControl === true

  /** Stored entries take effect and, once that is true, are told. */
  function execute(entries: readonly Entry[], origin: Origin, from: NodeId | null): void {
    for (const entry of entries) {
      hybrid.observe(entry)
      if (origin !== 'own' && entry.author === self) own.regained(entry.feed, from !== null)
    }
    init.apply(entries)
    db.afterCommit(() => {
      for (const listener of listeners) listener({ entries, origin, from })
    })
  }

  const ingest = createIngest({
    db,
    store,
    clock,
    isControl,
    onProblem: init.onProblem,
    execute: (entries, { peer, live }) => execute(entries, live ? 'live' : 'catch-up', peer),
  })

  function write(draft: () => Entry): Entry {
    return db.write(() => {
      db.afterRollback(() => store.reload())
      const entry = draft()
      store.insert(entry)
      store.flush()
      execute([entry], 'own', null)
      return entry
    })
  }

  function assertClock(): void {
    const skew = init.skew()
    if (skew !== null && skew.witnesses > 0 && Math.abs(skew.ms) > CLOCK_TOLERANCE_MS) {
      throw new ClockSkewError(skew.ms, skew.witnesses)
    }
  }

  /** Who names what is ahead of time is held by everybody until then: such entries count as not seen. Decision 0015. */
  function controlOfNow(): readonly Entry[] {
    if (!hybrid.seesFuture()) return store.control()
    const limit = clock.now() + CLOCK_TOLERANCE_MS
    return store.control().filter(({ ms }) => ms <= limit)
  }

  function assertBuildsOnPast(kind: string, body: CborValue): void {
    if (!hybrid.seesFuture()) return
    const subject = init.kinds(kind)?.subject(body, signer.publicKey) ?? null
    const latest = subject === null ? null : store.latestAbout(subject)
    if (latest !== null && latest > clock.now() + CLOCK_TOLERANCE_MS) throw new BuildsOnFutureError(latest)
  }

  /** The earlier one stays; to the other it is told when it connects, mostly before it has written anything. */
  function assertSole(): void {
    const twin = init.twin()
    if (twin?.weAreLater === true) throw new RunningTwiceError(twin)
  }

  return {
    self,
    network: () => store.network(),
    get: (id) => store.get(id),
    control: () => store.control(),
    bySubject: (subject) => store.bySubject(subject),
    arrivalsAbout: (subject) => store.arrivalsAbout(subject),
    subjectsOf: (author) => store.subjectsOf(author),
    count: () => store.count(),
    forked: () => store.forked(),
    forkOf: (feed) => store.forkOf(feed),
    setVerdict: (id, refusal) => store.setVerdict(id, refusal),
    after: (feed, seq, limit) => store.after(feed, seq, limit),
    page: (after, limit) => store.page(after, limit),
    founding: () => store.control()[0],
    found(body) {
      const taken = store.network()
      if (taken !== null) throw new LedgerTakenError(taken)
      const incarnation = init.random.bytes(16)
      const draft = { network: null, incarnation, seq: 0, prev: null, kind: FOUND, seen: [], body }
      const entry = write(() => makeEntry({ ...draft, ...hybrid.next() }, signer))
      own.open(feedIdFrom(signer.publicKey, incarnation))
      return entry.id as string as NetworkId
    },
    join(network) {
      const taken = store.network()
      if (taken !== null && taken !== network) throw new LedgerTakenError(taken)
      if (taken === null) store.setNetwork(network)
    },
    append(kind, body, options = {}) {
      init.assertMayWrite?.()
      assertClock()
      assertSole()
      return write(() => {
        const network = store.network()
        if (network === null || kind === FOUND || !store.knowsAuthor(self)) throw new NotInNetworkError()
        assertBuildsOnPast(kind, body)
        const seen = isControl(kind) ? seenNow(controlOfNow(), self) : []
        const { incarnation, seq, prev } = own.place()
        return makeEntry(
          { network, incarnation, seq, prev, ...hybrid.next(), kind, seen, body },
          signer,
          options.cosignWith,
        )
      })
    },
    ingest: (entries, from) => ingest.ingest(entries, from ?? { peer: null, live: false }),
    heads: () => [...store.heads.all()].map(({ feed, seq, id }) => ({ feed, seq, id })),
    entryAt: (arrival) => store.entryAt(arrival),
    subjectsBefore: (subjects, arrival) => store.subjectsBefore(subjects, arrival),
    held: () => ingest.held(),
    waiting: () => ingest.waiting(),
    reclassify: () => store.reclassify(),
    async check(pause) {
      const network = store.network()
      if (network === null) return []
      return checkEntries({ db, network, recovery: store.recovery(), kinds: init.kinds, pause })
    },
    onEntries(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    confirmOwnFeed: (head, peer) => own.confirm(head, peer),
    ownFeed: () => own.state(),
    close() {
      ingest.stop()
      own.close()
    },
    sync: {
      headsHash: () => store.heads.hash(),
      buckets: () => store.heads.buckets(),
      headsIn: (bucket) => store.heads.inBucket(bucket),
      knows: (head) => ingest.isHeld(head.id) || store.has(head),
      hasShort: (id) => store.hasPrefix(fromHex(id)),
      reach: (feed) => ingest.reach(feed),
      arrivalsAfter: (feed, seq) => store.arrivalsAfter(feed, seq),
      byArrival: (arrival) => store.byArrival(arrival),
      unconfirmedOwn: () => own.unconfirmed(),
    },
  }
}
