import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { generateSigningKey } from '../crypto/index.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { toHex } from '../ids.ts'
import { createLedger, type Entry, type Ledger } from '../ledger/index.ts'
import { nobodyAround } from '../ledger/testing.ts'
import { systemRandom } from '../random.ts'
import { kindInfo } from './kind-info.ts'
import { createSharedState, type SharedChange } from './shared-state.ts'
import { Actor, createReplica, World } from './testing.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** A machine and its clones, which have all written on from one state; and what each wrote first. */
function forkedWorld(clones = 1) {
  const world = new World()
  const first = world.admit()
  first.upload()
  const branches = [first, ...Array.from({ length: clones }, () => new Actor(world, first))]
  const written = branches.map((branch) => {
    const entry = branch.upload().entry
    branch.upload()
    return entry
  })
  return { world, first, written }
}

function shuffle<T>(items: readonly T[], seed: number): T[] {
  let state = seed
  const keyed = items.map((item) => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return { item, key: state }
  })
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item)
}

test('a fork is the same row on every node, whatever arrived when, and both branches stand', async () => {
  const { world, first, written } = forkedWorld(2)
  const [one, two] = written.map(({ id }) => id).sort()
  const row = { feed: first.feed, node: first.node, seq: written[0]?.seq, entries: [one, two] }
  const digests = new Set<string>()
  for (let seed = 1; seed <= 5; seed++) {
    const replica = createReplica(world.network)
    const entries = shuffle(world.entries, seed)
    const size = 1 + (seed % 5)
    for (let at = 0; at < entries.length; at += size) replica.deliver(entries.slice(at, at + size))
    expect(replica.state.forks()).toEqual([row])
    expect(replica.changes.flatMap(({ forks }) => forks).at(-1)).toEqual(row)
    for (const { id } of written) expect(replica.state.refusalOf(id)).toBeNull()
    expect((await replica.state.verify()).problems).toEqual([])
    digests.add(toHex(replica.state.digest()))
    replica.close()
  }
  expect(digests.size).toBe(1)
})

test('a fork counts in the digest, and a network without one has no row', () => {
  const { world, written } = forkedWorld()
  const [, other] = written
  const whole = createReplica(world.network)
  const half = createReplica(world.network)
  whole.deliver(world.entries)
  half.deliver(world.entries.filter(({ feed, seq, id }) => feed !== other?.feed || seq < other.seq || id !== other.id))
  const before = toHex(half.state.digest())
  half.deliver(world.entries)
  expect(toHex(half.state.digest())).toBe(toHex(whole.state.digest()))
  expect(before).not.toBe(toHex(whole.state.digest()))
  expect(createReplica(world.network).state.forks()).toEqual([])
})

/** A node's ledger and state on disk. */
function openNode(path: string, network: Ledger['network'] extends () => infer N ? N : never) {
  const db = openDatabase({ path, migrations: migrationsFolder('shared'), synchronous: 'normal' })
  const changes: SharedChange[] = []
  const ledger = createLedger({
    db,
    local: { getSetting: () => null, setSetting: () => {} },
    network,
    signer: generateSigningKey(),
    clock: systemClock,
    random: systemRandom,
    kinds: kindInfo,
    apply: (entries) => state.apply(entries),
    ...nobodyAround,
  })
  const state = createSharedState({
    db,
    entries: ledger,
    network: () => ledger.network(),
    onChange: (change) => changes.push(change),
  })
  return { db, ledger, state, changes }
}

const signed = (entries: readonly Entry[]) => entries.map(({ bytes, sig, cosig }) => ({ bytes, sig, cosig }))

test('the stored entries give the proof, also after a restart; a lost row is found and made anew', async () => {
  const { world, written } = forkedWorld()
  const folder = mkdtempSync(join(tmpdir(), 'malote-forks-'))
  folders.push(folder)
  const path = join(folder, 'shared.db')
  const node = openNode(path, world.network)
  node.ledger.ingest(signed(world.entries))
  const [fork] = node.state.forks()
  expect(fork?.entries).toEqual(written.map(({ id }) => id).sort())
  for (const id of fork?.entries ?? []) expect(node.ledger.get(id)).toMatchObject({ seq: fork?.seq })
  const digest = toHex(node.state.digest())
  const last = world.entries.at(-1)
  if (last !== undefined) expect(node.ledger.forkOf(last.feed)?.ids).toEqual(fork?.entries)
  node.db.exec('DELETE FROM forks')
  expect((await node.state.verify()).problems).not.toEqual([])
  node.db.close()

  const again = openNode(path, world.network)
  expect(again.state.forks()).toEqual([fork])
  expect(again.ledger.forked().size).toBe(1)
  await again.state.repair()
  expect(toHex(again.state.digest())).toBe(digest)
  expect((await again.state.verify()).problems).toEqual([])
  again.db.close()
})
