import { win32 } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clashKey, safeFileName } from './file-names.ts'

describe('safeFileName', () => {
  it.each([
    ['stays as it is', 'Campanha Natal — São Paulo (v2).jpg', 'Campanha Natal — São Paulo (v2).jpg'],
    ['other scripts stay', '写真 2024.png', '写真 2024.png'],
    ['Unix path', '../../etc/passwd', '_._.._etc_passwd'],
    ['Windows path', 'C:\\Windows\\System32\\x.dll', 'C__Windows_System32_x.dll'],
    ['dot', '.', 'file'],
    ['dot dot', '..', 'file'],
    ['empty', '', 'file'],
    ['only spaces', ' \u00a0 ', 'file'],
    ['hidden', '.profile', '_profile'],
    ['trailing dots and spaces', 'a. . .', 'a'],
    ['leading spaces', '  a.txt', 'a.txt'],
    ['NUL and controls', 'a\u0000b\u001bc\u0085\u007f.txt', 'a_b_c__.txt'],
    ['line feed', 'a\nb', 'a_b'],
    ['bidirectional override', 'photo\u202egpj.exe', 'photogpj.exe'],
    ['nothing that can be seen', '\u3164\u034f\u115f', 'file'],
    ['emoji', '\u{1f3d6}\ufe0f a\ufe0f.png', '\u{1f3d6}\ufe0f a.png'],
    ['zero width', 'a\u200bb\ufeff.txt', 'ab.txt'],
    ['line separator', 'a\u2028b', 'ab'],
    ['lone surrogate', 'a\ud800b', 'a\ufffdb'],
    ['alternate stream', 'a.txt:evil', 'a.txt_evil'],
    ['wildcards and quotes', 'a*?"<>|.txt', 'a______.txt'],
    ['device', 'CON', '_CON'],
    ['device with an extension', 'nul.tar.gz', '_nul.tar.gz'],
    ['device with a space', 'com1 .txt', '_com1 .txt'],
    ['device with a superscript', 'LPT¹.txt', '_LPT¹.txt'],
    ['no device', 'console.log', 'console.log'],
    ['decomposed', 'Sa\u0303o.txt', 'São.txt'],
    ['composed only after an invisible character is gone', 'Sa\u200b\u0303o.txt', 'São.txt'],
  ])('%s', (_, name, safe) => {
    expect(safeFileName(name)).toBe(safe)
  })

  it('keeps the extension of a name that is too long, and cuts no character in two', () => {
    const long = safeFileName(`${'é'.repeat(300)}.jpeg`)
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(255)
    expect(long).toMatch(/^é+\.jpeg$/)
    const family = '\u{1F468}\u{1F3FD}'
    expect(safeFileName(family.repeat(40))).toMatch(new RegExp(`^(?:${family})+$`, 'u'))
    expect(safeFileName(`a${'\u0301'.repeat(200)}.txt`)).toBe('file.txt')
    expect(Buffer.byteLength(safeFileName(`a.${'x'.repeat(300)}`))).toBe(255)
    expect(safeFileName(`${'a'.repeat(254)} b`)).toBe('a'.repeat(254))
  })

  it('finds a free name whatever the case and normalisation', () => {
    expect(safeFileName('a.TXT', ['A.txt'])).toBe('a (2).TXT')
    expect(safeFileName('a.txt', ['a.txt', 'A (2).txt'])).toBe('a (3).txt')
    expect(safeFileName('são', ['sa\u0303o'])).toBe('são (2)')
    expect(safeFileName('STRASSE', ['straße'])).toBe('STRASSE (2)')
    expect(Buffer.byteLength(safeFileName(`${'a'.repeat(251)}.txt`, [`${'A'.repeat(251)}.TXT`]))).toBe(255)
  })

  it('is always one harmless component, for any text', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({
        unit: fc.constantFrom('.', ' ', '/', '\\', '\u202e', 'a', 'CON', ':', '\u0301', '\u{1F468}', '\ud800'),
        maxLength: 300,
      }),
    )
    fc.assert(
      fc.property(texts, fc.array(fc.constantFrom('a', 'file', 'A.', '_CON')), (text, taken) => {
        const safe = safeFileName(text, taken)
        expect(safe).not.toMatch(/[/\\:*?"<>|\p{Cc}\p{Cf}\p{Cs}]|^\.|^\s|[.\s]$|^$/u)
        expect(safe).not.toMatch(/^(?:con|prn|aux|nul|com\d|lpt\d) *(?:\.|$)/i)
        expect(win32.basename(safe)).toBe(safe)
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(255)
        expect(taken.map(clashKey)).not.toContain(clashKey(safe))
        expect(safeFileName(safe)).toBe(safe)
      }),
      { numRuns: 500 },
    )
  })
})
