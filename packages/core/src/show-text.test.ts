import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { showJson, showText } from './show-text.ts'

describe('showText', () => {
  test.each([
    ['plain näme 😀.png', 'plain näme 😀.png'],
    ['\u202Egnp.exe', '\\u{202e}gnp.exe'],
    ['a\u200Bb\uFEFF', 'a\\u{200b}b\\u{feff}'],
    ['\u001B[31mred', '\\u{1b}[31mred'],
    ['line\nbreak\u2028', 'line\\u{a}break\\u{2028}'],
    ['\ue000private', '\\u{e000}private'],
    ['beach \u{1f3d6}\ufe0f, not a\ufe0fb', 'beach \u{1f3d6}\ufe0f, not a\\u{fe0f}b'],
    ['\u3164hidden', '\\u{3164}hidden'],
    ['\uD800', '\\u{d800}'],
  ])('%j', (name, shown) => expect(showText(name)).toBe(shown))

  test('never lets a control or format character through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(showText(name)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\u3164]/u)
      }),
    )
  })
})

test('a document says the same, and nothing that cannot be seen', () => {
  expect(showJson(JSON.stringify(['\u202ea\u{e0001}\n']))).toBe('["\\u202ea\\udb40\\udc01\\n"]')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = showJson(JSON.stringify({ text }))
      expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u)
      expect(JSON.parse(shown)).toEqual({ text })
    }),
  )
})
