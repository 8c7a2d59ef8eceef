/**
 * What SQLite promises with the settings that we give it, tried on its files: whatever part of what was not synced a power
 * cut leaves of the write-ahead log, the database is one that was committed, and no older than the last durable commit.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { migrationsFolder } from './migrations.ts'
import { type Database, openDatabase } from './open.ts'

const SECTOR = 512
/** what was there before */
const LOST = Buffer.alloc(2 * SECTOR, 0x55)
const folder = mkdtempSync(join(tmpdir(), 'malote-power-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const open = (path: string) => openDatabase({ path, migrations: migrationsFolder('local') })
const count = (db: Database) => db.prepare<{ n: number }>('SELECT count(*) AS n FROM settings').get()?.n
const wal = (path: string) => statSync(`${path}-wal`).size

/** Several pages each, so that a part of a commit can be there. */
function commit(db: Database, n: number, how: 'write' | 'writeSoft'): void {
  db[how](() => {
    for (const part of ['a', 'b'])
      db.prepare('INSERT INTO settings (name, value) VALUES (?, ?)').run(`${n}-${part}`, Buffer.alloc(6_000, n + 1))
  })
}

it.each(['write', 'writeSoft'] as const)('a log that was cut off or torn holds whole commits only: %s', (how) => {
  const path = join(folder, `${how}.db`)
  const db = open(path)
  db.checkpoint()
  /** length of the log after so many commits */
  const ends = [0]
  for (let n = 0; n < 5; n++) {
    commit(db, n, how)
    ends.push(wal(path))
  }
  const [file, log] = [readFileSync(path), readFileSync(`${path}-wal`)]
  db.close()
  expect(new Set(ends).size).toBe(ends.length)
  for (let durable = 0; durable < 5; durable++) {
    const [from, to] = [ends[durable] ?? 0, ends[durable + 1] ?? 0]
    const torn = [
      log.subarray(0, from),
      log.subarray(0, to - SECTOR),
      // the first sectors of the commit are lost, its last are there; and the other way round
      Buffer.concat([log.subarray(0, from), LOST, log.subarray(from + 2 * SECTOR, to)]),
      Buffer.concat([log.subarray(0, to - 2 * SECTOR), LOST]),
    ]
    for (const left of torn) {
      const cut = join(folder, 'cut.db')
      for (const part of ['-wal', '-shm']) rmSync(cut + part, { force: true })
      writeFileSync(cut, file)
      writeFileSync(`${cut}-wal`, left)
      const after = open(cut)
      expect(count(after)).toBe(2 * durable)
      expect(after.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
      // it goes on
      commit(after, 100, 'write')
      after.close()
      const again = open(cut)
      expect(count(again)).toBe(2 * durable + 2)
      again.close()
    }
  }
})

it('what is durable is in the log when the commit returns', () => {
  const path = join(folder, 'durable.db')
  const db = open(path)
  commit(db, 1, 'write')
  const cut = join(folder, 'copy.db')
  // what the system was given until now, and no checkpoint or close
  for (const part of ['', '-wal']) copyFileSync(path + part, cut + part)
  const after = open(cut)
  expect(count(after)).toBe(2)
  after.close()
  db.close()
})
