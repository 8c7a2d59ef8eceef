import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tries } from '../testing.ts'
import { PICTURE_MAX } from './bounds.ts'
import { HEAD_BYTES, pictureFormat } from './formats.ts'
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from './messages.ts'

const STARTS = [
  ['jpeg', 'ffd8ff'],
  ['png', '89504e470d0a1a0a'],
  ['gif', '474946383761'],
  ['gif', '474946383961'],
  ['webp', '52494646________57454250'],
] as const
const start = fc.constantFrom(...STARTS)
const rest = fc.uint8Array({ maxLength: 40 })

/** The start, its gap filled, and what follows. */
function bytesOf(pattern: string, gap: number, tail: Uint8Array): Buffer {
  const filled = pattern.replaceAll('__', gap.toString(16).padStart(2, '0'))
  return Buffer.concat([Buffer.from(filled, 'hex'), tail])
}

describe('a picture', () => {
  it('is known by its first bytes, whatever follows', () => {
    fc.assert(
      fc.property(start, fc.nat(255), rest, ([format, pattern], gap, tail) => {
        expect(pictureFormat(bytesOf(pattern, gap, tail))).toBe(format)
      }),
      tries(200),
    )
  })

  it('is none with one of these bytes changed, or cut off', () => {
    fc.assert(
      fc.property(start, fc.nat(255), fc.nat(100), fc.integer({ min: 1, max: 255 }), (which, gap, place, change) => {
        const [, pattern] = which
        const bytes = bytesOf(pattern, gap, Buffer.alloc(HEAD_BYTES))
        const places = [...Array(pattern.length / 2).keys()].filter((at) => pattern.slice(at * 2, at * 2 + 2) !== '__')
        const at = places[place % places.length] ?? 0
        expect(pictureFormat(bytes.subarray(0, pattern.length / 2 - 1))).toBeNull()
        bytes[at] = (bytes[at] ?? 0) ^ change
        // the one change that makes another format of it: GIF87a and GIF89a
        if (!/^GIF8[79]a/.test(bytes.toString('latin1'))) expect(pictureFormat(bytes)).toBeNull()
      }),
      tries(200),
    )
  })

  it('is nothing else that decoders know', () => {
    for (const text of [
      '<svg xmlns="http://www.w3.org/2000/svg"/>',
      '%PDF-1.7',
      'II*\0',
      'MM\0*',
      '\0\0\0 ftypavif',
      'BM',
      'RIFF\0\0\0\0WAVE',
      '',
    ])
      expect(pictureFormat(Buffer.from(text, 'latin1'))).toBeNull()
  })
})

it('what node and process say is read as it was written', () => {
  fc.assert(
    fc.property(fc.nat(PICTURE_MAX), fc.nat(0xffff_ffff), (size, most) => {
      expect(decodeRequest(encodeRequest({ size, most }))).toEqual({ size, most })
      expect(decodeAnswer(encodeAnswer(size))).toBe(size)
    }),
    tries(100),
  )
})
