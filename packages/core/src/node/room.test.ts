import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StoredVersion } from '../content/index.ts'
import type { BranchId, Root } from '../ids.ts'
import { createOwnerUsage, hasRoomFor, isWithinFairShare, roomOf } from './room.ts'

const usage = (used: number, free: number, floor = 10) => ({ usage: () => ({ used, free, floor }), stat: () => null })

describe('room', () => {
  it('is what is offered, and never what the disk does not have above its floor', () => {
    expect(roomOf(usage(100, 50), null)).toBe(140)
    expect(roomOf(usage(100, 50), 120)).toBe(120)
    expect(roomOf(usage(100, 50), 1000)).toBe(140)
    const shape = (size: number) => ({ root: 'r' as Root, size, chunk: 1 })
    expect(hasRoomFor(usage(100, 50), null, shape(39))).toBe(true)
    expect(hasRoomFor(usage(100, 50), null, shape(40))).toBe(false)
    expect(hasRoomFor(usage(100, 50), 110, shape(20))).toBe(false)
  })
})

describe('the fair share', () => {
  it('does not matter while half is free, and then gives each owner its part', () => {
    const ask = (used: number, byOwner: number, size: number) =>
      isWithinFairShare({ room: 1000, used, usedByOwner: () => byOwner, owners: 4, size })
    expect(ask(0, 0, 500)).toBe(true)
    expect(ask(0, 0, 501)).toBe(false)
    expect(ask(600, 240, 10)).toBe(true)
    expect(ask(600, 250, 1)).toBe(false)
  })

  it('always leaves room for whoever has little, whatever one owner does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 400 })), { maxLength: 60 }),
        (wishes) => {
          const used = [0, 0, 0, 0]
          const total = () => used.reduce((sum, each) => sum + each, 0)
          for (const [owner, size] of wishes) {
            const usedByOwner = () => used[owner] ?? 0
            if (isWithinFairShare({ room: 1000, used: total(), usedByOwner, owners: 4, size }))
              used[owner] = usedByOwner() + size
          }
          // half may be anybody's; beyond it nobody has more than a quarter of all
          for (const each of used) expect(each).toBeLessThanOrEqual(500)
          expect(total()).toBeLessThanOrEqual(500 + 4 * 250)
        },
      ),
    )
  })
})

describe('usage by owner', () => {
  it('follows the store from the first question on', () => {
    const versions = new Map<Root, number>([
      ['a' as Root, 10],
      ['b' as Root, 20],
    ])
    let changed: (root: Root) => void = () => {}
    const stat = (root: Root) => {
      const bytes = versions.get(root)
      return bytes === undefined ? null : ({ root, held: 1, count: 1, complete: true, bytes } satisfies StoredVersion)
    }
    const store = {
      stat,
      list: () => [...versions.keys()].flatMap((root) => stat(root) ?? []),
      onChange(listener: (root: Root) => void) {
        changed = listener
        return () => {
          changed = () => {}
        }
      },
    }
    const usage = createOwnerUsage(store, (root) => (root === 'c' ? 'other' : 'one') as BranchId)
    expect(usage.of('one' as BranchId)).toBe(30)
    versions.set('c' as Root, 5)
    changed('c' as Root)
    versions.set('a' as Root, 15)
    changed('a' as Root)
    versions.delete('b' as Root)
    changed('b' as Root)
    expect([usage.of('one' as BranchId), usage.of('other' as BranchId)]).toEqual([15, 5])
    usage.stop()
  })
})
