/** The list of transfers in the local database. */
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { VersionShape } from '../content/index.ts'
import type { Database } from '../database/index.ts'
import type { FileId, NodeId, Root } from '../ids.ts'
import type { TransferKind, TransferState } from './types.ts'

export interface TransferRow {
  readonly id: string
  readonly kind: TransferKind
  readonly fileId: FileId
  readonly version: VersionShape
  readonly state: TransferState
  readonly position: number
  readonly kept: boolean
  readonly bytes: number
  readonly sources: ReadonlyMap<NodeId, number>
  readonly started: number
  readonly finished: number | null
  readonly error: { readonly code: string; readonly message: string } | null
}

interface Stored {
  id: string
  kind: TransferKind
  file: FileId
  root: Root
  size: number
  chunk: number
  state: TransferState
  position: number
  kept: number
  bytes: number
  sources: Uint8Array
  started: number
  finished: number | null
  error_code: string | null
  error_message: string | null
}

/** Sources kept per transfer: those that delivered most. Bounds the row. */
const MAX_KEPT_SOURCES = 64
const MAX_SOURCES_BYTES = 16 * 1024
const pair = shape.tuple(shape.text(128), shape.uint())
const sourcesShape = shape.array(pair, MAX_KEPT_SOURCES)

export interface TransferTable {
  load(): TransferRow[]
  save(rows: readonly TransferRow[]): void
  remove(ids: readonly string[]): void
}

export function createTransferTable(db: Database): TransferTable {
  return {
    load() {
      const rows = db.prepare<Stored>('SELECT * FROM transfers ORDER BY position, started, id').all()
      return rows.map(fromStored)
    },
    save(rows) {
      db.write(() => {
        const insert = db.prepare(
          `INSERT OR REPLACE INTO transfers (id, kind, file, root, size, chunk, state, position, kept, bytes, sources,
             started, finished, error_code, error_message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        for (const row of rows) {
          const { root, size, chunk } = row.version
          insert.run(
            row.id,
            row.kind,
            row.fileId,
            root,
            size,
            chunk,
            row.state,
            row.position,
            row.kept ? 1 : 0,
            row.bytes,
            encodeSources(row.sources),
            row.started,
            row.finished,
            row.error?.code ?? null,
            row.error?.message ?? null,
          )
        }
      })
    },
    remove(ids) {
      db.write(() => {
        const remove = db.prepare('DELETE FROM transfers WHERE id = ?')
        for (const id of ids) remove.run(id)
      })
    },
  }
}

function encodeSources(sources: ReadonlyMap<NodeId, number>): Uint8Array {
  const most = [...sources].sort(([, a], [, b]) => b - a).slice(0, MAX_KEPT_SOURCES)
  return encodeCbor(most)
}

function fromStored(row: Stored): TransferRow {
  const sources = sourcesShape(decodeCbor(row.sources, MAX_SOURCES_BYTES))
  return {
    id: row.id,
    kind: row.kind,
    fileId: row.file,
    version: { root: row.root, size: row.size, chunk: row.chunk },
    state: row.state,
    position: row.position,
    kept: row.kept === 1,
    bytes: row.bytes,
    sources: new Map(sources.map(([id, bytes]) => [id as NodeId, bytes])),
    started: row.started,
    finished: row.finished,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
  }
}
