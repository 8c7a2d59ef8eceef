/** The writing half of `cbor.ts`. */
import { type CborValue, FORBIDDEN_KEY } from './cbor-value.ts'
import { EncodeError } from './errors.ts'

const FIRST_BYTES = 64 * 1024
/** A buffer that a large message has made larger than this is not kept. */
const KEPT_BYTES = 2 * 1024 * 1024
const TWO_32 = 0x1_0000_0000
/** Text up to this length is written character by character while it is ASCII. */
const SHORT_TEXT = 64
/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 80

/** What is being written. Module-wide, since encoding is synchronous and never nested. */
let target = Buffer.allocUnsafeSlow(FIRST_BYTES)
let at = 0

export function encodeValue(value: CborValue, prefix: Uint8Array | null): Uint8Array {
  at = 0
  try {
    if (prefix !== null) put(prefix)
    item(value)
    return new Uint8Array(target.subarray(0, at))
  } finally {
    if (target.length > KEPT_BYTES) target = Buffer.allocUnsafeSlow(FIRST_BYTES)
  }
}

function item(value: CborValue | undefined): void {
  if (value === null) byte(0xf6)
  else if (typeof value === 'number') number(value)
  else if (typeof value === 'string') text(value)
  else if (typeof value === 'boolean') byte(value ? 0xf5 : 0xf4)
  else if (value instanceof Uint8Array) {
    head(2, value.length)
    put(value)
  } else if (Array.isArray(value)) {
    head(4, value.length)
    for (const each of value) item(each as CborValue)
  } else if (typeof value === 'object') map(value as { readonly [key: string]: CborValue | undefined })
  else throw new TypeError(`a ${typeof value} has no form here`)
}

function number(value: number): void {
  if (!Number.isSafeInteger(value)) throw new TypeError('floats have no canonical form here')
  if (value < 0) head(1, -1 - value)
  else head(0, value)
}

function map(value: { readonly [key: string]: CborValue | undefined }): void {
  const keys: string[] = []
  for (const key of Object.keys(value)) if (value[key] !== undefined) keys.push(key)
  head(5, keys.length)
  if (keys.length > 1) keys.sort(compareKeys)
  for (const key of keys) {
    if (key === FORBIDDEN_KEY) throw new EncodeError(key)
    text(key)
    item(value[key])
  }
}

/** Shorter ones first, then by their bytes; characters of one byte each need not be encoded to be compared. */
function compareKeys(a: string, b: string): number {
  if (isShortAscii(a) && isShortAscii(b)) return a.length - b.length || (a < b ? -1 : 1)
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length - y.length || Buffer.compare(x, y)
}

function isShortAscii(text: string): boolean {
  if (text.length > SHORT_TEXT) return false
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) >= 0x80) return false
  return true
}

function text(value: string): void {
  if (isShortAscii(value)) {
    head(3, value.length)
    reserve(value.length)
    for (let index = 0; index < value.length; index++) target[at++] = value.charCodeAt(index)
    return
  }
  const length = Buffer.byteLength(value)
  head(3, length)
  reserve(length)
  at += target.write(value, at)
}

function head(major: number, argument: number): void {
  const type = major << 5
  reserve(9)
  if (argument < 24) target[at++] = type | argument
  else if (argument < 0x100) {
    target[at++] = type | 24
    target[at++] = argument
  } else if (argument < 0x1_0000) {
    target[at++] = type | 25
    at = target.writeUInt16BE(argument, at)
  } else if (argument < TWO_32) {
    target[at++] = type | 26
    at = target.writeUInt32BE(argument, at)
  } else {
    target[at++] = type | 27
    at = target.writeUInt32BE(Math.floor(argument / TWO_32), at)
    at = target.writeUInt32BE(argument % TWO_32, at)
  }
}

function byte(value: number): void {
  reserve(1)
  target[at++] = value
}

function put(bytes: Uint8Array): void {
  const { length } = bytes
  reserve(length)
  if (length > SHORT_BYTES) target.set(bytes, at)
  else for (let index = 0; index < length; index++) target[at + index] = bytes[index] as number
  at += length
}

function reserve(bytes: number): void {
  if (at + bytes <= target.length) return
  const larger = Buffer.allocUnsafeSlow(Math.max(target.length * 2, at + bytes))
  target.copy(larger, 0, 0, at)
  target = larger
}
