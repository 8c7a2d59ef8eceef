/**
 * Branded ids. In entries and on the wire ids are bytes; everywhere else they are these strings, so that they can be
 * map keys and so that one kind of id cannot be passed for another.
 */
import { randomBytes } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { IdInvalidError } from './errors.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** libp2p PeerId of an Ed25519 key, base58btc text (`12D3KooW…`). */
export type NodeId = Branded<'NodeId'>
/** SHA-256 of an entry's canonical bytes, 64 hex digits. */
export type EntryId = Branded<'EntryId'>
/** Id of the founding entry, 64 hex digits. */
export type NetworkId = Branded<'NetworkId'>
/** Id of the branch's first `admit` (for the founder: the founding entry), 64 hex digits. */
export type BranchId = Branded<'BranchId'>
/** 32 hex digits, bound to its first author: see `fileIdFor` in the catalogue. */
export type FileId = Branded<'FileId'>
/** 32 hex digits; all zeros is the audience "everyone". */
export type AudienceId = Branded<'AudienceId'>
/** Commitment to an audience key, 32 hex digits. */
export type KeyId = Branded<'KeyId'>
/** BLAKE3 of a version's manifest, 64 hex digits. */
export type Root = Branded<'Root'>
/** BLAKE3 of a box's sealed bytes, 64 hex digits. */
export type BoxHash = Branded<'BoxHash'>
/** `<author public key hex>/<incarnation hex>`: one author's chain of entries. */
export type FeedId = Branded<'FeedId'>

/** Multihash prefix of an Ed25519 PeerId (libp2p peer-ids spec: identity multihash of the protobuf public key). */
const ED25519_PEER_PREFIX = Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20])

/**
 * Ids are made into text and back for every row and entry. To ask a small array for its `buffer` costs more than the
 * rest of it: V8 keeps such arrays without one until then.
 */
const HEX_DIGITS = new Uint8Array(128)
for (let digit = 0; digit < 16; digit++) HEX_DIGITS[digit.toString(16).charCodeAt(0)] = digit
const scratch = Buffer.allocUnsafeSlow(64)

export function toHex(bytes: Uint8Array): string {
  const { length } = bytes
  if (length > scratch.length) return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('hex')
  scratch.set(bytes)
  return scratch.toString('hex', 0, length)
}

/** @throws {IdInvalidError} when the text is not lower-case hex of that many bytes */
export function fromHex(hex: string, bytes?: number): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(hex) || (bytes !== undefined && hex.length !== bytes * 2))
    throw new IdInvalidError(hex)
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

/** An id as bytes. Every hex id goes through here. */
export function idBytes(id: EntryId | NetworkId | BranchId | FileId | AudienceId | KeyId | Root | BoxHash): Uint8Array {
  const bytes = new Uint8Array(id.length >> 1)
  for (let at = 0; at < bytes.length; at++) {
    const high = HEX_DIGITS[id.charCodeAt(2 * at)] ?? 0
    bytes[at] = (high << 4) | (HEX_DIGITS[id.charCodeAt(2 * at + 1)] ?? 0)
  }
  return bytes
}

/** Bytes as a branded hex id; the caller has checked the length. */
export function idFrom<T extends EntryId | NetworkId | BranchId | FileId | AudienceId | KeyId | Root | BoxHash>(
  bytes: Uint8Array,
): T {
  return toHex(bytes) as T
}

/** Every entry names its author by key, every draw its candidates by id, and base58 is dear. */
const nodeIds = new Map<string, NodeId>()
const nodeKeys = new Map<string, Uint8Array>()
const REMEMBERED_MAX = 4096

function remember<V>(known: Map<string, V>, name: string, value: V): void {
  if (known.size >= REMEMBERED_MAX) known.clear()
  known.set(name, value)
}

export function nodeIdFromPublicKey(publicKey: Uint8Array): NodeId {
  const hex = toHex(publicKey)
  const known = nodeIds.get(hex)
  if (known !== undefined) return known
  const bytes = new Uint8Array(ED25519_PEER_PREFIX.length + 32)
  bytes.set(ED25519_PEER_PREFIX)
  bytes.set(publicKey, ED25519_PEER_PREFIX.length)
  const id = base58btc.baseEncode(bytes) as NodeId
  remember(nodeIds, hex, id)
  return id
}

/** @throws {IdInvalidError} when the text is not the PeerId of an Ed25519 key */
export function publicKeyFromNodeId(id: string): Uint8Array {
  const known = nodeKeys.get(id)
  if (known !== undefined) return known.slice()
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(id)
  } catch {
    throw new IdInvalidError(id)
  }
  const prefixed = ED25519_PEER_PREFIX.every((value, index) => bytes[index] === value)
  if (!prefixed || bytes.length !== ED25519_PEER_PREFIX.length + 32) throw new IdInvalidError(id)
  const key = bytes.slice(ED25519_PEER_PREFIX.length)
  remember(nodeKeys, id, key)
  return key.slice()
}

export function feedIdFrom(author: Uint8Array, incarnation: Uint8Array): FeedId {
  return `${toHex(author)}/${toHex(incarnation)}` as FeedId
}

export function feedAuthor(feed: FeedId): Uint8Array {
  return fromHex(feed.slice(0, 64), 32)
}

export function feedIncarnation(feed: FeedId): Uint8Array {
  return fromHex(feed.slice(65), 16)
}

export const EVERYONE = '00000000000000000000000000000000' as AudienceId

export function newAudienceId(): AudienceId {
  return toHex(randomBytes(16)) as AudienceId
}
