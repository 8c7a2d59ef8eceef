import { describe, expect, it } from 'vitest'
import { growthPercent } from './old-space.ts'

const MiB = 1024 * 1024

// what it is worth shows only in a node that receives: `npm run bench -- transfer`, the row of libp2p streams
describe('the growth of the heap until it is marked', () => {
  it('leaves room for what passes, and a large heap to V8', () => {
    expect([10, 20, 40, 63].map((mib) => growthPercent(mib * MiB))).toEqual([400, 200, 100, 75])
    expect([64, 500].map((mib) => growthPercent(mib * MiB))).toEqual([0, 0])
  })

  it('is bounded for a heap of nothing', () => expect(Number.isFinite(growthPercent(0))).toBe(true))
})
