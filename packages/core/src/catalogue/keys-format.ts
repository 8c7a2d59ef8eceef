/** Messages of the `keys` protocol: one frame there, one back. Spec: docs/specs/keys-protocol.md. Pure. */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, type ShapeOf, shape } from '../codec/index.ts'

export const KEYS_VERSION = 1
/** Keys asked for in one request. */
export const ASK_MAX = 256
/** Holds the largest request (256 × 36 bytes) and the largest answer (256 × 84 bytes). */
export const KEYS_FRAME_MAX = 64 * 1024
/** HPKE: enc, key, tag. */
export const GRANT_BYTES = 80
/** Ed25519 */
export const TICKET_BYTES = 64

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
  hold: shape.optional(shape.array(shape.bytes(32), ASK_MAX)),
})
const answer = shape.object({
  v: shape.uint(255),
  grants: shape.optional(shape.array(shape.nullable(shape.bytes(GRANT_BYTES)), ASK_MAX)),
  notice: shape.optional(shape.oneOf('dropped', 'kept', 'unknown')),
  tickets: shape.optional(shape.array(shape.nullable(shape.bytes(TICKET_BYTES)), ASK_MAX)),
})

export type WantedKey = ShapeOf<typeof wanted>
export type Notice = ShapeOf<typeof notice>
/**
 * `dropped`: nothing of the file's older epochs is here any more. `kept`: the notice is not valid, or this node may
 * read. `unknown`: the entry has not arrived, send it again later.
 */
export type NoticeOutcome = 'dropped' | 'kept' | 'unknown'
/** `hold`: roots for which the asker, who has no key, wants tickets. */
export type KeysRequest =
  | { readonly ask: WantedKey[] }
  | { readonly notice: Notice }
  | { readonly hold: readonly Uint8Array[] }
export type KeysAnswer =
  | { readonly grants: (Uint8Array | null)[] }
  | { readonly notice: NoticeOutcome }
  | { readonly tickets: (Uint8Array | null)[] }

export function encodeRequest(message: KeysRequest): Uint8Array {
  return encodeCbor({ v: KEYS_VERSION, ...message } as CborValue)
}

/** @throws {DecodeError} */
export function decodeRequest(bytes: Uint8Array): KeysRequest {
  const message = request(decodeCbor(bytes, KEYS_FRAME_MAX))
  if (message.v !== KEYS_VERSION) throw new DecodeError(`keys protocol version ${message.v} is not known`)
  const { ask, notice, hold } = message
  requireOne([ask, notice, hold], 'a keys request has one of `ask`, `notice`, `hold`')
  if (ask !== undefined) return { ask }
  if (notice !== undefined) return { notice }
  return { hold: hold ?? [] }
}

export function encodeAnswer(message: KeysAnswer): Uint8Array {
  return encodeCbor({ v: KEYS_VERSION, ...message } as CborValue)
}

/** @throws {DecodeError} */
export function decodeAnswer(bytes: Uint8Array): KeysAnswer {
  const message = answer(decodeCbor(bytes, KEYS_FRAME_MAX))
  if (message.v !== KEYS_VERSION) throw new DecodeError(`keys protocol version ${message.v} is not known`)
  const { grants, notice, tickets } = message
  requireOne([grants, notice, tickets], 'a keys answer has one of `grants`, `notice`, `tickets`')
  if (grants !== undefined) return { grants }
  if (notice !== undefined) return { notice }
  return { tickets: tickets ?? [] }
}

function requireOne(fields: readonly unknown[], message: string): void {
  if (fields.filter((each) => each !== undefined).length !== 1) throw new DecodeError(message)
}
