import { describe, expect, it } from 'vitest'
import { DecodeError } from './errors.ts'
import * as shape from './shape.ts'

const point = shape.object({ x: shape.uint(10), name: shape.optional(shape.text(3)), tags: shape.array(shape.bool, 2) })

describe('shape', () => {
  it('types what fits', () => {
    expect(point({ x: 1, tags: [true] })).toEqual({ x: 1, tags: [true] })
    expect(point({ x: 1, name: 'abc', tags: [] })).toEqual({ x: 1, name: 'abc', tags: [] })
  })

  it.each([
    ['a missing field', { tags: [] }, /\.x must be/],
    ['a number out of range', { x: 11, tags: [] }, /\.x must be/],
    ['a negative number', { x: -1, tags: [] }, /\.x must be/],
    ['a text too long', { x: 1, name: 'abcd', tags: [] }, /\.name must be/],
    ['a list too long', { x: 1, tags: [true, true, true] }, /\.tags must be/],
    ['a wrong item', { x: 1, tags: [1] }, /\.tags\[0\] must be/],
    ['a field that the spec does not name', { x: 1, tags: [], extra: 1 }, /\.extra must be absent/],
    ['a field of the prototype', JSON.parse('{"x":1,"tags":[],"__proto__":1}'), /must be absent/],
    ['something else', 5, /value must be a map/],
  ])('refuses %s and names the place', (_, value, message) => {
    expect(() => point(value as never)).toThrow(message)
    expect(() => point(value as never)).toThrow(DecodeError)
  })

  it('checks fixed lists, bytes and words', () => {
    const pair = shape.tuple(shape.bytes(2), shape.oneOf('a', 'b'))
    expect(pair([new Uint8Array(2), 'a'])).toEqual([new Uint8Array(2), 'a'])
    expect(() => pair([new Uint8Array(3), 'a'])).toThrow(/\[0\]/)
    expect(() => pair([new Uint8Array(2), 'c'])).toThrow(/\[1\]/)
    expect(() => pair([new Uint8Array(2)])).toThrow(DecodeError)
    expect(shape.nullable(shape.bool)(null)).toBeNull()
    expect(() => shape.bytesUpTo(1)(new Uint8Array(2))).toThrow(DecodeError)
  })
})
