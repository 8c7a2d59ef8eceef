/**
 * Makes an erasure true on disk: what `vault.ts` overwrites in the database file still stands in the write-ahead log, until
 * a truncating checkpoint.
 */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/index.ts'

/** Deletions within this time share one checkpoint. */
const TOGETHER_MS = 250
const AGAIN_MS = 2000

export interface Scrubber {
  /** Soon, and again until it has worked. */
  soon(): void
  /** Now; false when a reader stands in the way (then it is tried again soon). */
  now(): boolean
  stop(): void
}

export function createScrubber(db: Database, clock: Clock): Scrubber {
  let cancel: (() => void) | null = null

  function later(ms: number): void {
    cancel ??= clock.after(ms, () => {
      cancel = null
      now()
    })
  }

  function now(): boolean {
    cancel?.()
    cancel = null
    try {
      const result = db.prepare<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)').get()
      if (result?.busy === 0) return true
    } catch {
      // inside a transaction, or another connection is busy
    }
    later(AGAIN_MS)
    return false
  }

  return {
    soon: () => later(TOGETHER_MS),
    now,
    stop() {
      if (cancel !== null) now()
      cancel?.()
      cancel = null
    },
  }
}
