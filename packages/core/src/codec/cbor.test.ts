import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts'
import { DecodeError } from './errors.ts'

const value: fc.Arbitrary<CborValue> = fc.letrec<{ any: CborValue }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.string(),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('any'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).any

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

describe('canonical CBOR', () => {
  it('gives back what went in, and one value has one encoding', () => {
    fc.assert(
      fc.property(value, (original) => {
        const bytes = encodeCbor(original)
        const decoded = decodeCbor(bytes, bytes.length)
        expect(encodeCbor(decoded)).toEqual(bytes)
      }),
    )
  })

  it('throws only its own error on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeCbor(bytes, 200)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['an integer that is longer than it need be', '1801'],
    ['map keys out of order', 'a2616201616100'],
    ['a map key twice', 'a2616101616102'],
    ['a float', 'f93c00'],
    ['undefined', 'f7'],
    ['a tag', 'c000'],
    ['an indefinite length', '9f01ff'],
    ['an integer beyond 2^53', '1b0020000000000000'],
    ['bytes behind the end', '0100'],
    ['an array that announces more than is there', '9b00000000ffffffff'],
    ['a byte string that announces more than is there', '5affffffff'],
    ['nothing at all', ''],
    ['a header cut short', '19ff'],
  ])('refuses %s', (_, text) => expect(() => decodeCbor(hex(text), 100)).toThrow(DecodeError))

  it('refuses deep nesting before it costs a stack', () => {
    expect(() => decodeCbor(new Uint8Array(60_000).fill(0x81), 65_536)).toThrow(/nested/)
    const nested = (depth: number): CborValue => (depth === 0 ? 1 : [nested(depth - 1), 2])
    expect(decodeCbor(encodeCbor(nested(16)), 1000)).toBeDefined()
    expect(() => decodeCbor(encodeCbor(nested(17)), 1000)).toThrow(/nested/)
  })

  it('refuses more bytes than the limit, and will not encode what it would not decode', () => {
    expect(() => decodeCbor(encodeCbor('x'.repeat(100)), 50)).toThrow(DecodeError)
    expect(() => encodeCbor(1.5)).toThrow(TypeError)
  })
})
