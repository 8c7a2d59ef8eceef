/**
 * The one door through which shared rows change. Each change of a row is a change of the set hash in the same
 * transaction, so that the two cannot part.
 */
import { type CborValue, encodeCbor } from '../codec/index.ts'
import { domain, equalBytes, SetHash } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import { type EntryId, idFrom, type NetworkId, toHex } from '../ids.ts'
import { createFileTable, type FileTable, type FileTableInit } from './file-table.ts'
import type { RowChange } from './member-rows.ts'
import { OUTSIDE_DIGEST, type Row, type Scalar, type TableSpec, tables } from './state-tables.ts'

/** What a row adds to the set: its table's name and its columns in order. */
export function elementOf<R extends Row>(network: NetworkId, spec: TableSpec<R>, row: R): Uint8Array {
  const values: CborValue[] = [spec.name]
  for (const column of spec.columns) if (!OUTSIDE_DIGEST.has(column)) values.push(row[column] ?? null)
  return encodeCbor(values, domain('state-row', network))
}

/** What a file adds to it. @param record as `encodeFileRecord` makes it */
export function elementOfFile(network: NetworkId, record: Uint8Array): Uint8Array {
  const prefix = domain('state-row', network)
  const element = new Uint8Array(prefix.length + record.length)
  element.set(prefix)
  element.set(record, prefix.length)
  return element
}

export interface StateRows {
  readonly files: FileTable
  /** Every row of the table that begins with these key values. */
  select<R extends Row>(spec: TableSpec<R>, ...key: Scalar[]): R[]
  /** Writes a row; nothing happens when it stands as it is. @returns whether it changed */
  put<R extends Row>(spec: TableSpec<R>, row: R): boolean
  /** Writes or drops a row of which the caller knows how it stands: nothing is looked for. */
  change(change: RowChange): void
  /** Makes the rows that begin with this key exactly these. @returns what stood before, and whether anything changed */
  replace<R extends Row>(
    spec: TableSpec<R>,
    key: readonly Scalar[],
    rows: readonly R[],
  ): { readonly before: readonly R[]; readonly changed: boolean }
  /** Entries whose refusals changed since the last call. */
  takeJudged(): EntryId[]
  digest(): Uint8Array
  isBehind(): boolean
  setBehind(behind: boolean): void
  /** Empties all tables. */
  clear(): void
  /** The first thing in a transaction that changes rows. */
  begin(): void
  /** Keeps the set hash; the last thing in it. */
  save(): void
  /** Forgets what is in memory of the tables, which somebody else has changed. */
  reload(): void
}

interface SavedDigest {
  lanes: Uint8Array
  behind: number
}

export function createStateRows(
  db: Database,
  network: () => NetworkId | null,
  entries: FileTableInit['entries'],
  sinceOf?: FileTableInit['sinceOf'],
): StateRows {
  const judged = new Set<EntryId>()
  /** tables that are known to be empty: most networks have no refusals and no marks, and every file asks */
  const empty = new Set<string>()
  let hash = new SetHash()
  let behind = false
  let cached: Uint8Array | undefined
  const files = createFileTable({
    db,
    entries,
    sinceOf,
    count(before, after) {
      const id = networkId()
      if (before !== null) hash.remove(elementOfFile(id, before))
      if (after !== null) hash.add(elementOfFile(id, after))
      cached = undefined
    },
  })

  function networkId(): NetworkId {
    const id = network()
    if (id === null) throw new TypeError('shared rows without a network')
    return id
  }

  function load(): void {
    const saved = db.prepare<SavedDigest>('SELECT lanes, behind FROM digest WHERE id = 1').get()
    hash = new SetHash(saved?.lanes)
    behind = saved?.behind === 1
    cached = undefined
    judged.clear()
    empty.clear()
    for (const { name } of [tables.refusals, tables.marks]) {
      if (db.prepare(`SELECT 1 FROM ${name} LIMIT 1`).get() === undefined) empty.add(name)
    }
    files.reload()
  }

  function count<R extends Row>(spec: TableSpec<R>, before: R | undefined, after: R | undefined): void {
    const entry = spec.name === tables.refusals.name ? (after ?? before)?.entry : undefined
    if (entry instanceof Uint8Array) judged.add(idFrom<EntryId>(entry))
    const id = networkId()
    if (before !== undefined) hash.remove(elementOf(id, spec, before))
    if (after !== undefined) hash.add(elementOf(id, spec, after))
    cached = undefined
  }

  function write<R extends Row>(spec: TableSpec<R>, before: R | undefined, after: R): boolean {
    if (before !== undefined && sameRow(spec, before, after)) return false
    count(spec, before, after)
    empty.delete(spec.name)
    const values = spec.columns.map((column) => after[column] ?? null)
    db.prepare(sqlOf(spec, 'replace', replaceSql)).run(values)
    return true
  }

  function drop<R extends Row>(spec: TableSpec<R>, before: R): void {
    count(spec, before, undefined)
    db.prepare(sqlOf(spec, 'delete', deleteSql)).run(keyOf(spec, before))
  }

  const rows: StateRows = {
    files,
    select<R extends Row>(spec: TableSpec<R>, ...key: Scalar[]) {
      if (empty.has(spec.name)) return []
      return db
        .prepare<R>(sqlOf(spec, `select ${key.length}`, selectSql))
        .all(...key)
        .map((row) => plainRow(row))
    },
    change({ spec, before, after }) {
      if (after !== null) write(spec, before ?? undefined, after)
      else if (before !== null) drop(spec, before)
    },
    put: (spec, row) => write(spec, rows.select(spec, ...keyOf(spec, row))[0], row),
    replace(spec, key, after) {
      const before = rows.select(spec, ...key)
      const gone = new Map(before.map((row) => [nameOf(spec, row), row]))
      let changed = false
      for (const row of after) {
        const name = nameOf(spec, row)
        if (write(spec, gone.get(name), row)) changed = true
        gone.delete(name)
      }
      for (const row of gone.values()) drop(spec, row)
      return { before, changed: changed || gone.size > 0 }
    },
    takeJudged() {
      const entries = [...judged]
      judged.clear()
      return entries
    },
    digest() {
      cached ??= hash.digest()
      return cached
    },
    isBehind: () => behind,
    setBehind(value) {
      behind = value
    },
    clear() {
      for (const { entry } of rows.select(tables.refusals)) judged.add(idFrom<EntryId>(entry))
      for (const spec of Object.values(tables)) db.exec(`DELETE FROM ${spec.name}`)
      files.clear()
      hash = new SetHash()
      cached = undefined
    },
    begin: () => db.afterRollback(load),
    save() {
      files.flush()
      db.prepare('INSERT OR REPLACE INTO digest (id, lanes, behind) VALUES (1, ?, ?)').run(hash.save(), behind ? 1 : 0)
    },
    reload: load,
  }
  load()
  return rows
}

