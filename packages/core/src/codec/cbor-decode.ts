/** The reading half of `cbor.ts`. One pass: whatever is not canonical is refused where it stands, so nothing is encoded again to compare. */
import { type CborValue, FORBIDDEN_KEY } from './cbor-value.ts'
import { DecodeError } from './errors.ts'

/** Deepest nesting of any Malote format, with room to spare; keeps the recursion bounded. */
const MAX_DEPTH = 16
/**
 * Most items of one message, whatever its size: a mebibyte of empty maps would take a hundred times its size in memory
 * and seconds to build. A frame full of addresses, the longest list of any format, has half as many.
 */
export const MAX_ITEMS = 131_072
const TWO_32 = 0x1_0000_0000
/** Keys repeat in every entry: those up to this length are looked up instead of made. */
const KEY_CACHED_MAX = 16
const KEY_CACHE = 512

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const keyCache: (string | undefined)[] = new Array(KEY_CACHE).fill(undefined)

/** Where the reader stands. Module-wide, since decoding is synchronous and never nested. */
let source: Uint8Array = new Uint8Array(0)
let at = 0
let isShared = false

/** @param shared byte strings are views of `bytes`, which must then stay as they are */
export function decodeValue(bytes: Uint8Array, shared: boolean, maxItems: number): CborValue {
  // the parts of a Buffer are Buffers, whose `slice` does not copy
  source = Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes
  at = 0
  isShared = shared
  try {
    if (source.length > maxItems) assertModest(maxItems)
    const value = item(0)
    if (at !== source.length) throw new DecodeError('bytes behind the end')
    return value
  } finally {
    source = NOTHING
  }
}
const NOTHING = new Uint8Array(0)

/** Walks the heads of a large message before anything is built of it. What is wrong with them is found afterwards. */
function assertModest(maxItems: number): void {
  let items = 0
  while (at < source.length) {
    items += 1
    if (items > maxItems) throw new DecodeError('too many items')
    const head = source[at++] as number
    const size = argument(head & 31)
    const major = head >> 5
    if (major === 2 || major === 3) take(size)
  }
  at = 0
}

function item(depth: number): CborValue {
  const head = source[at++]
  if (head === undefined) throw new DecodeError('ends where a value should be')
  const info = head & 31
  switch (head >> 5) {
    case 0:
      return argument(info)
    case 1: {
      const value = -1 - argument(info)
      if (!Number.isSafeInteger(value)) throw new DecodeError('an integer beyond 2^53 - 1')
      return value
    }
    case 2: {
      const start = take(argument(info))
      return isShared ? source.subarray(start, at) : source.slice(start, at)
    }
    case 3: {
      const length = argument(info)
      return text(take(length), length)
    }
    case 4:
      return list(argument(info), depth)
    case 5:
      return map(argument(info), depth)
    case 6:
      throw new DecodeError('tags are not allowed')
    default:
      if (head === 0xf4) return false
      if (head === 0xf5) return true
      if (head === 0xf6) return null
      throw new DecodeError('floats and other simple values are not allowed')
  }
}

/** The number that follows a head, in its shortest form. */
function argument(info: number): number {
  if (info < 24) return info
  if (info > 27) throw new DecodeError('indefinite lengths are not allowed')
  const start = take(1 << (info - 24))
  let value = 0
  for (let index = start; index < at; index++) value = value * 256 + (source[index] as number)
  const least = info === 24 ? 24 : info === 25 ? 0x100 : info === 26 ? 0x1_0000 : TWO_32
  if (value < least) throw new DecodeError('a number that is longer than it need be')
  if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError('an integer beyond 2^53 - 1')
  return value
}

/** @returns where these bytes begin; the reader stands behind them */
function take(length: number): number {
  const start = at
  if (length > source.length - start) throw new DecodeError('ends inside a value')
  at = start + length
  return start
}

function list(length: number, depth: number): CborValue[] {
  if (length > source.length - at) throw new DecodeError('more items than bytes')
  if (length > 0 && depth >= MAX_DEPTH) throw new DecodeError('nested too deeply')
  const items: CborValue[] = []
  for (let index = 0; index < length; index++) items.push(item(depth + 1))
  return items
}

function map(length: number, depth: number): CborValue {
  if (length * 2 > source.length - at) throw new DecodeError('more items than bytes')
  if (length > 0 && depth >= MAX_DEPTH) throw new DecodeError('nested too deeply')
  const entries: { [key: string]: CborValue } = {}
  let lastStart = 0
  let lastLength = -1
  for (let index = 0; index < length; index++) {
    const head = source[at++]
    if (head === undefined || head >> 5 !== 3) throw new DecodeError('a key of a map must be text')
    const keyLength = argument(head & 31)
    const start = take(keyLength)
    if (!isBehind(start, keyLength, lastStart, lastLength)) throw new DecodeError('keys of a map out of order')
    lastStart = start
    lastLength = keyLength
    const key = keyLength <= KEY_CACHED_MAX ? shortKey(start, keyLength) : text(start, keyLength)
    // it would set the prototype instead of a property
    if (key === FORBIDDEN_KEY) throw new DecodeError('a key that no map may have')
    entries[key] = item(depth + 1)
  }
  return entries
}

/** Shorter keys come first, then by their bytes (RFC 7049, section 3.9); so no key comes twice. */
function isBehind(start: number, length: number, lastStart: number, lastLength: number): boolean {
  if (length !== lastLength) return length > lastLength
  for (let index = 0; index < length; index++) {
    const difference = (source[start + index] as number) - (source[lastStart + index] as number)
    if (difference !== 0) return difference > 0
  }
  return false
}

function shortKey(start: number, length: number): string {
  let hash = length
  for (let index = start; index < at; index++) hash = (hash * 31 + (source[index] as number)) & 0xffff
  const slot = hash % KEY_CACHE
  const known = keyCache[slot]
  if (known !== undefined && known.length === length) {
    let index = 0
    while (index < length && known.charCodeAt(index) === source[start + index]) index += 1
    if (index === length) return known
  }
  const key = text(start, length)
  if (key.length === length) keyCache[slot] = key // one byte for each character: ASCII
  return key
}

function text(start: number, length: number): string {
  let isAscii = true
  for (let index = start; index < at; index++) {
    if ((source[index] as number) >= 0x80) {
      isAscii = false
      break
    }
  }
  const part = Buffer.from(source.buffer, source.byteOffset + start, length)
  if (isAscii) return part.toString('latin1')
  try {
    return utf8.decode(part)
  } catch (error) {
    throw new DecodeError('text that is not UTF-8', error)
  }
}
