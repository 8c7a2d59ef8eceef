/** Rings when something changed that somebody may wait for; a burst of changes is one ring. */
export interface Bell {
  ring(): void
  on(listener: () => void): () => void
  /** Resolves when the condition holds; asked at once and at every ring. Rejects with the signal's reason, or what it throws. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void>
}

export function createBell(): Bell {
  const listeners = new Set<() => void>()
  let ringing = false
  const on = (listener: () => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  return {
    on,
    ring() {
      if (ringing) return
      ringing = true
      setImmediate(() => {
        ringing = false
        for (const listener of [...listeners]) listener()
      })
    },
    until(condition, signal) {
      return new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          leave()
          signal.removeEventListener('abort', abort)
          act()
        }
        const abort = () => settle(() => reject(signal.reason))
        const look = () => {
          try {
            if (condition()) settle(resolve)
          } catch (error) {
            settle(() => reject(error))
          }
        }
        const leave = on(look)
        signal.addEventListener('abort', abort, { once: true })
        if (signal.aborted) abort()
        else look()
      })
    },
  }
}
