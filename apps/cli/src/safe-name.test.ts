import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { safeFileName as nameOfSdk } from '../../../packages/core/src/content/file-names.ts'
import { safeFileName } from './safe-name.ts'

describe('safeFileName', () => {
  it.each([
    ['poster.png', 'poster.png'],
    ['Verão 🏖.jpg', 'Verão 🏖.jpg'],
    ['../../etc/passwd', '_._.._etc_passwd'],
    ['..', 'file'],
    ['', 'file'],
    ['.bashrc', '_bashrc'],
    ['a/b\\c', 'a_b_c'],
    ['con.txt', '_con.txt'],
    ['name. . ', 'name'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['a\u0000\u001b[31m', 'a__[31m'],
  ])('%j becomes %j', (name, safe) => expect(safeFileName(name)).toBe(safe))

  it('is the name under which the SDK exports', () => {
    const piece = fc.constantFrom(
      'a',
      'é',
      '🏖',
      '👨‍👩‍👧',
      '.',
      ' ',
      '/',
      '\\',
      'con',
      '\u202e',
      '\u0301',
      'x'.repeat(120),
    )
    const name = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 12 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(name, (text) => {
        const safe = safeFileName(text)
        expect(safe).toBe(nameOfSdk(text))
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(255)
        expect(safe).not.toMatch(/[/\\]|^\.{0,2}$/)
      }),
    )
  })
})
