/** When a stream that is always to be open is opened again, and which of its failures are worth telling. */
import { type Clock, sleep } from '../clock.ts'
import { createPatience, isPassing } from './patience.ts'

export interface Retry {
  /** It was open for long: the next failure is the first again. */
  worked(): void
  /** Counts a failure. True when it should be told. */
  failed(error: unknown): boolean
  /** Until the next try: twice as long each time. Resolves also when the signal ends it. */
  pause(signal: AbortSignal): Promise<void>
  /** The other side has spoken to us, so it may be ready now: ends a pause that is longer than the first one. */
  hurry(): void
}

/** @param init.firstMs the shortest pause @param init.lastMs the longest, ms */
export function createRetry(init: { clock: Clock; firstMs: number; lastMs: number }): Retry {
  const { clock, firstMs, lastMs } = init
  const patience = createPatience(clock)
  let next = firstMs
  let mayHurry = true
  let isHurried = false
  let endPause: () => void = () => undefined

  return {
    worked() {
      next = firstMs
      mayHurry = true
      patience.worked()
    },
    failed(error) {
      // two that answer each other with nonsense must not hurry each other on
      mayHurry = isPassing(error)
      return patience.isOver(error)
    },
    async pause(signal) {
      const rest = next - firstMs
      next = Math.min(next * 2, lastMs)
      isHurried = false
      await sleep(clock, firstMs, signal).catch(() => undefined)
      if (isHurried || rest === 0 || signal.aborted) return
      const early = new AbortController()
      endPause = () => early.abort()
      await sleep(clock, rest, AbortSignal.any([signal, early.signal])).catch(() => undefined)
    },
    hurry() {
      if (!mayHurry) return
      isHurried = true
      endPause()
    },
  }
}
