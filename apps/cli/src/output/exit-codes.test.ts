import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { EXIT_CODES, exitCodeOf } from './exit-codes.ts'

/** Every code that a node may give, read from where they are written down. */
function errorCodes(): string[] {
  const path = new URL('../../../../packages/core/src/errors.ts', import.meta.url)
  const union = /export type ErrorCode =([\s\S]*?)\n\n/.exec(readFileSync(path, 'utf8'))?.[1] ?? ''
  return [...union.matchAll(/'([a-z-]+)'/g)].map((match) => String(match[1]))
}

it('stands for every error code', () => {
  const codes = errorCodes()
  expect(codes.length).toBeGreaterThan(40)
  expect(codes.filter((code) => EXIT_CODES[code] === undefined)).toEqual([])
})

it('knows no code that nobody gives', () => {
  // told by the command line itself
  const own = ['not-accepted', 'config-invalid']
  const known = new Set([...errorCodes(), ...own])
  expect(Object.keys(EXIT_CODES).filter((code) => !known.has(code))).toEqual([])
})

it('keeps to the numbers that scripts rely on', () => {
  expect([...new Set(Object.values(EXIT_CODES))].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 130])
  expect(exitCodeOf('something-new')).toBe(1)
  expect(exitCodeOf('interrupted')).toBe(130)
})
