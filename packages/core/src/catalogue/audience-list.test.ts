import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../codec/index.ts'
import type { BranchId } from '../ids.ts'
import {
  type AudienceList,
  audienceList,
  deniedAmong,
  EVERYONE_LIST,
  entitled,
  entitledBy,
  listId,
  listShape,
  listToCbor,
  sameList,
  withAllowed,
  withDenied,
} from './audience-list.ts'

const names = Array.from({ length: 6 }, (_, i) => `${i}`.repeat(64) as BranchId)
const [owner, ...others] = names as [BranchId, ...BranchId[]]
const branches = fc.subarray(others)
const lists = fc
  .tuple(fc.constantFrom('everyone' as const, 'except' as const, 'only' as const), branches)
  .map(([mode, named]): AudienceList => audienceList(mode, named, owner))

describe('lists', () => {
  test('the owner is always entitled, and cannot be excepted', () => {
    fc.assert(fc.property(lists, (list) => entitled(list, owner)))
    fc.assert(fc.property(lists, (list) => names.every((name) => entitledBy(list)(name) === entitled(list, name))))
    expect(() => audienceList('except', names, owner)).toThrow(
      expect.objectContaining({ code: 'owner-cannot-be-denied' }),
    )
    fc.assert(
      fc.property(lists, (list) => {
        expect(() => withDenied(list, [owner], owner)).toThrow()
      }),
    )
  })

  test('naming all other branches is fine', () => {
    expect(deniedAmong(audienceList('except', others, owner), names)).toEqual(others)
    expect(deniedAmong(audienceList('only', [], owner), names)).toEqual(others)
  })

  test('denying and allowing do what they say and nothing else', () => {
    fc.assert(
      fc.property(lists, branches, (list, named) => {
        for (const branch of names) {
          expect(entitled(withDenied(list, named, owner), branch)).toBe(
            entitled(list, branch) && !named.includes(branch),
          )
          expect(entitled(withAllowed(list, named, owner), branch)).toBe(
            entitled(list, branch) || named.includes(branch),
          )
        }
      }),
    )
  })

  test('one list has one form, whatever the order, and survives its encoding', () => {
    fc.assert(
      fc.property(lists, (list) => {
        const again = audienceList(list.mode, list.branches.toReversed(), owner)
        expect(sameList(list, again)).toBe(true)
        expect(listId(list)).toEqual(listId(again))
        expect(listShape(decodeCbor(encodeCbor(listToCbor(list)), 10_000))).toEqual(list)
      }),
    )
    expect(audienceList('except', [], owner)).toEqual(EVERYONE_LIST)
    expect(sameList(audienceList('only', others, owner), EVERYONE_LIST)).toBe(false)
  })
})
