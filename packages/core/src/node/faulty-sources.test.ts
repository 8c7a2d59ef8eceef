import { expect, it } from 'vitest'
import { type NodeId, nodeIdFromPublicKey, type Root } from '../ids.ts'
import { ManualClock } from '../network/testing.ts'
import { createFaultySources, REMEMBERED_MS } from './faulty-sources.ts'

const [liar, honest, other] = [1, 2, 3].map((seed) => nodeIdFromPublicKey(new Uint8Array(32).fill(seed))) as [
  NodeId,
  NodeId,
  NodeId,
]
const [root, another] = ['aa', 'bb'].map((byte) => byte.repeat(32)) as [Root, Root]

it('passes over who sent something else, while there are others and for a while; not who finds its damage', async () => {
  const clock = new ManualClock()
  const asked: [NodeId, number][] = []
  const logged: string[] = []
  const faulty = createFaultySources({
    clock,
    hasLost: async (peer, _, index) => {
      asked.push([peer, index])
      return peer === honest
    },
    log: (line) => logged.push(line),
  })
  for (const kind of ['silent', 'unreachable', 'refused'] as const) faulty.told({ peer: other, root, kind })
  faulty.told({ peer: liar, root, kind: 'wrong-chunk', index: 7 })
  faulty.told({ peer: honest, root, kind: 'wrong-chunk', index: 3 })
  expect(faulty.without(root, [liar, honest, other])).toEqual([other])
  await faulty.stop()
  expect(asked).toEqual([
    [liar, 7],
    [honest, 3],
  ])
  expect(logged).toEqual([expect.stringContaining(`${honest}: has found the damage of chunk 3`)])
  expect(faulty.list()).toMatchObject([{ peer: liar, root }])
  expect(faulty.without(root, [liar, honest, other])).toEqual([honest, other])
  expect(faulty.without(another, [liar])).toEqual([liar])
  expect(faulty.without(root, [liar]), 'there is nobody else').toEqual([liar])
  clock.advance(REMEMBERED_MS)
  expect(faulty.without(root, [liar, other])).toEqual([liar, other])
  expect(faulty.list()).toEqual([])
})
