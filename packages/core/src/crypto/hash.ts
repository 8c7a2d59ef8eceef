import { createHash, hash } from 'node:crypto'
import { Blake3Hasher } from '@napi-rs/blake-hash'

const ONE_SHOT_BYTES = 4096

/** BLAKE3, 32 bytes: names everything in the store (chunks, manifests, boxes). */
export function blake3(...parts: Uint8Array[]): Uint8Array {
  const hasher = new Blake3Hasher()
  for (const part of parts) hasher.update(asBuffer(part))
  return new Uint8Array(hasher.digestBuffer())
}

/** BLAKE3 in keyed mode (a PRF, BLAKE3 paper section 2.2). @param key 32 bytes */
export function blake3Keyed(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const hasher = Blake3Hasher.newKeyed(asBuffer(key))
  for (const part of parts) hasher.update(asBuffer(part))
  return new Uint8Array(hasher.digestBuffer())
}

/** Incremental BLAKE3 for what arrives in pieces. */
export function blake3Stream(): { update(part: Uint8Array): void; digest(): Uint8Array } {
  const hasher = new Blake3Hasher()
  return {
    update: (part) => void hasher.update(asBuffer(part)),
    digest: () => new Uint8Array(hasher.digestBuffer()),
  }
}

/** SHA-256, 32 bytes: names entries (faster than BLAKE3 through an addon on a few hundred bytes). */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return new Uint8Array(hash('sha256', only, 'buffer'))
  let bytes = 0
  for (const part of parts) bytes += part.length
  // a hash object costs more than a small copy
  if (bytes <= ONE_SHOT_BYTES) return new Uint8Array(hash('sha256', Buffer.concat(parts, bytes), 'buffer'))
  const hasher = createHash('sha256')
  for (const part of parts) hasher.update(part)
  return new Uint8Array(hasher.digest())
}

/** The first 48 bits of a SHA-256, for draws among thousands: the text costs a quarter of what bytes of one's own would. */
export function sha256First48(bytes: Uint8Array): number {
  const text = hash('sha256', bytes, 'binary')
  let number = 0
  for (let at = 0; at < 6; at++) number = number * 256 + text.charCodeAt(at)
  return number
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}
