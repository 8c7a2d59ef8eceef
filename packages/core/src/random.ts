/** Chance as a parameter, so that a test or the simulator can own it. Keys always come from `systemRandom`. */
import { randomBytes, randomInt } from 'node:crypto'

export interface Random {
  bytes(length: number): Uint8Array
  /** An integer in [0, bound). */
  below(bound: number): number
}

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below: (bound) => randomInt(bound),
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const a = result[i] as T
    result[i] = result[j] as T
    result[j] = a
  }
  return result
}
