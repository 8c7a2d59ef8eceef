/** The answering side of a fetch: our heads where they differ, then what is wanted, in the order in which we stored it. */
import { DecodeError } from '../codec/index.ts'
import type { FrameStream, Wait } from '../network/index.ts'
import { BUCKET_HASH_BYTES, BUCKETS } from './heads.ts'
import type { Ledger, SyncView } from './ledger.ts'
import { decodeSyncFrame, encodeSyncFrame, FRAME_HEADS, inFrames, type Range } from './sync-frames.ts'
import type { Head, SignedBytes } from './types.ts'

/** For one frame, also over a slow link that others use as well. */
export const FRAME_TIMEOUT_MS = 30_000

export async function serveFetch(
  ledger: Ledger,
  stream: FrameStream,
  theirs: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const wait: Wait = { signal, timeoutMs: FRAME_TIMEOUT_MS }
  const { differs, heads } = differing(ledger.sync, theirs)
  for (let at = 0; at === 0 || at < heads.length; at += FRAME_HEADS) {
    const more = at + FRAME_HEADS < heads.length
    await stream.write(
      encodeSyncFrame({ type: 'heads', differs, heads: heads.slice(at, at + FRAME_HEADS), more }),
      wait,
    )
  }
  for (let frame = await stream.read(wait); frame !== null; frame = await stream.read(wait)) {
    const want = decodeSyncFrame(frame)
    if (want.type !== 'want') throw new DecodeError(`a ${want.type} frame where ranges are expected`)
    for (const entries of inFrames(wanted(ledger.sync, want.ranges))) {
      await stream.write(encodeSyncFrame({ type: 'entries', entries }), wait)
    }
    await stream.write(encodeSyncFrame({ type: 'done' }), wait)
  }
  await stream.close()
}

function differing(view: SyncView, theirs: Uint8Array): { differs: Uint8Array; heads: Head[] } {
  const ours = view.buckets()
  const differs = new Uint8Array(BUCKETS / 8)
  const heads: Head[] = []
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const start = bucket * BUCKET_HASH_BYTES
    const end = start + BUCKET_HASH_BYTES
    if (Buffer.compare(ours.subarray(start, end), theirs.subarray(start, end)) === 0) continue
    differs[bucket >> 3] = (differs[bucket >> 3] ?? 0) | (1 << (bucket & 7))
    heads.push(...view.headsIn(bucket))
  }
  return { differs, heads }
}

/** Entries that are put in order of feeds at a time: what lies between them on disk fits the page cache. */
const WINDOW = 16_384

/**
 * What an entry needs (its predecessor, its author's admission) goes before it: that is so in order of our arrival, and
 * stays so when, within a window of it, feeds follow each other in the order of their first entries there. Such runs let
 * the asker check one signature for many entries. Twelve bytes of memory per entry, the entries themselves one by one.
 */
function* wanted(view: SyncView, ranges: readonly Range[]): Generator<SignedBytes> {
  const arrivals: number[] = []
  const feedOf: number[] = []
  for (const [feed, range] of ranges.entries()) {
    for (const arrival of view.arrivalsAfter(range.feed, range.after)) {
      arrivals.push(arrival)
      feedOf.push(feed)
    }
  }
  const order = Uint32Array.from(arrivals.keys()).sort((a, b) => (arrivals[a] ?? 0) - (arrivals[b] ?? 0))
  let last = 0
  for (let from = 0; from < order.length; from += WINDOW) {
    const runs = new Map<number, number[]>()
    for (const index of order.subarray(from, from + WINDOW)) {
      const [arrival = 0, feed = 0] = [arrivals[index], feedOf[index]]
      if (arrival === last) continue // asked for twice
      last = arrival
      const run = runs.get(feed)
      if (run === undefined) runs.set(feed, [arrival])
      else run.push(arrival)
    }
    for (const run of runs.values()) {
      for (const arrival of run) {
        const entry = view.byArrival(arrival)
        if (entry !== undefined) yield entry
      }
    }
  }
}
