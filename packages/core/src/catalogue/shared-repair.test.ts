import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import { idBytes, type Root, toHex } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { createSharedState, type SharedChange, type SharedState } from './shared-state.ts'
import { type Actor, createReplica, type FileHandle, MemoryEntries, World } from './testing.ts'

const folders: string[] = []
const open: Database[] = []

afterEach(() => {
  for (const db of open.splice(0)) db.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

interface Node {
  readonly db: Database
  readonly folder: string
  readonly entries: MemoryEntries
  readonly world: World
  readonly changes: SharedChange[]
  state: SharedState
  deliver(): void
  /** As after a restart: nothing in memory but what the tables say. */
  reopen(): void
}

/** @param of a node to go on from */
function nodeOf(world: World, of?: Node): Node {
  const folder = mkdtempSync(join(tmpdir(), 'malote-repair-'))
  folders.push(folder)
  const path = join(folder, 'shared.db')
  if (of !== undefined) {
    of.db.checkpoint()
    copyFileSync(of.db.path, path)
  }
  const db = openDatabase({ path, migrations: migrationsFolder('shared'), synchronous: 'normal' })
  open.push(db)
  const entries = of?.entries ?? new MemoryEntries()
  const changes: SharedChange[] = []
  const make = () =>
    createSharedState({ db, entries, network: () => world.network, onChange: (change) => changes.push(change) })
  const node: Node = {
    db,
    folder,
    entries,
    world,
    changes,
    state: make(),
    deliver() {
      for (const entry of world.entries.slice(entries.count())) db.write(() => node.state.apply(entries.add([entry])))
    },
    reopen() {
      node.state = make()
    },
  }
  return node
}

/** Two branches with files in every state, one of them more than one slice of a repair has, a refusal, a mark's worth of disputes. */
function busyWorld(): { world: World; ana: Actor; bia: Actor; files: FileHandle[]; refused: Entry } {
  const world = new World()
  const [ana, bia] = [world.admit(), world.admit()]
  world.meet()
  const [first, third, fifth] = [ana.upload(), ana.upload(), ana.upload()]
  const files: FileHandle[] = [first, third, fifth]
  for (let at = 0; at < 67; at++) files.push((at % 2 === 0 ? bia : ana).upload())
  ana.update(first)
  ana.update(first, { opens: true })
  ana.change('trash', third)
  world.meet()
  ana.offer(fifth, bia)
  ana.write('capacity', { weight: 48 })
  const refused = bia.change('trash', first)
  world.founder.write('gossip', {})
  return { world, ana, bia, files, refused }
}

/** Every row of every table that follows from the entries. */
function dump(db: Database): Record<string, string[]> {
  const names = db
    .prepare<{ name: string }>(
      "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT IN ('feeds', 'tips', 'entries', 'sqlite_sequence')",
    )
    .all()
  const text = (row: Record<string, unknown>) =>
    Object.values(row)
      .map((value) => (value instanceof Uint8Array ? toHex(value) : String(value)))
      .join(' ')
  return Object.fromEntries(
    names.map(({ name }) => {
      const rows = db.prepare<Record<string, unknown>>(`SELECT * FROM ${name}`).all()
      return [name, rows.map(text).sort()]
    }),
  )
}

function withoutNumbers(rows: Record<string, string[]>): Record<string, string[]> {
  const { owners = [], files = [], ...rest } = rows
  const branches = new Map(owners.map((row) => row.split(' ') as [string, string]))
  const named = files.map((row) =>
    row.replace(/^(\d+ \w+) (\d+)/, (_, start, owner) => `${start} ${branches.get(owner)}`),
  )
  return { ...rest, owners: [...branches.values()].sort(), files: named.sort() }
}

describe('damage', () => {
  const busy = busyWorld()
  let busyNode: Node
  beforeAll(async () => {
    busyNode = nodeOf(busy.world)
    busyNode.deliver()
    expect((await busyNode.state.verify()).problems).toEqual([])
    open.pop()
    folders.pop()
  })
  afterAll(() => {
    busyNode.db.close()
    rmSync(busyNode.folder, { recursive: true, force: true })
  })

  test.each([
    ['a lost ref', 'DELETE FROM refs WHERE rowid_of = 0', 'its rows in refs'],
    ['no refs', 'DELETE FROM refs', 'its rows in refs'],
    ['a ref of another file', 'UPDATE OR REPLACE refs SET file_key = 3 WHERE file_key = 9', 'its rows in refs'],
    ['a ref from the future', 'UPDATE refs SET since = 1000000 WHERE file_key = 9', 'its rows in refs'],
    ['a ref of nobody', 'INSERT INTO refs VALUES (1, 0, 1, 9)', '1 rows of it belong to no file'],
    [
      'a ref twice',
      'INSERT INTO refs SELECT short, kind, since + 1, file_key FROM refs WHERE kind = 2',
      'its rows in refs',
    ],
    ['no owners', 'DELETE FROM owners', 'the row in owners of the branch that owns it'],
    [
      'owners exchanged',
      'UPDATE owners SET owner = -owner; UPDATE owners SET owner = 3 + owner',
      'row of that in owners',
    ],
    ['an owner that is none', 'UPDATE owners SET branch = zeroblob(32) WHERE owner = 1', 'the row in owners'],
    ['the owner beside a record', 'UPDATE files SET owner = 3 - owner', 'the owner beside its record'],
    ['the state beside a record', "UPDATE files SET state = 'live'", 'the state beside its record'],
    ['the offer beside a record', 'UPDATE files SET offered = 0', 'the offer beside its record'],
    ['a record under another number', 'UPDATE files SET file_key = 1000000 WHERE file_key = 9', 'its rows in files'],
    ['a weight', 'UPDATE capacities SET weight = 1', 'its rows in capacities'],
    ['a refusal', 'DELETE FROM refusals', 'its rows in refusals'],
    ['everything', 'DELETE FROM files; DELETE FROM refs; DELETE FROM owners; DELETE FROM members', 'its rows in files'],
  ])('%s is named, and mended to the last row', async (_, sql, named) => {
    const node = nodeOf(busy.world, busyNode)
    const sound = dump(node.db)
    const [first] = node.db.prepare<{ short: number }>('SELECT short FROM refs ORDER BY short LIMIT 1').all()
    node.db.exec(sql.replace('rowid_of = 0', `short = ${first?.short}`))
    node.reopen()
    const before = dump(node.db)
    expect(before).not.toEqual(sound)
    const { problems } = await node.state.verify()
    expect(problems.join('\n')).toContain(named)
    expect((await node.state.verify({ pace: async () => undefined })).problems).toEqual(problems)
    await node.state.repair()
    const after = dump(node.db)
    // the numbers of branches are local: they may have come out otherwise
    expect(sql.includes('owners') ? withoutNumbers(after) : after).toEqual(
      sql.includes('owners') ? withoutNumbers(sound) : sound,
    )
    expect((await node.state.verify()).problems).toEqual([])
  })

  test.each([
    ['gone', 'DELETE FROM refs_secret'],
    ['cut short', 'UPDATE refs_secret SET secret = zeroblob(7)'],
    ['another one', 'UPDATE refs_secret SET secret = randomblob(length(secret))'],
  ])('the key of refs is %s: all refs are made anew', async (_, sql) => {
    const { world, files } = busy
    const node = nodeOf(world, busyNode)
    const root = node.state.versions(files[8]?.file ?? ('' as never))[0]?.root as Root
    expect(node.state.versionOfRoot(root)?.file).toBe(files[8]?.file)
    node.db.exec(sql)
    // the running node knows the key, the started one does not
    expect((await node.state.verify()).problems.join('\n')).toContain('refs_secret')
    node.reopen()
    expect((await node.state.verify()).problems.join('\n')).toMatch(/refs/)
    await node.state.repair()
    expect((await node.state.verify()).problems).toEqual([])
    expect(node.state.versionOfRoot(root)?.file).toBe(files[8]?.file)
  })

  test('who named a root first still comes first when all refs were lost', async () => {
    const world = new World()
    const [ana, bia] = [world.admit(), world.admit()]
    world.meet()
    const thief = bia.upload()
    const file = ana.upload()
    const node = nodeOf(world)
    node.deliver()
    const root = node.state.versions(file.file)[0]?.root as Root
    // an older file comes to name it, a little later
    const { head, epoch } = node.state.file(thief.file) ?? { head: '', epoch: 0 }
    const content = { root: idBytes(root), size: 10, chunk: 1 << 20 }
    const [file_, builds] = [idBytes(thief.file), idBytes(head as Root)]
    bia.write('update', { file: file_, builds, content, epoch, meta: world.unique(32) })
    node.deliver()
    expect(node.state.versions(thief.file).map((version) => version.root)).toContain(root)
    expect(node.state.versionOfRoot(root)?.file).toBe(file.file)
    node.db.exec('DELETE FROM refs')
    node.reopen()
    await node.state.repair()
    expect(node.state.versionOfRoot(root)?.file).toBe(file.file)
    // all tables anew for rules that it lacked
    node.db.exec('UPDATE digest SET behind = 1')
    node.reopen()
    expect(node.state.versionOfRoot(root)?.file).toBe(file.file)
    expect((await node.state.verify()).problems).toEqual([])
  })
})

test('refs that wait for their place are answered from, verified, and put in place by a repair', async () => {
  const world = new World()
  const ana = world.admit()
  world.meet()
  const files = Array.from({ length: 90 }, () => ana.upload())
  const node = nodeOf(world)
  node.db.write(() => node.state.apply(node.entries.add(world.entries)))
  const waiting = () => node.db.prepare('SELECT 1 FROM refs_recent').all().length
  expect(waiting()).toBe(1)
  const roots = files.map(({ file }) => node.state.versions(file)[0]?.root as Root)
  const answers = () => roots.map((root) => node.state.versionOfRoot(root)?.file)
  const expected = files.map(({ file }) => file)
  expect(answers()).toEqual(expected)
  node.reopen()
  expect(answers()).toEqual(expected)
  expect((await node.state.verify()).problems).toEqual([])
  node.db.exec('DELETE FROM refs_recent')
  node.reopen()
  expect((await node.state.verify()).problems.join()).toContain('its rows in refs are')
  await node.state.repair()
  expect((await node.state.verify()).problems).toEqual([])
  expect(waiting()).toBe(0)
  expect(answers()).toEqual(expected)
})

describe('while it goes on', () => {
  test('entries arrive, also such as the damaged rows know nothing of, and nothing is lost', async () => {
    const { world, ana, bia, files } = busyWorld()
    const node = nodeOf(world)
    node.deliver()
    node.db.exec('UPDATE files SET owner = 3 - owner; DELETE FROM refs')
    node.reopen()
    const repaired = node.state.repair()
    const acts = [
      () => ana.update(files[0] as FileHandle),
      () => void Array.from({ length: 70 }, () => bia.upload()),
      // concerns every file of the branch
      () => {
        world.meet()
        const leave = ana.leave()
        world.meet()
        bia.write('capacity', { weight: 64 })
        return leave
      },
      () => world.admit().upload(),
    ]
    for (const act of acts) {
      await setImmediate()
      act()
      node.deliver()
      // the rows of before go on answering
      expect(node.state.file(files[1]?.file ?? ('' as never))?.version).toBe(1)
    }
    await repaired
    expect((await node.state.verify()).problems).toEqual([])
    const other = createReplica(world.network)
    other.deliver(world.entries)
    expect(toHex(node.state.digest())).toBe(toHex(other.state.digest()))
    other.close()
    node.reopen()
    expect((await node.state.verify()).problems).toEqual([])
  })

  test('what was made already is made again when an entry about it arrives', async () => {
    const { world, ana, files } = busyWorld()
    const node = nodeOf(world)
    node.deliver()
    const repaired = node.state.repair()
    await setImmediate()
    ana.update(files[0] as FileHandle)
    node.deliver()
    await repaired
    expect(node.state.file(files[0]?.file ?? ('' as never))?.version).toBe(4)
    expect((await node.state.verify()).problems).toEqual([])
  })

  test('what a control entry changes is found, also where the old rows do not know whose a file is', async () => {
    const world = new World()
    const [ana, bia] = [world.admit(), world.admit()]
    world.meet()
    const file = ana.upload()
    for (let at = 0; at < 70; at++) bia.upload()
    world.meet()
    // neither a writer nor in an act of this file
    const next = world.admit({ replaces: ana })
    world.meet()
    const node = nodeOf(world)
    node.deliver()
    node.db.exec('UPDATE files SET owner = 99')
    node.reopen()
    const repaired = node.state.repair()
    await setImmediate()
    const leave = next.leave()
    next.left(leave, [file])
    node.deliver()
    await repaired
    expect(node.state.file(file.file)?.state).toBe('orphaned')
    expect((await node.state.verify()).problems).toEqual([])
  })

  test('what ends it changes nothing and leaves nothing', async () => {
    const node = nodeOf(busyWorld().world)
    node.deliver()
    node.db.exec('DELETE FROM refs; UPDATE files SET owner = 7')
    node.reopen()
    const before = dump(node.db)
    const ending = new AbortController()
    const repaired = node.state.repair({ signal: ending.signal })
    await setImmediate()
    expect(existsSync(join(node.folder, 'repair.db'))).toBe(true)
    ending.abort(new Error('enough'))
    await expect(repaired).rejects.toThrow('enough')
    expect(dump(node.db)).toEqual(before)
    expect(existsSync(join(node.folder, 'repair.db'))).toBe(false)
    // nor does a failure at the last moment
    node.db.exec("CREATE TRIGGER full BEFORE INSERT ON refs BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    await expect(node.state.repair()).rejects.toThrow('disk full')
    expect(dump(node.db)).toEqual(before)
    node.db.exec('DROP TRIGGER full')
    await node.state.repair()
    expect((await node.state.verify()).problems).toEqual([])
  })

  test('it tells what is another now, and nothing else', async () => {
    const { world, files, refused } = busyWorld()
    const node = nodeOf(world)
    node.deliver()
    const [changed, lost] = [files[10], files[11]] as [FileHandle, FileHandle]
    const keyOf = (handle: FileHandle) => node.entries.arrivalsAbout(idBytes(handle.file))[0]
    node.db.exec(`UPDATE files SET record = x'00' WHERE file_key = ${keyOf(changed)};
      DELETE FROM files WHERE file_key = ${keyOf(lost)}; DELETE FROM refusals`)
    node.entries.verdicts.set(refused.id, null)
    node.reopen()
    node.changes.length = 0
    await node.state.repair()
    expect(node.changes.flatMap((change) => change.files).sort()).toEqual([changed.file, lost.file].sort())
    expect(node.changes.flatMap((change) => change.fileChanges)).toMatchObject([
      { before: null, after: { version: 1 } },
      { before: null, after: { version: 1 } },
    ])
    expect(node.entries.verdicts.get(refused.id)?.code).toBe('not-owner')
    node.changes.length = 0
    await node.state.repair()
    expect(node.changes.flatMap((change) => [...change.files, ...change.audiences])).toEqual([])
  })
})
