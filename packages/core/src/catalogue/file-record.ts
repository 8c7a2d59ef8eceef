/**
 * A file with its versions and access epochs as one piece of canonical CBOR: stored as it is, and taken into the state
 * digest as it is. In its short form it only names the upload from which all the rest follows. Spec:
 * docs/specs/state-digest.md.
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
import type { OrdinaryEntry } from './fold-entry.ts'
import { isUploadAlone, recordOfUpload } from './lone-upload.ts'
import type { FileRecord, SharedEpoch, SharedFile, SharedFileState, SharedVersion } from './types.ts'

/** Stands where a row of another table has that table's name, so that no two elements are equal. */
const NAME = 'files'
const FILE_ITEMS = 21
const SHORT_ITEMS = 4
const VERSION_ITEMS = 13
const EPOCH_ITEMS = 8
/** What the rules let a file come to (`fold-step.ts`), with room to spare: 15 MB of versions, 35 MB of epochs. */
const RECORD_MAX_BYTES = 128 * 1024 * 1024
const RECORD_MAX_ITEMS = 8_000_000

export function encodeFileRecord(record: FileRecord): Uint8Array {
  return isUploadAlone(record) ? encodeShort(record.file) : encodeWhole(record)
}

/** CBOR ["files", file, owner, upload], put together by hand: a newcomer makes hundreds of thousands. */
function encodeShort({ file, owner, head }: SharedFile): Uint8Array {
  const bytes = new Uint8Array(SHORT_BYTES)
  bytes.set(SHORT_START)
  bytes.set(idBytes(file), SHORT_START.length)
  bytes.set(SHORT_BETWEEN, OWNER_AT - 2)
  bytes.set(idBytes(owner), OWNER_AT)
  bytes.set(SHORT_BETWEEN, UPLOAD_AT - 2)
  bytes.set(idBytes(head), UPLOAD_AT)
  return bytes
}

function encodeWhole({ file, versions, epochs }: FileRecord): Uint8Array {
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
 * What `encodeFileRecord` made. Byte strings of the result are views of `bytes`, or of the entry's.
 * @param uploadOf the entry that a short record names
 * @throws {DecodeError} for anything else: the database is damaged
 */
export function decodeFileRecord(bytes: Uint8Array, uploadOf: (id: EntryId) => OrdinaryEntry | undefined): FileRecord {
  const items = viewCbor(bytes, RECORD_MAX_BYTES, RECORD_MAX_ITEMS)
  if (Array.isArray(items) && items.length === SHORT_ITEMS) return expandShort(items, uploadOf)
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

function expandShort(
  [name, id, owner, upload]: readonly CborValue[],
  uploadOf: (id: EntryId) => OrdinaryEntry | undefined,
): FileRecord {
  if (name !== NAME) throw broken()
  const entry = uploadOf(hex<EntryId>(upload, HASH_BYTES))
  if (entry === undefined || entry.kind !== 'upload') throw broken()
  const record = recordOfUpload(entry, hex<BranchId>(owner, HASH_BYTES))
  if (record.file.file !== hex<FileId>(id)) throw broken()
  return record
}

const ID_BYTES = 16
const HASH_BYTES = 32
/** What every record begins with after the head of its list: its name, the head of the id. */
const START = Uint8Array.of(...encodeCbor(NAME), 0x40 | ID_BYTES)
const SHORT_START = Uint8Array.of(0x80 | SHORT_ITEMS, ...START)
/** Head of a byte string of 32. */
const SHORT_BETWEEN = Uint8Array.of(0x58, HASH_BYTES)
const OWNER_AT = SHORT_START.length + ID_BYTES + SHORT_BETWEEN.length
const UPLOAD_AT = OWNER_AT + HASH_BYTES + SHORT_BETWEEN.length
const SHORT_BYTES = UPLOAD_AT + HASH_BYTES

/** Of a record as much as `fileOfRecord` asks for. */
export const RECORD_HEAD_BYTES = SHORT_START.length + ID_BYTES

/** The file of a record without a look at the rest of it: for who asks only which files there are. @throws {DecodeError} */
export function fileOfRecord(bytes: Uint8Array): FileId {
  const isList = bytes[0] === (0x80 | FILE_ITEMS) || bytes[0] === (0x80 | SHORT_ITEMS)
  const id = bytes.subarray(SHORT_START.length, RECORD_HEAD_BYTES)
  if (!isList || id.length < ID_BYTES || START.some((byte, at) => bytes[at + 1] !== byte)) throw broken()
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
    formerRoots: list(formerRoots).map((each) => hex<Root>(each, HASH_BYTES)),
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
