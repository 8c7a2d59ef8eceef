import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attachment, safeMediaType } from './disposition.ts'

describe('attachment', () => {
  it('keeps a plain name', () => {
    expect(attachment('poster.png')).toBe(`attachment; filename="poster.png"; filename*=UTF-8''poster.png`)
  })

  it('encodes what is not ASCII', () => {
    expect(attachment("ação (1)'.png")).toBe(
      `attachment; filename="a__o (1)'.png"; filename*=UTF-8''a%C3%A7%C3%A3o%20%281%29%27.png`,
    )
  })

  it.each([
    ['a path', '../../etc/passwd'],
    ['a Windows path', 'C:\\x'],
    ['a header of its own', 'a\r\nset-cookie: x=1'],
    ['quotes', 'a"; filename=b'],
    ['right-to-left override', 'gpj.\u202Eexe'],
    ['half a character', 'a\uD800b'],
    ['nothing', ''],
  ])('defuses %s', (_what, name) => {
    const value = attachment(name)
    expect(value).toMatch(/^attachment; filename="[^"\\%]+"; filename\*=UTF-8''[^\s"'/\\]+$/)
    expect(value).not.toMatch(/%2F|%5C|%E2%80%AE|%0D|%0A/i)
    expect(value).not.toMatch(/filename="\./)
  })

  it('is a valid header whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
        expect(attachment(name)).toMatch(
          /^attachment; filename="[\x20-\x7e]+"; filename\*=UTF-8''[A-Za-z0-9!#$&+\-.^_`|~%]+$/,
        )
      }),
    )
  })
})

describe('safeMediaType', () => {
  it.each([
    ['image/png', 'image/png'],
    ['TEXT/html; charset=utf-7', 'text/html'],
    ['image/png\r\nx: y', 'application/octet-stream'],
    ['', 'application/octet-stream'],
    ['png', 'application/octet-stream'],
  ])('%j -> %s', (given, expected) => expect(safeMediaType(given)).toBe(expected))
})
