/** What readers wait for, first things first. Pure. */

/** More would be no order at all. */
const MAX_WISHES = 256

/**
 * A reader that goes on asks for what follows the chunks it still waits for, which stay before it; one that has jumped
 * comes first.
 */
export function withWishes(before: readonly number[], next: readonly number[]): number[] {
  const known = new Set(before)
  const goesOn = next.some((index) => known.has(index))
  const all = goesOn ? [...before, ...next] : [...next, ...before]
  const each = [...new Set(all)]
  return goesOn ? each.slice(-MAX_WISHES) : each.slice(0, MAX_WISHES)
}

/** A reader has come from elsewhere, rather than gone on from what it, or another reader, has wished for of late. */
export function isJump(before: readonly number[], next: readonly number[]): boolean {
  const known = new Set(before)
  return !next.some((index) => known.has(index) || known.has(index - 1))
}
