import { describe, expect, it } from 'vitest'
import type { AudienceList } from '../catalogue/index.ts'
import type { BranchId } from '../ids.ts'
import { lostAccess } from './seen-by.ts'

const [recife, natal, rio] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)] as [BranchId, BranchId, BranchId]
const everyone: AudienceList = { mode: 'everyone', branches: [] }
const except = (...branches: BranchId[]): AudienceList => ({ mode: 'except', branches })
const all = [recife, natal, rio].map((id) => ({ id, since: 0 }))
const epochs = (...lists: (AudienceList | null)[]) => lists.map((list, at) => ({ list, opened: (at + 1) * 100 }))

describe('who could read a file before', () => {
  it('is who was denied later, until then', () => {
    expect(lostAccess(epochs(everyone, except(natal), except(natal, rio)), all)).toEqual({
      lost: [
        { branch: natal, until: 200 },
        { branch: rio, until: 300 },
      ],
      knownSince: null,
    })
  })

  it('is nobody who was denied from the start, nor who may read it again', () => {
    expect(lostAccess(epochs(except(natal)), all).lost).toEqual([])
    expect(lostAccess(epochs(everyone, except(natal), everyone), all).lost).toEqual([])
    expect(lostAccess(epochs(except(natal), { mode: 'only', branches: [recife] }), all).lost).toEqual([
      { branch: rio, until: 200 },
    ])
  })

  it('counts the last time of several', () => {
    const lists = epochs(everyone, except(natal), everyone, except(natal), except(natal, rio))
    expect(lostAccess(lists, all).lost).toContainEqual({ branch: natal, until: 400 })
  })

  it('is no branch that joined when the denial stood already', () => {
    const late = [{ id: natal, since: 250 }]
    expect(lostAccess(epochs(everyone, except(natal)), late).lost).toEqual([])
  })

  it('says from when on it is known where a list before cannot be read', () => {
    expect(lostAccess(epochs(everyone, null, except(rio), except(natal, rio)), all)).toEqual({
      lost: [{ branch: natal, until: 400 }],
      knownSince: 300,
    })
  })
})
