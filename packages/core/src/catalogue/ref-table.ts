/**
 * Which files name a hash. Where a row belongs is random, so each put there by itself changes a page of its own; most
 * are kept in memory and in a log first, and put in place in order, many on one page. Why: decision 0028.
 */
import { createBulkInsert, type Database } from '../database/index.ts'
import { type RefRow, RefRun } from './ref-run.ts'

export interface RefTable {
  /** Inside `db.write`, as all that changes; none that is there already. */
  add(ref: RefRow): void
  remove(name: number, key: number): void
  /** Files that name it, in the order in which they came to. @param limit of those that stand in place */
  named(name: number, limit?: number): { readonly since: number; readonly key: number }[]
  count(): number
  clear(): void
  /** What was added is kept; the last thing in a transaction. */
  flush(): void
  /** Puts all in place. */
  settle(): void
  /** Reads anew what is in memory: at open and after a rollback. */
  reload(): void
}

export interface RefTableSizes {
  /** Rows kept in memory before they are put in place. Twice as many are there at most. @default 131,072 (10 MB) */
  readonly run: number
  /** Rows of one transaction that are put in place at once while none is kept. @default 128 */
  readonly direct: number
}

const RUN = 131_072
const DIRECT = 128
/** Rows that each transaction puts in place, and how many more than it adds: a run has to be over before the next is full. */
const DRAIN_MIN = 16
const DRAIN_FACTOR = 2
/** In a part of the log, where a row has `since`: it is no more. */
const REMOVED = -1
const WIDTH = 3
const KINDS = 4

interface Draining {
  readonly run: RefRun
  readonly number: number
  readonly names: Float64Array
  /** names that stand in place */
  done: number
}

/** @param hash 47 bits, see `short-hash.ts` @param kind 0 to 2 */
export function refName(hash: number, kind: number): number {
  return hash * KINDS + kind
}

