import { expect, it } from 'vitest'
import type { NodeId, Root } from '../ids.ts'
import type { Facts } from '../network/index.ts'
import { createHoldings } from './holdings.ts'

const SELF = 'self' as NodeId
const [HERE, GONE] = ['0a'.repeat(32) as Root, '0b'.repeat(32) as Root]

/** What one node states, without anybody who listens. */
function ownFacts(): Pick<Facts, 'set' | 'clear' | 'of'> {
  const stated = new Map<string, Map<string, Uint8Array>>()
  return {
    set: (topic, key, value) => void stated.set(topic, (stated.get(topic) ?? new Map()).set(key, value)),
    clear: (topic, key) => void stated.get(topic)?.delete(key),
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
