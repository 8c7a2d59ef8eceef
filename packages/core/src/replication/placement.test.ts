import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FileId, NetworkId } from '../ids.ts'
import { nodeIdFromPublicKey, toHex } from '../ids.ts'
import { negativeLog2, placementList, rankedMembers } from './placement.ts'
import { targetCopies } from './target.ts'

const network = '11'.repeat(32) as NetworkId
const node = (n: number) => nodeIdFromPublicKey(new Uint8Array(32).fill(n + 1))
const file = (n: number) => toHex(new Uint8Array(16).fill(n)) as FileId
const members = (count: number, weight = 16) => Array.from({ length: count }, (_, n) => ({ node: node(n), weight }))

describe('targetCopies', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [5, 3],
    [8, 3],
    [9, 4],
    [70, 24],
  ])('%i members: %i copies', (count, copies) => expect(targetCopies(count, null)).toBe(copies))

  it('is as many as the policy asks for, where there are so many members', () => {
    expect(targetCopies(70, { minCopies: 40, maxCopies: null })).toBe(40)
    expect(targetCopies(9, { minCopies: 40, maxCopies: null })).toBe(9)
    expect(targetCopies(70, { minCopies: 2, maxCopies: null })).toBe(24)
  })

  it('never exceeds the policy, and is never none', () => {
    expect(targetCopies(70, { minCopies: null, maxCopies: 5 })).toBe(5)
    expect(targetCopies(70, { minCopies: null, maxCopies: 0 })).toBe(1)
    expect(targetCopies(70, { minCopies: 9, maxCopies: 5 })).toBe(5)
  })
})

describe('negativeLog2', () => {
  it('is a logarithm', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 }), (value) => {
        const exact = (48 - Math.log2(value)) * 2 ** 24
        expect(Math.abs(negativeLog2(value) - exact)).toBeLessThan(64)
      }),
    )
  })
})

describe('placementList', () => {
  const place = (f: number, count: number, aside = new Set<string>()) =>
    placementList({
      network,
      file: file(f),
      owner: node(0),
      members: members(count),
      standsAside: (n) => aside.has(n),
      target: targetCopies(count, null),
    })

  it('has the owner first and as many as the target', () => {
    expect(place(1, 70)).toHaveLength(24)
    expect(place(1, 70)[0]).toBe(node(0))
    expect(new Set(place(1, 70)).size).toBe(24)
  })

  it('does not depend on the order in which members are known', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(members(20), { minLength: 20 }), (shuffled) => {
        expect(rankedMembers(network, file(3), shuffled)).toEqual(rankedMembers(network, file(3), members(20)))
      }),
    )
  })

  it('moves only the share of a member that leaves', () => {
    for (let f = 0; f < 50; f++) {
      const before = rankedMembers(network, file(f), members(20))
      const gone = node(7)
      const after = rankedMembers(
        network,
        file(f),
        members(20).filter((m) => m.node !== gone),
      )
      expect(after).toEqual(before.filter((n) => n !== gone))
    }
  })

  it('lets the next stand in', () => {
    const [, second, third] = place(5, 20)
    const without = place(5, 20, new Set([second as string]))
    expect(without).toHaveLength(place(5, 20).length)
    expect(without).not.toContain(second)
    expect(without[1]).toBe(third)
  })

  it('gives shares in proportion to the weights, and nothing to weight 0', () => {
    const weighted = [...members(4, 16), { node: node(9), weight: 32 }, { node: node(10), weight: 0 }]
    const first = new Map<string, number>()
    for (let f = 0; f < 3000; f++) {
      const id = toHex(new Uint8Array(16).fill(f & 255).map((b, i) => (i === 0 ? f >> 8 : b))) as FileId
      const winner = rankedMembers(network, id, weighted)[0] as string
      first.set(winner, (first.get(winner) ?? 0) + 1)
    }
    // expected 1,000 of 3,000 for the double weight and 500 for each other
    expect(first.get(node(9))).toBeGreaterThan(850)
    expect(first.get(node(9))).toBeLessThan(1150)
    expect(first.get(node(10))).toBeUndefined()
  })
})
