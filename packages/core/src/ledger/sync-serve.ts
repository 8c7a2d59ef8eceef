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

/**
 * In order of our arrival: whatever an entry needs (its predecessor, its author's admission) arrived before it here, so
 * it does there. Eight bytes of memory per entry, the entries themselves one by one.
 */
function* wanted(view: SyncView, ranges: readonly Range[]): Generator<SignedBytes> {
  const arrivals: number[] = []
  for (const { feed, after } of ranges) for (const arrival of view.arrivalsAfter(feed, after)) arrivals.push(arrival)
  let last = 0
  for (const arrival of Float64Array.from(arrivals).sort()) {
    if (arrival === last) continue // asked for twice
    last = arrival
    const entry = view.byArrival(arrival)
    if (entry !== undefined) yield entry
  }
}
