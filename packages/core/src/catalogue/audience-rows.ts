/** Audiences and marks as rows and back. */
import {
  type AudienceId,
  type BoxHash,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type KeyId,
  type NodeId,
} from '../ids.ts'
import type { AudienceKeyRow, MarkRow } from './state-tables.ts'
import type { SharedAudience, SharedAudienceKey, SharedMark } from './types.ts'

export function audienceToRows({ audience, keys }: SharedAudience): AudienceKeyRow[] {
  return keys.map((key, place) => ({
    audience: idBytes(audience),
    key: idBytes(key.key),
    place,
    proof: key.proof,
    grants: idBytes(key.grants),
    list: bytesOrNull(key.list),
    author: key.author,
    entry: idBytes(key.entry),
  }))
}

export function audienceFromRows(audience: AudienceId, rows: readonly AudienceKeyRow[]): SharedAudience | null {
  const keys = [...rows]
    .sort((a, b) => a.place - b.place)
    .map(
      (row): SharedAudienceKey => ({
        key: idFrom<KeyId>(row.key),
        proof: row.proof,
        grants: idFrom<BoxHash>(row.grants),
        list: row.list === null ? null : idFrom<BoxHash>(row.list),
        author: row.author as NodeId,
        entry: idFrom<EntryId>(row.entry),
      }),
    )
  const last = keys.at(-1)
  return last === undefined ? null : { audience, list: last.list, keys }
}

export function markToRow({ file, mark, entry, node }: SharedMark): MarkRow {
  return { file: idBytes(file), mark, entry: idBytes(entry), node }
}

export function markFromRow(row: MarkRow): SharedMark {
  return {
    file: idFrom<FileId>(row.file),
    mark: row.mark as SharedMark['mark'],
    entry: idFrom<EntryId>(row.entry),
    node: row.node as NodeId,
  }
}

function bytesOrNull(id: BoxHash | null): Uint8Array | null {
  return id === null ? null : idBytes(id)
}
