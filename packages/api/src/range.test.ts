import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entityTag, matchesTag, parseRange, rangeStillFits } from './range.ts'

describe('parseRange', () => {
  it.each([
    ['absent', undefined, 100, null],
    ['first byte', 'bytes=0-0', 100, { start: 0, end: 1 }],
    ['from the start', 'bytes=0-', 100, { start: 0, end: 100 }],
    ['in the middle', 'bytes=10-19', 100, { start: 10, end: 20 }],
    ['last byte', 'bytes=99-', 100, { start: 99, end: 100 }],
    ['end behind the end', 'bytes=90-1000', 100, { start: 90, end: 100 }],
    ['last five', 'bytes=-5', 100, { start: 95, end: 100 }],
    ['more than there is from behind', 'bytes=-500', 100, { start: 0, end: 100 }],
    ['start at the end', 'bytes=100-', 100, 'unsatisfiable'],
    ['last none', 'bytes=-0', 100, 'unsatisfiable'],
    ['anything of nothing', 'bytes=0-', 0, 'unsatisfiable'],
    ['suffix of nothing', 'bytes=-1', 0, 'unsatisfiable'],
    ['backwards is malformed, so ignored', 'bytes=20-10', 100, null],
    ['several are answered in full', 'bytes=0-1,5-6', 100, null],
    ['another unit', 'chunks=0-1', 100, null],
    ['no numbers', 'bytes=-', 100, null],
    ['nonsense', 'bytes=a-b', 100, null],
    ['case and spaces', ' Bytes = 1-2 ', 100, { start: 1, end: 3 }],
  ])('%s', (_name, header, size, expected) => {
    expect(parseRange(header, size)).toEqual(expected)
  })

  it('never leaves the content', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^bytes=\d{0,20}-\d{0,20}$/), fc.nat(), (header, size) => {
        const range = parseRange(header, size)
        if (range === null || range === 'unsatisfiable') return
        expect(range.start).toBeGreaterThanOrEqual(0)
        expect(range.start).toBeLessThan(range.end)
        expect(range.end).toBeLessThanOrEqual(size)
      }),
    )
  })
})

describe('entity tags', () => {
  it('compares strongly for writes and weakly for reads', () => {
    expect(matchesTag('"a", "b"', '"b"', 'strong')).toBe(true)
    expect(matchesTag('W/"b"', '"b"', 'strong')).toBe(false)
    expect(matchesTag('W/"b"', '"b"', 'weak')).toBe(true)
    expect(matchesTag('*', '"x"', 'strong')).toBe(true)
    expect(matchesTag('"c"', '"b"', 'weak')).toBe(false)
  })

  it('lets a range count only on the same content', () => {
    expect(rangeStillFits(undefined, '"a"')).toBe(true)
    expect(rangeStillFits('"a"', '"a"')).toBe(true)
    expect(rangeStillFits('"b"', '"a"')).toBe(false)
    expect(rangeStillFits('W/"a"', '"a"')).toBe(false)
  })

  it('makes a tag of anything', () => {
    expect(entityTag('abc')).toBe('"abc"')
    expect(entityTag('"abc"')).toBe('"abc"')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (opaque) => {
        expect(entityTag(opaque)).toMatch(/^(W\/)?"[\x21\x23-\x7e]*"$/)
      }),
    )
  })
})
