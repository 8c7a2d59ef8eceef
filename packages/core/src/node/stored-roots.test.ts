import { describe, expect, it } from 'vitest'
import type { SharedVersion } from '../catalogue/index.ts'
import type { StoredVersion } from '../content/index.ts'
import type { Root } from '../ids.ts'
import { isOfUse } from './stored-roots.ts'

const [current, former] = ['cc'.repeat(32), 'ff'.repeat(32)] as Root[] as [Root, Root]
const version = { root: current, formerRoots: [former] } as unknown as SharedVersion

describe('isOfUse', () => {
  const state = {
    versionOfRoot: (root: Root) => (root === current ? version : null),
    versionReplacing: (root: Root) => (root === former ? version : null),
  }
  const here = (complete: boolean | null) => ({
    stat: (root: Root) => (root === current && complete !== null ? ({ complete } as StoredVersion) : null),
  })

  it('holds for a root that some version has', () => {
    expect(isOfUse(current, state, here(false))).toBe(true)
  })

  it('holds for what was sealed anew until that is complete here', () => {
    expect(isOfUse(former, state, here(null))).toBe(true)
    expect(isOfUse(former, state, here(false))).toBe(true)
    expect(isOfUse(former, state, here(true))).toBe(false)
  })

  it('holds for a former root that another version has again', () => {
    const restored = { ...state, versionOfRoot: () => version }
    expect(isOfUse(former, restored, here(true))).toBe(true)
  })

  it('does not hold for what nobody has published', () => {
    expect(isOfUse('00'.repeat(32) as Root, state, here(true))).toBe(false)
  })
})
