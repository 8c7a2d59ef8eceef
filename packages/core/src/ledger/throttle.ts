/**
 * Live entries of one author: a token bucket each. Nothing is dropped; whoever brings too many is made to wait, by not
 * being read from. Fetching is not limited.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'

/** DESIGN: 100 entries per second and author. */
export const LIVE_PER_SECOND = 100
/** An upload of a folder comes at once. */
export const LIVE_BURST = 200
const AUTHORS_MAX = 20_000

/** @returns milliseconds to wait before reading on, 0 when all authors are within their rate */
export function createThrottle(clock: Clock): (entries: readonly { readonly author: NodeId }[]) => number {
  const buckets = new Map<NodeId, { tokens: number; at: number }>()
  return (entries) => {
    const now = clock.now()
    let lowest = 0
    for (const { author } of entries) {
      const bucket = buckets.get(author) ?? { tokens: LIVE_BURST, at: now }
      const refill = (Math.max(0, now - bucket.at) / 1000) * LIVE_PER_SECOND
      const tokens = Math.min(LIVE_BURST, bucket.tokens + refill) - 1
      if (buckets.size >= AUTHORS_MAX) buckets.clear()
      buckets.set(author, { tokens, at: now })
      lowest = Math.min(lowest, tokens)
    }
    return lowest < 0 ? Math.ceil((-lowest / LIVE_PER_SECOND) * 1000) : 0
  }
}
