/** How entries get about, with the real `createSync` over the simulated network. Spec: docs/specs/ledger-sync.md. */
import { afterEach, describe, expect, it } from 'vitest'
import { sha256 } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, idFrom } from '../../packages/core/src/ids.ts'
import {
  decodeSyncFrame,
  encodeSyncFrame,
  FRAME_MAX_BYTES,
  type ShortId,
  shortIdOf,
} from '../../packages/core/src/ledger/sync-frames.ts'
import type { Entry } from '../../packages/core/src/ledger/types.ts'
import type { FrameStream } from '../../packages/core/src/network/index.ts'
import { Prng } from './prng.ts'
import { type LightNode, measureSpread, SpreadWorld } from './spread.ts'

const PUSH = 1
const ASK = 2

type Edge = readonly [number, number]

const worlds: SpreadWorld[] = []
afterEach(() => {
  for (const world of worlds.splice(0)) world.end()
})

function worldOf(seed: string, nodes: number, random: Prng): SpreadWorld {
  const world = new SpreadWorld(seed, nodes, [5, 60], random)
  worlds.push(world)
  return world
}

/** A tree at random, and as many edges more. */
function someGraph(nodes: number, more: number, random: Prng): Edge[] {
  const edges: Edge[] = []
  for (let node = 1; node < nodes; node++) edges.push([random.below(node), node])
  for (let count = 0; count < more; count++) edges.push([random.below(nodes), random.below(nodes)])
  return edges
}

function without(edges: readonly Edge[], [one, other]: Edge): Edge[] {
  return edges.filter(([a, b]) => !(a === one && b === other) && !(a === other && b === one))
}

function isConnected(nodes: number, edges: readonly Edge[]): boolean {
  const reached = new Set([0])
  for (let before = -1; before < reached.size; ) {
    before = reached.size
    for (const [a, b] of edges) if (reached.has(a) || reached.has(b)) reached.add(a).add(b)
    if (reached.size === before) break
  }
  return reached.size === nodes
}

function join({ nodes, network }: SpreadWorld, edges: readonly Edge[]): void {
  for (const [a, b] of edges) {
    const [one, other] = [nodes[a], nodes[b]]
    if (one !== undefined && other !== undefined) network.connect(one.host, other.host)
  }
}

/** Announces at once whatever it hears of, and gives nothing. */
function makeLiar({ host }: LightNode): void {
  const told = new Set<ShortId>()
  const streams: FrameStream[] = []
  const tell = async (ids: readonly ShortId[]) => {
    const fresh = ids.filter((id) => !told.has(id))
    for (const id of fresh) told.add(id)
    if (fresh.length === 0) return
    for (const stream of streams) await stream.write(encodeSyncFrame({ type: 'announce', ids: fresh }))
  }
  host.handle('ledger', { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: 0 }, async (stream) => {
    for (
      let bytes = await stream.read({ timeoutMs: 1e9 });
      bytes !== null;
      bytes = await stream.read({ timeoutMs: 1e9 })
    ) {
      const frame = decodeSyncFrame(bytes)
      if (frame.type === 'announce') await tell(frame.ids)
      if (frame.type === 'push') await tell(frame.entries.map((each) => shortIdOf(idFrom<EntryId>(sha256(each.bytes)))))
    }
  })
  host.onPeer(({ type, peer }) => {
    if (type !== 'connected') return
    const options = { maxFrameBytes: FRAME_MAX_BYTES }
    host.open(peer, 'ledger', options).then(
      (stream) => void streams.push(stream),
      () => undefined,
    )
  })
}

/** So many write, some of them several entries in a row, within a fifth of a second. */
async function write(world: SpreadWorld, authors: number, random: Prng): Promise<Entry[]> {
  const written: Entry[] = []
  for (let count = 0; count < authors; count++) {
    const author = random.pick(world.nodes)
    for (let more = random.between(1, 6); more >= 1 && author !== undefined; more--) written.push(author.write(random))
    await world.timeline.pass(random.below(200 / authors))
  }
  return written
}

