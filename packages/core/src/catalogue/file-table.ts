/**
 * Files on disk, each one record with what it is looked for by beside it. A change of a record is a change of the set
 * hash in the same transaction.
 */
import { DecodeError } from '../codec/index.ts'
import { asBuffer } from '../crypto/index.ts'
import { createBulkInsert, type Database, DatabaseDamagedError } from '../database/index.ts'
import { type BoxHash, type BranchId, type FileId, idBytes, type Root } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { decodeFileRecord, encodeFileRecord, type FileRecord, fileOfRecord } from './file-record.ts'
import { type RefKind, refsOf } from './file-refs.ts'
import { createShortHash, SHORT_SECRET_BYTES } from './short-hash.ts'
import type { SharedFileState } from './types.ts'

export interface FileTableInit {
  readonly db: Database
  readonly entries: {
    /** arrival numbers of the ordinary entries about a subject, ascending */
    arrivalsAbout(subject: Uint8Array): readonly number[]
    count(): number
  }
  /** a record that is part of the set no longer, and one that is from now on */
  count(before: Uint8Array | null, after: Uint8Array | null): void
}

export interface FileFilter {
  readonly owner?: BranchId
  readonly states?: readonly SharedFileState[]
  readonly isOffered?: boolean
}

export interface FileTable {
  /** @throws {DatabaseDamagedError} */
  get(file: FileId): FileRecord | null
  /** Makes the file's record this one; null: it has none. */
  replace(file: FileId, after: FileRecord | null): { readonly before: FileRecord | null; readonly changed: boolean }
  /** The record of a file that has none, without looking for one. It stands in the table after `flush`. @param key arrival number of its first entry */
  insert(key: number, record: FileRecord): void
  /** Whether what is stored is this, with all that stands beside it. */
  holds(file: FileId, expected: FileRecord | null): boolean
  /** In the order in which this node learned of them; reads page by page, so that others may write in between. */
  walk(filter?: FileFilter): Generator<FileRecord>
  ids(filter: FileFilter): Generator<FileId>
  /** @param after the last file of the page before */
  page(filter: FileFilter, after: FileId | null, limit: number): FileRecord[]
  /** Files that name a root or box, the one that named it first here before the others. */
  naming(kind: RefKind, hash: Root | BoxHash): Generator<FileRecord>
  /** Every record as it is stored. */
  stored(): Generator<Uint8Array>
  clear(): void
  flush(): void
  /** Forgets what was not flushed and what is in memory: after a rollback. */
  reload(): void
}

interface FileRow {
  file_key: number
  state: string
  owner: number
  offered: number
  record: Uint8Array
}
type Beside = Omit<FileRow, 'file_key'>

/** Few, since the record of a file with very many versions is large. */
const PAGE = 100
const COLUMNS = 'file_key, state, owner, offered, record'

