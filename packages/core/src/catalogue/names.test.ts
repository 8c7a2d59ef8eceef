import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkDetails, checkName, NAME_MAX, showName, TAGS_MAX } from './names.ts'

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

describe('names shown to people', () => {
  test.each([
    ['plain näme 😀.png', 'plain näme 😀.png'],
    ['\u202Egnp.exe', '\\u{202e}gnp.exe'],
    ['a\u200Bb\uFEFF', 'a\\u{200b}b\\u{feff}'],
    ['\u001B[31mred', '\\u{1b}[31mred'],
    ['line\nbreak\u2028', 'line\\u{a}break\\u{2028}'],
    ['\u3164hidden', '\\u{3164}hidden'],
    ['\uD800', '\\u{d800}'],
  ])('%j', (name, shown) => expect(showName(name)).toBe(shown))

  test('never lets a control or format character through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(showName(name)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
      }),
    )
  })
})
