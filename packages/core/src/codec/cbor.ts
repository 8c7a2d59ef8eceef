/**
 * Canonical CBOR (RFC 8949 section 4.2.1 core deterministic encoding, map keys in length-first order as in RFC 7049):
 * one value has one encoding, so that hashes of it mean something. Floats, tags, undefined, NaN and integers beyond
 * 2^53 - 1 are not part of any Malote format and are refused on both sides.
 */
import { decodeValue, MAX_ITEMS } from './cbor-decode.ts'
import { encodeValue } from './cbor-encode.ts'
import type { CborValue } from './cbor-value.ts'
import { DecodeError } from './errors.ts'

export type { CborValue } from './cbor-value.ts'

/**
 * `undefined` properties are left out.
 * @param prefix put before it as it is, for what is hashed or signed under a domain
 * @throws {TypeError} on a float, which would be a fault of ours
 * @throws {EncodeError} on a key that no reader takes
 */
export function encodeCbor(value: CborValue, prefix: Uint8Array | null = null): Uint8Array {
  return encodeValue(value, prefix)
}

/** @throws {DecodeError} when the bytes are longer than `maxBytes`, not canonical, or not CBOR of the allowed subset */
export function decodeCbor(bytes: Uint8Array, maxBytes: number): CborValue {
  assertSize(bytes, maxBytes)
  return decodeValue(bytes, false, MAX_ITEMS)
}

/**
 * The same without copies: byte strings in it are views of `bytes`, so whoever keeps one of them keeps all of it.
 * @param maxItems more are for what this node wrote itself
 */
export function viewCbor(bytes: Uint8Array, maxBytes: number, maxItems = MAX_ITEMS): CborValue {
  assertSize(bytes, maxBytes)
  return decodeValue(bytes, true, maxItems)
}

function assertSize(bytes: Uint8Array, maxBytes: number): void {
  if (bytes.length > maxBytes) throw new DecodeError(`${bytes.length} bytes where at most ${maxBytes} are allowed`)
}
