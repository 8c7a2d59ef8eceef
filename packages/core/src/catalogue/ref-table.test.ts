import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import type { RefRow } from './ref-run.ts'
import { createRefTable, refName } from './ref-table.ts'

/** So small that a few rows go through all that there is. */
const SIZES = { run: 8, direct: 2 }

function withDatabase(work: (db: Database, reopen: () => Database) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'malote-refs-'))
  const open = () =>
    openDatabase({ path: join(folder, 'shared.db'), migrations: migrationsFolder('shared'), synchronous: 'normal' })
  let db = open()
  try {
    work(db, () => {
      db.close()
      db = open()
      return db
    })
  } finally {
    db.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const inPlace = (db: Database) =>
  db
    .prepare<{ short: number; kind: number; since: number; file_key: number }>('SELECT * FROM refs ORDER BY 1, 2, 3, 4')
    .all()
    .map(({ short, kind, since, file_key: key }) => ({ name: refName(short, kind), since, key }))

const inOrder = (rows: Iterable<RefRow>) =>
  [...rows].sort((a, b) => a.name - b.name || a.since - b.since || a.key - b.key)

test('says what a plain list would say, whatever is added, removed, rolled back and read anew', () => {
  const change = fc.record({ name: fc.nat(12), key: fc.integer({ min: 1, max: 6 }), since: fc.nat(9) })
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ what: fc.constant('write' as const), changes: fc.array(change, { maxLength: 7 }) }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('roll back' as const), changes: fc.array(change) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('reopen' as const) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('settle' as const) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('clear' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
      withDatabase((first, reopen) => {
        let db = first
        let table = createRefTable(db, SIZES)
        const kept = new Map<string, RefRow>()
        const apply = (changes: readonly RefRow[], to: Map<string, RefRow>) => {
          for (const row of changes) {
            const place = `${row.name} ${row.key}`
            if (to.delete(place)) table.remove(row.name, row.key)
            else {
              to.set(place, row)
              table.add(row)
            }
          }
          table.flush()
        }
        for (const each of steps) {
          if (each.what === 'write') db.write(() => apply(each.changes, kept))
          else if (each.what === 'settle') db.write(() => table.settle())
          else if (each.what === 'clear') {
            db.write(() => table.clear())
            kept.clear()
          } else if (each.what === 'reopen') {
            db = reopen()
            table = createRefTable(db, SIZES)
          } else {
            const roll = () =>
              db.write(() => {
                db.afterRollback(() => table.reload())
                apply(each.changes, new Map(kept))
                throw new Error('rolled back')
              })
            expect(roll).toThrow('rolled back')
          }
          for (let name = 0; name <= 12; name++) {
            const expected = inOrder([...kept.values()].filter((row) => row.name === name))
            expect(table.named(name)).toEqual(expected.map(({ since, key }) => ({ since, key })))
          }
          expect(table.count()).toBe(kept.size)
        }
        db.write(() => table.settle())
        expect(inPlace(db)).toEqual(inOrder(kept.values()))
        expect(db.prepare('SELECT * FROM refs_recent').all()).toEqual([])
      })
    }),
    { numRuns: 60 },
  )
})

test('few of one transaction stand in place at once; while others wait, they wait as well', () => {
  withDatabase((db) => {
    const table = createRefTable(db, SIZES)
    const add = (...keys: number[]) =>
      db.write(() => {
        for (const key of keys) table.add({ name: key, since: key, key })
        table.flush()
      })
    add(1, 2)
    expect(inPlace(db)).toHaveLength(2)
    add(3, 4, 5)
    expect(inPlace(db)).toHaveLength(2)
    add(6)
    expect(inPlace(db)).toHaveLength(2)
    expect(table.count()).toBe(6)
  })
})

test('a run goes on to its place with the transactions that follow', () => {
  withDatabase((db) => {
    const table = createRefTable(db, { run: 64, direct: 2 })
    let key = 0
    const add = (count: number) =>
      db.write(() => {
        for (let n = 0; n < count; n++) table.add({ name: (++key * 37) % 1009, since: key, key })
        table.flush()
      })
    add(64)
    const drained = inPlace(db).length
    expect(drained).toBeGreaterThan(0)
    expect(drained).toBeLessThanOrEqual(64)
    for (let n = 0; n < 60; n++) add(1)
    expect(inPlace(db)).toHaveLength(64)
    expect(table.count()).toBe(124)
  })
})

test('what makes no sense in the log is left out', () => {
  withDatabase((db) => {
    const insert = db.prepare('INSERT INTO refs_recent (run, refs) VALUES (?, ?)')
    const part = (...values: number[]) => Buffer.from(Float64Array.from(values).buffer)
    insert.run(1, part(5, 1, 1, Number.NaN, 1, 1, 6, 1.5, 2, 7, 1, 0, 8, Number.POSITIVE_INFINITY, 3, 9, 2, 4))
    insert.run(1, part(10, 3, 5).subarray(0, 23))
    insert.run(-7, Buffer.alloc(0))
    const table = createRefTable(db, SIZES)
    expect(table.count()).toBe(2)
    expect([...table.named(5), ...table.named(9)].map(({ key }) => key)).toEqual([1, 4])
    db.write(() => table.settle())
    expect(inPlace(db).map(({ name }) => name)).toEqual([5, 9])
  })
})
