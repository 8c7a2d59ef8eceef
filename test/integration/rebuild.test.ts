/** Real files damaged at random places: what is not sound is found and named, and a rebuild brings back what can be. */
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createNode } from '../../packages/core/src/node/node.ts'
import type { MaloteNode, NodeInit } from '../../packages/core/src/node/types.ts'

/** `MALOTE_DAMAGE_SEEDS=1-200` for a long search. */
const [firstSeed = 1, lastSeed = firstSeed] = (process.env.MALOTE_DAMAGE_SEEDS ?? '4').split('-').map(Number)
const seeds = Array.from({ length: lastSeed - firstSeed + 1 }, (_, at) => firstSeed + at)
const root = mkdtempSync(join(tmpdir(), 'malote-rebuild-'))
const running: MaloteNode[] = []
const ports = { founder: 0, branch: 0 }

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function start(dataDir: string, more: Partial<NodeInit> = {}): Promise<MaloteNode> {
  // where the other one looks for it after a restart
  const port = dataDir.endsWith('founder') ? ports.founder : ports.branch
  const node = await createNode({
    dataDir,
    listen: [`/ip4/127.0.0.1/tcp/${port}`],
    mdns: false,
    upnp: false,
    tuning: { headsIntervalMs: 100 },
    ...more,
  })
  running.push(node)
  return node
}

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((node) => node.stop()))
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function upload(node: MaloteNode, name: string, only?: string[]): Promise<string> {
  const pending = await node.files.beginUpload()
  await pending.write(bytes(`content of ${name}`))
  return (await pending.publish({ name, ...(only === undefined ? {} : { only }) })).id
}

async function until(what: string, holds: () => boolean, deadlineMs = 20_000): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const samples = { founder: join(root, 'founder'), branch: join(root, 'branch') }
/** written by the branch when nobody was there to hear of it */
let unsent: string[] = []
/** a file that nobody else may read */
let secret = ''

beforeAll(async () => {
  ports.founder = await freePort()
  ports.branch = await freePort()
  const founder = await start(samples.founder)
  await founder.network.init({ name: 'Agência', branch: 'Matriz' })
  const branch = await start(samples.branch)
  const { invite } = await founder.members.invite({ branch: 'Filial' })
  await branch.network.register({ invite })
  for (let at = 0; at < 12; at++) await upload(at % 2 === 0 ? founder : branch, `antes-${at}.txt`)
  await until('both have all', () => founder.ledger.digest().state === branch.ledger.digest().state)
  await until('both list all', () => [founder, branch].every((node) => node.files.list().items.length === 12))
  await founder.stop()
  const known = branch.ledger.digest().entries
  for (let at = 0; at < 6; at++) await upload(branch, `depois-${at}.txt`)
  secret = await upload(branch, 'segredo.txt', ['Filial'])
  const newest = branch.ledger.entries({ limit: 1000 }).items.slice(known)
  unsent = newest.filter(({ kind }) => kind === 'upload').map(({ id }) => id)
  expect(unsent).toHaveLength(7)
  await stopAll()
}, 60_000)

afterEach(stopAll)
afterAll(() => rmSync(root, { recursive: true, force: true }), 60_000)

function copies(name: string): { founder: string; branch: string; file: (database: 'shared' | 'local') => string } {
  const folder = join(root, name)
  for (const which of ['founder', 'branch'] as const) cpSync(samples[which], join(folder, which), { recursive: true })
  return {
    founder: join(folder, 'founder'),
    branch: join(folder, 'branch'),
    file: (database) => join(folder, 'branch', 'network', `${database}.db`),
  }
}

