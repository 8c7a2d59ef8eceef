import { describe, expect, it } from 'vitest'
import { type FileId, type NetworkId, type NodeId, nodeIdFromPublicKey, type Root } from '../ids.ts'
import { ManualClock } from '../network/testing.ts'
import { createReplicator, type ReplicatorInit } from './replicator.ts'
import type { LiveVersion } from './types.ts'

const self = nodeIdFromPublicKey(new Uint8Array(32).fill(1))
const network = 'ab'.repeat(32) as NetworkId
const [first, second] = ['11'.repeat(16), '22'.repeat(16)] as FileId[] as [FileId, FileId]

function versionOf(file: FileId): LiveVersion {
  const shape = { root: `root of ${file}` as Root, size: 1, chunk: 1024 * 1024 }
  return { file, version: 1, shape, owner: self, boxes: [] }
}

function setUp(over: Partial<ReplicatorInit>) {
  const clock = new ManualClock()
  const problems: unknown[] = []
  const looked = new Map<FileId, () => void>()
  const whenLooked = (file: FileId) => new Promise<void>((resolve) => looked.set(file, resolve))
  const replicator = createReplicator({
    clock,
    network,
    self,
    holdings: { holders: () => new Map(), declines: () => new Set(), say: () => {}, decline: () => {} },
    intervalMs: 1000,
    liveVersion: versionOf,
    liveFiles: () => [first, second],
    members: () => [{ node: self, weight: 1 }],
    policy: () => null,
    isAway: () => false,
    isConnected: () => true,
    local: () => 'none',
    mayHold: () => true,
    former: () => 'none',
    isKept: () => false,
    isDamaged: () => false,
    doubted: () => new Set(),
    keepBoxes: () => {},
    want: () => {},
    unwant: () => {},
    drop: async () => {},
    letGo: async () => {},
    onCopies: (file) => looked.get(file)?.(),
    onProblem: (error) => problems.push(error),
    ...over,
  })
  return { replicator, clock, problems, whenLooked }
}

describe('createReplicator', () => {
  it('goes on with the other files when one look fails, and looks at that one again', async () => {
    const full = new Error('disk full')
    let isFull = true
    const { replicator, clock, problems, whenLooked } = setUp({
      want({ file }) {
        if (file === first && isFull) throw full
      },
    })
    const secondSeen = whenLooked(second)
    replicator.start()
    await secondSeen
    expect(problems).toEqual([full])
    isFull = false
    const firstSeen = whenLooked(first)
    clock.advance(1000)
    await firstSeen
    expect(problems).toEqual([full])
    await replicator.stop()
  })

  it('survives that the files cannot be listed', async () => {
    const closed = new Error('database closed')
    let isClosed = true
    const { replicator, clock, problems, whenLooked } = setUp({
      liveFiles() {
        if (isClosed) throw closed
        return [first]
      },
    })
    replicator.start()
    expect(problems).toEqual([closed])
    isClosed = false
    const seen = whenLooked(first)
    clock.advance(1000)
    await seen
    await replicator.stop()
  })

  it('does not count a copy of one that is gone for longer than the grace: another makes one, and only then the target is met', () => {
    const others = [2, 3, 4].map((seed) => nodeIdFromPublicKey(new Uint8Array(32).fill(seed)))
    const version = versionOf(first)
    const away = new Set<NodeId>()
    const holders = new Map<NodeId, 'all'>()
    const { replicator } = setUp({
      members: () => [self, ...others].map((node) => ({ node, weight: 1 })),
      local: () => 'all',
      holdings: { holders: () => holders, declines: () => new Set(), say: () => {}, decline: () => {} },
      isAway: (node) => away.has(node),
    })
    const [kept, gone] = replicator.placement(version).filter((node) => node !== self) as [NodeId, NodeId]
    const standIn = others.find((node) => node !== kept && node !== gone) as NodeId
    for (const node of [kept, gone]) holders.set(node, 'all')
    expect(replicator.copies(version)).toEqual({ held: 3, target: 3 })
    away.add(gone)
    expect(replicator.copies(version)).toEqual({ held: 2, target: 3 })
    expect(replicator.placement(version)).toContain(standIn)
    holders.set(standIn, 'all')
    expect(replicator.copies(version)).toEqual({ held: 3, target: 3 })
    away.delete(gone)
    expect(replicator.copies(version), 'it is back').toEqual({ held: 4, target: 3 })
  })

  it('does not count a copy that its owner doubts, nor waits for its member to make one', () => {
    const others = [2, 3, 4].map((seed) => nodeIdFromPublicKey(new Uint8Array(32).fill(seed)))
    const version = versionOf(first)
    const doubted = new Set<NodeId>()
    const { replicator } = setUp({
      members: () => [self, ...others].map((node) => ({ node, weight: 1 })),
      local: () => 'all',
      holdings: {
        holders: () => new Map(others.slice(0, 2).map((node) => [node, 'all'])),
        declines: () => new Set(),
        say: () => {},
        decline: () => {},
      },
      doubted: () => doubted,
    })
    const listed = replicator.placement(version).filter((node) => node !== self)
    expect([replicator.copies(version), listed.length]).toEqual([{ held: 3, target: 3 }, 2])
    for (const liar of others) {
      doubted.clear()
      doubted.add(liar)
      const now = replicator.placement(version)
      expect(now).toHaveLength(3)
      expect(now).not.toContain(liar)
      expect(replicator.completeHolders(version)).not.toContain(liar)
    }
    // a node leaves itself in: it looks at its copy and mends it
    doubted.clear()
    doubted.add(self)
    expect(replicator.placement(version)).toContain(self)
  })
})
