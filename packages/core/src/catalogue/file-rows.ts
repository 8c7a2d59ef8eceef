/** Files, versions, epochs and audiences as rows and back. */
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type KeyId,
  type NodeId,
  type Root,
} from '../ids.ts'
import type { AudienceKeyRow, EpochRow, FileRow, MarkRow, RefKind, RefRow, VersionRow } from './state-tables.ts'
import type {
  SharedAudience,
  SharedAudienceKey,
  SharedEpoch,
  SharedFile,
  SharedFileState,
  SharedMark,
  SharedVersion,
} from './types.ts'

const ROOT_BYTES = 32

export function fileToRow(file: SharedFile): FileRow {
  return {
    file: idBytes(file.file),
    state: file.state,
    owner: idBytes(file.owner),
    ownership: idBytes(file.ownership),
    author: file.author,
    salt: file.salt,
    head: idBytes(file.head),
    version: file.version,
    epoch: file.epoch,
    audience: idBytes(file.audience),
    meta: idBytes(file.meta),
    preview: bytesOrNull(file.preview),
    created: file.created,
    updated: file.updated,
    deleted: file.deleted,
    offer: bytesOrNull(file.offer?.entry ?? null),
    offer_to: bytesOrNull(file.offer?.to ?? null),
    offer_ms: file.offer?.ms ?? null,
  }
}

export function fileFromRow(row: FileRow): SharedFile {
  const { offer, offer_to: to, offer_ms: ms } = row
  const isOffered = offer !== null && to !== null && ms !== null
  return {
    file: idFrom<FileId>(row.file),
    state: row.state as SharedFileState,
    owner: idFrom<BranchId>(row.owner),
    ownership: idFrom<EntryId>(row.ownership),
    author: row.author,
    salt: row.salt,
    head: idFrom<EntryId>(row.head),
    version: row.version,
    epoch: row.epoch,
    audience: idFrom<AudienceId>(row.audience),
    meta: idFrom<BoxHash>(row.meta),
    preview: row.preview === null ? null : idFrom<BoxHash>(row.preview),
    created: row.created,
    updated: row.updated,
    deleted: row.deleted,
    offer: isOffered ? { entry: idFrom<EntryId>(offer), to: idFrom<BranchId>(to), ms } : null,
  }
}

export function versionToRow(version: SharedVersion): VersionRow {
  return {
    file: idBytes(version.file),
    version: version.version,
    root: idBytes(version.root),
    size: version.size,
    chunk: version.chunk,
    epoch: version.epoch,
    meta: idBytes(version.meta),
    preview: bytesOrNull(version.preview),
    entry: idBytes(version.entry),
    author: version.author,
    branch: idBytes(version.branch),
    ms: version.ms,
    conflict: version.conflict ? 1 : 0,
    former_roots: new Uint8Array(Buffer.concat(version.formerRoots.map((root) => idBytes(root)))),
  }
}

export function versionFromRow(row: VersionRow): SharedVersion {
  const formerRoots: Root[] = []
  for (let at = 0; at < row.former_roots.length; at += ROOT_BYTES) {
    formerRoots.push(idFrom<Root>(row.former_roots.subarray(at, at + ROOT_BYTES)))
  }
  return {
    file: idFrom<FileId>(row.file),
    version: row.version,
    root: idFrom<Root>(row.root),
    size: row.size,
    chunk: row.chunk,
    epoch: row.epoch,
    meta: idFrom<BoxHash>(row.meta),
    preview: row.preview === null ? null : idFrom<BoxHash>(row.preview),
    entry: idFrom<EntryId>(row.entry),
    author: row.author as NodeId,
    branch: idFrom<BranchId>(row.branch),
    ms: row.ms,
    conflict: row.conflict === 1,
    formerRoots,
  }
}

export function epochToRow(epoch: SharedEpoch): EpochRow {
  return {
    file: idBytes(epoch.file),
    epoch: epoch.epoch,
    audience: idBytes(epoch.audience),
    key: idBytes(epoch.key),
    wrap: epoch.wrap,
    proof: epoch.proof,
    older: epoch.older,
    entry: idBytes(epoch.entry),
    closed: epoch.closed ? 1 : 0,
  }
}

export function epochFromRow(row: EpochRow): SharedEpoch {
  return {
    file: idFrom<FileId>(row.file),
    epoch: row.epoch,
    audience: idFrom<AudienceId>(row.audience),
    key: idFrom<KeyId>(row.key),
    wrap: row.wrap,
    proof: row.proof,
    older: row.older,
    entry: idFrom<EntryId>(row.entry),
    closed: row.closed === 1,
  }
}

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

/** Every root and box of a file, with what it is; each once. */
export function refsOfFile(file: SharedFile | null, versions: readonly SharedVersion[]): RefRow[] {
  const refs = new Map<string, RefRow>()
  const add = (of: FileId, hash: Root | BoxHash, kind: RefKind) => {
    const name = `${kind} ${hash}`
    if (!refs.has(name)) refs.set(name, { hash: idBytes(hash), file: idBytes(of), kind })
  }
  if (file !== null) {
    add(file.file, file.meta, 'meta')
    if (file.preview !== null) add(file.file, file.preview, 'preview')
  }
  for (const each of versions) {
    add(each.file, each.root, 'root')
    for (const root of each.formerRoots) add(each.file, root, 'former-root')
    add(each.file, each.meta, 'meta')
    if (each.preview !== null) add(each.file, each.preview, 'preview')
  }
  return [...refs.values()]
}

function bytesOrNull(id: EntryId | BranchId | BoxHash | null): Uint8Array | null {
  return id === null ? null : idBytes(id)
}
