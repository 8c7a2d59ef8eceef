/**
 * A file with its versions and access epochs as one piece of canonical CBOR: stored as it is, and taken into the state
 * digest as it is. Spec: docs/specs/state-digest.md.
 */
import { type CborValue, DecodeError, encodeCbor, viewCbor } from '../codec/index.ts'
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
import type { SharedEpoch, SharedFile, SharedFileState, SharedVersion } from './types.ts'

/** Stands where a row of another table has that table's name, so that no two elements are equal. */
const NAME = 'files'
const FILE_ITEMS = 21
const VERSION_ITEMS = 13
const EPOCH_ITEMS = 8
const ROOT_BYTES = 32
/** What the rules let a file come to (`fold-step.ts`), with room to spare: 15 MB of versions, 35 MB of epochs. */
const RECORD_MAX_BYTES = 128 * 1024 * 1024
const RECORD_MAX_ITEMS = 8_000_000

export interface FileRecord {
  readonly file: SharedFile
  /** by number, conflict versions last */
  readonly versions: readonly SharedVersion[]
  readonly epochs: readonly SharedEpoch[]
}

export function encodeFileRecord({ file, versions, epochs }: FileRecord): Uint8Array {
  const { offer } = file
  return encodeCbor([
    NAME,
    idBytes(file.file),
    file.state,
    idBytes(file.owner),
    idBytes(file.ownership),
    file.author,
    file.salt,
    idBytes(file.head),
    file.version,
    file.epoch,
    idBytes(file.audience),
    idBytes(file.meta),
    bytesOrNull(file.preview),
    file.created,
    file.updated,
    file.deleted,
    offer === null ? null : idBytes(offer.entry),
    offer === null ? null : idBytes(offer.to),
    offer === null ? null : offer.ms,
    inOrder(versions, ({ version }) => version).map(versionItems),
    inOrder(epochs, ({ epoch }) => epoch).map(epochItems),
  ])
}

function versionItems(version: SharedVersion): CborValue {
  return [
    version.version,
    idBytes(version.root),
    version.size,
    version.chunk,
    version.epoch,
    idBytes(version.meta),
    bytesOrNull(version.preview),
    idBytes(version.entry),
    version.author,
    idBytes(version.branch),
    version.ms,
    version.conflict,
    version.formerRoots.map(idBytes),
  ]
}

function epochItems(epoch: SharedEpoch): CborValue {
  return [
    epoch.epoch,
    idBytes(epoch.audience),
    idBytes(epoch.key),
    epoch.wrap,
    epoch.proof,
    epoch.older,
    idBytes(epoch.entry),
    epoch.closed,
  ]
}

/**
 * What `encodeFileRecord` made. Byte strings of the result are views of `bytes`.
 * @throws {DecodeError} for anything else: the database is damaged
 */
export function decodeFileRecord(bytes: Uint8Array): FileRecord {
  const items = viewCbor(bytes, RECORD_MAX_BYTES, RECORD_MAX_ITEMS)
  const [name, id, state, owner, ownership, author, salt, head, version, epoch, audience, meta, preview] = list(
    items,
    FILE_ITEMS,
  )
  const [created, updated, deleted, offer, offeredTo, offered, versions, epochs] = (items as CborValue[]).slice(13)
  if (name !== NAME) throw new DecodeError('not the record of a file')
  const file = hex<FileId>(id)
  return {
    file: {
      file,
      state: text(state) as SharedFileState,
      owner: hex<BranchId>(owner),
      ownership: hex<EntryId>(ownership),
      author: binary(author),
      salt: binary(salt),
      head: hex<EntryId>(head),
      version: number(version),
      epoch: number(epoch),
      audience: hex<AudienceId>(audience),
      meta: hex<BoxHash>(meta),
      preview: preview === null ? null : hex<BoxHash>(preview),
      created: number(created),
      updated: number(updated),
      deleted: deleted === null ? null : number(deleted),
      offer: offer === null ? null : { entry: hex<EntryId>(offer), to: hex<BranchId>(offeredTo), ms: number(offered) },
    },
    versions: list(versions).map((each) => readVersion(file, each)),
    epochs: list(epochs).map((each) => readEpoch(file, each)),
  }
}

const ID_BYTES = 16
/** What every record begins with: the head of its list, its name, the head of the id. */
const START = Uint8Array.of(0x80 | FILE_ITEMS, ...encodeCbor(NAME), 0x40 | ID_BYTES)
/** Of a record as much as `fileOfRecord` asks for. */
export const RECORD_HEAD_BYTES = START.length + ID_BYTES

/** The file of a record without a look at the rest of it: for who asks only which files there are. @throws {DecodeError} */
export function fileOfRecord(bytes: Uint8Array): FileId {
  const id = bytes.subarray(START.length, RECORD_HEAD_BYTES)
  if (id.length < ID_BYTES || START.some((byte, at) => bytes[at] !== byte)) throw broken()
  return hex<FileId>(id)
}

function readVersion(file: FileId, value: CborValue): SharedVersion {
  const [version, root, size, chunk, epoch, meta, preview, entry, author, branch, ms, conflict, formerRoots] = list(
    value,
    VERSION_ITEMS,
  )
  return {
    file,
    version: number(version),
    root: hex<Root>(root),
    size: number(size),
    chunk: number(chunk),
    epoch: number(epoch),
    meta: hex<BoxHash>(meta),
    preview: preview === null ? null : hex<BoxHash>(preview),
    entry: hex<EntryId>(entry),
    author: text(author) as NodeId,
    branch: hex<BranchId>(branch),
    ms: number(ms),
    conflict: conflict === true,
    formerRoots: list(formerRoots).map((each) => hex<Root>(each, ROOT_BYTES)),
  }
}

function readEpoch(file: FileId, value: CborValue): SharedEpoch {
  const [epoch, audience, key, wrap, proof, older, entry, closed] = list(value, EPOCH_ITEMS)
  return {
    file,
    epoch: number(epoch),
    audience: hex<AudienceId>(audience),
    key: hex<KeyId>(key),
    wrap: binary(wrap),
    proof: binary(proof),
    older: older === null ? null : binary(older),
    entry: hex<EntryId>(entry),
    closed: closed === true,
  }
}

function list(value: CborValue | undefined, length?: number): readonly CborValue[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw broken()
  return value as readonly CborValue[]
}

function binary(value: CborValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw broken()
  return value
}

function hex<T extends Parameters<typeof idBytes>[0]>(value: CborValue | undefined, length?: number): T {
  const bytes = binary(value)
  if (length !== undefined && bytes.length !== length) throw broken()
  return idFrom<T>(bytes)
}

function number(value: CborValue | undefined): number {
  if (typeof value !== 'number') throw broken()
  return value
}

function text(value: CborValue | undefined): string {
  if (typeof value !== 'string') throw broken()
  return value
}

function broken(): DecodeError {
  return new DecodeError('not the record of a file')
}

function bytesOrNull(id: BoxHash | null): Uint8Array | null {
  return id === null ? null : idBytes(id)
}

function inOrder<T>(items: readonly T[], by: (item: T) => number): readonly T[] {
  return items.length < 2 ? items : [...items].sort((a, b) => by(a) - by(b))
}