export function createFileTable({ db, entries, count }: FileTableInit): FileTable {
  const bulk = {
    files: createBulkInsert(db, { table: 'files', columns: ['file_key', 'state', 'owner', 'offered', 'record'] }),
    refs: createBulkInsert(db, {
      table: 'refs',
      columns: ['short', 'kind', 'since', 'file_key'],
      conflict: 'ON CONFLICT DO NOTHING', // two boxes of one file that look alike
    }),
  }
  const select = db.prepare<FileRow>(`SELECT ${COLUMNS} FROM files WHERE file_key = ?`)
  const update = db.prepare('UPDATE files SET state = ?, owner = ?, offered = ?, record = ? WHERE file_key = ?')
  const remove = db.prepare('DELETE FROM files WHERE file_key = ?')
  const removeRef = db.prepare('DELETE FROM refs WHERE short = ? AND kind = ? AND file_key = ?')
  const owners = new Map<BranchId, number>()
  let shortHash: ((hash: Uint8Array) => number) | undefined

  /** undefined before the first ref was written */
  function findShort(): ((hash: Uint8Array) => number) | undefined {
    if (shortHash !== undefined) return shortHash
    const known = db.prepare<{ secret: Uint8Array }>('SELECT secret FROM refs_secret').get()
    if (known !== undefined) shortHash = createShortHash(known.secret)
    return shortHash
  }

  function short(hash: Uint8Array): number {
    const known = findShort()
    if (known !== undefined) return known(hash)
    const secret = systemRandom.bytes(SHORT_SECRET_BYTES)
    db.prepare('INSERT INTO refs_secret (id, secret) VALUES (1, ?)').run(secret)
    shortHash = createShortHash(secret)
    return shortHash(hash)
  }

  /** @returns 0, which no branch has, for one that never owned a file */
  function findOwner(branch: BranchId): number {
    const known = owners.get(branch)
    if (known !== undefined) return known
    const row = db.prepare<{ owner: number }>('SELECT owner FROM owners WHERE branch = ?').get(idBytes(branch))
    if (row !== undefined) owners.set(branch, row.owner)
    return row?.owner ?? 0
  }

  function ownerOf(branch: BranchId): number {
    const known = findOwner(branch)
    if (known > 0) return known
    const owner = Number(db.prepare('INSERT INTO owners (branch) VALUES (?)').run(idBytes(branch)).lastInsertRowid)
    owners.set(branch, owner)
    return owner
  }

  function beside({ file }: FileRecord, record: Uint8Array): Beside {
    return { state: file.state, owner: ownerOf(file.owner), offered: file.offer === null ? 0 : 1, record }
  }

  function find(file: FileId): FileRow | undefined {
    const id = idBytes(file)
    for (const arrival of entries.arrivalsAbout(id)) {
      const row = select.get(arrival)
      if (row !== undefined) return row
    }
    return undefined
  }

  const decode = (row: FileRow): FileRecord => told(() => decodeFileRecord(row.record))

  /** What cannot be read of a record is damage of this database. */
  function told<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      throw new DatabaseDamagedError(db.path, error)
    }
  }

  /** Refs by what they are stored as: two hashes of a file that look alike are one row. */
  function refs(record: FileRecord | null): Map<string, { short: number; kind: RefKind }> {
    const rows = new Map<string, { short: number; kind: RefKind }>()
    for (const { kind, hash } of record === null ? [] : refsOf(record)) {
      const row = { short: short(hash), kind }
      rows.set(`${row.short} ${kind}`, row)
    }
    return rows
  }

  function writeRefs(key: number, before: FileRecord | null, after: FileRecord | null): void {
    const old = refs(before)
    const now = refs(after)
    for (const [name, each] of now) {
      if (!old.delete(name)) bulk.refs.add([each.short, each.kind, entries.count(), key])
    }
    if (old.size === 0) return
    bulk.refs.flush()
    for (const each of old.values()) removeRef.run(each.short, each.kind, key)
  }

  function where({ owner, states, isOffered }: FileFilter): { condition: string; values: (string | number)[] } {
    const conditions = ['true']
    const values: (string | number)[] = []
    if (owner !== undefined) {
      conditions.push('owner = ?')
      values.push(findOwner(owner))
    }
    if (states !== undefined) {
      conditions.push(`state IN (${states.map(() => '?').join(', ')})`)
      values.push(...states)
    }
    if (isOffered === true) conditions.push('offered = 1')
    return { condition: conditions.join(' AND '), values }
  }

  function* rows(filter: FileFilter): Generator<FileRow> {
    const { condition, values } = where(filter)
    const page = db.prepare<FileRow>(
      `SELECT ${COLUMNS} FROM files WHERE ${condition} AND file_key > ? ORDER BY file_key LIMIT ${PAGE}`,
    )
    for (let after = 0; ; ) {
      const found = page.all(...values, after)
      yield* found
      after = found.at(-1)?.file_key ?? after
      if (found.length < PAGE) return
    }
  }

  return {
    get(file) {
      const row = find(file)
      return row === undefined ? null : decode(row)
    },
    replace(file, after) {
      const row = find(file)
      const bytes = after === null ? null : encodeFileRecord(after)
      if (row === undefined && after === null) return { before: null, changed: false }
      const before = row === undefined ? null : decode(row)
      if (row !== undefined && bytes !== null && asBuffer(bytes).equals(row.record)) return { before, changed: false }
      count(row?.record ?? null, bytes)
      const key = row?.file_key ?? entries.arrivalsAbout(idBytes(file))[0]
      if (key === undefined) throw new TypeError('a file that no entry is about')
      if (after === null || bytes === null) remove.run(key)
      else {
        const { state, owner, offered, record } = beside(after, bytes)
        if (row === undefined) bulk.files.add([key, state, owner, offered, record])
        else update.run(state, owner, offered, record, key)
      }
      bulk.files.flush() // it may be looked for again in this transaction
      writeRefs(key, before, after)
      return { before, changed: true }
    },
    insert(key, record) {
      const bytes = encodeFileRecord(record)
      count(null, bytes)
      const { state, owner, offered } = beside(record, bytes)
      bulk.files.add([key, state, owner, offered, bytes])
      const since = entries.count()
      for (const { kind, hash } of refsOf(record)) bulk.refs.add([short(hash), kind, since, key])
    },
    holds(file, expected) {
      const row = find(file)
      if (row === undefined || expected === null) return row === undefined && expected === null
      return (
        asBuffer(row.record).equals(encodeFileRecord(expected)) &&
        row.state === expected.file.state &&
        row.owner === findOwner(expected.file.owner) &&
        row.offered === (expected.file.offer === null ? 0 : 1)
      )
    },
    *ids(filter) {
      for (const { record } of rows(filter)) yield told(() => fileOfRecord(record))
    },
    *walk(filter = {}) {
      for (const row of rows(filter)) yield decode(row)
    },
    page(filter, after, limit) {
      const { condition, values } = where(filter)
      const from = after === null ? 0 : (find(after)?.file_key ?? 0)
      return db
        .prepare<FileRow>(
          `SELECT ${COLUMNS} FROM files WHERE ${condition} AND file_key > ? ORDER BY file_key LIMIT ${limit}`,
        )
        .all(...values, from)
        .map(decode)
    },
    *naming(kind, hash) {
      const shortOf = findShort()
      if (shortOf === undefined) return
      const found = db
        .prepare<{ file_key: number }>(
          'SELECT file_key FROM refs WHERE short = ? AND kind = ? ORDER BY since, file_key',
        )
        .all(shortOf(idBytes(hash)), kind)
      for (const { file_key: key } of found) {
        const row = select.get(key)
        if (row !== undefined) yield decode(row)
      }
    },
    *stored() {
      for (const { record } of rows({})) yield record
    },
    clear() {
      for (const table of ['files', 'owners', 'refs']) db.exec(`DELETE FROM ${table}`)
      owners.clear()
    },
    flush() {
      for (const each of Object.values(bulk)) each.flush()
    },
    reload() {
      for (const each of Object.values(bulk)) each.clear()
      owners.clear()
      shortHash = undefined
    },
  }
}
