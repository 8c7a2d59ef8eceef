/** Who waits for which chunk of one version. */

interface Waiter {
  resolve(): void
  reject(reason: unknown): void
}

export class ChunkWaiters {
  readonly #waiting = new Map<number, Set<Waiter>>()
  readonly #changed: () => void

  /** @param changed somebody has begun or ceased to wait */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Until `resolve` of that chunk; rejects with the signal's reason, or that of `rejectAll`. */
  wait(index: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(index) ?? new Set()
      const leave = () => {
        signal.removeEventListener('abort', abort)
        waiters.delete(waiter)
        if (waiters.size === 0 && this.#waiting.get(index) === waiters) this.#waiting.delete(index)
        this.#changed()
      }
      const waiter: Waiter = {
        resolve() {
          leave()
          resolve()
        },
        reject(reason) {
          leave()
          reject(reason)
        },
      }
      const abort = () => waiter.reject(signal.reason)
      waiters.add(waiter)
      this.#waiting.set(index, waiters)
      signal.addEventListener('abort', abort, { once: true })
      this.#changed()
    })
  }

  resolve(index: number): void {
    for (const waiter of [...(this.#waiting.get(index) ?? [])]) waiter.resolve()
  }

  resolveAll(): void {
    for (const index of [...this.#waiting.keys()]) this.resolve(index)
  }

  rejectAll(reason: unknown): void {
    for (const waiters of [...this.#waiting.values()]) for (const waiter of [...waiters]) waiter.reject(reason)
  }
}
