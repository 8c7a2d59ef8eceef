/**
 * Canonical CBOR (RFC 8949 section 4.2.1 core deterministic encoding, map keys in length-first order as in RFC 7049):
 * one value has one encoding, so that hashes of it mean something. Floats, tags, undefined, NaN and integers beyond
 * 2^53 - 1 are not part of any Malote format and are refused on both sides.
 */
import { decode as cborgDecode, encode as cborgEncode } from 'cborg'
import { DecodeError } from './errors.ts'

export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue | undefined }

/** Deepest nesting of any Malote format, with room to spare; keeps the decoder's recursion bounded. */
const MAX_DEPTH = 16

/**
 * Most items of one message, whatever its size: a mebibyte of empty maps would take a hundred times its size in memory
 * and seconds to build. A frame full of addresses, the longest list of any format, has half as many.
 */
const MAX_ITEMS = 131_072

const DECODE_OPTIONS = {
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  strict: true,
  rejectDuplicateMapKeys: true,
} as const

/** `undefined` properties are left out. @throws {TypeError} on a float, which would be a fault of ours */
export function encodeCbor(value: CborValue): Uint8Array {
  assertNoFloats(value)
  return cborgEncode(value, { ignoreUndefinedProperties: true })
}

/** @throws {DecodeError} when the bytes are longer than `maxBytes`, not canonical, or not CBOR of the allowed subset */
export function decodeCbor(bytes: Uint8Array, maxBytes: number): CborValue {
  if (bytes.length > maxBytes) throw new DecodeError(`${bytes.length} bytes where at most ${maxBytes} are allowed`)
  let value: CborValue
  try {
    assertModest(bytes)
    value = cborgDecode(bytes, DECODE_OPTIONS) as CborValue
    assertNoFloats(value)
    if (Buffer.compare(cborgEncode(value), bytes) !== 0) throw new DecodeError('not in canonical form')
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('not valid CBOR', error)
  }
  return value
}

function assertNoFloats(value: CborValue | undefined): void {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new TypeError('floats have no canonical form here')
  if (Array.isArray(value)) for (const item of value) assertNoFloats(item)
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const item of Object.values(value)) assertNoFloats(item as CborValue)
  }
}

/** Walks headers only, before anything is built, so that nested arrays cannot exhaust the stack, nor items the memory. */
function assertModest(bytes: Uint8Array): void {
  const open: number[] = []
  let at = 0
  let items = 0
  while (at < bytes.length) {
    items += 1
    if (items > MAX_ITEMS) throw new DecodeError('too many items')
    const head = bytes[at] as number
    const major = head >> 5
    const info = head & 31
    if (major === 6) throw new DecodeError('tags are not allowed')
    if (info > 27) throw new DecodeError('indefinite lengths are not allowed')
    const extra = info < 24 ? 0 : 1 << (info - 24)
    let argument = info
    if (extra > 0) {
      if (at + extra >= bytes.length) throw new DecodeError('ends inside a header')
      argument = 0
      for (let i = 1; i <= extra; i++) argument = argument * 256 + (bytes[at + i] as number)
    }
    at += 1 + extra
    if (major === 2 || major === 3) at += argument
    if ((major === 4 || major === 5) && argument > 0) {
      if (argument > bytes.length) throw new DecodeError('more items than bytes')
      open.push(major === 5 ? argument * 2 : argument)
      if (open.length > MAX_DEPTH) throw new DecodeError('nested too deeply')
      continue
    }
    // an item is complete, and with it every container whose last item it was
    for (let left = 0; open.length > 0 && left === 0; ) {
      left = (open.pop() as number) - 1
      if (left > 0) open.push(left)
    }
  }
}
