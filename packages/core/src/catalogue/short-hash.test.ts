import { describe, expect, test } from 'vitest'
import { sha256 } from '../crypto/index.ts'
import { createShortHash, SHORT_SECRET_BYTES } from './short-hash.ts'

const numbered = (number: number, length: number) => {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 32) {
    bytes.set(sha256(Buffer.from(`${number} ${at}`)).subarray(0, Math.min(32, length - at)), at)
  }
  return bytes
}
const secret = (number: number) => numbered(number, SHORT_SECRET_BYTES)

describe('the short form of a hash', () => {
  test('is an integer of 47 bits, the same each time', () => {
    const short = createShortHash(secret(1))
    for (let number = 0; number < 1000; number++) {
      const value = short(numbered(number, 32))
      expect(Number.isSafeInteger(value) && value >= 0 && value < 2 ** 47).toBe(true)
      expect(createShortHash(secret(1))(numbered(number, 32))).toBe(value)
    }
  })

  test('tells hashes apart that differ in one bit, wherever it is', () => {
    const short = createShortHash(secret(2))
    const hash = numbered(1, 32)
    const seen = new Set([short(hash)])
    for (let bit = 0; bit < 256; bit++) {
      const other = Uint8Array.from(hash)
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      seen.add(short(other))
    }
    expect(seen.size).toBe(257)
  })

  test('does not collide for hashes that are made alike, and depends on the key', () => {
    const seen = new Set<number>()
    const [one, other] = [createShortHash(secret(3)), createShortHash(secret(4))]
    let equal = 0
    for (let number = 0; number < 50_000; number++) {
      const hash = new Uint8Array(32) // zeros but for the end, as somebody would choose them
      new DataView(hash.buffer).setUint32(28, number)
      seen.add(one(hash))
      if (one(hash) === other(hash)) equal += 1
    }
    expect(seen.size).toBe(50_000)
    expect(equal).toBe(0)
  })
})
