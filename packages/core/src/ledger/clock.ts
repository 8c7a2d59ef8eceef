/**
 * Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014): wall time where it may, a counter
 * where it must, so that what we write is later than all that we have seen.
 */
import type { Clock } from '../clock.ts'
import { COUNTER_MAX } from './entry.ts'

/** How far another's clock may be ahead before its entries are held, and ours off before we refuse to write. */
export const CLOCK_TOLERANCE_MS = 60_000

export interface Timestamp {
  readonly ms: number
  readonly counter: number
}

export interface HybridClock {
  /** The time of our next entry: later than every one observed that is not ahead of us by more than the tolerance. */
  next(): Timestamp
  observe(seen: Timestamp): void
  /** True when a time was observed that is more than the tolerance ahead of us now. */
  seesFuture(): boolean
}

/**
 * @param seen the latest time of each feed, and where that is beyond `limit` also the latest within it; asked again when
 * our own clock was set back
 */
export function createHybridClock(clock: Clock, seen: (limit: number) => Iterable<Timestamp>): HybridClock {
  let latest: Timestamp = { ms: 0, counter: 0 }
  let farthest = 0
  /** the earliest of those that were passed over as too far ahead: its time comes */
  let aheadMs = Number.POSITIVE_INFINITY
  const observe = (time: Timestamp) => {
    farthest = Math.max(farthest, time.ms)
    if (!isLater(time, latest)) return
    if (time.ms <= clock.now() + CLOCK_TOLERANCE_MS) latest = { ms: time.ms, counter: time.counter }
    else aheadMs = Math.min(aheadMs, time.ms)
  }
  const recall = () => {
    latest = { ms: 0, counter: 0 }
    aheadMs = Number.POSITIVE_INFINITY
    for (const time of seen(clock.now() + CLOCK_TOLERANCE_MS)) observe(time)
  }
  recall()
  return {
    observe,
    seesFuture: () => farthest > clock.now() + CLOCK_TOLERANCE_MS,
    next() {
      const now = clock.now()
      // our clock was set back: do not follow a time that everyone else would hold
      if (latest.ms > now + CLOCK_TOLERANCE_MS || aheadMs <= now + CLOCK_TOLERANCE_MS) recall()
      if (now > latest.ms) latest = { ms: now, counter: 0 }
      else if (latest.counter < COUNTER_MAX) latest = { ms: latest.ms, counter: latest.counter + 1 }
      else latest = { ms: latest.ms + 1, counter: 0 }
      return latest
    },
  }
}

export function isLater(a: Timestamp, b: Timestamp): boolean {
  return a.ms > b.ms || (a.ms === b.ms && a.counter > b.counter)
}
