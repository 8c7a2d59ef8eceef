/** Background work by name: one job of a name at a time, a few names side by side. Jobs that fail are forgotten. */
export interface JobQueue {
  has(name: string): boolean
  /** Does nothing when a job of this name is waiting or running, or after `stop`. */
  add(name: string, job: () => Promise<unknown>): void
  /** Takes no more jobs; those waiting still get their turn. Resolves when none is left. */
  stop(): Promise<void>
}

export function createJobQueue(parallel: number): JobQueue {
  const waiting = new Map<string, () => Promise<unknown>>()
  const running = new Map<string, Promise<unknown>>()
  let isStopped = false

  function pump(): void {
    for (const [name, job] of waiting) {
      if (running.size >= parallel) return
      waiting.delete(name)
      // a job that throws at once is one that fails, like any other
      const run = (async () => job())()
        .catch(() => undefined)
        .finally(() => {
          running.delete(name)
          pump()
        })
      running.set(name, run)
    }
  }

  const has = (name: string) => waiting.has(name) || running.has(name)

  return {
    has,
    add(name, job) {
      if (isStopped || has(name)) return
      waiting.set(name, job)
      pump()
    },
    async stop() {
      isStopped = true
      while (running.size > 0) await Promise.all(running.values())
    },
  }
}
