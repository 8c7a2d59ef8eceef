import { describe, expect, it } from 'vitest'
import { durationMs } from './params.ts'

describe('durationMs', () => {
  it.each([
    ['30s', 30_000],
    ['15m', 900_000],
    ['72h', 259_200_000],
    ['7d', 604_800_000],
    ['1970-01-01T00:01:00Z', 59_000],
  ])('%s', (text, expected) => expect(durationMs(text, 1000)).toBe(expected))

  it.each(['72', '1w', '-1h', '', 'tomorrow', '1970-01-01T00:00:00Z'])('refuses %j', (text) => {
    expect(() => durationMs(text, 1000)).toThrow(/time|duration/)
  })
})
