import { describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { overQuota, replacedVersions } from './retention.ts'

const version = (number: number, ms: number, conflict = false) => ({
  version: number,
  ms,
  conflict,
  root: `root-${number}${conflict ? 'c' : ''}` as Root,
})

describe('replacedVersions', () => {
  const versions = [version(1, 100), version(2, 200), version(3, 300), version(2, 250, true)]
  const roots = (current: number, all: typeof versions) => replacedVersions({ version: current }, all)

  it('counts from when a version was replaced, not from when it was made', () => {
    expect(roots(3, versions)).toEqual([
      { root: 'root-1', at: 200 },
      { root: 'root-2', at: 300 },
      { root: 'root-2c', at: 300 },
    ])
  })

  it('never names the current version, nor another one with the same content', () => {
    const restored = [version(1, 100), version(2, 200), { ...version(3, 300), root: 'root-1' as Root }]
    expect(roots(3, restored).map(({ root }) => root)).toEqual(['root-2'])
  })
})

describe('overQuota', () => {
  it('lets the oldest go until the rest fits', () => {
    const kept = [
      { at: 3, bytes: 10 },
      { at: 1, bytes: 50 },
      { at: 2, bytes: 5 },
    ]
    expect(overQuota(kept, 65)).toEqual([])
    expect(overQuota(kept, 64)).toEqual([{ at: 1, bytes: 50 }])
    expect(overQuota(kept, 12)).toEqual([
      { at: 1, bytes: 50 },
      { at: 2, bytes: 5 },
    ])
    expect(overQuota(kept, 0)).toHaveLength(3)
  })
})