export function createRefTable(db: Database, sizes: RefTableSizes = { run: RUN, direct: DIRECT }): RefTable {
  const rows = createBulkInsert(db, {
    table: 'refs',
    columns: ['short', 'kind', 'since', 'file_key'],
    conflict: 'ON CONFLICT DO NOTHING',
  })
  const insertPart = db.prepare('INSERT INTO refs_recent (run, refs) VALUES (?, ?)')
  const removeParts = db.prepare('DELETE FROM refs_recent WHERE run = ?')
  const drainTo = db.prepare('INSERT OR REPLACE INTO refs_draining (id, run, name) VALUES (1, ?, ?)')
  const drained = db.prepare('DELETE FROM refs_draining')
  const removeRow = db.prepare('DELETE FROM refs WHERE short = ? AND kind = ? AND file_key = ?')
  // no range and no order, or SQLite plans it anew each time
  const select = db.prepare<{ since: number; key: number }>(
    'SELECT since, file_key AS key FROM refs WHERE short = ? AND kind = ?',
  )
  const selectSome = db.prepare<{ since: number; key: number }>(
    'SELECT since, file_key AS key FROM refs WHERE short = ? AND kind = ? LIMIT ?',
  )
  let filling = new RefRun()
  let number = 1
  /** whether `filling` stands in the log, but for `added` */
  let isLogged = false
  let draining: Draining | undefined
  /** what this transaction has added and removed */
  let added: number[] = []

  /** Those that wait. */
  function* waiting(name: number): Generator<RefRow> {
    if (draining !== undefined && !isInPlace(draining, name)) yield* draining.run.named(name)
    yield* filling.named(name)
  }

  function put({ name, since, key }: RefRow): void {
    rows.add([...partsOf(name), since, key])
  }

  function log(): void {
    if (added.length === 0) return
    insertPart.run(number, Buffer.from(Float64Array.from(added).buffer))
    added = []
    isLogged = true
  }

  /** Puts the next ones in place. */
  function drain(count: number): void {
    if (draining === undefined) return
    for (let moved = 0; moved < count && draining.done < draining.names.length; ) {
      const name = draining.names[draining.done++] as number
      for (const row of draining.run.named(name)) {
        put(row)
        moved += 1
      }
    }
    rows.flush()
    if (draining.done < draining.names.length) {
      drainTo.run(draining.number, draining.names[draining.done - 1])
      return
    }
    removeParts.run(draining.number)
    drained.run()
    draining = undefined
  }

  function beginRun(): void {
    log()
    drain(Number.POSITIVE_INFINITY)
    draining = { run: filling, number, names: filling.names(), done: 0 }
    drainTo.run(number, NOTHING)
    filling = new RefRun()
    number += 1
    isLogged = false
  }

  function settle(): void {
    if (filling.length > 0 || isLogged) beginRun()
    drain(Number.POSITIVE_INFINITY)
  }

  function forget(): void {
    rows.clear()
    filling = new RefRun()
    draining = undefined
    added = []
    isLogged = false
  }

  /** What makes no sense is left out: `verify` finds that refs are missing. */
  function reload(): void {
    forget()
    const marked = db.prepare<{ run: number; name: number }>('SELECT run, name FROM refs_draining').get()
    const until = marked?.name ?? NOTHING
    const old = new RefRun()
    number = 1 + (marked?.run ?? 0)
    const page = db.prepare<{ part: number; run: number; refs: Uint8Array }>(
      'SELECT part, run, refs FROM refs_recent WHERE part > ? ORDER BY part LIMIT 100',
    )
    for (let found = page.all(0); found.length > 0; found = page.all(found.at(-1)?.part)) {
      for (const { run, refs } of found) {
        const isOld = run === marked?.run
        if (!isOld) {
          number = Math.max(number, run)
          isLogged = true
        }
        for (const row of decodePart(refs)) {
          if (row.since !== REMOVED) (isOld ? old : filling).add(row)
          else if (row.name <= until || !old.remove(row.name, row.key)) filling.remove(row.name, row.key)
        }
      }
    }
    if (marked === undefined) return
    const names = old.names()
    draining = { run: old, number: marked.run, names, done: names.findLastIndex((name) => name <= until) + 1 }
  }

  reload()
  return {
    add(ref) {
      filling.add(ref)
      added.push(ref.name, ref.since, ref.key)
      if (filling.length >= sizes.run) beginRun()
    },
    remove(name, key) {
      const isWaiting =
        (draining !== undefined && !isInPlace(draining, name) && draining.run.remove(name, key)) ||
        filling.remove(name, key)
      if (isWaiting) added.push(name, REMOVED, key)
      else removeRow.run(...partsOf(name), key)
    },
    named(name, limit) {
      const parts = partsOf(name)
      const found = limit === undefined ? select.all(...parts) : selectSome.all(...parts, limit)
      for (const { since, key } of waiting(name)) found.push({ since, key })
      return found.sort((a, b) => a.since - b.since || a.key - b.key)
    },
    count() {
      const inPlace = db.prepare<{ count: number }>('SELECT count(*) AS count FROM refs').get()?.count ?? 0
      let waits = filling.size
      if (draining !== undefined) {
        for (const name of draining.names.subarray(draining.done)) waits += [...draining.run.named(name)].length
      }
      return inPlace + waits
    },
    clear() {
      for (const table of ['refs', 'refs_recent', 'refs_draining']) db.exec(`DELETE FROM ${table}`)
      forget()
    },
    flush() {
      const isFew = !isLogged && draining === undefined && filling.length <= sizes.direct
      if (isFew) {
        for (const name of filling.names()) for (const row of filling.named(name)) put(row)
        rows.flush()
        filling = new RefRun()
        added = []
        return
      }
      const rowsAdded = added.length / WIDTH
      log()
      drain(Math.max(DRAIN_MIN, DRAIN_FACTOR * rowsAdded))
    },
    settle,
    reload,
  }
}

/** Below every name. */
const NOTHING = -1

function isInPlace({ names, done }: Draining, name: number): boolean {
  return done > 0 && name <= (names[done - 1] as number)
}

/** @returns short and kind */
function partsOf(name: number): [number, number] {
  return [Math.floor(name / KINDS), name % KINDS]
}

function* decodePart(bytes: Uint8Array): Generator<RefRow> {
  const row = WIDTH * Float64Array.BYTES_PER_ELEMENT
  const whole = bytes.length - (bytes.length % row)
  const values = new Float64Array(new Uint8Array(bytes.subarray(0, whole)).buffer)
  for (let at = 0; at < values.length; at += WIDTH) {
    const [name = Number.NaN, since = Number.NaN, key = Number.NaN] = values.subarray(at, at + WIDTH)
    const isSound = isCount(name) && (isCount(since) || since === REMOVED) && isCount(key) && key > 0
    if (isSound) yield { name, since, key }
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
