/**
 * Messages of the `transfer` protocol; docs/specs/transfer.md has them field by field. Requests and small replies are
 * canonical CBOR; chunks and manifest pages follow a fixed header as they are, so that no codec touches a mebibyte.
 */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, type ShapeOf, shape } from '../codec/index.ts'
import { MAX_CHUNKS, PAGE_HASHES } from '../content/index.ts'
import { blake3Keyed, SEAL_OVERHEAD } from '../crypto/index.ts'

/** Indexes in one `get` or `cancel`. */
export const MAX_GET = 64
/** Chunks and challenges that one stream may have unanswered; more is a violation. */
export const MAX_PIPELINE = 64
/** A proof that opens a closed access epoch: a signature and what it is about. */
export const MAX_PROOF_BYTES = 1024
/** Largest request frame, `open` with a proof being the largest. */
export const MAX_REQUEST_BYTES = 4096
/** Indexes in one `have`. */
export const MAX_HAVE = 512
/** A page of 65,536 hashes is the largest reply that is not a chunk (docs/specs/manifest.md). */
const MAX_PAGE_BYTES = PAGE_HASHES * 32
/** Header and slack of a reply frame. */
const REPLY_SLACK = 4096

const CONTROL = 0
const CHUNK = 1
const PAGE = 2
const HEADER_BYTES = 5

const index = shape.uint(MAX_CHUNKS - 1)
const indexes = shape.array(index, MAX_GET)

const requests = {
  open: shape.object({
    t: shape.oneOf('open'),
    root: shape.bytes(32),
    urgent: shape.bool,
    proof: shape.optional(shape.bytesUpTo(MAX_PROOF_BYTES)),
  }),
  manifest: shape.object({ t: shape.oneOf('manifest'), page: index }),
  get: shape.object({ t: shape.oneOf('get'), indexes }),
  cancel: shape.object({ t: shape.oneOf('cancel'), indexes }),
  got: shape.object({ t: shape.oneOf('got'), chunks: shape.uint() }),
  challenge: shape.object({ t: shape.oneOf('challenge'), index, nonce: shape.bytes(32) }),
} as const

const controls = {
  ok: shape.object({
    t: shape.oneOf('ok'),
    count: shape.uint(MAX_CHUNKS),
    bits: shape.nullable(shape.bytesUpTo(MAX_CHUNKS / 8)),
  }),
  no: shape.object({ t: shape.oneOf('no'), code: shape.oneOf('not-here', 'refused', 'busy') }),
  have: shape.object({ t: shape.oneOf('have'), indexes: shape.array(index, MAX_HAVE) }),
  gone: shape.object({ t: shape.oneOf('gone'), indexes }),
  cancelled: shape.object({ t: shape.oneOf('cancelled'), indexes }),
  'no-page': shape.object({ t: shape.oneOf('no-page'), page: index }),
  answer: shape.object({ t: shape.oneOf('answer'), index, hash: shape.nullable(shape.bytes(32)) }),
  busy: shape.object({ t: shape.oneOf('busy') }),
} as const

export type TransferRequest = ShapeOf<(typeof requests)[keyof typeof requests]>
export type ControlReply = ShapeOf<(typeof controls)[keyof typeof controls]>
export type TransferReply =
  | { readonly t: 'chunk'; readonly index: number; readonly sealed: Uint8Array }
  | { readonly t: 'page'; readonly page: number; readonly bytes: Uint8Array }
  | ControlReply

/** Frame limit on the asking side: the largest of chunk and manifest page, with its header. */
export function maxReplyBytes(chunk: number): number {
  return Math.max(chunk + SEAL_OVERHEAD, MAX_PAGE_BYTES) + REPLY_SLACK
}

function kindOf(value: CborValue): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new DecodeError('a transfer message must be a map')
  }
  const kind = (value as { readonly [key: string]: CborValue | undefined }).t
  if (typeof kind !== 'string') throw new DecodeError('a transfer message must name its kind')
  return kind
}

export function encodeRequest(request: TransferRequest): Uint8Array {
  return encodeCbor(request as CborValue)
}

/** @throws {DecodeError} */
export function decodeRequest(frame: Uint8Array): TransferRequest {
  const value = decodeCbor(frame, MAX_REQUEST_BYTES)
  const kind = kindOf(value)
  if (!Object.hasOwn(requests, kind)) throw new DecodeError('unknown transfer request')
  return requests[kind as keyof typeof requests](value)
}

export function encodeControl(reply: ControlReply): Uint8Array {
  const body = encodeCbor(reply as CborValue)
  const frame = new Uint8Array(1 + body.length)
  frame[0] = CONTROL
  frame.set(body, 1)
  return frame
}

/** What goes before a chunk's sealed bytes in the same frame. */
export function chunkHeader(chunkIndex: number): Uint8Array {
  return header(CHUNK, chunkIndex)
}

/** What goes before a manifest page's bytes in the same frame. */
export function pageHeader(page: number): Uint8Array {
  return header(PAGE, page)
}

function header(type: number, number: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  bytes[0] = type
  new DataView(bytes.buffer).setUint32(1, number)
  return bytes
}

/** Chunk and page bytes are views of the frame. @throws {DecodeError} */
export function decodeReply(frame: Uint8Array): TransferReply {
  const type = frame[0]
  if (type === CONTROL) {
    const value = decodeCbor(frame.subarray(1), MAX_CHUNKS / 8 + REPLY_SLACK)
    const kind = kindOf(value)
    if (!Object.hasOwn(controls, kind)) throw new DecodeError('unknown transfer reply')
    return controls[kind as keyof typeof controls](value)
  }
  if ((type !== CHUNK && type !== PAGE) || frame.length < HEADER_BYTES) throw new DecodeError('unknown transfer frame')
  const number = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES).getUint32(1)
  if (number >= MAX_CHUNKS) throw new DecodeError('index out of range')
  const body = frame.subarray(HEADER_BYTES)
  return type === CHUNK ? { t: 'chunk', index: number, sealed: body } : { t: 'page', page: number, bytes: body }
}

/** Answer to a challenge: BLAKE3 of the sealed chunk, keyed with the nonce, so that it cannot be made beforehand. */
export function challengeAnswer(nonce: Uint8Array, sealed: Uint8Array): Uint8Array {
  return blake3Keyed(nonce, sealed)
}
