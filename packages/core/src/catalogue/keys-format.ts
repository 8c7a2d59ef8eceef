/** Messages of the `keys` protocol: one frame there, one back. Spec: docs/specs/keys-protocol.md. Pure. */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, type ShapeOf, shape } from '../codec/index.ts'

export const KEYS_VERSION = 1
/** Keys asked for in one request. */
export const ASK_MAX = 256
/** Holds the largest request (256 × 36 bytes) and the largest answer (256 × 84 bytes). */
export const KEYS_FRAME_MAX = 64 * 1024
/** HPKE: enc, key, tag. */
export const GRANT_BYTES = 80

const wanted = shape.tuple(shape.bytes(16), shape.bytes(16))
const notice = shape.object({
  file: shape.bytes(16),
  entry: shape.bytes(32),
  node: shape.bytes(32),
  sig: shape.bytes(64),
})
const request = shape.object({
  v: shape.uint(255),
  ask: shape.optional(shape.array(wanted, ASK_MAX)),
  notice: shape.optional(notice),
})
const answer = shape.object({
  v: shape.uint(255),
  grants: shape.optional(shape.array(shape.nullable(shape.bytes(GRANT_BYTES)), ASK_MAX)),
  notice: shape.optional(shape.oneOf('dropped', 'kept', 'unknown')),
})

export type WantedKey = ShapeOf<typeof wanted>
export type Notice = ShapeOf<typeof notice>
/**
 * `dropped`: nothing of the file's older epochs is here any more. `kept`: the notice is not valid, or this node may
 * read. `unknown`: the entry has not arrived, send it again later.
 */
export type NoticeOutcome = 'dropped' | 'kept' | 'unknown'
export type KeysRequest = { readonly ask: WantedKey[] } | { readonly notice: Notice }
export type KeysAnswer = { readonly grants: (Uint8Array | null)[] } | { readonly notice: NoticeOutcome }

export function encodeRequest(message: KeysRequest): Uint8Array {
  return encodeCbor({ v: KEYS_VERSION, ...message } as CborValue)
}

/** @throws {DecodeError} */
export function decodeRequest(bytes: Uint8Array): KeysRequest {
  const message = request(decodeCbor(bytes, KEYS_FRAME_MAX))
  if (message.v !== KEYS_VERSION) throw new DecodeError(`keys protocol version ${message.v} is not known`)
  if (message.ask !== undefined && message.notice === undefined) return { ask: message.ask }
  if (message.notice !== undefined && message.ask === undefined) return { notice: message.notice }
  throw new DecodeError('a keys request has either `ask` or `notice`')
}

export function encodeAnswer(message: KeysAnswer): Uint8Array {
  return encodeCbor({ v: KEYS_VERSION, ...message } as CborValue)
}

/** @throws {DecodeError} */
export function decodeAnswer(bytes: Uint8Array): KeysAnswer {
  const message = answer(decodeCbor(bytes, KEYS_FRAME_MAX))
  if (message.v !== KEYS_VERSION) throw new DecodeError(`keys protocol version ${message.v} is not known`)
  if (message.grants !== undefined && message.notice === undefined) return { grants: message.grants }
  if (message.notice !== undefined && message.grants === undefined) return { notice: message.notice }
  throw new DecodeError('a keys answer has either `grants` or `notice`')
}
