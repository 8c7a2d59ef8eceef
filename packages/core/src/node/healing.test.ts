/** A disk that changes what it was given, on real nodes: found, healed from another branch, or said. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { bytesOf } from '../content/testing.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { read, received, share, testNodes, until } from './support/nodes.ts'
import type { MaloteNode } from './types.ts'

const MIB = 1024 * 1024
const CHUNKS = 6
const nodes = testNodes({ repairIntervalMs: 200, storeCheckMs: 50 })
afterEach(() => nodes.close())

/** What `doctor` says of the chunks, its state first. */
async function chunks(node: MaloteNode, all = false): Promise<string> {
  const checks = (await node.doctor({ chunks: all })).filter(({ name }) => name === 'chunks')
  return checks.map(({ state, message }) => `${state}: ${message}`).join('; ')
}

function flip(folder: string, root: string, kind: string, at: number): void {
  const path = join(folder, 'network', 'store', root.slice(0, 2), `${root}.${kind}`)
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

/** of the only version in the store */
function rootIn(folder: string): string {
  const names = readdirSync(join(folder, 'network', 'store'), { recursive: true, encoding: 'utf8' })
  return (
    names
      .map((name) => basename(name))
      .find((name) => name.endsWith('.sealed'))
      ?.slice(0, 64) ?? 'none'
  )
}

const healed = (node: MaloteNode) => Number(/^malote_store_healed_total (\d+)/m.exec(node.metrics())?.[1])
const isWhole = (node: MaloteNode, file: string) => node.files.get(file).local === 'complete'

it('is found on a node that runs and on one that was stopped, and healed from another branch', async () => {
  const folder = nodes.emptyFolder()
  const founder = await nodes.start()
  await founder.network.init({ name: 'Agência', branch: 'Recife' })
  let other = await nodes.join(founder, 'Natal', { dataDir: folder })
  const content = Buffer.from(bytesOf(CHUNKS * MIB, 3))
  const file = await share(founder, 'filme.mov', content)
  await until('the other holds it', () => isWhole(other, file))
  const root = rootIn(folder)
  expect(await chunks(other)).toMatch(/^ok/)

  // while it runs: `doctor --chunks` looks, and says so before it is healed
  flip(folder, root, 'sealed', 2 * (MIB + 28) + 500)
  await founder.network.disconnect()
  await until('it sees that', () => other.members.list().every(({ id, connected }) => id === other.id || !connected))
  expect(await chunks(other, true)).toMatch(/problem: "filme.mov", version 1: 1 of 6 chunks damaged .*is connected/)
  expect(other.status().warnings.map(({ code }) => code)).toContain('damaged-chunks')
  await founder.network.connect()
  await until('healed', () => isWhole(other, file))
  expect(await chunks(other)).toMatch(/^ok: .* 1 that were damaged have been healed/)
  expect(other.status().warnings.map(({ code }) => code)).not.toContain('damaged-chunks')

  const before = healed(other)

  // while it is stopped: chunk, manifest, record and box, which the look in the background finds
  await other.stop()
  flip(folder, root, 'sealed', 5 * (MIB + 28) + 9)
  flip(folder, root, 'manifest', 60)
  flip(folder, root, 'have', 64) // the first chunk has no bit any more
  const db = openDatabase({ path: join(folder, 'network', 'local.db'), migrations: migrationsFolder('local') })
  const box = db.prepare<{ hash: Buffer; bytes: Buffer }>('SELECT hash, bytes FROM boxes LIMIT 1').get()
  if (box === undefined) throw new Error('no box')
  box.bytes[3] = (box.bytes[3] ?? 0) ^ 8
  db.write(() => db.prepare('UPDATE boxes SET bytes = ? WHERE hash = ?').run(box.bytes, box.hash))
  db.write(() => db.exec("DELETE FROM settings WHERE name = 'node/store-check'")) // as after 30 days
  db.close()
  other = await nodes.start(folder)
  // the manifest first, without which chunks cannot be checked; then what it finds
  await until('all is healed', () => healed(other) === before + 3 && isWhole(other, file))
  expect(await chunks(other, true)).toMatch(/^ok: every chunk was as it was sealed/)
  expect(received(other), 'only what was damaged came over the network').toBeLessThan(3 * MIB)
  expect((await read(other, file)).equals(content)).toBe(true)
}, 60_000)

it('is found by who is sent it and says so; told where no other branch has it, and the file is at risk', async () => {
  const folder = nodes.emptyFolder()
  const alone = await nodes.start(folder)
  await alone.network.init({ name: 'Agência', branch: 'Recife' })
  await share(alone, 'único.bin', bytesOf(2 * MIB, 5))
  expect(await chunks(alone, true)).toMatch(/^ok/)
  flip(folder, rootIn(folder), 'sealed', 77)
  const other = await nodes.join(alone, 'Natal')
  await until('the damage is known', () => alone.status().warnings.some(({ code }) => code === 'damaged-chunks'))
  expect(await chunks(alone)).toMatch(
    /^problem: "único.bin", version 1: 1 of 2 chunks damaged on this disk; no other branch says that it has it whole: the file is at risk/,
  )
  await until('it is forgiven', () => other.status().warnings.every(({ code }) => code !== 'wrong-bytes'))
  await until('counted', () => alone.status().files.atRisk === 1)
})

it('is found by the owner, who asks its holders: they look at their disks, and are believed again', async () => {
  const [ownerFolder, folder] = [nodes.emptyFolder(), nodes.emptyFolder()]
  let owner = await nodes.start(ownerFolder)
  await owner.network.init({ name: 'Agência', branch: 'Recife' })
  const holder = await nodes.join(owner, 'Natal', { dataDir: folder })
  await chunks(holder, true) // the next look is 30 days away
  const file = await share(owner, 'foto.jpg', bytesOf(40_000, 9))
  await until('held by both', () => owner.files.get(file).copies.held === 2)
  await owner.files.waitFor(file, 'durable')
  flip(folder, rootIn(folder), 'sealed', 20_000)
  await owner.stop()
  owner = await nodes.start(ownerFolder)
  await until('healed', () => healed(holder) === 1 && isWhole(holder, file))
  await until('counted again', () => owner.files.get(file).copies.held === 2)
  expect(await chunks(holder)).toMatch(/^ok/)
}, 60_000)
