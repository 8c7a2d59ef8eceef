/** Reads of the shared rows. Whatever may be long comes page by page, so that nothing holds all rows. */
import type { Database } from '../database/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  type NodeId,
  type Root,
} from '../ids.ts'
import { audienceFromRows, markFromRow } from './audience-rows.ts'
import { boxesOf, RefKind } from './file-refs.ts'
import type { FileFilter } from './file-table.ts'
import { forkFromRow } from './fold-forks.ts'
import { plainRow, type StateRows } from './state-rows.ts'
import { type CapacityRow, type ForkRow, type MarkRow, type RefusalRow, tables } from './state-tables.ts'
import type {
  FileRecord,
  SharedAudience,
  SharedEpoch,
  SharedFile,
  SharedFork,
  SharedMark,
  SharedVersion,
} from './types.ts'

export interface SharedFilePage {
  readonly items: readonly SharedFile[]
  /** pass as `after` for what follows; null at the end */
  readonly next: FileId | null
}

export interface SharedQueries {
  /** All of the next three in one reading; versions by number, conflict versions last. */
  record(file: FileId): FileRecord | null
  file(file: FileId): SharedFile | null
  /** by number, conflict versions last */
  versions(file: FileId): SharedVersion[]
  epochs(file: FileId): SharedEpoch[]
  audience(audience: AudienceId): SharedAudience | null
  /** In the order in which this node learned of them. @param options limit 1..1,000, default 100 */
  files(filter?: FileFilter, options?: { after?: FileId; limit?: number }): SharedFilePage
  /** every file, also purged ones */
  allFiles(): Generator<SharedFile>
  /** files whose current version should have its copies: live ones and orphans */
  liveFiles(): Generator<FileId>
  /** files that this branch owns now, also in the trash; orphans and purged ones have no owner */
  filesOwnedBy(branch: BranchId): Generator<FileId>
  /** files with an open offer or assignment */
  offered(): Generator<SharedFile>
  /** weights that members have set; all others have the default */
  weights(): Map<NodeId, number>
  /**
   * The version that has this root; null for an unknown one and for one that was sealed anew. Of several files that
   * name it, the one that named it first here.
   */
  versionOfRoot(root: Root): SharedVersion | null
  /** The version that had this root before it was sealed anew. */
  versionReplacing(root: Root): SharedVersion | null
  /** the file and access epoch of a box that a file or version has now */
  boxOwner(hash: BoxHash): { readonly file: FileId; readonly epoch: number } | null
  /** every box of the file's rows */
  boxesOf(file: FileId): BoxHash[]
  marksOf(node: NodeId): SharedMark[]
  marksOfFile(file: FileId): SharedMark[]
  /** of all members, at most 1,000 */
  marks(): SharedMark[]
  /** in order of their feeds */
  forks(): SharedFork[]
}

interface WriteSide {
  everOwnedBy(branch: BranchId): Generator<FileId>
  refusalsOf(entry: EntryId): RefusalRow[]
}

const PAGE_MAX = 1000
const PAGE_DEFAULT = 100
/** Files whose current version should have its copies. */
const LIVE: FileFilter = { states: ['live', 'orphaned'] }

export function createSharedQueries(db: Database, rows: StateRows): SharedQueries & WriteSide {
  const { files } = rows

  const queries: SharedQueries & WriteSide = {
    record: (file) => files.get(file),
    file: (file) => files.get(file)?.file ?? null,
    versions: (file) => [...(files.get(file)?.versions ?? [])],
    epochs: (file) => [...(files.get(file)?.epochs ?? [])],
    audience: (audience) => audienceFromRows(audience, rows.select(tables.audienceKeys, idBytes(audience))),
    files(filter = {}, { after, limit = PAGE_DEFAULT } = {}) {
      const size = Math.min(Math.max(1, limit), PAGE_MAX)
      const items = files.page(filter, after ?? null, size).map(({ file }) => file)
      return { items, next: items.length < size ? null : (items.at(-1)?.file ?? null) }
    },
    *allFiles() {
      for (const { file } of files.walk()) yield file
    },
    liveFiles: () => files.ids(LIVE),
    filesOwnedBy: (owner) => files.ids({ owner, states: ['live', 'deleted'] }),
    everOwnedBy: (owner) => files.ids({ owner }),
    *offered() {
      for (const { file } of files.walk({ isOffered: true })) yield file
    },
    weights() {
      const weights = new Map<NodeId, number>()
      for (const row of db.prepare<CapacityRow>('SELECT node, weight FROM capacities').all()) {
        weights.set(row.node as NodeId, row.weight)
      }
      return weights
    },
    versionOfRoot(root) {
      for (const { versions } of files.naming(RefKind.root, root)) {
        const named = versions.filter((version) => version.root === root)
        const found = named.findLast((version) => !version.conflict) ?? named[0]
        if (found !== undefined) return found
      }
      return null
    },
    versionReplacing(root) {
      for (const { versions } of files.naming(RefKind.formerRoot, root)) {
        const found = versions.find(({ formerRoots }) => formerRoots.includes(root))
        if (found !== undefined) return found
      }
      return null
    },
    boxOwner(hash) {
      for (const { file, versions } of files.naming(RefKind.box, hash)) {
        if (file.meta === hash || file.preview === hash) return { file: file.file, epoch: file.epoch }
        const version = versions.find((each) => each.meta === hash || each.preview === hash)
        if (version !== undefined) return { file: file.file, epoch: version.epoch }
      }
      return null
    },
    boxesOf(file) {
      const record = files.get(file)
      return record === null ? [] : [...boxesOf(record)]
    },
    marksOf: (node) =>
      db
        .prepare<MarkRow>('SELECT file, mark, entry, node FROM marks WHERE node = ? ORDER BY file, entry')
        .all(node)
        .map((row) => markFromRow(plainRow(row))),
    marksOfFile: (file) => rows.select(tables.marks, idBytes(file)).map(markFromRow),
    marks: () =>
      db
        .prepare<MarkRow>(`SELECT file, mark, entry, node FROM marks ORDER BY file, entry LIMIT ${PAGE_MAX}`)
        .all()
        .map((row) => markFromRow(plainRow(row))),
    forks: () =>
      db
        .prepare<ForkRow>('SELECT feed, node, seq, first, second FROM forks ORDER BY feed')
        .all()
        .map((row) => forkFromRow(plainRow(row))),
    refusalsOf: (entry) =>
      db
        .prepare<RefusalRow>('SELECT subject, entry, code, reason FROM refusals WHERE entry = ?')
        .all(idBytes(entry))
        .sort((a, b) => Buffer.compare(a.subject, b.subject)), // asked for every entry, and SQLite takes five times as long for it
  }
  return queries
}
