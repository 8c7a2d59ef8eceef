/**
 * The one door through which shared rows change. Each change of a row that is part of the digest is a change of the
 * set hash in the same transaction, so that the two cannot part.
 */
import { type CborValue, encodeCbor } from '../codec/index.ts'
import { asBuffer, domain, SetHash } from '../crypto/index.ts'
import { createBulkInsert, type Database } from '../database/index.ts'
import { type EntryId, idFrom, type NetworkId } from '../ids.ts'
import {
  type EpochRow,
  type FileRow,
  OUTSIDE_DIGEST,
  type RefRow,
  type Row,
  type Scalar,
  type TableSpec,
  tables,
  type VersionRow,
} from './state-tables.ts'

/** What a row adds to the set: its table's name and its columns in order. */
export function elementOf<R extends Row>(network: NetworkId, spec: TableSpec<R>, row: R): Uint8Array {
  const values: CborValue[] = [spec.name]
  for (const column of spec.columns) if (!OUTSIDE_DIGEST.has(column)) values.push(row[column] ?? null)
  return encodeCbor(values, domain('state-row', network))
}

export interface StateRows {
  /** Every row of the table that begins with these key values. */
  select<R extends Row>(spec: TableSpec<R>, ...key: Scalar[]): R[]
  /** Writes a row; nothing happens when it stands as it is. @returns whether it changed */
  put<R extends Row>(spec: TableSpec<R>, row: R): boolean
  /** @returns whether there was one */
  remove<R extends Row>(spec: TableSpec<R>, ...key: Scalar[]): boolean
  /** Makes the rows that begin with this key exactly these. @returns what stood before, and whether anything changed */
  replace<R extends Row>(
    spec: TableSpec<R>,
    key: readonly Scalar[],
    rows: readonly R[],
  ): { readonly before: readonly R[]; readonly changed: boolean }
  /** Writes the rows of a file that has none yet, without looking for any. They stand in the tables after `save`. */
  insertFile(file: FileRow, versions: readonly VersionRow[], epochs: readonly EpochRow[], refs: readonly RefRow[]): void
  insertRef(ref: RefRow): void
  removeRef(ref: RefRow): void
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
}

interface SavedDigest {
  lanes: Uint8Array
  behind: number
}

