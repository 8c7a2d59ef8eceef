/**
 * Which failures of something that is tried again and again are worth telling. A member that does not speak a protocol
 * yet (it is joining), breaks a stream off (it is stopping) or cannot be reached is none of them until it persists.
 */
import type { Clock } from '../clock.ts'
import { ProtocolUnsupportedError, StreamBrokenError, TimeoutError, UnreachableError } from './errors.ts'

/** So many tries must have failed, over so long (ms), before it is told. */
const TRIES = 3
const PERSISTS_MS = 30_000

export interface Patience {
  /** It works again, or for the first time. */
  worked(): void
  /** Counts a failure. True when it should be told: at once what does not pass by itself, else once when it persists. */
  isOver(error: unknown): boolean
}

export function createPatience(clock: Clock): Patience {
  let tries = 0
  let since = 0
  let isTold = false
  return {
    worked() {
      tries = 0
      isTold = false
    },
    isOver(error) {
      if (!isPassing(error)) return true
      if (tries === 0) since = clock.now()
      tries += 1
      if (isTold || tries < TRIES || clock.now() - since < PERSISTS_MS) return false
      isTold = true
      return true
    },
  }
}

/** It may well have passed at the next try. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof ProtocolUnsupportedError ||
    error instanceof StreamBrokenError ||
    error instanceof TimeoutError ||
    error instanceof UnreachableError
  )
}
