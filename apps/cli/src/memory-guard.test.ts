import { describe, expect, it } from 'vitest'
import { collectionFor } from './memory-guard.ts'

const MiB = 1024 * 1024
const seen = (rss: number, external: number, inUse: number, sinceMajorMs = 10_000) =>
  collectionFor({ rss: rss * MiB, external: external * MiB, inUse: inUse * MiB, sinceMajorMs })

describe('the guard of memory', () => {
  it('leaves a small process alone', () => {
    expect(seen(159, 100, 0)).toBe('none')
  })

  it('looks for young dead buffers, then for all, but not all the time', () => {
    expect(seen(170, 100, 0)).toBe('minor')
    expect(seen(211, 100, 0)).toBe('major')
    expect(seen(211, 100, 0, 499)).toBe('minor')
  })

  it('leaves a large process alone in which nothing can lie dead', () => {
    expect(seen(290, 30, 16)).toBe('none')
    expect(seen(290, 100, 85)).toBe('none')
    expect(seen(290, 100, 84)).toBe('major')
  })
})
