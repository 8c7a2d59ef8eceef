import fc from 'fast-check'
import { expect, it } from 'vitest'
import { medianSkew, offsetOf } from './skew.ts'

it('has no opinion without witnesses', () => expect(medianSkew([])).toBeNull())

it('takes the middle, or the mean of the two middle ones', () => {
  expect(medianSkew([{ offsetMs: 5 }])).toEqual({ ms: -5, witnesses: 1 }) // the peer is ahead: we are behind
  expect(medianSkew([{ offsetMs: 4 }, { offsetMs: -2 }])).toEqual({ ms: 2, witnesses: 2 })
  expect(medianSkew([{ offsetMs: 9e12 }, { offsetMs: 3 }, { offsetMs: 1 }])).toEqual({ ms: -3, witnesses: 3 })
})

it('cannot be moved out of the honest range by a minority of liars', () => {
  const honest = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 3, maxLength: 9 })
  fc.assert(
    fc.property(honest, fc.array(fc.integer(), { maxLength: 2 }), (truths, lies) => {
      const skew = medianSkew([...truths, ...lies].map((offsetMs) => ({ offsetMs })))
      expect(skew?.ms).toBeGreaterThanOrEqual(-100)
      expect(skew?.ms).toBeLessThanOrEqual(100)
    }),
  )
})

it('allows half the round trip', () => expect(offsetOf(1_000, 1_100, 5_050)).toBe(4_000))
