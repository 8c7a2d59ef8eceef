import { describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { expiredVersions } from './retention.ts'

const version = (number: number, ms: number, conflict = false) => ({
  version: number,
  ms,
  conflict,
  root: `root-${number}${conflict ? 'c' : ''}` as Root,
})

describe('expiredVersions', () => {
  const versions = [version(1, 100), version(2, 200), version(3, 300), version(2, 250, true)]

  it('counts from when a version was replaced, not from when it was made', () => {
    expect(expiredVersions({ version: 3 }, versions, 150)).toEqual([])
    expect(expiredVersions({ version: 3 }, versions, 201)).toEqual(['root-1'])
    expect(expiredVersions({ version: 3 }, versions, 301)).toEqual(['root-1', 'root-2', 'root-2c'])
  })

  it('never names the current version, nor another one with the same content', () => {
    expect(expiredVersions({ version: 3 }, versions, 1e9)).not.toContain('root-3')
    const restored = [version(1, 100), version(2, 200), { ...version(3, 300), root: 'root-1' as Root }]
    expect(expiredVersions({ version: 3 }, restored, 1e9)).toEqual(['root-2'])
  })
})
