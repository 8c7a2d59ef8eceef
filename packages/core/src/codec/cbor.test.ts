import { decode as cborgDecode, encode as cborgEncode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, decodeCbor, encodeCbor, viewCbor } from './cbor.ts'
import { DecodeError, EncodeError } from './errors.ts'

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

/** Reads with the other library; what it would write otherwise is not canonical. */
function decodeByOther(bytes: Uint8Array): unknown {
  const decoded = cborgDecode(bytes, {
    allowIndefinite: false,
    allowUndefined: false,
    allowInfinity: false,
    allowNaN: false,
    allowBigInt: false,
    strict: true,
    rejectDuplicateMapKeys: true,
  })
  if (Buffer.compare(cborgEncode(decoded), bytes) !== 0) throw new Error('not canonical')
  return decoded
}

/** What it gives, as bytes; null when it refuses, or gives what has no form here. */
function outcome(decode: () => unknown): Uint8Array | null {
  try {
    return encodeCbor(decode() as CborValue)
  } catch {
    return null
  }
}

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

  it('writes what another library writes', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(encodeCbor(original)).toEqual(new Uint8Array(cborgEncode(original)))
        expect(encodeCbor(original, Uint8Array.of(1, 2)).subarray(2)).toEqual(encodeCbor(original))
      }),
    )
  })

  it('takes exactly what another library reads and writes again as it was', () => {
    const spoilt = fc
      .tuple(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }))
      .map(([from, changes]) => {
        const bytes = encodeCbor(from)
        for (const [place, byte] of changes) bytes[place % bytes.length] = byte
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(spoilt, fc.uint8Array({ maxLength: 12 })), (bytes) => {
        expect(outcome(() => decodeCbor(bytes, 10_000))).toEqual(outcome(() => decodeByOther(bytes)))
        expect(outcome(() => viewCbor(bytes, 10_000))).toEqual(outcome(() => decodeCbor(bytes, 10_000)))
      }),
      { numRuns: 3000 },
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
    ['text that is not UTF-8', '61ff'],
    ['a key that is no text', 'a10101'],
    ['a key that would set a prototype', 'a1695f5f70726f746f5f5fa0'],
    ['a simple value', 'e0'],
    ['a header cut short', '19ff'],
  ])('refuses %s', (_, text) => expect(() => decodeCbor(hex(text), 100)).toThrow(DecodeError))

  it.each([
    ['as its own property', JSON.parse('{"a":[{"__proto__":1}]}')],
    ['among others', Object.fromEntries([...'abc', '__proto__'].map((key) => [key, null]))],
  ])('refuses on both sides a key that would change the object: %s', (_, value) => {
    expect(() => encodeCbor(value)).toThrow(EncodeError)
    expect(() => decodeCbor(hex('a1695f5f70726f746f5f5f01'), 100)).toThrow(DecodeError)
  })

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
