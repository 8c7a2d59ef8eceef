import { afterEach, expect, test } from 'vitest'
import { type EntryId, toHex } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { createClosedFeeds } from './closed-feeds.ts'
import { Actor, createReplica, type Replica, World } from './testing.ts'

const open: Replica[] = []
afterEach(() => {
  for (const replica of open.splice(0)) replica.close()
})

function replicaOf(world: World, entries: readonly Entry[] = world.entries): Replica {
  const replica = createReplica(world.network)
  open.push(replica)
  replica.deliver(entries)
  return replica
}

/** A machine that keeps a copy of itself from before its last writings, and with it goes back below its end. */
function stolen(end: (world: World, machine: Actor) => void, knows = true) {
  const world = new World()
  const machine = world.admit()
  const kept = machine.upload()
  const copy = new Actor(world, machine)
  const update = machine.update(kept)
  const other = machine.upload()
  world.meet()
  end(world, machine)
  const honest = [...world.entries]
  // in secret, and as if it had been before the end
  const purge = copy.change('purge', kept, {}, knows ? update : kept.entry)
  const fresh = copy.upload()
  return { world, machine, kept, other, update, honest, secret: [purge, fresh.entry], purge, fresh }
}

const ways: [string, (world: World, machine: Actor) => void][] = [
  [
    'expelled',
    (world, machine) =>
      void world.founder.write('expel', { node: machine.key.publicKey, cuts: machine.cuts() }, { cosigned: true }),
  ],
  [
    'replaced',
    (world, machine) => {
      world.admitWith(world.founder, world.invite(world.founder, { replaces: machine }))
    },
  ],
  [
    'gone by itself',
    (_, machine) => {
      machine.left(machine.leave())
    },
  ],
]

test.each(ways)('a machine that was %s goes back below the end of its feed: nothing of it counts', async (_, end) => {
  const { world, kept, other, update, honest, secret, purge, fresh } = stolen(end)
  const node = replicaOf(world, honest)
  const before = { kept: node.state.file(kept.file), other: node.state.file(other.file) }
  expect(before.kept?.head).toBe(update.id)
  expect(before.other).not.toBeNull()
  node.deliver(secret)
  expect(node.state.refusalOf(purge.id)?.code).toBe('feed-closed')
  expect(node.state.file(kept.file)).toEqual(before.kept)
  expect(node.state.file(other.file)).toEqual(before.other)
  expect(node.state.file(fresh.file)?.state ?? 'orphaned').toBe('orphaned')
  expect(node.state.refusalOf(update.id)).toBeNull()
  expect((await node.state.verify()).problems).toEqual([])
})

test.each(ways)('whatever arrives when, a machine that was %s leaves one state', async (_, end) => {
  const { world, machine, kept, honest, secret } = stolen(end)
  const digest = toHex(replicaOf(world).state.digest())
  const fork = honest.indexOf(kept.entry) + 1
  const [before, after] = [honest.slice(0, fork), honest.slice(fork)]
  const orders = [
    [...before, ...secret, ...after],
    [...honest, ...secret],
    [...honest.slice(0, -1), ...secret, ...honest.slice(-1)],
    // the closing entry first, then the secret branch, then the end that shows it up
    [...before, ...after.filter(({ author }) => author !== machine.node), ...secret, ...after],
    [...before, ...after.filter(({ author }) => author !== machine.node), ...after.slice(0, 1), ...secret, ...after],
  ]
  for (const size of [1, 3, world.entries.length]) {
    for (const order of orders) {
      const node = replicaOf(world, [])
      for (let at = 0; at < order.length; at += size) node.deliver(order.slice(at, at + size))
      expect(toHex(node.state.digest())).toBe(digest)
      expect((await node.state.verify()).problems).toEqual([])
    }
  }
})

test('while an end is not here what lies below its place counts, and when it comes only what leads to it', () => {
  const { world, honest, kept, purge, fresh, update } = stolen(ways[0]?.[1] ?? (() => {}), false)
  const late = new Set(
    honest
      .slice(honest.indexOf(update))
      .filter(({ kind }) => kind !== 'expel')
      .map(({ id }) => id),
  )
  const node = replicaOf(world, [...honest.filter(({ id }) => !late.has(id)), purge])
  expect(node.state.file(kept.file)?.state).toBe('purged')
  // at the place of the end itself there is but the end
  node.deliver([fresh.entry])
  expect(node.state.refusalOf(fresh.entry.id)?.code).toBe('feed-closed')
  node.deliver(honest)
  expect(node.state.file(kept.file)).toMatchObject({ state: 'live', head: update.id })
  expect(node.state.refusalOf(purge.id)?.code).toBe('feed-closed')
})

test('a feed that had forked before it was closed keeps both branches', () => {
  const world = new World()
  const machine = world.admit()
  machine.upload()
  const clone = new Actor(world, machine)
  const [one, two] = [machine.upload(), clone.upload()]
  world.meet()
  const cuts = [...machine.cuts(), ...clone.cuts()]
  world.founder.write('expel', { node: machine.key.publicKey, cuts }, { cosigned: true })
  const node = replicaOf(world)
  for (const { entry } of [one, two]) expect(node.state.refusalOf(entry.id)).toBeNull()
  expect(node.state.membership().cuts.get(machine.feed)).toHaveLength(2)
})

test('what the closing entry had seen counts, though it names nothing', () => {
  const world = new World()
  const machine = world.admit()
  const before = machine.upload()
  const offered = machine.upload()
  machine.offer(offered, world.founder)
  const after = machine.upload()
  world.meet()
  world.founder.write('expel', { node: machine.key.publicKey, cuts: [] }, { cosigned: true })
  const node = replicaOf(world)
  expect(node.state.refusalOf(before.entry.id)).toBeNull()
  expect(node.state.refusalOf(after.entry.id)?.code).toBe('feed-closed')
})

test('each way back is walked once, and no further than was asked', () => {
  const world = new World()
  const machine = world.admit()
  const chain = Array.from({ length: 20 }, () => machine.upload().entry)
  const end = chain.at(-1) as Entry
  const byId = new Map<EntryId, Entry>(world.entries.map((entry) => [entry.id, entry]))
  let reads = 0
  const isBeyond = createClosedFeeds({
    get(id) {
      reads += 1
      return byId.get(id)
    },
    forked: () => new Set([machine.feed]),
  })
  const membership = replicaOf(world).state.membership()
  const closed = { ...membership, closed: new Set([machine.node]), cuts: new Map([[machine.feed, [end]]]) }
  expect(isBeyond(closed, chain[15] as Entry)).toBe(false)
  const first = reads
  expect(first).toBeLessThan(10)
  expect(isBeyond(closed, chain[17] as Entry)).toBe(false)
  expect(reads - first).toBe(1)
  expect(isBeyond(closed, { ...(chain[12] as Entry), id: world.founder.upload().entry.id })).toBe(true)
})
