/**
 * Files on disk, each one record with what it is looked for by beside it. A change of a record is a change of the set
 * hash in the same transaction.
 */
import { DecodeError } from '../codec/index.ts'
import { asBuffer } from '../crypto/index.ts'
import { createBulkInsert, type Database, DatabaseDamagedError } from '../database/index.ts'
import { type BoxHash, type BranchId, type EntryId, type FileId, idBytes, type Root } from '../ids.ts'
import { decodeFileRecord, encodeFileRecord, fileOfRecord, RECORD_HEAD_BYTES } from './file-record.ts'
import { type RefKind, refsOf } from './file-refs.ts'
import type { OrdinaryEntry } from './fold-entry.ts'
import { createRefSecret } from './ref-secret.ts'
import { firstNamings, type NamingEntries } from './ref-since.ts'
import { createRefTable, refName } from './ref-table.ts'
import type { FileRecord, SharedFileState } from './types.ts'

export interface FileTableInit {
  readonly db: Database
  readonly entries: NamingEntries & {
    count(): number
    get(id: EntryId): OrdinaryEntry | undefined
    entryAt(arrival: number): OrdinaryEntry | undefined
  }
  /** a record that is part of the set no longer, and one that is from now on */
  count(before: Uint8Array | null, after: Uint8Array | null): void
  /** Since when a file names a hash, where another table of this node's knows. */
  readonly sinceOf?: ((ref: StoredRef) => number | undefined) | undefined
}

/** A file that names a hash, which stands for itself in short. */
export interface StoredRef {
  readonly name: number
  readonly key: number
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
  /** What of a file is not stored as it should be: the record, what stands beside it, what leads to it. */
  compare(file: FileId, expected: FileRecord | null): FileDifferences
  /** Since when a file has named a hash, as far as that can be true. */
  since(ref: StoredRef): number | undefined
  /** The key that `refs` are made with; null for none, or none that could be used. */
  secret(): Uint8Array | null
  /** Whether it is also the one on disk. */
  keepsSecret(): boolean
  /** Hashes that files name. */
  refCount(): number
  /** Puts in place what is kept back. */
  settle(): void
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

export interface FileDifferences {
  /** in words, to follow the name of the file */
  readonly what: string[]
  /** rows that `refs` should have of it */
  readonly refs: number
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
/** Of files that name one hash so many are looked through: members may make more of them than can be looked through for each. */
const CROWD = 1000
const COLUMNS = 'file_key, state, owner, offered, record'
const HEADS = `file_key, state, owner, offered, substr(record, 1, ${RECORD_HEAD_BYTES}) AS record`

export function createFileTable({ db, entries, count, sinceOf }: FileTableInit): FileTable {
  const bulk = createBulkInsert(db, { table: 'files', columns: ['file_key', 'state', 'owner', 'offered', 'record'] })
  const secret = createRefSecret(db)
  const table = createRefTable(db)
  const select = db.prepare<FileRow>(`SELECT ${COLUMNS} FROM files WHERE file_key = ?`)
  const update = db.prepare('UPDATE files SET state = ?, owner = ?, offered = ?, record = ? WHERE file_key = ?')
  const remove = db.prepare('DELETE FROM files WHERE file_key = ?')
  const owners = new Map<BranchId, number>()
  /** the table was emptied: when a file came to name what it names is not now */
  let isAnew = false

  function ownerOnDisk(branch: BranchId): number {
    return db.prepare<{ owner: number }>('SELECT owner FROM owners WHERE branch = ?').get(idBytes(branch))?.owner ?? 0
  }

  /** @returns 0, which no branch has, for one that never owned a file */
  function findOwner(branch: BranchId): number {
    const known = owners.get(branch)
    if (known !== undefined) return known
    const owner = ownerOnDisk(branch)
    if (owner > 0) owners.set(branch, owner)
    return owner
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

  /** The upload is nearly always the first entry that came about its file, which is quicker to find. */
  function decode({ file_key: key, record }: FileRow): FileRecord {
    const uploadOf = (id: EntryId) => {
      const first = entries.entryAt(key)
      return first?.id === id ? first : entries.get(id)
    }
    return told(() => decodeFileRecord(record, uploadOf))
  }

  /** What cannot be read of a record is damage of this database. */
  function told<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      throw new DatabaseDamagedError(db.path, error)
    }
  }

