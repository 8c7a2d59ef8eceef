import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import { DatabaseFullError } from './errors.ts'
import { migrationsFolder } from './migrations.ts'
import { type Database, openDatabase } from './open.ts'

const folder = mkdtempSync(join(tmpdir(), 'malote-database-'))
let db: Database | undefined
afterEach(() => db?.close())
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('says in words that the disk is full, keeps nothing of the transaction, and goes on when there is room', () => {
  db = openDatabase({ path: join(folder, 'local.db'), migrations: migrationsFolder('local') })
  const open = db
  const insert = open.prepare('INSERT INTO settings (name, value) VALUES (?, ?)')
  const settings = () => open.prepare<{ n: number }>('SELECT count(*) AS n FROM settings').get()?.n
  const fill = () =>
    open.write(() => {
      insert.run('small', new Uint8Array(10))
      insert.run('large', new Uint8Array(1_000_000))
    })
  open.exec('PRAGMA max_page_count = 100')
  expect(fill).toThrow(DatabaseFullError)
  expect(fill).toThrow(expect.objectContaining({ code: 'disk-full', advice: expect.stringMatching(/Free space/) }))
  expect([settings(), open.damage()]).toEqual([0, null])
  open.exec('PRAGMA max_page_count = 100000')
  fill()
  expect(settings()).toBe(2)
})

it('waits for the disk at each commit, except for what may be lost in a power cut', () => {
  const open = openDatabase({ path: join(folder, 'soft.db'), migrations: migrationsFolder('local') })
  db = open
  const level = () => open.prepare<{ synchronous: number }>('PRAGMA synchronous').get()?.synchronous
  const told: string[] = []
  const [FULL, NORMAL] = [2, 1]
  expect([level(), open.write(level), open.writeSoft(level), level()]).toEqual([FULL, FULL, NORMAL, FULL])
  // inside of a durable one it is as durable as that
  expect(open.write(() => open.writeSoft(level))).toBe(FULL)
  const failed = () =>
    open.writeSoft(() => {
      open.prepare("INSERT INTO settings (name, value) VALUES ('a', x'00')").run()
      open.afterRollback(() => told.push('undone'))
      open.write(() => undefined)
    })
  expect(failed).toThrow(TypeError)
  expect([open.prepare('SELECT * FROM settings').all(), told, level()]).toEqual([[], ['undone'], FULL])
  // what is told after a soft commit may write
  open.writeSoft(() => open.afterCommit(() => told.push(String(open.write(level)))))
  expect(told.at(-1)).toBe(String(FULL))
})

it('makes one reading of many, in which nothing is written', () => {
  const open = openDatabase({ path: join(folder, 'read.db'), migrations: migrationsFolder('local') })
  db = open
  const other = openDatabase({ path: join(folder, 'read.db'), migrations: migrationsFolder('local') })
  const names = () => open.prepare<{ name: string }>('SELECT name FROM settings').all().length
  const add = (to: Database, name: string) =>
    to.write(() => to.prepare("INSERT INTO settings (name, value) VALUES (?, x'00')").run(name))
  try {
    const seen = open.read(() => {
      const before = names()
      add(other, 'a')
      return [before, open.read(names)]
    })
    expect([seen, names()]).toEqual([[0, 0], 1])
    expect(() => open.read(() => add(open, 'b'))).toThrow(TypeError)
    expect(() => open.read(() => open.writeSoft(names))).toThrow(TypeError)
    const fails = () =>
      open.read(() => {
        throw new RangeError('of the work')
      })
    expect(fails).toThrow(RangeError)
    add(open, 'c')
    expect([names(), open.write(() => open.read(names))]).toEqual([2, 2])
  } finally {
    other.close()
  }
})
