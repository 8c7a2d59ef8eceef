/** One wait, one deadline: whatever ends first (the work, the caller's signal, the clock) decides. */
import type { Clock } from '../clock.ts'
import { TimeoutError } from './errors.ts'
import type { Wait } from './types.ts'

/** For waits whose caller named none, milliseconds. */
export const DEFAULT_TIMEOUT_MS = 30_000

/**
 * Runs `work` with a signal that ends it at the deadline. `timeoutMs: 0` means none.
 * @throws {TimeoutError} at the deadline; the signal's reason when the caller ended it; else what `work` throws
 */
export async function withDeadline<T>(
  clock: Clock,
  what: string,
  wait: Wait,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeoutMs = wait.timeoutMs ?? DEFAULT_TIMEOUT_MS
  wait.signal?.throwIfAborted()
  const controller = new AbortController()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  ended.catch(() => {}) // whoever lost the race has nobody left to tell
  const end = (reason: unknown) => {
    controller.abort(reason)
    reject(reason)
  }
  const onAbort = () => end(wait.signal?.reason)
  wait.signal?.addEventListener('abort', onAbort, { once: true })
  const cancel = timeoutMs > 0 ? clock.after(timeoutMs, () => end(new TimeoutError(what, timeoutMs))) : undefined
  try {
    return await Promise.race([work(controller.signal), ended])
  } finally {
    cancel?.()
    wait.signal?.removeEventListener('abort', onAbort)
  }
}
