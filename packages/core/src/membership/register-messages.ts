/** Messages of the protocol `register`, both ways. Spec: docs/specs/register.md, sections "Messages" and "Limits". */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, type Shape, type ShapeOf, shape } from '../codec/index.ts'
import { type SigningKey, sign, verify } from '../crypto/index.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import type { FrameStream, Wait } from '../network/index.ts'
import { RegisterProtocolError } from './errors.ts'

export const REGISTER_VERSION = 1
/** Largest frame from a member to a newcomer. */
export const MEMBER_FRAME_BYTES = 1024 * 1024
/** Largest frame from a newcomer; the biggest of its three is some 350 bytes. */
export const JOINER_FRAME_BYTES = 1024
/** All that a newcomer may send. */
export const JOINER_MAX_BYTES = 64 * 1024
/** Until `admit`, ms. */
export const ADMIT_DEADLINE_MS = 10_000
/** The whole exchange with keys and addresses, ms. */
export const REGISTER_DEADLINE_MS = 60_000
/** What a newcomer accepts of control entries, so that a lying member cannot fill its memory. */
export const MAX_ENTRIES_BYTES = 64 * 1024 * 1024
export const MAX_GRANTS_BYTES = 64 * 1024 * 1024
/** Members whose addresses are handed over, and addresses of one. */
export const MAX_PEERS = 20_000
export const MAX_PEER_ADDRESSES = 16
/** Room for the map around a batch. */
const BATCH_BYTES = MEMBER_FRAME_BYTES - 4096

/** An entry as it travels. The ledger's `SignedBytes` fits; this room does not know the ledger. */
export interface SignedEntry {
  readonly bytes: Uint8Array
  readonly sig: Uint8Array | null
  readonly cosig: Uint8Array | null
}

export interface PeerAddresses {
  readonly node: NodeId
  /** multiaddrs */
  readonly addresses: readonly string[]
}

const bytes32 = shape.bytes(32)
const signature = shape.bytes(64)
const entry = shape.tuple(shape.bytesUpTo(65_536), shape.nullable(signature), shape.nullable(signature))

const hello = shape.object({ v: shape.uint(), invite: bytes32 })
const knock = shape.object({ knock: signature })
const join = shape.object({ node: bytes32, sealing: bytes32, proof: signature, accepts: signature })
const reply = shape.object({
  t: shape.oneOf('challenge', 'entries', 'end', 'admitted', 'addresses', 'grants', 'done', 'error'),
  nonce: shape.optional(bytes32),
  entries: shape.optional(shape.array(entry, 65_536)),
  admit: shape.optional(bytes32),
  peers: shape.optional(
    shape.array(shape.tuple(shape.text(64), shape.array(shape.text(512), MAX_PEER_ADDRESSES)), MAX_PEERS),
  ),
  bytes: shape.optional(shape.bytesUpTo(MEMBER_FRAME_BYTES)),
  code: shape.optional(shape.text(64)),
})

export type Hello = ShapeOf<typeof hello>
export type Knock = ShapeOf<typeof knock>
export type Join = ShapeOf<typeof join>
export type Reply = ShapeOf<typeof reply>

/** @throws {RegisterProtocolError} when the stream ended @throws {DecodeError} */
async function receive<T>(stream: FrameStream, shapeOf: Shape<T>, maxBytes: number, wait: Wait): Promise<T> {
  const frame = await stream.read(wait)
  if (frame === null) throw new RegisterProtocolError('the other side ended the exchange')
  return shapeOf(decodeCbor(frame, maxBytes))
}

export const receiveHello = (stream: FrameStream, wait: Wait) => receive(stream, hello, JOINER_FRAME_BYTES, wait)
export const receiveKnock = (stream: FrameStream, wait: Wait) => receive(stream, knock, JOINER_FRAME_BYTES, wait)
export const receiveJoin = (stream: FrameStream, wait: Wait) => receive(stream, join, JOINER_FRAME_BYTES, wait)
export const receiveReply = (stream: FrameStream, wait: Wait) => receive(stream, reply, MEMBER_FRAME_BYTES, wait)

export function send(stream: FrameStream, message: Hello | Knock | Join | Reply, wait: Wait): Promise<void> {
  return stream.write(encodeCbor(message as CborValue), wait)
}

/** `entries` frames of at most 1 MiB. */
export async function sendEntries(stream: FrameStream, entries: readonly SignedEntry[], wait: Wait): Promise<void> {
  const size = (each: SignedEntry) => each.bytes.length + 144
  for (const batch of batches(entries, size)) {
    await send(stream, { t: 'entries', entries: batch.map(({ bytes, sig, cosig }) => [bytes, sig, cosig]) }, wait)
  }
}

/** `addresses` frames of at most 1 MiB. */
export async function sendAddresses(stream: FrameStream, peers: readonly PeerAddresses[], wait: Wait): Promise<void> {
  const tuples = peers.slice(0, MAX_PEERS).map(({ node, addresses }): [string, string[]] => {
    return [node, addresses.filter((address) => address.length <= 512).slice(0, MAX_PEER_ADDRESSES)]
  })
  const size = ([node, addresses]: [string, string[]]) =>
    8 + node.length + addresses.reduce((sum, address) => sum + 3 + Buffer.byteLength(address), 0)
  for (const batch of batches(tuples, size)) await send(stream, { t: 'addresses', peers: batch }, wait)
}

/** `grants` frames of at most 1 MiB. */
export async function sendGrants(stream: FrameStream, grants: Uint8Array, wait: Wait): Promise<void> {
  for (let at = 0; at < grants.length; at += BATCH_BYTES) {
    await send(stream, { t: 'grants', bytes: grants.subarray(at, at + BATCH_BYTES) }, wait)
  }
}

function* batches<T>(items: readonly T[], sizeOf: (item: T) => number): Generator<T[]> {
  let batch: T[] = []
  let size = 0
  for (const item of items) {
    const itemSize = sizeOf(item)
    if (batch.length > 0 && size + itemSize > BATCH_BYTES) {
      yield batch
      batch = []
      size = 0
    }
    batch.push(item)
    size += itemSize
  }
  if (batch.length > 0) yield batch
}

export function entriesOf(message: Reply): SignedEntry[] {
  if (message.entries === undefined) throw new DecodeError('entries are missing')
  return message.entries.map(([bytes, sig, cosig]) => ({ bytes, sig, cosig }))
}

/** Labels keep what an invite's key signs apart: (node, sealing) is the proof that stands in `admit`. */
const KNOCK = new TextEncoder().encode('knock')

/** The newcomer has the invite's key, now: by that key over (nonce, node). @param node 32-byte public key */
export function signKnock(key: SigningKey, network: NetworkId, nonce: Uint8Array, node: Uint8Array): Uint8Array {
  return sign(key, 'invite', network, KNOCK, nonce, node)
}

export function verifyKnock(
  inviteKey: Uint8Array,
  knockSignature: Uint8Array,
  network: NetworkId,
  nonce: Uint8Array,
  node: Uint8Array,
): boolean {
  return verify(inviteKey, knockSignature, 'invite', network, KNOCK, nonce, node)
}