/** SQL by table and purpose: made once, since these run for every entry. */
const sqlTexts = new Map<string, string>()

function sqlOf<R extends Row>(
  spec: TableSpec<R>,
  purpose: string,
  make: (spec: TableSpec<R>, purpose: string) => string,
) {
  const name = `${spec.name} ${purpose}`
  const known = sqlTexts.get(name)
  if (known !== undefined) return known
  const text = make(spec, purpose)
  sqlTexts.set(name, text)
  return text
}

function selectSql<R extends Row>({ name, columns }: TableSpec<R>, purpose: string): string {
  const keys = Number(purpose.slice('select '.length))
  return `SELECT ${columns.join(', ')} FROM ${name} WHERE ${where(columns.slice(0, keys))}`
}

function replaceSql<R extends Row>({ name, columns }: TableSpec<R>): string {
  return `INSERT OR REPLACE INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
}

function deleteSql<R extends Row>({ name, columns, keys }: TableSpec<R>): string {
  return `DELETE FROM ${name} WHERE ${where(columns.slice(0, keys))}`
}

function where(columns: readonly string[]): string {
  return columns.length === 0 ? 'true' : columns.map((column) => `${column} = ?`).join(' AND ')
}

function keyOf<R extends Row>(spec: TableSpec<R>, row: R): Scalar[] {
  return spec.columns.slice(0, spec.keys).map((column) => row[column] ?? null)
}

function nameOf<R extends Row>(spec: TableSpec<R>, row: R): string {
  return keyOf(spec, row)
    .map((value) => (value instanceof Uint8Array ? toHex(value) : String(value)))
    .join('/')
}

function sameRow<R extends Row>(spec: TableSpec<R>, a: R, b: R, except?: ReadonlySet<string>): boolean {
  return spec.columns.every((column) => {
    if (except?.has(column) === true) return true
    const x: Scalar | undefined = a[column]
    const y: Scalar | undefined = b[column]
    return x instanceof Uint8Array && y instanceof Uint8Array ? equalBytes(x, y) : x === y
  })
}

/** Rows that should be there, in whatever order. Reasons are for people and may be worded anew. */
export interface ExpectedRows<R extends Row> {
  /** False for one that is not among them, or says something else. */
  meets(row: R): boolean
  /** True when all of them were met. */
  isMet(): boolean
}

export function expectRows<R extends Row>(spec: TableSpec<R>, rows: readonly R[]): ExpectedRows<R> {
  const missing = new Map(rows.map((row) => [nameOf(spec, row), row]))
  return {
    meets(row) {
      const name = nameOf(spec, row)
      const expected = missing.get(name)
      missing.delete(name)
      return expected !== undefined && sameRow(spec, row, expected, OUTSIDE_DIGEST)
    },
    isMet: () => missing.size === 0,
  }
}

export function sameRows<R extends Row>(spec: TableSpec<R>, a: readonly R[], b: readonly R[]): boolean {
  if (a.length !== b.length) return false
  const expected = expectRows(spec, b)
  return a.every(expected.meets)
}

/** SQLite gives Buffers, which are not what the encoder and everyone outside expect. */
export function plainRow<R extends Row>(row: R): R {
  const plain: Record<string, Scalar> = {}
  for (const [column, value] of Object.entries(row))
    plain[column] = value instanceof Uint8Array ? new Uint8Array(value) : value
  return plain as R
}
