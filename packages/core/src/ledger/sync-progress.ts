/** How far catching up is: what the fetches that run now still have to bring, as their peers' heads say. */
import type { Clock } from '../clock.ts'

/** Fewer missing entries are the everyday business of spreading, not worth telling. */
export const CATCH_UP_MIN = 1000
const TELL_MS = 500

export interface CatchUp {
  /** entries stored here */
  readonly have: number
  /** with those that are on their way */
  readonly expected: number
}

export interface SyncProgress {
  now(): CatchUp | null
  /** For one fetch. `left` is told after each slice, `end` once. */
  begin(): { left(entries: number): void; end(): void }
}

/** @param tell at most twice a second, and at the end, when `have` is `expected` */
export function createSyncProgress(init: {
  clock: Clock
  count: () => number
  tell?: ((progress: CatchUp) => void) | undefined
}): SyncProgress {
  const { clock, count, tell } = init
  const toCome = new Map<symbol, number>()
  let toldAt = Number.NEGATIVE_INFINITY

  function now(): CatchUp | null {
    if (toCome.size === 0) return null
    const have = count()
    let expected = have
    for (const left of toCome.values()) expected += left
    return { have, expected }
  }

  return {
    now,
    begin() {
      const id = Symbol()
      return {
        left(entries) {
          if (!toCome.has(id) && entries < CATCH_UP_MIN) return
          toCome.set(id, entries)
          const progress = now()
          const elapsed = clock.now() - toldAt
          if (progress === null || (elapsed >= 0 && elapsed < TELL_MS)) return
          toldAt = clock.now()
          tell?.(progress)
        },
        end() {
          if (!toCome.delete(id) || toCome.size > 0) return
          toldAt = Number.NEGATIVE_INFINITY
          tell?.({ have: count(), expected: count() })
        },
      }
    },
  }
}
