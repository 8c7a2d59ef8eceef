/** Reads of the shared rows. Whatever may be long comes page by page, so that nothing holds all rows. */
import type { Database } from '../database/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type NodeId,
  type Root,
  toHex,
} from '../ids.ts'
import { audienceFromRows, epochFromRow, fileFromRow, markFromRow, refsOfFile, versionFromRow } from './file-rows.ts'
import { forkFromRow } from './fold-forks.ts'
import { plainRow, type StateRows } from './state-rows.ts'
import {
  type CapacityRow,
  type FileRow,
  type ForkRow,
  type MarkRow,
  type RefRow,
  type RefusalRow,
  tables,
} from './state-tables.ts'
import type {
  SharedAudience,
  SharedEpoch,
  SharedFile,
  SharedFileState,
  SharedFork,
  SharedMark,
  SharedVersion,
} from './types.ts'

export interface FileFilter {
  readonly owner?: BranchId
  readonly states?: readonly SharedFileState[]
}

export interface SharedFilePage {
  readonly items: readonly SharedFile[]
  /** pass as `after` for what follows; null at the end */
  readonly next: FileId | null
}

export interface SharedQueries {
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
  /** current versions of those files */
  liveRoots(): Generator<SharedVersion>
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
  /** of all members, at most 1,000 */
  marks(): SharedMark[]
  /** in order of their feeds */
  forks(): SharedFork[]
}

interface WriteSide {
  everOwnedBy(branch: BranchId): Generator<FileId>
  refusalsOf(entry: EntryId): RefusalRow[]
  /** @param before @param after all refs of one file */
  writeRefs(before: readonly RefRow[], after: readonly RefRow[]): void
}

const PAGE = 500
const PAGE_MAX = 1000
const PAGE_DEFAULT = 100
const NOTHING = new Uint8Array(0)

