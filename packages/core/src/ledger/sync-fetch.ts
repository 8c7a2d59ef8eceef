/** The asking side of a fetch: compares heads with one peer and brings what it has more. */
import { setImmediate } from 'node:timers/promises'

import type { Clock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import type { FeedId, NodeId } from '../ids.ts'
import type { FrameStream, Host, Wait } from '../network/index.ts'
import { bucketOf } from './heads.ts'
import type { IngestResult } from './ingest.ts'
import type { Ledger } from './ledger.ts'
import { createSlices } from './slices.ts'
import {
  decodeSyncFrame,
  encodeSyncFrame,
  FRAME_MAX_BYTES,
  type Range,
  type SyncFrame,
  WANT_MAX,
} from './sync-frames.ts'
import { FRAME_TIMEOUT_MS } from './sync-serve.ts'
import type { Head } from './types.ts'

/** Heads taken from one peer in one fetch: 10,000 members with twenty feeds each. */
const HEADS_MAX = 200_000
/** Where a branch left a feed that we have is searched backwards in steps that grow by this factor. */
const FORK_STEP = 16
/** A feed is not fetched from two peers at once, unless the first has had this long for it. */
const CLAIM_MS = 5000
/** and so much more for each entry that it has brought */
const ENTRY_MS = 10
/** Entries of no use that a fetch may bring beyond what a search for a fork explains. */
const USELESS_MAX = 10_000

/** Which feeds are being fetched, so that 70 peers do not bring the same. */
export class Claims {
  readonly #clock: Clock
  readonly #taken = new Map<FeedId, Lease>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  lease(): Lease {
    return { since: this.#clock.now(), stored: 0 }
  }

  take(feed: FeedId, lease: Lease): boolean {
    const other = this.#taken.get(feed)
    const now = this.#clock.now()
    const isOpen = other === undefined || now < other.since || now >= other.since + CLAIM_MS + other.stored * ENTRY_MS
    if (isOpen) this.#taken.set(feed, lease)
    return isOpen
  }

  release(feed: FeedId, lease: Lease): void {
    if (this.#taken.get(feed) === lease) this.#taken.delete(feed)
  }
}

/** One fetch's hold on the feeds that it brings. */
export interface Lease {
  readonly since: number
  /** entries that it has brought: who delivers keeps its hold */
  stored: number
}

export interface FetchInit {
  ledger: Ledger
  host: Host
  clock: Clock
  claims: Claims
  /** dial when there is no connection @default false */
  mayDial?: boolean
  /** told after each slice: entries that are still to come */
  onLeft?: (entries: number) => void
}

interface Tally {
  stored: number
  useless: number
  /** of the feeds that this fetch brings, as the peer's heads say */
  expected: number
  readonly lease: Lease
}

/** Where the common part of a forked feed is looked for. */
interface Search {
  readonly after: number
  readonly step: number
}

export interface FetchResult {
  stored: number
  /** what the peer has is here now, or held, or on its way from another peer */
  complete: boolean
}

/**
 * @throws {DecodeError} when the peer breaks the protocol
 * @throws {UnreachableError} @throws {TimeoutError}
 */
export async function fetchFrom(init: FetchInit, peer: NodeId, signal: AbortSignal): Promise<FetchResult> {
  const { ledger, host, claims } = init
  const wait: Wait = { signal, timeoutMs: FRAME_TIMEOUT_MS }
  const connectedOnly = init.mayDial !== true
  const stream = await host.open(peer, 'ledger', { ...wait, maxFrameBytes: FRAME_MAX_BYTES, connectedOnly })
  const claimed = new Set<FeedId>()
  const lease = claims.lease()
  try {
    const own = ledger.sync.unconfirmedOwn()
    await stream.write(encodeSyncFrame({ type: 'ask', buckets: ledger.sync.buckets() }), wait)
    const { differs, heads } = await readHeads(stream, wait)
    if (own !== null && hasOwn(own, differs, heads)) ledger.confirmOwnFeed(own, peer)

    const tally: Tally = { stored: 0, useless: 0, expected: 0, lease }
    const searches = new Map<FeedId, Search>()
    const claim = (feed: FeedId) => {
      if (claimed.has(feed)) return true
      if (!claims.take(feed, lease)) return false
      claimed.add(feed)
      return true
    }
    let lacking = heads.filter((head) => !ledger.sync.knows(head))
    let progressed = false
    for (let first = 0; lacking.length > 0; ) {
      const ranges = rangesFor(ledger, lacking, searches, claim)
      // more feeds than one frame names: the next round goes on after them, since the first may need the others
      const part = ranges.slice(first, first + WANT_MAX)
      if (part.length > 0) {
        const before = tally.stored
        tally.expected = Math.max(tally.expected, tally.stored + entriesIn(ledger, lacking, claimed))
        await stream.write(encodeSyncFrame({ type: 'want', ranges: part }), wait)
        const missing = await readEntries(init, stream, wait, tally)
        if (stepBack(part, missing, searches) || tally.stored > before) progressed = true
      }
      lacking = lacking.filter((head) => !ledger.sync.knows(head))
      first += WANT_MAX
      if (first < ranges.length) continue
      if (!progressed) break
      first = 0
      progressed = false
    }
    await stream.close()
    const complete = lacking.every((head) => ledger.sync.knows(head) || !claimed.has(head.feed))
    return { stored: tally.stored, complete }
  } catch (error) {
    stream.abort(error instanceof Error ? error : undefined)
    throw error
  } finally {
    for (const feed of claimed) claims.release(feed, lease)
  }
}

async function readHeads(stream: FrameStream, wait: Wait): Promise<{ differs: Uint8Array; heads: Head[] }> {
  const heads: Head[] = []
  for (;;) {
    const frame = await readFrame(stream, wait)
    if (frame.type !== 'heads') throw new DecodeError(`a ${frame.type} frame where heads are expected`)
    if (heads.length + frame.heads.length > HEADS_MAX) throw new DecodeError(`more than ${HEADS_MAX} heads`)
    heads.push(...frame.heads)
    if (!frame.more) return { differs: frame.differs, heads }
    if (frame.heads.length === 0) throw new DecodeError('an empty frame of heads that announces more')
  }
}

/** @returns feeds of which an entry came whose predecessor is not here */
async function readEntries(init: FetchInit, stream: FrameStream, wait: Wait, tally: Tally): Promise<Set<FeedId>> {
  const { ledger, onLeft } = init
  const missing = new Set<FeedId>()
  const slices = createSlices()
  for (;;) {
    const frame = await readFrame(stream, wait)
    if (frame.type === 'done') return missing
    if (frame.type !== 'entries' || frame.entries.length === 0) {
      throw new DecodeError(`a ${frame.type} frame where entries are expected`)
    }
    for (const slice of slices.of(frame.entries)) {
      // without a break what has arrived already would be stored without letting anybody else have a turn
      await setImmediate()
      wait.signal?.throwIfAborted()
      const began = performance.now()
      const result = ledger.ingest(slice, { peer: stream.peer, live: false })
      slices.took(slice.length, performance.now() - began)
      blame(result)
      tally.stored += result.stored
      tally.lease.stored += result.stored
      onLeft?.(Math.max(0, tally.expected - tally.stored))
      tally.useless += slice.length - result.stored
      // the search for a fork repeats less than twice what we have; a peer that sends more wastes our time
      if (tally.useless > 2 * ledger.count() + USELESS_MAX) throw new DecodeError('too many entries that are of no use')
      for (const feed of result.missing) missing.add(feed)
    }
  }
}

async function readFrame(stream: FrameStream, wait: Wait): Promise<SyncFrame> {
  const bytes = await stream.read(wait)
  if (bytes === null) throw new DecodeError('the stream ended before the answer was complete')
  return decodeSyncFrame(bytes)
}

/** No honest node has, and so none sends, an entry that is malformed or of another network. @throws {DecodeError} */
export function blame(result: IngestResult): void {
  const fault = result.refused.find(({ code }) => code === 'malformed' || code === 'foreign')
  if (fault !== undefined) throw new DecodeError(`an entry that no node stores: ${fault.reason}`)
}

/** True when the peer's feed of ours ends at the same entry: it says so, or the whole bucket is equal. */
function hasOwn(own: Head, differs: Uint8Array, heads: readonly Head[]): boolean {
  const bucket = bucketOf(own.feed)
  if ((((differs[bucket >> 3] ?? 0) >> (bucket & 7)) & 1) === 0) return true
  const ends = heads.filter((head) => head.feed === own.feed)
  return ends.length === 1 && ends[0]?.seq === own.seq && ends[0].id === own.id
}

/** How many entries the peer has beyond ours, of the feeds that are brought from it. */
function entriesIn(ledger: Ledger, lacking: readonly Head[], claimed: ReadonlySet<FeedId>): number {
  let entries = 0
  for (const { feed, seq } of lacking) {
    if (claimed.has(feed)) entries += Math.max(0, seq - ledger.sync.reach(feed))
  }
  return entries
}

/** One range per feed of which the peer has an entry that we lack. */
function rangesFor(
  ledger: Ledger,
  lacking: readonly Head[],
  searches: ReadonlyMap<FeedId, Search>,
  claim: (feed: FeedId) => boolean,
): Range[] {
  const ranges = new Map<FeedId, number>()
  for (const { feed, seq } of lacking) {
    if (!ranges.has(feed) && !claim(feed)) continue
    // a head at or below ours that we do not know is the end of another branch
    const after = searches.get(feed)?.after ?? Math.min(ledger.sync.reach(feed), seq - 1)
    ranges.set(feed, Math.min(after, ranges.get(feed) ?? after))
  }
  return [...ranges].map(([feed, after]) => ({ feed, after }))
}

/** @returns true when there is a feed whose branch must be searched further back */
function stepBack(ranges: readonly Range[], missing: ReadonlySet<FeedId>, searches: Map<FeedId, Search>): boolean {
  let searching = false
  for (const { feed, after } of ranges) {
    if (!missing.has(feed) || after < 0) continue
    const step = (searches.get(feed)?.step ?? 1) * FORK_STEP
    searches.set(feed, { after: Math.max(-1, after - step), step })
    searching = true
  }
  return searching
}
