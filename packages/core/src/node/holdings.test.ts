import { expect, it } from 'vitest'
import { type NodeId, nodeIdFromPublicKey, type Root } from '../ids.ts'
import type { Facts } from '../network/index.ts'
import { createHoldings } from './holdings.ts'

const [SELF, ...LIARS] = [1, 2, 3].map((seed) => nodeIdFromPublicKey(new Uint8Array(32).fill(seed))) as [
  NodeId,
  ...NodeId[],
]
const [HERE, GONE] = ['0a'.repeat(32) as Root, '0b'.repeat(32) as Root]

/** What one node states, without anybody who listens. */
function ownFacts(): Pick<Facts, 'set' | 'clear' | 'of' | 'get'> {
  const stated = new Map<string, Map<string, Uint8Array>>()
  return {
    set: (topic, key, value) => void stated.set(topic, (stated.get(topic) ?? new Map()).set(key, value)),
    clear: (topic, key) => void stated.get(topic)?.delete(key),
    get: (node, topic, key) => (node === SELF ? (stated.get(topic)?.get(key) ?? null) : null),
    of: (node, topic) => (node === SELF ? [...(stated.get(topic) ?? [])] : []),
  }
}

it('takes back what it said to hold and does not, and nothing else', () => {
  const facts = ownFacts()
  const holdings = createHoldings(facts as Facts, SELF)
  holdings.say(HERE, 'all')
  holdings.say(GONE, 'partial')
  holdings.decline(GONE, true)
  holdings.amend((root) => root === HERE)
  expect(facts.of(SELF, 'hold').map(([root]) => root)).toEqual([HERE])
  expect(facts.of(SELF, 'decline').map(([root]) => root)).toEqual([GONE])
})

it('states whose copies it doubts, and finds that again after a restart', () => {
  const facts = ownFacts()
  const holdings = createHoldings(facts as Facts, SELF)
  holdings.doubt(HERE, LIARS)
  holdings.doubt(GONE, LIARS.slice(0, 1))
  expect(holdings.doubted(SELF, HERE)).toEqual(new Set(LIARS))
  expect(holdings.ownDoubts()).toEqual([
    [HERE, new Set(LIARS)],
    [GONE, new Set(LIARS.slice(0, 1))],
  ])
  holdings.doubt(HERE, [])
  expect(holdings.doubted(SELF, HERE)).toEqual(new Set())
  // what a member states that has no such keys is no one
  facts.set('doubt', GONE, new Uint8Array(31))
  expect(holdings.doubted(SELF, GONE)).toEqual(new Set())
})
