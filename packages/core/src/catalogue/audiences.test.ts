import { describe, expect, test } from 'vitest'
import { type BranchId, type EntryId, EVERYONE, type KeyId, type NodeId, newAudienceId } from '../ids.ts'
import type { Member } from '../membership/index.ts'
import { audienceList, EVERYONE_LIST } from './audience-list.ts'
import { type CandidateKey, chooseKey, isSpoiled } from './audiences.ts'

const branch = (name: string) => name.repeat(64) as BranchId
const node = (name: string) => `node-${name}` as NodeId
const keyOf = (name: string) => name.repeat(32) as KeyId

function members(states: Record<string, Member['state']>): Map<NodeId, Member> {
  const rows = Object.entries(states).map(([name, state]): [NodeId, Member] => {
    const key = new Uint8Array(32)
    const fixed = {
      role: 'member',
      steps: null,
      admit: '' as EntryId,
      invite: null,
      replacedBy: null,
      marks: [],
    } as const
    return [node(name), { ...fixed, node: node(name), key, sealing: key, branch: branch(name), state }]
  })
  return new Map(rows)
}

const exceptC = audienceList('except', [branch('c')], branch('a'))
const usable = (key: string, changes: Partial<CandidateKey> = {}): CandidateKey => ({
  key: keyOf(key),
  readable: true,
  list: exceptC,
  gone: [],
  ...changes,
})

describe('a key is spoiled when someone who may have it is no current member', () => {
  test.each(['left', 'expelled', 'quarantined'] as const)('%s', (state) => {
    expect(isSpoiled(EVERYONE_LIST, [], members({ a: 'member', b: state }))).toBe(true)
    expect(isSpoiled(EVERYONE_LIST, null, members({ a: 'member', b: state }))).toBe(true)
  })

  test('not by one whom the list never took in, nor by one that was gone before', () => {
    expect(isSpoiled(exceptC, [], members({ a: 'member', c: 'expelled' }))).toBe(false)
    expect(isSpoiled(EVERYONE_LIST, [node('b')], members({ a: 'member', b: 'left' }))).toBe(false)
    expect(isSpoiled(EVERYONE_LIST, [node('b')], members({ a: 'member', b: 'left', c: 'left' }))).toBe(true)
  })
})

describe('the choice', () => {
  const all = members({ a: 'member', b: 'member', c: 'member' })
  const first = newAudienceId()
  const second = newAudienceId()

  test('nothing fits: a new audience', () => {
    expect(chooseKey(exceptC, [], all)).toEqual({ do: 'create' })
    const other = [
      {
        audience: first,
        keys: [usable('1', { list: EVERYONE_LIST }), usable('2', { readable: false }), usable('3', { list: null })],
      },
    ]
    expect(chooseKey(exceptC, other, all)).toEqual({ do: 'create' })
  })

  test('concurrent renewals both stand, the first usable in order is taken', () => {
    const expelled = members({ a: 'member', b: 'expelled' })
    const keys = [usable('1'), usable('2', { gone: [node('b')] }), usable('3', { gone: [node('b')] })]
    expect(chooseKey(exceptC, [{ audience: first, keys }], expelled)).toEqual({
      do: 'use',
      audience: first,
      key: keyOf('2'),
    })
    expect(chooseKey(exceptC, [{ audience: first, keys: keys.slice(0, 1) }], expelled)).toEqual({
      do: 'renew',
      audience: first,
      previous: keyOf('1'),
    })
  })

  test('a usable key of another audience with the same list goes before a renewal', () => {
    const expelled = members({ a: 'member', b: 'expelled' })
    const candidates = [
      { audience: first, keys: [usable('1')] },
      { audience: second, keys: [usable('2', { gone: [node('b')] })] },
    ]
    expect(chooseKey(exceptC, candidates, expelled)).toEqual({ do: 'use', audience: second, key: keyOf('2') })
  })

  test('a renewal that came with another list is passed over', () => {
    const keys = [usable('1', { list: EVERYONE_LIST }), usable('2')]
    expect(chooseKey(exceptC, [{ audience: EVERYONE, keys }], all)).toEqual({
      do: 'use',
      audience: EVERYONE,
      key: keyOf('2'),
    })
  })
})
