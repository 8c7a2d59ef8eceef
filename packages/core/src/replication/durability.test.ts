/** What holders claim, and what they can show: honest ones, and those that only say so. */
import { describe, expect, it } from 'vitest'
import { type FileId, type NodeId, nodeIdFromPublicKey, type Root } from '../ids.ts'
import { ManualClock } from '../network/testing.ts'
import type { Random } from '../random.ts'
import { ASK_AGAIN_MS, createDurability, type DurabilityInit, SPOT_EVERY_MS, type Verdict } from './durability.ts'
import type { LiveVersion } from './types.ts'

const nodes = [1, 2, 3, 4, 5].map((seed) => nodeIdFromPublicKey(new Uint8Array(32).fill(seed)))
const [self, honest, liar, mute, other] = nodes as [NodeId, NodeId, NodeId, NodeId, NodeId]
const COUNT = 10

function versionOf(seed: string): LiveVersion {
  const shape = { root: seed.repeat(32) as Root, size: COUNT * 65_536, chunk: 65_536 }
  return { file: seed.repeat(16) as FileId, version: 1, shape, owner: self, boxes: [] }
}
const file = versionOf('aa')
const { root } = file.shape

/** Chances in a fixed order, the same in each run. */
function counting(): Random {
  let state = 7
  return {
    bytes: (length) => new Uint8Array(length),
    below(bound) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % bound
    },
  }
}

function setUp(over: Partial<DurabilityInit> = {}) {
  const clock = new ManualClock()
  const random = counting()
  /** chunks that each of them really has */
  const has = new Map<NodeId, Set<number>>()
  const silent = new Set<NodeId>()
  const claims = new Set<NodeId>()
  const doubts: NodeId[][] = []
  const durable: Root[] = []
  const asked: NodeId[] = []
  const problems: unknown[] = []
  const durability = createDurability({
    clock,
    random,
    async challenge(holder): Promise<Verdict> {
      asked.push(holder)
      if (silent.has(holder)) return 'silent'
      return has.get(holder)?.has(random.below(COUNT)) === true ? 'right' : 'wrong'
    },
    otherMembers: () => nodes.length - 1,
    nextOwnVersion: () => file,
    ownVersion: (wanted) => (wanted === root ? file : null),
    claimants: () => [...claims],
    formerDoubts: () => [],
    onDoubt: (_version, doubted) => doubts.push([...doubted]),
    onDurable: (each) => durable.push(each),
    onProblem: (error) => problems.push(error),
    ...over,
  })
  const all = new Set(Array.from({ length: COUNT }, (_, index) => index))
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  /** spot checks for so long */
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += SPOT_EVERY_MS) {
      clock.advance(SPOT_EVERY_MS)
      await settle()
    }
  }
  return { durability, has, all, silent, claims, doubts, durable, asked, problems, settle, pass }
}

describe('durability', () => {
  it('counts those that answer, and asks no more of them than it needs', async () => {
    const at = setUp()
    for (const node of [honest, mute, other]) {
      at.claims.add(node)
      at.has.set(node, at.all)
    }
    at.durability.check(root)
    await at.settle()
    expect([at.durable, at.asked.length, at.durability.isDurable(root)]).toEqual([[root], 2, true])
    at.durability.check(root)
    await at.settle()
    expect([at.asked.length, at.problems]).toEqual([2, []])
  })

  it('is not reached by one that says it holds and does not', async () => {
    const at = setUp()
    at.has.set(honest, at.all)
    for (const node of [honest, liar]) at.claims.add(node)
    at.durability.check(root)
    await at.settle()
    await at.pass(SPOT_EVERY_MS)
    expect([at.durability.isDurable(root), at.durability.isDoubted(root, liar)]).toEqual([false, true])
    expect(at.doubts).toEqual([[liar]])
    // another stands in
    at.claims.add(other)
    at.has.set(other, at.all)
    at.durability.check(root)
    await at.settle()
    await at.pass(2 * SPOT_EVERY_MS)
    expect([at.durability.isDurable(root), at.durability.isDoubted(root, liar)]).toEqual([true, true])
  })

  it('holds nothing against one that has dropped its copy meanwhile', async () => {
    const at = setUp()
    at.claims.add(honest)
    at.durability.check(root)
    await at.settle()
    at.claims.delete(honest)
    await at.pass(SPOT_EVERY_MS)
    expect([at.asked, at.doubts]).toEqual([[honest], []])
  })
})

it('asks again who was away when a member comes', async () => {
  let isAway = true
  const at = setUp({ challenge: async () => (isAway ? 'unknown' : 'right') })
  for (const node of [honest, other]) at.claims.add(node)
  at.durability.check(root)
  await at.settle()
  isAway = false
  at.durability.memberCame()
  at.durability.memberCame()
  await at.pass(SPOT_EVERY_MS)
  expect([at.durable, at.doubts]).toEqual([[root], []])
  await at.durability.stop()
})

describe('spot checks', () => {
  it('find one that had it all, and keeps but a part', async () => {
    const at = setUp()
    for (const node of [honest, liar]) {
      at.claims.add(node)
      at.has.set(node, at.all)
    }
    at.durability.check(root)
    await at.settle()
    expect(at.durable).toEqual([root])
    at.has.set(liar, new Set([0, 1, 2, 3, 4, 5, 6]))
    at.durability.start()
    await at.pass(60 * SPOT_EVERY_MS)
    expect(at.doubts[0]).toEqual([liar])
    expect(at.durability.isDoubted(root, honest)).toBe(false)
    // it mends its copy, and is believed again
    at.has.set(liar, at.all)
    await at.pass(ASK_AGAIN_MS + 2 * SPOT_EVERY_MS)
    expect([at.durability.isDoubted(root, liar), at.doubts.at(-1)]).toEqual([false, []])
    await at.durability.stop()
  })

  it('doubt one that never answers though it is there, after three times', async () => {
    const at = setUp()
    at.claims.add(mute)
    at.silent.add(mute)
    at.durability.start()
    await at.pass(ASK_AGAIN_MS / 2)
    expect(at.durability.isDoubted(root, mute)).toBe(false)
    await at.pass(3 * ASK_AGAIN_MS)
    expect(at.durability.isDoubted(root, mute)).toBe(true)
    await at.durability.stop()
  })

  it('say nothing of one that is away, or where this node itself lacks the chunk', async () => {
    const at = setUp({ challenge: async () => 'unknown' })
    at.claims.add(honest)
    at.durability.start()
    await at.pass(4 * ASK_AGAIN_MS)
    expect([at.doubts, at.durability.isDoubted(root, honest)]).toEqual([[], false])
    await at.durability.stop()
  })

  it('remember a doubt over a restart, ask at once, and end it when nobody claims the copy any more', async () => {
    const at = setUp({ formerDoubts: () => [[root, [liar, other]]] })
    expect([liar, other].map((node) => at.durability.isDoubted(root, node))).toEqual([true, true])
    at.claims.add(liar)
    at.has.set(liar, at.all)
    at.durability.start()
    await at.pass(4 * SPOT_EVERY_MS)
    expect(at.doubts.at(-1)).toEqual([])
    expect([liar, other].map((node) => at.durability.isDoubted(root, node))).toEqual([false, false])
    await at.durability.stop()
  })
})