export function createSharedQueries(db: Database, rows: StateRows): SharedQueries & WriteSide {
  const fileColumns = tables.files.columns.join(', ')

  /** Rows of `files` in the order in which they came; reads each page anew, so that others may write in between. */
  function* walk(condition: string, ...values: (Uint8Array | string)[]): Generator<SharedFile> {
    const page = db.prepare<FileRow & { file_key: number }>(
      `SELECT file_key, ${fileColumns} FROM files WHERE ${condition} AND file_key > ? ORDER BY file_key LIMIT ${PAGE}`,
    )
    let after = 0
    for (;;) {
      const found = page.all(...values, after)
      for (const row of found) {
        after = row.file_key
        yield fileFromRow(plainRow(row))
      }
      if (found.length < PAGE) return
    }
  }

  function* ids(files: Iterable<SharedFile>): Generator<FileId> {
    for (const { file } of files) yield file
  }

  function current({ file, version }: SharedFile): SharedVersion | null {
    const [row] = rows.select(tables.versions, idBytes(file), version)
    return row === undefined ? null : versionFromRow(row)
  }

  /** All versions of the file that was the first here to name the root. */
  function versionsNaming(root: Root, kind: 'root' | 'former-root'): SharedVersion[] {
    const found = db
      .prepare<{ file: Uint8Array }>('SELECT file FROM refs WHERE hash = ? AND kind = ? ORDER BY ref_key LIMIT 1')
      .get(idBytes(root), kind)
    return found === undefined ? [] : queries.versions(idFrom<FileId>(found.file))
  }

  const queries: SharedQueries & WriteSide = {
    file(file) {
      const [row] = rows.select(tables.files, idBytes(file))
      return row === undefined ? null : fileFromRow(row)
    },
    versions: (file) => rows.select(tables.versions, idBytes(file)).map(versionFromRow),
    epochs: (file) => rows.select(tables.epochs, idBytes(file)).map(epochFromRow),
    audience: (audience) => audienceFromRows(audience, rows.select(tables.audienceKeys, idBytes(audience))),
    files(filter = {}, { after, limit = PAGE_DEFAULT } = {}) {
      const size = Math.min(Math.max(1, limit), PAGE_MAX)
      const conditions = ['file_key > coalesce((SELECT file_key FROM files WHERE file = ?), 0)']
      const values: (Uint8Array | string)[] = [after === undefined ? NOTHING : idBytes(after)]
      if (filter.owner !== undefined) {
        conditions.push('owner = ?')
        values.push(idBytes(filter.owner))
      }
      if (filter.states !== undefined) {
        conditions.push(`state IN (${filter.states.map(() => '?').join(', ')})`)
        values.push(...filter.states)
      }
      const sql = `SELECT ${fileColumns} FROM files WHERE ${conditions.join(' AND ')} ORDER BY file_key LIMIT ${size}`
      const items = db
        .prepare<FileRow>(sql)
        .all(...values)
        .map((row) => fileFromRow(plainRow(row)))
      return { items, next: items.length < size ? null : (items.at(-1)?.file ?? null) }
    },
    allFiles: () => walk('true'),
    liveFiles: () => ids(walk("state IN ('live', 'orphaned')")),
    *liveRoots() {
      for (const file of walk("state IN ('live', 'orphaned')")) {
        const version = current(file)
        if (version !== null) yield version
      }
    },
    filesOwnedBy: (branch) => ids(walk("owner = ? AND state IN ('live', 'deleted')", idBytes(branch))),
    everOwnedBy: (branch) => ids(walk('owner = ?', idBytes(branch))),
    offered: () => walk('offer_to IS NOT NULL'),
    weights() {
      const weights = new Map<NodeId, number>()
      for (const row of db.prepare<CapacityRow>('SELECT node, weight FROM capacities').all()) {
        weights.set(row.node as NodeId, row.weight)
      }
      return weights
    },
    versionOfRoot(root) {
      const named = versionsNaming(root, 'root').filter((version) => version.root === root)
      return named.findLast((version) => !version.conflict) ?? named[0] ?? null
    },
    versionReplacing: (root) =>
      versionsNaming(root, 'former-root').find(({ formerRoots }) => formerRoots.includes(root)) ?? null,
    boxOwner(hash) {
      const found = db
        .prepare<{ file: Uint8Array }>(
          "SELECT file FROM refs WHERE hash = ? AND kind IN ('meta', 'preview') ORDER BY ref_key LIMIT 1",
        )
        .get(idBytes(hash))
      if (found === undefined) return null
      const file = queries.file(idFrom<FileId>(found.file))
      if (file === null) return null
      if (file.meta === hash || file.preview === hash) return { file: file.file, epoch: file.epoch }
      const version = queries.versions(file.file).find((each) => each.meta === hash || each.preview === hash)
      return version === undefined ? null : { file: file.file, epoch: version.epoch }
    },
    boxesOf(file) {
      const boxes = refsOfFile(queries.file(file), queries.versions(file)).filter(
        ({ kind }) => kind === 'meta' || kind === 'preview',
      )
      return [...new Set(boxes.map(({ hash }) => idFrom<BoxHash>(hash)))]
    },
    marksOf: (node) =>
      db
        .prepare<MarkRow>('SELECT file, mark, entry, node FROM marks WHERE node = ? ORDER BY file, entry')
        .all(node)
        .map((row) => markFromRow(plainRow(row))),
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
        .prepare<RefusalRow>('SELECT subject, entry, code, reason FROM refusals WHERE entry = ? ORDER BY subject')
        .all(idBytes(entry)),
    writeRefs(before, after) {
      const name = ({ hash, kind }: RefRow) => `${kind} ${toHex(hash)}`
      const gone = new Map(before.map((ref) => [name(ref), ref]))
      for (const ref of after) if (!gone.delete(name(ref))) rows.insertRef(ref)
      for (const { hash, file, kind } of gone.values()) rows.removeRef({ hash, file, kind })
    },
  }
  return queries
}
