/**
 * The mark that the views were those of the state when the node was closed: then not every file is looked at when it
 * starts again. Used up by each start, so that a crash leaves none.
 */
import { equalBytes, sha256 } from '../crypto/index.ts'
import type { LocalSettings } from '../ledger/index.ts'
import { VERSION } from '../version.ts'

const MARK = 'views/as-of'

export interface ViewsMark {
  /** True when the views are those of this state, as this version of the software makes them. */
  take(): boolean
  /** What stands for the state, and the version of the software. */
  now(): Uint8Array
  /** @param asOf of the last state that the views were told */
  leave(asOf: Uint8Array): void
}

/** @param digest of the shared state, as it is now */
export function createViewsMark(settings: LocalSettings, digest: () => Uint8Array): ViewsMark {
  const now = () => sha256(Buffer.from(VERSION), digest())
  return {
    take() {
      const left = settings.getSetting(MARK)
      if (left === null) return false
      settings.setSetting(MARK, null)
      return equalBytes(left, now())
    },
    now,
    leave: (asOf) => settings.setSetting(MARK, asOf),
  }
}
