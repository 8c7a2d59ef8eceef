import { describe, expect, it } from 'vitest'
import { speak } from '../messages/index.ts'
import { progressText } from './progress.ts'

await speak('en')

describe('progressText', () => {
  it('shows share, bytes, speed and time left', () => {
    const text = progressText({ done: 1024 ** 2, total: 4 * 1024 ** 2, seconds: 2, unit: 'bytes' })
    expect(text).toBe(`${'█'.repeat(4)}${'·'.repeat(12)} 25 %  1.0 MiB of 4.0 MiB  512.0 KiB/s  6 s left`)
  })
  it('shows what is known where the size is not', () => {
    expect(progressText({ done: 2048, total: null, seconds: 1, unit: 'bytes' })).toBe('2.0 KiB  2.0 KiB/s')
  })
  it('counts', () => {
    expect(progressText({ done: 3, total: 4, seconds: 9, unit: 'count' })).toMatch(/ 75 % {2}3 of 4$/)
  })
  it('survives an empty file', () => {
    expect(progressText({ done: 0, total: 0, seconds: 0, unit: 'bytes' })).toContain('0 B of 0 B')
  })
})