export function createStateRows(db: Database, network: () => NetworkId | null): StateRows {
  const judged = new Set<EntryId>()
  let hash = new SetHash()
  let behind = false
  let cached: Uint8Array | undefined
  let lastFileKey: number | undefined
  const bulk = {
    files: createBulkInsert(db, { table: 'files', columns: ['file_key', ...tables.files.columns] }),
    versions: createBulkInsert(db, { table: 'versions', columns: ['file_key', ...tables.versions.columns.slice(1)] }),
    epochs: createBulkInsert(db, { table: 'epochs', columns: ['file_key', ...tables.epochs.columns.slice(1)] }),
    refs: createBulkInsert(db, { table: 'refs', columns: tables.refs.columns }),
  }

  function load(): void {
    const saved = db.prepare<SavedDigest>('SELECT lanes, behind FROM digest WHERE id = 1').get()
    hash = new SetHash(saved?.lanes)
    behind = saved?.behind === 1
    cached = undefined
    judged.clear()
    for (const each of Object.values(bulk)) each.clear()
  }

  function nextFileKey(): number {
    lastFileKey ??= db.prepare<{ last: number | null }>('SELECT max(file_key) AS last FROM files').get()?.last ?? 0
    lastFileKey += 1
    return lastFileKey
  }

  function count<R extends Row>(spec: TableSpec<R>, before: R | undefined, after: R | undefined): void {
    const entry = spec.name === tables.refusals.name ? (after ?? before)?.entry : undefined
    if (entry instanceof Uint8Array) judged.add(idFrom<EntryId>(entry))
    if (!spec.inDigest) return
    const id = network()
    if (id === null) throw new TypeError('shared rows without a network')
    if (before !== undefined) hash.remove(elementOf(id, spec, before))
    if (after !== undefined) hash.add(elementOf(id, spec, after))
    cached = undefined
  }

  function write<R extends Row>(spec: TableSpec<R>, before: R | undefined, after: R): boolean {
    if (before !== undefined && sameRow(spec, before, after)) return false
    count(spec, before, after)
    const values = spec.columns.map((column) => after[column] ?? null)
    // what is changed stays where it is: versions and epochs lean on the key of their file
    if (before !== undefined) {
      db.prepare(sqlOf(spec, 'update', updateSql)).run([...values.slice(spec.keys), ...values.slice(0, spec.keys)])
    } else if (spec.name === tables.files.name) db.prepare(INSERT_FILE).run([nextFileKey(), ...values])
    else db.prepare(sqlOf(spec, 'insert', insertSql)).run(values)
    return true
  }

  function drop<R extends Row>(spec: TableSpec<R>, before: R): void {
    count(spec, before, undefined)
    db.prepare(sqlOf(spec, 'delete', deleteSql)).run(keyOf(spec, before))
  }

  const rows: StateRows = {
    select<R extends Row>(spec: TableSpec<R>, ...key: Scalar[]) {
      return db
        .prepare<R>(sqlOf(spec, `select ${key.length}`, selectSql))
        .all(...key)
        .map((row) => plainRow(row))
    },
    put: (spec, row) => write(spec, rows.select(spec, ...keyOf(spec, row))[0], row),
    remove(spec, ...key) {
      const [before] = rows.select(spec, ...key)
      if (before === undefined) return false
      drop(spec, before)
      return true
    },
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
    insertFile(file, versions, epochs, refs) {
      count(tables.files, undefined, file)
      for (const row of versions) count(tables.versions, undefined, row)
      for (const row of epochs) count(tables.epochs, undefined, row)
      const key = nextFileKey()
      bulk.files.add([key, ...tables.files.columns.map((column) => file[column])])
      for (const row of versions)
        bulk.versions.add(tables.versions.columns.map((column) => (column === 'file' ? key : row[column])))
      for (const row of epochs)
        bulk.epochs.add(tables.epochs.columns.map((column) => (column === 'file' ? key : row[column])))
      for (const { hash, file, kind } of refs) bulk.refs.add([hash, file, kind])
    },
    insertRef: ({ hash, file, kind }) => bulk.refs.add([hash, file, kind]),
    removeRef({ hash, file, kind }) {
      bulk.refs.flush()
      db.prepare('DELETE FROM refs WHERE hash = ? AND file = ? AND kind = ?').run(hash, file, kind)
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
      hash = new SetHash()
      cached = undefined
      lastFileKey = undefined
    },
    begin() {
      lastFileKey = undefined
      db.afterRollback(load)
    },
    save() {
      for (const each of Object.values(bulk)) each.flush()
      db.prepare('INSERT OR REPLACE INTO digest (id, lanes, behind) VALUES (1, ?, ?)').run(hash.save(), behind ? 1 : 0)
    },
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

const INSERT_FILE = `INSERT INTO files (file_key, ${tables.files.columns.join(', ')}) VALUES (?, ${tables.files.columns
  .map(() => '?')
  .join(', ')})`

/** Also for `verify`, which reads tables whole. */
export function columnsOf<R extends Row>({ name, columns, ofFile }: TableSpec<R>): string[] {
  return columns.map((column) => (ofFile && column === 'file' ? 'files.file' : `${name}.${column}`))
}

export function sourceOf<R extends Row>({ name, ofFile }: TableSpec<R>): string {
  // CROSS: SQLite is to begin with the file
  return ofFile ? `files CROSS JOIN ${name} ON ${name}.file_key = files.file_key` : name
}

function selectSql<R extends Row>(spec: TableSpec<R>, purpose: string): string {
  const keys = Number(purpose.slice('select '.length))
  const conditions = columnsOf(spec)
    .slice(0, keys)
    .map((column) => `${column} = ?`)
  const condition = conditions.length === 0 ? 'true' : conditions.join(' AND ')
  return `SELECT ${columnsOf(spec).join(', ')} FROM ${sourceOf(spec)} WHERE ${condition}`
}

const KEY_OF_FILE = '(SELECT file_key FROM files WHERE file = ?)'

function insertSql<R extends Row>({ name, columns, ofFile }: TableSpec<R>): string {
  const into = columns.map((column) => (ofFile && column === 'file' ? 'file_key' : column))
  const marks = columns.map((column) => (ofFile && column === 'file' ? KEY_OF_FILE : '?'))
  return `INSERT INTO ${name} (${into.join(', ')}) VALUES (${marks.join(', ')})`
}

function updateSql<R extends Row>(spec: TableSpec<R>): string {
  const set = spec.columns.slice(spec.keys).map((column) => `${column} = ?`)
  return `UPDATE ${spec.name} SET ${set.join(', ')} WHERE ${where(spec)}`
}

function deleteSql<R extends Row>(spec: TableSpec<R>): string {
  return `DELETE FROM ${spec.name} WHERE ${where(spec)}`
}

/** One row by its key. */
function where<R extends Row>({ columns, keys, ofFile }: TableSpec<R>): string {
  return columns
    .slice(0, keys)
    .map((column) => (ofFile && column === 'file' ? `file_key = ${KEY_OF_FILE}` : `${column} = ?`))
    .join(' AND ')
}

function keyOf<R extends Row>(spec: TableSpec<R>, row: R): Scalar[] {
  return spec.columns.slice(0, spec.keys).map((column) => row[column] ?? null)
}

function nameOf<R extends Row>(spec: TableSpec<R>, row: R): string {
  return keyOf(spec, row)
    .map((value) => (value instanceof Uint8Array ? asBuffer(value).toString('hex') : String(value)))
    .join('/')
}

function sameRow<R extends Row>(spec: TableSpec<R>, a: R, b: R, except?: ReadonlySet<string>): boolean {
  return spec.columns.every((column) => {
    if (except?.has(column) === true) return true
    const x: Scalar | undefined = a[column]
    const y: Scalar | undefined = b[column]
    return x instanceof Uint8Array && y instanceof Uint8Array ? asBuffer(x).equals(y) : x === y
  })
}

/** Whether both are the same rows, in whatever order. Reasons are for people and may be worded anew. */
export function sameRows<R extends Row>(spec: TableSpec<R>, a: readonly R[], b: readonly R[]): boolean {
  if (a.length !== b.length) return false
  const byName = new Map(b.map((row) => [nameOf(spec, row), row]))
  return a.every((row) => {
    const other = byName.get(nameOf(spec, row))
    return other !== undefined && sameRow(spec, row, other, OUTSIDE_DIGEST)
  })
}

/** SQLite gives Buffers, which are not what the encoder and everyone outside expect. */
export function plainRow<R extends Row>(row: R): R {
  const plain: Record<string, Scalar> = {}
  for (const [column, value] of Object.entries(row))
    plain[column] = value instanceof Uint8Array ? new Uint8Array(value) : value
  return plain as R
}