/** Deterministic, so that a failure can be repeated by its seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), state | 1) + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function damage(path: string, seed: number, flips: number): void {
  const random = randomOf(seed)
  const content = readFileSync(path)
  for (let at = 0; at < flips; at++) content[random(content.length)] = random(256)
  writeFileSync(path, content)
}

/** As an operator would: start; when it is named damaged, or found so by a check, start with `rebuild`. */
async function heal(dataDir: string): Promise<{ node: MaloteNode; was: 'sound' | 'refused' | 'found' | 'repaired' }> {
  let node: MaloteNode
  try {
    node = await start(dataDir)
  } catch (error) {
    expect(error).toMatchObject({ code: 'damaged', advice: expect.stringContaining('--rebuild') })
    return { node: await start(dataDir, { rebuild: true }), was: 'refused' }
  }
  const checked = await node.ledger.verify()
  if (checked.ok) return { node, was: 'sound' }
  if (checked.advice?.includes('--repair') === true) {
    expect(await node.ledger.repair()).toMatchObject({ ok: true })
    return { node, was: 'repaired' }
  }
  expect(checked.advice).toContain('--rebuild')
  await node.stop()
  running.splice(running.indexOf(node), 1)
  return { node: await start(dataDir, { rebuild: true }), was: 'found' }
}

/** Both have the same, and what the branch had not sent is among it, unless its bytes are lost. */
async function agree(founder: MaloteNode, branch: MaloteNode): Promise<void> {
  await until('equal digests', () => {
    const [one, two] = [founder.ledger.digest(), branch.ledger.digest()]
    return one.state === two.state && one.entries === two.entries && founder.status().ledger.inSyncWith === 1
  })
  expect(founder.status().ledger.diverged).toBe(0)
  expect((await branch.ledger.verify()).problems).toEqual([])
}

function taken(node: MaloteNode): number {
  const ids = new Set(node.ledger.entries({ limit: 1000 }).items.map(({ id }) => id))
  return unsent.filter((id) => ids.has(id)).length
}

/** The founder has what the branch had not sent; both go on, and the branch in a new feed if it was rebuilt. */
async function expectHealed(founder: MaloteNode, branch: MaloteNode, all = true): Promise<void> {
  await agree(founder, branch)
  if (all) expect(taken(founder)).toBe(unsent.length)
  const feeds = new Set(branch.ledger.digest().heads.map(({ feed }) => feed))
  await upload(branch, 'agora.txt')
  await agree(founder, branch)
  const heads = branch.ledger.digest().heads
  expect(new Set(heads.map(({ feed }) => feed)).size, 'a fork').toBe(heads.length)
  expect(heads.length).toBeGreaterThanOrEqual(feeds.size)
}

describe('random bytes in', () => {
  it.each(seeds)('shared.db, seed %i', async (seed) => {
    const at = copies(`shared-${seed}`)
    damage(at.file('shared'), seed, 1 + (seed % 40))
    const founder = await start(at.founder)
    const { node, was } = await heal(at.branch)
    // an unsent entry that was hit is lost, and with it what was unsent behind it
    await expectHealed(founder, node, was === 'sound' || was === 'repaired')
  })

  it.each(seeds)('local.db, seed %i', async (seed) => {
    const at = copies(`local-${seed}`)
    damage(at.file('local'), seed, 1 + (seed % 40))
    const founder = await start(at.founder)
    const { node } = await heal(at.branch)
    await expectHealed(founder, node)
  })
})

describe('what is refused at start, and rebuilt', () => {
  const cut = (path: string, bytes: number) => truncateSync(path, bytes)
  it.each<[string, 'shared' | 'local', (path: string) => void, boolean]>([
    ['an empty shared.db', 'shared', (path) => cut(path, 0), false],
    ['a missing shared.db', 'shared', (path) => rmSync(path), false],
    ['a missing local.db', 'local', (path) => rmSync(path), true],
    ['a shared.db without its last page', 'shared', (path) => cut(path, readFileSync(path).length - 4096), false],
    [
      'a shared.db whose header is gone',
      'shared',
      (path) => writeFileSync(path, Buffer.concat([Buffer.alloc(100), readFileSync(path).subarray(100)])),
      true,
    ],
    ['a file that is something else', 'local', (path) => writeFileSync(path, 'a letter'), true],
  ])('%s', async (_, which, harm, keepsUnsent) => {
    const at = copies(`refused-${_.replaceAll(' ', '-')}`)
    harm(at.file(which))
    const founder = await start(at.founder)
    const { node, was } = await heal(at.branch)
    expect(was).toBe('refused')
    expect(existsSync(join(at.branch, 'network', 'damaged-1'))).toBe(true)
    await expectHealed(founder, node, keepsUnsent)
    await until('it is finished', () => !existsSync(join(at.branch, 'network', 'rebuilding')))
    // files of everyone are read again: their keys were kept, or granted anew
    await until('it lists what it may see', () => node.files.list().items.length >= 13)
  })
})

