import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from './open.ts'
import { checkPages } from './page-check.ts'
import { copyReadable, openSalvage, type SalvagedValue } from './salvage.ts'

const folders: string[] = []
const databases: Database[] = []
afterEach(() => {
  for (const each of databases.splice(0)) each.close()
  for (const each of folders.splice(0)) rmSync(each, { recursive: true, force: true })
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'malote-salvage-'))
  folders.push(made)
  return made
}

function open(path: string): Database {
  const migrations = folder()
  writeFileSync(
    join(migrations, '0001-init.sql'),
    `CREATE TABLE things (name TEXT, bytes BLOB NOT NULL, number INTEGER, real REAL) STRICT;
     CREATE TABLE keyed (key BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID;`,
  )
  const db = openDatabase({ path, migrations, synchronous: 'normal' })
  databases.push(db)
  return db
}

/** Sizes around what fits into a page, and far beyond. */
const SIZES = [0, 1, 100, 1000, 4046, 4061, 4062, 4096, 9000, 70_000]
const NUMBERS = [0, 1, -1, 127, 128, -129, 40_000, -8_388_608, 2 ** 31, 2 ** 40, -(2 ** 47), 2 ** 53 - 1]

function fill(db: Database, rounds: number): void {
  db.write(() => {
    for (let round = 0; round < rounds; round++) {
      for (const [at, size] of SIZES.entries()) {
        const name = `coisa nº ${round}/${at}`
        const bytes = Buffer.alloc(size, round + at)
        db.prepare('INSERT INTO things VALUES (?, ?, ?, ?)').run(
          name,
          bytes,
          NUMBERS[(round + at) % NUMBERS.length],
          at / 3,
        )
        db.prepare('INSERT INTO keyed VALUES (?, ?)').run(Buffer.from(name.padEnd(32)), bytes)
      }
    }
  })
}

function salvaged(path: string): SalvagedValue[][] {
  const salvage = openSalvage(path)
  try {
    const records = [...salvage.records()]
    const [last] = records.slice(-1)
    if (last !== undefined) expect(salvage.at(last.place)).toEqual(last)
    return records.map(({ values }) => [...values])
  } finally {
    salvage.close()
  }
}

const named = (records: SalvagedValue[][], columns: number) =>
  new Set(records.filter((values) => values.length === columns).map(([first]) => String(first)))

describe('every record of a sound file is read', () => {
  test.each([
    ['from the file', true],
    ['from the log', false],
  ])('%s', (_, isCheckpointed) => {
    const path = join(folder(), 'a.db')
    const db = open(path)
    fill(db, 12)
    if (isCheckpointed) db.checkpoint()
    const expected = db
      .prepare<{ name: string; bytes: Buffer; number: number; real: number }>('SELECT * FROM things')
      .all()
    const records = salvaged(path).filter((values) => values.length === 4)
    expect(records).toEqual(
      expected.map(({ name, bytes, number, real }) => [name, new Uint8Array(bytes), number, real]),
    )
    expect(salvaged(path).filter((values) => values.length === 2)).toHaveLength(expected.length)
  })
})

test('what was not committed is not read', () => {
  const path = join(folder(), 'a.db')
  const db = open(path)
  fill(db, 2)
  const sound = readFileSync(path)
  const log = readFileSync(`${path}-wal`)
  const copy = join(folder(), 'b.db')
  writeFileSync(copy, sound)
  // the last frame is the one that commits
  writeFileSync(`${copy}-wal`, log.subarray(0, log.length - 4120))
  expect(named(salvaged(copy), 4).size).toBe(0)
  writeFileSync(`${copy}-wal`, log)
  expect(named(salvaged(copy), 4).size).toBe(2 * SIZES.length)
  // a frame that was hit ends the log
  log[200] = (log[200] ?? 0) ^ 1
  writeFileSync(`${copy}-wal`, log)
  expect(named(salvaged(copy), 4).size).toBe(0)
})

test('a lost page costs its own records alone, where SQLite gives up', async () => {
  const path = join(folder(), 'a.db')
  const db = open(path)
  fill(db, 8)
  db.checkpoint()
  const content = readFileSync(path)
  const all = named(salvaged(path), 4).size
  let worst = all
  for (let page = 0; page < content.length / 4096; page += 13) {
    const harmed = join(folder(), 'b.db')
    writeFileSync(harmed, Buffer.from(content).fill(0, page * 4096, (page + 1) * 4096))
    worst = Math.min(worst, named(salvaged(harmed), 4).size)
  }
  expect(all - worst).toBeLessThan(40)
  expect(all - worst).toBeGreaterThan(0)
})

test('rubbish is read without a fault', () => {
  const path = join(folder(), 'a.db')
  const db = open(path)
  fill(db, 2)
  db.checkpoint()
  const content = readFileSync(path)
  let state = 7
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  for (let round = 0; round < 15; round++) {
    for (let at = 0; at < 300; at++) content[next(content.length)] = next(256)
    const harmed = join(folder(), 'b.db')
    writeFileSync(harmed, content)
    const salvage = openSalvage(harmed)
    let records = 0
    for (const _ of salvage.records()) records += 1
    salvage.close()
    expect(records).toBeLessThan(content.length)
  }
  for (const empty of [Buffer.alloc(0), Buffer.alloc(50), Buffer.alloc(5000)]) {
    const harmed = join(folder(), 'b.db')
    writeFileSync(harmed, empty)
    expect(salvaged(harmed)).toEqual([])
  }
})

test('rows that SQLite can read are copied into tables of the same name', () => {
  const from = join(folder(), 'a.db')
  const source = open(from)
  fill(source, 1)
  const to = open(join(folder(), 'b.db'))
  expect(copyReadable(from, to, ['keyed', 'no-such-table', 'things'])).toBe(2 * SIZES.length)
  expect(to.prepare('SELECT * FROM keyed').all()).toEqual(source.prepare('SELECT * FROM keyed').all())
  writeFileSync(join(folder(), 'c.db'), 'a letter')
  expect(copyReadable(join(folders.at(-1) ?? '', 'c.db'), to, ['keyed'])).toBe(0)
})

test('the check of a whole file finds what is wrong with it, and nothing in a sound one', async () => {
  const path = join(folder(), 'a.db')
  const db = open(path)
  fill(db, 20)
  expect(await checkPages(path)).toEqual([])
  db.checkpoint()
  const harmed = join(folder(), 'b.db')
  copyFileSync(path, harmed)
  const content = readFileSync(harmed)
  writeFileSync(harmed, content.fill(0xff, 4 * 4096, 6 * 4096))
  expect(await checkPages(harmed)).not.toEqual([])
  await expect(checkPages(path, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
})
