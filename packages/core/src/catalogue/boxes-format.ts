/** What is in the sealed boxes. Spec: docs/specs/sealing.md (files), docs/specs/audiences.md (audiences). Pure. */
import { DecodeError, decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { type EpochKeys, openAudienceBox, openFileBox, sealAudienceBox, sealFileBox } from '../crypto/index.ts'
import { type AudienceId, type NetworkId, type NodeId, nodeIdFromPublicKey, publicKeyFromNodeId } from '../ids.ts'
import { type AudienceList, listShape, listToCbor } from './audience-list.ts'
import { PreviewTooLargeError } from './errors.ts'
import { type FileDetails, NAME_MAX, TAG_MAX, TAGS_MAX, TYPE_MAX } from './names.ts'

/** No box is larger (docs/specs/boxes.md). */
export const BOX_MAX = 512 * 1024
export const PREVIEW_MAX = 256 * 1024
/** Plain boxes are filled up to a multiple of this, so that their size does not give a name or a list away. */
const PAD = 256
const LENGTH_BYTES = 4

export interface FileMeta extends FileDetails {
  /** when the file was first shared, by its author's clock, ms */
  readonly created: number
  /** BLAKE3 of the plain content */
  readonly plainHash: Uint8Array
  readonly list: AudienceList
}

export interface Preview {
  readonly type: string
  readonly bytes: Uint8Array
}

/** Length (4 bytes, big-endian), the bytes, zeros up to a multiple of 256. */
export function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((LENGTH_BYTES + bytes.length) / PAD) * PAD)
  new DataView(padded.buffer).setUint32(0, bytes.length)
  padded.set(bytes, LENGTH_BYTES)
  return padded
}

/** @throws {DecodeError} */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length < LENGTH_BYTES) throw new DecodeError('a padded box is too short')
  const length = new DataView(padded.buffer, padded.byteOffset).getUint32(0)
  if (length > padded.length - LENGTH_BYTES) throw new DecodeError('a padded box names more bytes than it has')
  return padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
}

// Characters are counted as code points at upload and as UTF-16 units here: twice as many are possible.
const metaShape = shape.object({
  name: shape.text(NAME_MAX * 2, 1),
  type: shape.text(TYPE_MAX),
  tags: shape.array(shape.text(TAG_MAX * 2, 1), TAGS_MAX),
  campaign: shape.nullable(shape.text(NAME_MAX * 2)),
  created: shape.uint(),
  hash: shape.bytes(32),
  list: listShape,
})

export function sealMeta(keys: EpochKeys, meta: FileMeta): Uint8Array {
  const { name, type, tags, campaign, created, plainHash, list } = meta
  return sealFileBox(
    keys,
    'meta',
    pad(encodeCbor({ name, type, tags, campaign, created, hash: plainHash, list: listToCbor(list) })),
  )
}

/** @throws {SealBrokenError} under another key @throws {DecodeError} */
export function openMeta(keys: EpochKeys, sealed: Uint8Array): FileMeta {
  const { hash, ...rest } = metaShape(decodeCbor(unpad(openFileBox(keys, 'meta', bounded(sealed))), BOX_MAX))
  return { ...rest, plainHash: hash }
}

const previewShape = shape.object({ type: shape.text(TYPE_MAX), bytes: shape.bytesUpTo(PREVIEW_MAX) })

/** @throws {PreviewTooLargeError} */
export function sealPreview(keys: EpochKeys, preview: Preview): Uint8Array {
  if (preview.bytes.length > PREVIEW_MAX) throw new PreviewTooLargeError(preview.bytes.length, PREVIEW_MAX)
  return sealFileBox(keys, 'preview', pad(encodeCbor({ type: preview.type, bytes: preview.bytes })))
}

/** @throws {SealBrokenError} @throws {DecodeError} */
export function openPreview(keys: EpochKeys, sealed: Uint8Array): Preview {
  return previewShape(decodeCbor(unpad(openFileBox(keys, 'preview', bounded(sealed))), BOX_MAX))
}

const olderShape = shape.object({ epoch: shape.uint(0xffff_ffff), key: shape.bytes(32) })