function missing(nodes: readonly LightNode[], entries: readonly Entry[]): number {
  return nodes.reduce((sum, node) => sum + entries.filter((entry) => !node.has(entry)).length, 0)
}

describe('entries among many', () => {
  it('are everywhere without any comparison, whatever the connections', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Prng(`whole ${seed}`)
      const count = Math.floor(random.between(2, 25))
      const world = worldOf(`whole ${seed}`, count, random)
      join(world, someGraph(count, random.below(2 * count), random))
      await world.begin()
      const { byType } = world.network.sent
      const before = { asks: byType.get(ASK) ?? 0, pushes: byType.get(PUSH) ?? 0 }
      const written = await write(world, 4, random)
      // the longest way is a line: one delay for each of its nodes, and two
      await world.timeline.pass(60 * (count + 2) + 200)
      expect(missing(world.nodes, written), `seed ${seed}`).toBe(0)
      expect((byType.get(ASK) ?? 0) - before.asks, `seed ${seed}`).toBe(0)
      expect((byType.get(PUSH) ?? 0) - before.pushes, `seed ${seed}`).toBeLessThanOrEqual(2 * count * written.length)
    }
  })

  it('are everywhere when connections are lost meanwhile, as long as the rest hangs together', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Prng(`torn ${seed}`)
      const count = Math.floor(random.between(4, 25))
      const world = worldOf(`torn ${seed}`, count, random)
      let edges = someGraph(count, 2 * count, random)
      join(world, edges)
      await world.begin()
      const written = await write(world, 4, random)
      for (let cuts = 0; cuts < count / 2; cuts++) {
        const cut = random.pick(edges) ?? [0, 0]
        const rest = without(edges, cut)
        const [one, other] = [world.nodes[cut[0]], world.nodes[cut[1]]]
        if (!isConnected(count, rest) || one === undefined || other === undefined) continue
        edges = rest
        world.network.disconnect(one.host, other.host)
        await world.timeline.pass(random.below(20))
      }
      await world.timeline.pass(10_000)
      expect(missing(world.nodes, written), `seed ${seed}`).toBe(0)
    }
  })

  it('are everywhere although some announce everything first and give nothing', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new Prng(`liars ${seed}`)
      const honest = Math.floor(random.between(4, 16))
      const count = honest + Math.ceil(honest / 3)
      const world = worldOf(`liars ${seed}`, count, random)
      for (const liar of world.nodes.slice(honest)) makeLiar(liar)
      const edges = someGraph(honest, honest, random)
      // liars know everybody
      for (let liar = honest; liar < count; liar++) for (let node = 0; node < honest; node++) edges.push([node, liar])
      join(world, edges)
      const people = world.nodes.slice(0, honest)
      for (const { sync } of people) sync.start()
      await world.timeline.pass(5000)
      const written: Entry[] = []
      for (let entries = 0; entries < 3; entries++) {
        const author = random.pick(people)
        if (author !== undefined) written.push(author.write(random))
        await world.timeline.pass(10_000)
      }
      expect(missing(people, written), `seed ${seed}`).toBe(0)
    }
  })

  it('cost each of 150 nodes less than three times their size, and take no more than six delays', async () => {
    const spread = await measureSpread({ seed: '1', nodes: 150, connections: 10, delayMs: 50, entries: 5 })
    expect(spread.connections).toBeLessThanOrEqual(10)
    expect(spread.worstDelays).toBeLessThanOrEqual(6)
    expect(spread.bytesRatio).toBeLessThan(3)
  })

  it('are one delay away where everybody is connected with everybody', async () => {
    const spread = await measureSpread({ seed: '1', nodes: 40, connections: 39, delayMs: 50, entries: 2 })
    expect(spread.worstDelays).toBe(1)
    expect(spread.bytesRatio).toBeLessThan(2)
  })
})
