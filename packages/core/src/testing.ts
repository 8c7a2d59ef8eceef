/** How long the properties of all rooms are tried: a fixed number of times in the tests, for a time in a campaign. */
import type { Parameters } from 'fast-check'

/** Set by `scripts/fuzz.ts`; absent in the tests. */
const seconds = Number(process.env.MALOTE_FUZZ_SECONDS ?? 0)
const seed = process.env.MALOTE_FUZZ_SEED
const path = process.env.MALOTE_FUZZ_PATH

/** Time that a property may take before its test counts as stuck, ms. */
export const PROPERTY_TIMEOUT_MS = 60_000 + seconds * 2000

/** @param numRuns in the tests: enough to fail when a rule is broken, few enough to be run at every change */
export function tries<T>(numRuns: number): Parameters<T> {
  return {
    numRuns: seconds > 0 ? Number.MAX_SAFE_INTEGER : numRuns,
    ...(seconds > 0 ? { interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false } : {}),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  }
}
