import { describe, expect, it } from 'vitest'
import { collectionFor } from './memory-guard.ts'

const MiB = 1024 * 1024
const seen = (rss: number, external: number, least: number, inUse: number, sinceMajorMs = 10_000) =>
  collectionFor({ rss: rss * MiB, external: external * MiB, least: least * MiB, inUse: inUse * MiB, sinceMajorMs })

describe('the guard of memory', () => {
  it('looks for young dead buffers when some have come', () => {
    expect(seen(100, 43, 40, 0)).toBe('none')
    expect(seen(100, 44, 40, 0)).toBe('minor')
  })

  it('looks for all while the process is large, but not all the time', () => {
    expect(seen(210, 100, 100, 0)).toBe('none')
    expect(seen(211, 100, 100, 0)).toBe('major')
    expect(seen(211, 100, 92, 0, 499)).toBe('minor')
  })

  it('leaves a large process alone in which nothing can lie dead', () => {
    expect(seen(290, 30, 30, 16)).toBe('none')
    expect(seen(290, 100, 97, 85)).toBe('none')
    expect(seen(290, 100, 100, 84)).toBe('major')
  })
})
