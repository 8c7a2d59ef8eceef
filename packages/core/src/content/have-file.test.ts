import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { bitfieldBytes, clearBit, countBits, fullBitfield, getBit, setBit } from './bitfield.ts'
import { decodeHave, encodeHave, HAVE_HEADER_BYTES } from './have-file.ts'
import { KIB } from './testing.ts'

describe('bitfield', () => {
  it('behaves like a set of numbers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.tuple(fc.boolean(), fc.nat(99))), (count, changes) => {
        const bits = new Uint8Array(bitfieldBytes(count))
        const model = new Set<number>()
        for (const [isSet, at] of changes) {
          const index = at % count
          if (isSet) setBit(bits, index)
          else clearBit(bits, index)
          if (isSet) model.add(index)
          else model.delete(index)
        }
        expect(countBits(bits)).toBe(model.size)
        for (let index = 0; index < count; index++) expect(getBit(bits, index)).toBe(model.has(index))
      }),
    )
  })
  it('is most significant first and has no bits behind the last chunk', () => {
    expect(fullBitfield(0)).toEqual(new Uint8Array(0))
    expect(fullBitfield(3)).toEqual(Uint8Array.of(0b1110_0000))
    expect(fullBitfield(8)).toEqual(Uint8Array.of(0xff))
    expect(countBits(fullBitfield(1001))).toBe(1001)
  })
})

describe('have file', () => {
  const version = { root: 'ab'.repeat(32) as Root, size: 10 * 64 * KIB - 3, chunk: 64 * KIB }
  const bits = Uint8Array.of(0b1010_0000, 0b0100_0000)
  const bytes = encodeHave(version, bits)

  it('comes back as it was', () => {
    expect(decodeHave(version.root, bytes)).toEqual({ version, bits })
    expect(bytes.length).toBe(HAVE_HEADER_BYTES + 2)
  })
  it('is refused with any changed header byte, length, or root', () => {
    for (let at = 0; at < HAVE_HEADER_BYTES; at++) {
      const other = bytes.slice()
      other[at] = (other[at] ?? 0) ^ 1
      expect(decodeHave(version.root, other)).toBe(null)
    }
    expect(decodeHave(version.root, bytes.slice(0, -1))).toBe(null)
    expect(decodeHave(version.root, Buffer.concat([bytes, Buffer.alloc(1)]))).toBe(null)
    expect(decodeHave('cd'.repeat(32) as Root, bytes)).toBe(null)
    expect(decodeHave(version.root, new Uint8Array(0))).toBe(null)
  })
  it('ignores bits behind the last chunk', () => {
    expect(decodeHave(version.root, encodeHave(version, Uint8Array.of(0, 0xff)))?.bits).toEqual(Uint8Array.of(0, 0xc0))
  })
})
