/**
 * Receive credit for the whole process: a chunk is asked for only when there is room for its bytes, so memory is
 * bounded whatever the number of peers and transfers. What a person waits for may use all of it, background work
 * three quarters, and no transfer more than its share while others want some.
 */

/** What 1 Gbit/s at 200 ms needs; twice as much again waits for the garbage collector, and a node stays below 300 MiB. */
export const DEFAULT_BUDGET_BYTES = 24 * 1024 * 1024
const BACKGROUND_PART = 0.75
/** Chunks that any transfer may have on the way, however many share the budget. */
const MIN_CHUNKS = 2

export interface BudgetHolder {
  /** Person's work, or background. */
  setUrgent(urgent: boolean): void
  /** @returns false when there is no room now; `onFree` of this holder is then called once when it may be worth asking again */
  tryReserve(bytes: number): boolean
  release(bytes: number): void
  /** Gives everything back. */
  close(): void
}

export interface Budget {
  readonly used: number
  /** true while a person's transfer runs */
  readonly urgentActive: boolean
  holder(init: { urgent: boolean; onFree: () => void }): BudgetHolder
}

interface Holder {
  urgent: boolean
  used: number
  waiting: boolean
  readonly onFree: () => void
}

export function createBudget(capacity: number = DEFAULT_BUDGET_BYTES): Budget {
  const holders = new Set<Holder>()
  let used = 0
  let waking = false

  const admits = (holder: Holder, bytes: number): boolean => {
    if (used === 0) return true // a chunk larger than the budget still passes, alone
    const limit = holder.urgent ? capacity : capacity * BACKGROUND_PART
    const share = Math.max(MIN_CHUNKS * bytes, limit / holders.size)
    return used + bytes <= limit && holder.used + bytes <= share
  }
  // A microtask, so that a caller that is halfway through its own bookkeeping is not entered again.
  const wake = () => {
    if (waking) return
    waking = true
    queueMicrotask(() => {
      waking = false
      const waiting = [...holders].filter((holder) => holder.waiting)
      for (const urgent of [true, false]) {
        for (const holder of waiting) {
          if (holder.urgent !== urgent || !holder.waiting) continue
          holder.waiting = false
          // to the back of the line, so that the next wake begins with another
          if (holders.delete(holder)) holders.add(holder)
          holder.onFree()
        }
      }
    })
  }
  return {
    get used() {
      return used
    },
    get urgentActive() {
      for (const holder of holders) if (holder.urgent) return true
      return false
    },
    holder(init) {
      const holder: Holder = { urgent: init.urgent, used: 0, waiting: false, onFree: init.onFree }
      holders.add(holder)
      return {
        setUrgent(urgent) {
          holder.urgent = urgent
        },
        tryReserve(bytes) {
          if (!admits(holder, bytes)) {
            holder.waiting = true
            return false
          }
          used += bytes
          holder.used += bytes
          return true
        },
        release(bytes) {
          const back = Math.min(bytes, holder.used)
          used -= back
          holder.used -= back
          wake()
        },
        close() {
          used -= holder.used
          holder.used = 0
          holder.waiting = false
          holders.delete(holder)
          wake()
        },
      }
    },
  }
}