describe('an own entry that was never sent, and is damaged', () => {
  it('keeps what stands behind it from being published: the operator is told which files these are', async () => {
    const at = copies('unsent')
    const db = new DatabaseSync(at.file('shared'), { readOnly: true })
    const row = db.prepare('SELECT bytes FROM entries WHERE id = ?').get(Buffer.from(unsent[2] ?? '', 'hex'))
    db.close()
    const content = readFileSync(at.file('shared'))
    const place = content.indexOf(row?.bytes as Uint8Array)
    expect(place).toBeGreaterThan(0)
    content[place + 200] = (content[place + 200] ?? 0) ^ 1
    writeFileSync(at.file('shared'), content)
    const founder = await start(at.founder)
    const { node, was } = await heal(at.branch)
    expect(was, 'the file is read at start').toBe('refused')
    await until(
      'both agree',
      () => founder.ledger.digest().state === node.ledger.digest().state && taken(founder) === 2,
    )
    const told = node.status().warnings.find(({ code }) => code === 'rebuild-unfinished')
    for (const name of ['depois-3.txt', 'depois-4.txt', 'depois-5.txt', 'segredo.txt']) {
      expect(told?.message).toMatch(new RegExp(`upload of ${name} \\([0-9a-f]{32}\\)`))
    }
    for (const name of ['depois-0.txt', 'depois-1.txt']) expect(told?.message).not.toContain(name)
    expect(told?.advice).toContain('share these files')
    await upload(node, 'depois-3.txt')
    await agree(founder, node)
  })
})

describe('with both databases gone', () => {
  it('waits for a member, then has everything but what only it could read', async () => {
    const at = copies('both')
    for (const which of ['shared', 'local'] as const) rmSync(at.file(which))
    const stopping = AbortSignal.timeout(300)
    const alone = createNode({
      dataDir: at.branch,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
      rebuild: true,
      signal: stopping,
    })
    await expect(alone).rejects.toThrow()
    // begun is begun: the next start goes on by itself
    const founder = await start(at.founder)
    const node = await start(at.branch)
    await expectHealed(founder, node, false)
    expect(() => node.files.get(secret)).toThrow()
    expect((await node.doctor()).map(({ name }) => name)).not.toContain('only-here')
  })

  it('says so when nothing tells which network it was', async () => {
    const at = copies('nothing')
    for (const which of ['shared', 'local'] as const) truncateSync(at.file(which), 0)
    rmSync(join(at.branch, 'network', 'anchor'))
    await expect(start(at.branch, { rebuild: true })).rejects.toMatchObject({ code: 'damaged' })
  })
})

describe('a newer database', () => {
  it('is no damage: nothing is moved', async () => {
    const at = copies('newer')
    const content = readFileSync(at.file('shared'))
    content.writeUInt32BE(content.readUInt32BE(60) + 1, 60)
    writeFileSync(at.file('shared'), content)
    await expect(start(at.branch)).rejects.toMatchObject({ code: 'newer-database' })
    await expect(start(at.branch, { rebuild: true })).rejects.toMatchObject({ code: 'newer-database' })
    expect(existsSync(join(at.branch, 'network', 'damaged-1'))).toBe(false)
  })
})

describe('a sound node', () => {
  it('may be rebuilt too: its unsent entries arrive, and it goes on in a new feed', async () => {
    const at = copies('sound')
    const founder = await start(at.founder)
    const node = await start(at.branch, { rebuild: true })
    const before = new Set(node.ledger.digest().heads.map(({ feed }) => feed))
    await expectHealed(founder, node)
    const own = node.ledger.entries({ limit: 1000 }).items.at(-1)
    expect(before.has(own?.feed ?? '')).toBe(false)
    expect(node.files.get(secret).name).toBe('segredo.txt')
    expect((await node.doctor()).find(({ name }) => name === 'only-here')?.message).toMatch(/^1 file/)
    await until('it is finished', () => !existsSync(join(at.branch, 'network', 'rebuilding')))
  })
})
