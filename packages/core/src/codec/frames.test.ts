import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError } from './errors.ts'
import { encodeFrame, FrameDecoder, frameHeader } from './frames.ts'

describe('frames', () => {
  it('come out whole, however they were cut', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 })
    fc.assert(
      fc.property(payloads, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(encodeFrame))
        const decoder = new FrameDecoder(50)
        const seen: Uint8Array[] = []
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const end = at + (cuts[cut % cuts.length] as number)
          seen.push(...decoder.push(new Uint8Array(bytes.subarray(at, end))).map((frame) => frame.slice()))
          at = end
        }
        expect(seen.map((frame) => [...frame])).toEqual(frames.map((frame) => [...frame]))
        expect(decoder.isEmpty).toBe(true)
      }),
    )
  })

  it('are refused by their header, before a byte of them is kept', () => {
    const decoder = new FrameDecoder(10)
    expect(() => decoder.push(frameHeader(11))).toThrow(DecodeError)
  })

  it('know that one is unfinished', () => {
    const decoder = new FrameDecoder(10)
    decoder.push(frameHeader(3))
    expect(decoder.isEmpty).toBe(false)
  })
})
