/** The table `views`: what this branch may see; search and paging. */
import { sha256 } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import { type BoxHash, type BranchId, type EntryId, type FileId, fromHex, idBytes, idFrom, toHex } from '../ids.ts'
import type { AudienceList } from './audience-list.ts'
import type { FileMeta } from './boxes-format.ts'
import { CursorInvalidError, FileAmbiguousError, FileNotFoundError } from './errors.ts'
import type { FileDetails } from './names.ts'
import type { SharedFile } from './types.ts'
import { createVault } from './vault.ts'

/** A file that this branch may see. */
export interface VisibleFile {
  readonly file: FileId
  readonly version: number
  readonly epoch: number
  readonly name: string
  /** media type */
  readonly type: string
  readonly tags: readonly string[]
  readonly campaign: string | null
  /** BLAKE3 of the plain content, as the owner says */
  readonly plainHash: Uint8Array
  readonly list: AudienceList
  /** plain bytes of the current version */
  readonly size: number
  readonly owner: BranchId
  readonly state: 'live' | 'deleted' | 'orphaned'
  readonly preview: BoxHash | null
  /** ms, by the clocks of the upload and of the newest entry */
  readonly created: number
  readonly updated: number
}

export interface ViewQuery {
  /** part of the name, of a tag or of the campaign, in any case */
  readonly q?: string | undefined
  /** whole campaign, in any case */
  readonly campaign?: string | undefined
  /** whole tag, in any case */
  readonly tag?: string | undefined
  readonly owner?: BranchId | undefined
  /** only files of one of these */
  readonly owners?: readonly BranchId[] | undefined
  /** what is in the trash instead of what is not @default false */
  readonly deleted?: boolean | undefined
  /** only files with a list */
  readonly listed?: boolean | undefined
  readonly cursor?: string | undefined
  /** @default 100, at most 1,000 */
  readonly limit?: number | undefined
}

export interface ViewPage {
  readonly items: VisibleFile[]
  /** newest first; null at the end */
  readonly next: string | null
}

export interface ViewRow {
  file: Uint8Array
  head: Uint8Array
  version: number
  epoch: number
  meta: Uint8Array
  preview: Uint8Array | null
  /** slots of the vault */
  details: number
  search: number
  size: number
  owner: Uint8Array
  state: VisibleFile['state']
  created: number
  updated: number
}

export const PAGE_DEFAULT = 100
export const PAGE_MAX = 1000
const PREFIX_MIN = 6
/** Candidates named when a reference is ambiguous. */
const CANDIDATES_MAX = 10

export interface ViewsTable {
  row(file: FileId): ViewRow | undefined
  get(file: FileId): VisibleFile | null
  put(shared: SharedFile, size: number, meta: FileMeta): void
  /** What may change without a new meta box. */
  touch(shared: SharedFile, size: number): void
  /** @returns whether there was one */
  remove(file: FileId): boolean
  list(query?: ViewQuery): ViewPage
  /**
   * By id, unique prefix of it (6 digits or more), or exact name that only one file bears; files that are not in the
   * trash go first. @throws {FileNotFoundError} @throws {FileAmbiguousError}
   */
  resolve(ref: string): VisibleFile
  /** Ids with the head they were made at, in order of id, after one. */
  heads(after: FileId | null, limit: number): { file: FileId; head: EntryId }[]
  count(): { files: number; bytes: number }
}

