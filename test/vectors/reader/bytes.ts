/**
 * A reader of the vectors that shares no code with the product: what the specs say, written once more with nothing but
 * node:crypto, as somebody would begin who builds another implementation.
 */
import { createHash, createPublicKey, verify as nodeVerify } from 'node:crypto'

export type Value = null | boolean | number | string | Uint8Array | Value[] | { [key: string]: Value }

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
export const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

export function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** entry.md, sealing.md: product, format, purpose, network, NUL. */
export function domain(purpose: string, network: string): Uint8Array {
  return new TextEncoder().encode(`malote/1/${purpose}/${network}\0`)
}

/** RFC 8032, keys as in RFC 8410. */
export function isSignedBy(key: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false
  const der = concat(bytesOf('302a300506032b6570032100'), key)
  try {
    return nodeVerify(null, message, createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' }), signature)
  } catch {
    return false
  }
}

/** libp2p PeerId of an Ed25519 key: base58btc of the identity multihash. */
export function peerId(key: Uint8Array): string {
  const bytes = concat(bytesOf('002408011220'), key)
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let number = BigInt(`0x${hex(bytes)}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = `${alphabet[Number(number % 58n)]}${text}`
  return `1${text}` // one leading zero byte
}

// ------------------------------------------------------------------------------------- CBOR, RFC 8949 section 4.2.1

/** @throws {RangeError} for whatever is not canonical, not of the allowed subset, or nested more than 16 deep */
export function decode(bytes: Uint8Array): Value {
  let at = 0
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError('ends too early')
    at += length
    return bytes.slice(at - length, at)
  }
  const item = (depth: number): Value => {
    if (depth > 16) throw new RangeError('nested too deeply')
    const [head = 0] = take(1)
    const [major, info] = [head >> 5, head & 31]
    if (major === 7) {
      if (head === 0xf4 || head === 0xf5) return head === 0xf5
      if (head === 0xf6) return null
      throw new RangeError('a simple value or float that is not allowed')
    }
    if (major === 6) throw new RangeError('a tag')
    if (info > 27) throw new RangeError('an indefinite length')
    const width = info < 24 ? 0 : 2 ** (info - 24)
    const argument = width === 0 ? BigInt(info) : BigInt(`0x${hex(take(width))}`)
    if (width > 0 && argument < (width === 1 ? 24n : 2n ** BigInt(width * 4))) throw new RangeError('too long a head')
    if (argument > 2n ** 53n - 1n) throw new RangeError('too large a number')
    const number = Number(argument)
    if (major === 0) return number
    if (major === 1) {
      if (argument > 2n ** 53n - 2n) throw new RangeError('too small a number')
      return -1 - number
    }
    if (major === 2) return take(number)
    if (major === 3) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(take(number))
    if (number > bytes.length) throw new RangeError('more items than bytes')
    if (major === 4) return Array.from({ length: number }, () => item(depth + 1))
    const map: { [key: string]: Value } = Object.create(null)
    let previous: Uint8Array | undefined
    for (let left = number; left > 0; left--) {
      const begin = at
      const key = item(depth + 1)
      if (typeof key !== 'string') throw new RangeError('a key that is no text')
      if (key === '__proto__') throw new RangeError('a key that no map may have')
      const raw = bytes.slice(begin, at)
      if (previous !== undefined && compareKeys(previous, raw) >= 0) throw new RangeError('keys out of order')
      previous = raw
      map[key] = item(depth + 1)
    }
    return map
  }
  const value = item(0)
  if (at !== bytes.length) throw new RangeError('bytes behind the end')
  return value
}

/** Length first, then bytewise: which for text keys below 24 bytes and above is the order of their encodings. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return a.length - b.length || Buffer.compare(a, b)
}

export function encode(value: Value): Uint8Array {
  if (value === null) return Uint8Array.of(0xf6)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') {
    const text = new TextEncoder().encode(value)
    return concat(head(3, text.length), text)
  }
  if (value instanceof Uint8Array) return concat(head(2, value.length), value)
  if (Array.isArray(value)) return concat(head(4, value.length), ...value.map(encode))
  const fields = Object.entries(value).map(([key, each]) => [encode(key), encode(each)] as const)
  fields.sort(([a], [b]) => compareKeys(a, b))
  return concat(head(5, fields.length), ...fields.flat())
}

function head(major: number, argument: number): Uint8Array {
  const first = major << 5
  if (argument < 24) return Uint8Array.of(first | argument)
  const width = argument < 2 ** 8 ? 1 : argument < 2 ** 16 ? 2 : argument < 2 ** 32 ? 4 : 8
  const digits = argument.toString(16).padStart(width * 2, '0')
  return concat(Uint8Array.of(first | (24 + Math.log2(width))), bytesOf(digits))
}
