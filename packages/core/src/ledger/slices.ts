/**
 * How many fetched entries are stored in one go: as many as this machine stores while nobody minds waiting. Storing is
 * synchronous, so the local API answers between two slices only.
 */
import type { SignedBytes } from './types.ts'

/** What a slice may hold up everything else. */
export const SLICE_MS = 20
/** However slow the machine: a transaction for a few entries is mostly overhead. */
export const SLICE_MIN = 32
const FIRST = 64

export interface Slices {
  /** Cuts what came in one frame; the size is asked anew for each slice. */
  of(entries: readonly SignedBytes[]): Generator<readonly SignedBytes[]>
  /** The last slice had so many entries and took so long. */
  took(entries: number, ms: number): void
}

export function createSlices(): Slices {
  let perMs = FIRST / SLICE_MS
  const size = () => Math.max(SLICE_MIN, Math.floor(perMs * SLICE_MS))
  return {
    *of(entries) {
      for (let at = 0; at < entries.length; ) {
        const until = at + size()
        yield entries.slice(at, until)
        at = until
      }
    },
    took(entries, ms) {
      // half of the way each time: one slow moment of the disk says little
      perMs = (perMs + entries / Math.max(ms, 0.1)) / 2
    },
  }
}