export function createViewsTable(db: Database): ViewsTable {
  const vault = createVault(db)

  function visible(row: ViewRow): VisibleFile {
    const { hash, ...details } = JSON.parse(Buffer.from(vault.get(row.details)).toString()) as StoredDetails
    return {
      file: idFrom<FileId>(row.file),
      version: row.version,
      epoch: row.epoch,
      ...details,
      plainHash: fromHex(hash, 32),
      size: row.size,
      owner: idFrom<BranchId>(row.owner),
      state: row.state,
      preview: row.preview === null ? null : idFrom<BoxHash>(row.preview),
      created: row.created,
      updated: row.updated,
    }
  }

  function row(file: FileId): ViewRow | undefined {
    return db.prepare<ViewRow>('SELECT * FROM views WHERE file = ?').get(idBytes(file))
  }

  function list(query: ViewQuery = {}): ViewPage {
    const limit = Math.min(Math.max(Math.trunc(query.limit ?? PAGE_DEFAULT), 1), PAGE_MAX)
    const where = ['trashed = ?']
    const values: unknown[] = [query.deleted === true ? 1 : 0]
    const only = (condition: string, ...bound: unknown[]) => {
      where.push(condition)
      values.push(...bound)
    }
    if (query.owner !== undefined) only('owner = ?', idBytes(query.owner))
    if (query.owners !== undefined)
      only(`owner IN (${query.owners.map(() => '?').join(', ')})`, ...query.owners.map(idBytes))
    const wanted = [
      ...(query.campaign === undefined ? [] : [`${CAMPAIGN}${fold(query.campaign)}${END}`]),
      ...(query.tag === undefined ? [] : [`${TAG}${fold(query.tag)}${END}`]),
      ...(query.q === undefined || query.q === '' ? [] : [fold(query.q)]),
    ]
    for (const text of wanted) only('instr((SELECT bytes FROM vault WHERE slot = search), ?) > 0', Buffer.from(text))
    if (query.listed === true) only('listed = 1')
    if (query.cursor !== undefined) {
      const { updated, file } = parseCursor(query.cursor)
      // two terms, so that the index is entered at the cursor instead of walked to it
      only('updated <= ? AND (updated < ? OR file > ?)', updated, updated, file)
    }
    const sql = `SELECT * FROM views WHERE ${where.join(' AND ')} ORDER BY updated DESC, file LIMIT ?`
    const rows = db.prepare<ViewRow>(sql).all(...values, limit + 1)
    const last = rows.length > limit ? rows[limit - 1] : undefined
    return { items: rows.slice(0, limit).map(visible), next: last === undefined ? null : formatCursor(last) }
  }

  function named(name: string): ViewRow[] {
    const sql = 'SELECT * FROM views WHERE name_key = ? ORDER BY trashed, file'
    return db.prepare<ViewRow>(sql).all(nameKey(name))
  }

  function only(ref: string, rows: ViewRow[]): VisibleFile | null {
    const living = rows.filter((each) => each.state !== 'deleted')
    const [first, ...others] = living.length > 0 ? living : rows
    if (first === undefined) return null
    if (others.length > 0)
      throw new FileAmbiguousError(
        ref,
        [first, ...others].map((each) => idFrom<FileId>(each.file)),
      )
    return visible(first)
  }

  return {
    row,
    get(file) {
      const found = row(file)
      return found === undefined ? null : visible(found)
    },
    put(shared, size, meta) {
      const { name, type, tags, campaign, plainHash, list } = meta
      const stored: StoredDetails = { name, type, tags, campaign, hash: toHex(plainHash), list }
      const details = Buffer.from(JSON.stringify(stored))
      const search = Buffer.from(searchText(meta))
      db.write(() => {
        const before = row(shared.file)
        db.prepare(
          `INSERT OR REPLACE INTO views (file, head, version, epoch, meta, preview, details, search, name_key, listed, size, owner,
             state, trashed, created, updated)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ).run(
          idBytes(shared.file),
          idBytes(shared.head),
          shared.version,
          shared.epoch,
          idBytes(shared.meta),
          shared.preview === null ? null : idBytes(shared.preview),
          before === undefined ? vault.put(details) : vault.replace(before.details, details),
          before === undefined ? vault.put(search) : vault.replace(before.search, search),
          nameKey(name),
          list.mode === 'everyone' ? 0 : 1,
          size,
          idBytes(shared.owner),
          shared.state,
          shared.state === 'deleted' ? 1 : 0,
          shared.created,
          shared.updated,
        )
      })
    },
    touch(shared, size) {
      db.prepare(
        `UPDATE views SET head = ?, version = ?, epoch = ?, preview = ?, size = ?, owner = ?, state = ?, trashed = ?, updated = ? WHERE file = ?`,
      ).run(
        idBytes(shared.head),
        shared.version,
        shared.epoch,
        shared.preview === null ? null : idBytes(shared.preview),
        size,
        idBytes(shared.owner),
        shared.state,
        shared.state === 'deleted' ? 1 : 0,
        shared.updated,
        idBytes(shared.file),
      )
    },
    remove: (file) =>
      db.write(() => {
        const before = row(file)
        if (before === undefined) return false
        vault.erase(before.details)
        vault.erase(before.search)
        db.prepare('DELETE FROM views WHERE file = ?').run(idBytes(file))
        return true
      }),
    list,
    resolve(ref) {
      if (/^[0-9a-f]+$/i.test(ref) && ref.length >= PREFIX_MIN && ref.length <= 32) {
        const low = ref.toLowerCase()
        const from = fromHex(low.padEnd(32, '0'), 16)
        const to = fromHex(low.padEnd(32, 'f'), 16)
        const rows = db
          .prepare<ViewRow>('SELECT * FROM views WHERE file BETWEEN ? AND ? LIMIT ?')
          .all(from, to, CANDIDATES_MAX)
        const found = only(ref, rows)
        if (found !== null) return found
      }
      // as it was written, else as it looks: some systems write an accent as a letter of its own
      const composed = ref.normalize('NFC')
      const alike = [...new Set([ref, composed, ref.normalize('NFD')])].flatMap((name) => named(name))
      const exact = alike.filter((each) => visible(each).name === ref)
      const same = exact.length > 0 ? exact : alike.filter((each) => visible(each).name.normalize('NFC') === composed)
      const found = only(ref, same.slice(0, CANDIDATES_MAX))
      if (found === null) throw new FileNotFoundError(ref)
      return found
    },
    heads(after, limit) {
      const rows = db
        .prepare<{ file: Uint8Array; head: Uint8Array }>(
          'SELECT file, head FROM views WHERE file > ? ORDER BY file LIMIT ?',
        )
        .all(after === null ? new Uint8Array(0) : idBytes(after), limit)
      return rows.map(({ file, head }) => ({ file: idFrom<FileId>(file), head: idFrom<EntryId>(head) }))
    },
    count() {
      const row = db
        .prepare<{ files: number; bytes: number | null }>(
          'SELECT count(*) AS files, sum(size) AS bytes FROM views WHERE trashed = 0',
        )
        .get()
      return { files: row?.files ?? 0, bytes: row?.bytes ?? 0 }
    },
  }
}

/** One form for what people hold to be the same text; not for Turkish. */
function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

/** Ends and beginnings that no name, tag or campaign can forge into one that it is not: a search does not cross them. */
const END = '\n'
const CAMPAIGN = '\u0001'
const TAG = '\u0002'

function searchText({ name, campaign, tags }: FileMeta): string {
  const parts = [
    fold(name),
    ...(campaign === null ? [] : [`${CAMPAIGN}${fold(campaign)}`]),
    ...tags.map((tag) => `${TAG}${fold(tag)}`),
  ]
  return parts.map((part) => part.replaceAll(END, ' ') + END).join('')
}

/** 24 bits. */
function nameKey(name: string): number {
  return Buffer.from(sha256(Buffer.from(name))).readUIntBE(0, 3)
}

/** JSON, since listings read a thousand of them and nobody but this file writes them. */
interface StoredDetails extends FileDetails {
  readonly hash: string
  readonly list: AudienceList
}

function formatCursor(row: ViewRow): string {
  return `${row.updated.toString(36)}.${Buffer.from(row.file).toString('base64url')}`
}

/** @throws {CursorInvalidError} */
export function parseCursor(cursor: string): { updated: number; file: Uint8Array } {
  const [time = '', file = ''] = cursor.split('.')
  const bytes = Buffer.from(file, 'base64url')
  const updated = Number.parseInt(time, 36)
  if (!/^[0-9a-z]{1,11}$/.test(time) || !Number.isSafeInteger(updated) || bytes.length !== 16)
    throw new CursorInvalidError()
  return { updated, file: bytes }
}
