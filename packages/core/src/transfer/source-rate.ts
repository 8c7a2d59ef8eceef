/** What one source delivers, measured, and how many chunks it is therefore worth asking for at once. Pure. */

/** Chunks that any source is asked for at once, so that the next one is on its way while one arrives. */
export const MIN_WINDOW = 2
export const MAX_WINDOW = 32
/** A path slower than this (bytes per ms, 256 kbit/s) is as good as none: deadlines per chunk are reckoned with it. */
export const SLOWEST_PER_MS = 32
/** The rate is an average over about this much busy time (ms). */
const MEMORY_MS = 2000
/**
 * Asking for twice what fits on the way lets a rate that was measured too low rise, and bounds what queues at the
 * source otherwise (the congestion window gain of BBR, Cardwell et al., ACM Queue 14(5), 2016).
 */
const GAIN = 2
/** The usual delay is an average over about so many chunks. */
const USUAL_OVER = 4
/** The least delay is forgotten slowly, so that a path that became longer is noticed. */
const DELAY_DRIFT = 1.02

export class SourceRate {
  #bytes = 0
  #busyMs = 0
  #delayMs = Number.POSITIVE_INFINITY
  #usualMs: number | null = null
  #since: number | undefined

  /** Something was asked while nothing was on its way. */
  began(now: number): void {
    this.#since = now
  }

  /** @param askedAt when this chunk was asked for @param idleAfter nothing else is on its way */
  delivered(bytes: number, askedAt: number, now: number, idleAfter: boolean): void {
    const elapsed = Math.max(0, now - (this.#since ?? now))
    const kept = Math.exp(-elapsed / MEMORY_MS)
    this.#bytes = this.#bytes * kept + bytes
    this.#busyMs = this.#busyMs * kept + elapsed
    this.#since = idleAfter ? undefined : now
    const delay = Math.max(1, now - askedAt)
    this.#usualMs = this.#usualMs === null ? delay : this.#usualMs + (delay - this.#usualMs) / USUAL_OVER
    this.#delayMs = Math.min(delay, this.#delayMs * DELAY_DRIFT)
  }

  /** Bytes per millisecond while something is on its way; null before the first delivery. */
  get perMs(): number | null {
    return this.#bytes === 0 ? null : this.#bytes / Math.max(this.#busyMs, 0.5)
  }

  /** Least time from asking to having (ms); null before the first delivery. */
  get delayMs(): number | null {
    return this.#delayMs === Number.POSITIVE_INFINITY ? null : this.#delayMs
  }

  /** Time from asking to having as it mostly is of late, with what waits at the source (ms); null before the first delivery. */
  get usualMs(): number | null {
    return this.#usualMs
  }

  /** Bandwidth times delay, in chunks. @param limit upper bound, at most MAX_WINDOW */
  window(chunkBytes: number, limit: number = MAX_WINDOW): number {
    const rate = this.perMs
    const delay = this.delayMs
    if (rate === null || delay === null) return Math.min(MIN_WINDOW, limit)
    const wanted = Math.ceil((GAIN * rate * delay) / chunkBytes) + 1
    return Math.max(Math.min(MIN_WINDOW, limit), Math.min(wanted, limit, MAX_WINDOW))
  }
}

/** How much longer it will take (ms): as usual; once that is over, as long again as it is late. */
export function expectedMs(usual: number, age: number): number {
  return Math.max(usual - age, age - usual, usual / 4)
}