  /** Hashes that a file names, by what stands for them: two that look alike are one. */
  function named(record: FileRecord | null): Map<number, Uint8Array> {
    const names = new Map<number, Uint8Array>()
    for (const { kind, hash } of record === null ? [] : refsOf(record))
      names.set(refName(secret.short(hash), kind), hash)
    return names
  }

  function writeRefs(key: number, before: FileRecord | null, after: FileRecord | null): void {
    const old = named(before)
    let namings: ((hash: Uint8Array) => number) | undefined
    for (const [name, hash] of named(after)) {
      if (old.delete(name)) continue
      let since = sinceOf?.({ name, key })
      if (since === undefined && (isAnew || sinceOf !== undefined) && after !== null) {
        namings ??= firstNamings(entries, idBytes(after.file.file))
        since = namings(hash)
      }
      table.add({ name, since: since ?? entries.count(), key })
    }
    for (const name of old.keys()) table.remove(name, key)
  }

  /** As far as it can be true: not before the first entry about the file, not after the last one here. */
  function isPossible({ since, key }: { since: number; key: number }): boolean {
    return key <= since && since <= entries.count()
  }

  function isNamed(ref: StoredRef): boolean {
    const found = table.named(ref.name, CROWD)
    const own = found.filter((row) => row.key === ref.key)
    return found.length >= CROWD || (own.length === 1 && own.every(isPossible))
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

  function* rows(filter: FileFilter, columns = COLUMNS): Generator<FileRow> {
    const { condition, values } = where(filter)
    const page = db.prepare<FileRow>(
      `SELECT ${columns} FROM files WHERE ${condition} AND file_key > ? ORDER BY file_key LIMIT ${PAGE}`,
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
        if (row === undefined) bulk.add([key, state, owner, offered, record])
        else update.run(state, owner, offered, record, key)
      }
      bulk.flush() // it may be looked for again in this transaction
      writeRefs(key, before, after)
      return { before, changed: true }
    },
    insert(key, record) {
      const bytes = encodeFileRecord(record)
      count(null, bytes)
      const { state, owner, offered } = beside(record, bytes)
      bulk.add([key, state, owner, offered, bytes])
      const since = entries.count()
      for (const name of named(record).keys()) table.add({ name, since, key })
    },
    compare(file, expected) {
      const row = find(file)
      if (row === undefined || expected === null) {
        return { what: row === undefined && expected === null ? [] : ['its rows in files are'], refs: 0 }
      }
      const what: string[] = []
      if (!asBuffer(row.record).equals(encodeFileRecord(expected))) what.push('its rows in files are')
      if (row.state !== expected.file.state) what.push('the state beside its record in files is')
      const owner = ownerOnDisk(expected.file.owner)
      if (owner === 0) what.push('the row in owners of the branch that owns it is')
      else if (row.owner !== owner) what.push('the owner beside its record in files, or the row of that in owners, is')
      if (row.offered !== (expected.file.offer === null ? 0 : 1)) what.push('the offer beside its record in files is')
      // without the key none can be looked for, which is damage by itself
      if (secret.bytes() === null) return { what, refs: refsOf(expected).length }
      const names = [...named(expected).keys()]
      if (names.some((name) => !isNamed({ name, key: row.file_key }))) what.push('its rows in refs are')
      return { what, refs: names.length }
    },
    since(ref) {
      return table.named(ref.name, CROWD).find((row) => row.key === ref.key && isPossible(row))?.since
    },
    secret: () => secret.bytes(),
    keepsSecret: () => secret.isKept(),
    refCount: () => table.count(),
    settle: () => table.settle(),
    *ids(filter) {
      for (const { record } of rows(filter, HEADS)) yield told(() => fileOfRecord(record))
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
      const short = secret.find(idBytes(hash))
      if (short === undefined) return
      for (const { key } of table.named(refName(short, kind))) {
        const row = select.get(key)
        if (row !== undefined) yield decode(row)
      }
    },
    *stored() {
      for (const { record } of rows({})) yield record
    },
    clear() {
      for (const name of ['files', 'owners']) db.exec(`DELETE FROM ${name}`)
      table.clear()
      owners.clear()
      isAnew = true
    },
    flush() {
      bulk.flush()
      table.flush()
      isAnew = false
    },
    reload() {
      bulk.clear()
      table.reload()
      secret.reload()
      isAnew = false
      owners.clear()
    },
  }
}