/** The key of the epoch before, for readers of this one: `opens.older`. Each epoch gives the one before it. */
export function sealOlder(keys: EpochKeys, older: EpochKeys): Uint8Array {
  return sealFileBox(keys, 'older', encodeCbor({ epoch: older.epoch, key: older.fileKey }))
}

/** @throws {SealBrokenError} @throws {DecodeError} */
export function openOlder(keys: EpochKeys, sealed: Uint8Array): { epoch: number; key: Uint8Array } {
  return olderShape(decodeCbor(openFileBox(keys, 'older', sealed), 1024))
}

export function sealList(network: NetworkId, audience: AudienceId, key: Uint8Array, list: AudienceList): Uint8Array {
  return sealAudienceBox(network, audience, key, pad(encodeCbor(listToCbor(list))))
}

/** @throws {SealBrokenError} @throws {DecodeError} */
export function openList(network: NetworkId, audience: AudienceId, key: Uint8Array, sealed: Uint8Array): AudienceList {
  return listShape(decodeCbor(unpad(openAudienceBox(network, audience, key, bounded(sealed))), BOX_MAX))
}

export type GrantSlot = readonly [slot: Uint8Array, sealed: Uint8Array]

/** Slots that one grants box has room for; members beyond that ask a reader. */
export const SLOTS_MAX = 3072
const SLOTS_MULTIPLE = 16
/** enc, key, tag of HPKE with X25519 and AES-256-GCM. */
const GRANT_BYTES = 32 + 32 + 16
/** With all slots taken the box still fits into `BOX_MAX`; who went before these 4,096 counts as having had the key. */
const GONE_MAX = 4096

export interface GrantsBox {
  /** the writer's X25519 key: with it a member computes its slot */
  readonly from: Uint8Array
  /** sealed for readers of the audience: see `openGone` */
  readonly gone: Uint8Array
  readonly slots: readonly GrantSlot[]
}

const grantsShape = shape.object({
  from: shape.bytes(32),
  gone: shape.bytesUpTo(BOX_MAX),
  slots: shape.array(shape.tuple(shape.bytes(16), shape.bytes(GRANT_BYTES)), SLOTS_MAX),
})

/** Public: shows how many may have a slot, in steps of 16, but not who. @param random fills the slots of nobody */
export function encodeGrants(box: GrantsBox, random: (bytes: number) => Uint8Array): Uint8Array {
  const slots = [...box.slots]
  while (slots.length === 0 || slots.length % SLOTS_MULTIPLE !== 0) slots.push([random(16), random(GRANT_BYTES)])
  slots.sort(([a], [b]) => Buffer.compare(a, b))
  return encodeCbor({ from: box.from, gone: box.gone, slots: slots.map(([slot, sealed]) => [slot, sealed]) })
}

/** @throws {DecodeError} */
export function decodeGrants(bytes: Uint8Array): GrantsBox {
  return grantsShape(decodeCbor(bytes, BOX_MAX))
}

/** Former members that the maker of a key left out because they were gone already: their going does not spoil the key. */
export function sealGone(
  network: NetworkId,
  audience: AudienceId,
  key: Uint8Array,
  gone: readonly NodeId[],
): Uint8Array {
  const nodes = gone.slice(0, GONE_MAX).map(publicKeyFromNodeId).sort(Buffer.compare)
  return sealAudienceBox(network, audience, key, pad(encodeCbor({ gone: nodes })))
}

const goneShape = shape.object({ gone: shape.array(shape.bytes(32), GONE_MAX) })

/** @throws {SealBrokenError} @throws {DecodeError} */
export function openGone(network: NetworkId, audience: AudienceId, key: Uint8Array, sealed: Uint8Array): NodeId[] {
  return goneShape(decodeCbor(unpad(openAudienceBox(network, audience, key, sealed)), BOX_MAX)).gone.map(
    nodeIdFromPublicKey,
  )
}

function bounded(sealed: Uint8Array): Uint8Array {
  if (sealed.length > BOX_MAX)
    throw new DecodeError(`a box of ${sealed.length} bytes where at most ${BOX_MAX} are allowed`)
  return sealed
}
