import { describe, expect, it } from 'vitest'
import type { SharedFile, SharedVersion } from '../catalogue/index.ts'
import type { StoredVersion } from '../content/index.ts'
import type { Root } from '../ids.ts'
import { isOfUse, isStillToSeal } from './stored-roots.ts'

const [current, former] = ['cc'.repeat(32), 'ff'.repeat(32)] as Root[] as [Root, Root]
const version = { root: current, formerRoots: [former] } as unknown as SharedVersion

describe('isOfUse', () => {
  const state = {
    versionOfRoot: (root: Root) => (root === current ? version : null),
    versionReplacing: (root: Root) => (root === former ? version : null),
  }
  const here = (complete: boolean | null, isFormerComplete = true) => ({
    stat(root: Root) {
      if (root === former) return { complete: isFormerComplete } as StoredVersion
      return root === current && complete !== null ? ({ complete } as StoredVersion) : null
    },
  })

  it('holds for a root that some version has', () => {
    expect(isOfUse(current, state, here(false))).toBe(true)
  })

  it('holds for what was sealed anew until that is complete here', () => {
    expect(isOfUse(former, state, here(null))).toBe(true)
    expect(isOfUse(former, state, here(false))).toBe(true)
    expect(isOfUse(former, state, here(true))).toBe(false)
  })

  it('does not hold for a part of it: the rest is nobody’s any more', () => {
    expect(isOfUse(former, state, here(null, false))).toBe(false)
    expect(isOfUse(former, state, here(false, false))).toBe(false)
  })

  it('holds for a former root that another version has again', () => {
    const restored = { ...state, versionOfRoot: () => version }
    expect(isOfUse(former, restored, here(true))).toBe(true)
  })

  it('does not hold for what nobody has published', () => {
    expect(isOfUse('00'.repeat(32) as Root, state, here(true))).toBe(false)
  })
})

describe('isStillToSeal', () => {
  const nothing = { stat: () => null }
  const sealed = { stat: () => ({ complete: true }) as StoredVersion }
  const of = (epoch: number, version = 1, conflict = false) => ({
    file: () => ({ version: 1, epoch: 2 }) as SharedFile,
    versionOfRoot: () => ({ version, epoch, conflict }) as SharedVersion,
    versionReplacing: () => null,
  })

  it('holds for the owner while the present version is of an older access epoch', () => {
    expect(isStillToSeal(former, of(1), nothing)).toBe(true)
    expect(isStillToSeal(former, of(2), nothing)).toBe(false)
    expect(isStillToSeal(former, of(1, 2), nothing)).toBe(false)
    expect(isStillToSeal(former, of(1, 1, true), nothing)).toBe(false)
    expect(isStillToSeal(former, { ...of(1), versionOfRoot: () => null }, nothing)).toBe(false)
  })

  it('holds for a reader until the new seal is complete here', () => {
    const replaced = { ...of(1), versionOfRoot: () => null, versionReplacing: () => version }
    expect(isStillToSeal(former, replaced, nothing)).toBe(true)
    expect(isStillToSeal(former, replaced, sealed)).toBe(false)
  })
})
