import { describe, expect, test } from 'vitest'
import { checkDetails, checkName, NAME_MAX, TAGS_MAX } from './names.ts'

const invalid = (name: string) => expect(() => checkName(name), JSON.stringify(name))

describe('names at upload', () => {
  test.each([
    'a',
    '../x',
    'CON',
    'a/b',
    'a\\b',
    ' ',
    '...',
    'trailing. ',
    '\u202Egnp.exe',
    'n\u200Bame',
    '😀'.repeat(NAME_MAX),
  ])('keeps %j as data', (name) => {
    expect(() => checkName(name)).not.toThrow()
  })

  test.each([
    ['', /is empty/],
    ['.', /folder/],
    ['..', /folder/],
    ['a\0b', /U\+0000 at position 2/],
    ['😀😀\0', /U\+0000 at position 3/],
    ['ab\uD800', /U\+D800\) at position 3/],
    ['x'.repeat(NAME_MAX + 1), /256 characters where at most 255/],
    ['😀'.repeat(NAME_MAX + 1), /256 characters/],
  ])('refuses %j and says why', (name, why) => {
    invalid(name).toThrow(expect.objectContaining({ code: 'name-invalid', message: expect.stringMatching(why) }))
  })

  test('checks tags, campaign and type, and puts tags in order', () => {
    const details = { name: 'n', type: 'video/mp4', tags: ['b', 'a', 'b'], campaign: null }
    expect(checkDetails(details).tags).toEqual(['a', 'b'])
    for (const bad of [
      { type: 'no' },
      { type: 'a/b\r\nX: y' },
      { tags: [''] },
      { tags: ['x'.repeat(65)] },
      { tags: Array.from({ length: TAGS_MAX + 1 }, (_, i) => `t${i}`) },
      { campaign: '' },
    ]) {
      expect(() => checkDetails({ ...details, ...bad })).toThrow(expect.objectContaining({ code: 'name-invalid' }))
    }
  })
})
