import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { type DutyInput, decideDuty } from './duty.ts'

const [a, b, c] = ['a', 'b', 'c'] as NodeId[] as [NodeId, NodeId, NodeId]
const base: DutyInput = {
  self: a,
  list: [a, b],
  completeHolders: new Set(),
  isReachable: () => true,
  local: 'none',
  mayHold: true,
  former: 'none',
  isKept: false,
  isDamaged: false,
}

describe('decideDuty', () => {
  it.each<[string, Partial<DutyInput>, string]>([
    ['listed and without it', {}, 'fetch'],
    ['listed with a part', { local: 'partial' }, 'fetch'],
    ['listed and complete', { local: 'all' }, 'rest'],
    ['listed but not allowed', { mayHold: false }, 'decline'],
    ['listed, complete, no longer allowed to', { mayHold: false, local: 'all' }, 'decline'],
    ['not listed, nothing here', { list: [b, c] }, 'rest'],
    [
      'not listed, the listed do not all have it',
      { list: [b, c], local: 'all', completeHolders: new Set([b]) },
      'rest',
    ],
    ['not listed, the listed all have it', { list: [b, c], local: 'all', completeHolders: new Set([b, c]) }, 'drop'],
    [
      'not listed, one of those who have it is off',
      { list: [b, c], local: 'all', completeHolders: new Set([b, c]), isReachable: (node) => node !== c },
      'rest',
    ],
    [
      'not listed, a person wants it here',
      { list: [b, c], local: 'all', completeHolders: new Set([b, c]), isKept: true },
      'rest',
    ],
    [
      'a person wanted it here, and the disk lost a part',
      { list: [b], local: 'partial', isKept: true, isDamaged: true },
      'fetch',
    ],
    ['the same, while it is only on its way', { list: [b], local: 'partial', isKept: true }, 'rest'],
    ['nobody is listed', { list: [], local: 'all' }, 'rest'],
  ])('%s', (_, input, duty) => expect(decideDuty({ ...base, ...input })).toBe(duty))

  it('never drops while a listed member lacks it or is off: the last copies are safe', () => {
    const nodes = [a, b, c]
    fc.assert(
      fc.property(
        fc.subarray(nodes),
        fc.subarray(nodes),
        fc.subarray(nodes),
        fc.boolean(),
        fc.boolean(),
        (list, holders, there, mayHold, isKept) => {
          const completeHolders = new Set(holders)
          const isReachable = (node: NodeId) => there.includes(node)
          const duty = decideDuty({ ...base, list, completeHolders, isReachable, local: 'all', mayHold, isKept })
          if (duty !== 'drop') return
          expect(list.length).toBeGreaterThan(0)
          for (const node of list) expect([holders.includes(node), there.includes(node)]).toEqual([true, true])
        },
      ),
    )
  })
})
