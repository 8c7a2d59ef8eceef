/** Counts wrong credentials per address, in windows, so that guessing gets slow answers and never a lock-out. */
export interface Failures {
  /** @returns seconds to wait when the address is over its limit, else 0 */
  add(address: string): number
}

export interface FailuresInit {
  /** milliseconds since the epoch */
  now: () => number
  /** wrong credentials that one address may show in a window @default 10 */
  limit?: number
  /** @default 60_000 */
  windowMs?: number
}

/** Addresses remembered at once; the oldest window gives way. */
const MAX_ADDRESSES = 1024

export function createFailures({ now, limit = 10, windowMs = 60_000 }: FailuresInit): Failures {
  const windows = new Map<string, { ends: number; count: number }>()
  return {
    add(address) {
      const time = now()
      let window = windows.get(address)
      if (window === undefined || window.ends <= time) {
        windows.delete(address)
        window = { ends: time + windowMs, count: 0 }
        const oldest = windows.keys().next()
        if (windows.size >= MAX_ADDRESSES && !oldest.done) windows.delete(oldest.value)
        windows.set(address, window)
      }
      window.count += 1
      return window.count > limit ? Math.max(1, Math.ceil((window.ends - time) / 1000)) : 0
    },
  }
}
