/**
 * The `.have` file: which chunks of a version are here. Spec: docs/specs/store.md. A fixed header of 64 bytes that
 * never changes (magic, format, size, chunk, count, root, check), then the bitfield. Pure.
 */
import { blake3, equalBytes } from '../crypto/index.ts'
import { idBytes, type Root, toHex } from '../ids.ts'
import { bitfieldBytes, clearPadding } from './bitfield.ts'
import { checkShape, chunkCount, MAX_CHUNKS } from './manifest.ts'
import type { VersionShape } from './types.ts'

export const HAVE_HEADER_BYTES = 64
export const MAX_HAVE_BYTES = HAVE_HEADER_BYTES + MAX_CHUNKS / 8
const MAGIC = Buffer.from('MHAV')
const FORMAT = 1
const CHECKED_BYTES = 56

export function encodeHave(version: VersionShape, bits: Uint8Array): Uint8Array {
  const file = Buffer.alloc(HAVE_HEADER_BYTES + bits.length)
  MAGIC.copy(file)
  file.writeUInt32BE(FORMAT, 4)
  file.writeBigUInt64BE(BigInt(version.size), 8)
  file.writeUInt32BE(version.chunk, 16)
  file.writeUInt32BE(chunkCount(version), 20)
  file.set(idBytes(version.root), 24)
  file.set(blake3(file.subarray(0, CHECKED_BYTES)).subarray(0, HAVE_HEADER_BYTES - CHECKED_BYTES), CHECKED_BYTES)
  file.set(bits, HAVE_HEADER_BYTES)
  return file
}

/** Null when the bytes are not a whole `.have` file of that root. */
export function decodeHave(root: Root, bytes: Uint8Array): { version: VersionShape; bits: Uint8Array } | null {
  if (bytes.length < HAVE_HEADER_BYTES) return null
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const check = blake3(file.subarray(0, CHECKED_BYTES)).subarray(0, HAVE_HEADER_BYTES - CHECKED_BYTES)
  if (!equalBytes(check, file.subarray(CHECKED_BYTES, HAVE_HEADER_BYTES))) return null
  if (!file.subarray(0, 4).equals(MAGIC) || file.readUInt32BE(4) !== FORMAT) return null
  const version = { root, size: Number(file.readBigUInt64BE(8)), chunk: file.readUInt32BE(16) }
  try {
    checkShape(version)
  } catch {
    return null
  }
  const count = chunkCount(version)
  if (file.readUInt32BE(20) !== count || toHex(file.subarray(24, CHECKED_BYTES)) !== root) return null
  if (bytes.length !== HAVE_HEADER_BYTES + bitfieldBytes(count)) return null
  const bits = new Uint8Array(bytes.subarray(HAVE_HEADER_BYTES)) // a copy; `slice` of a Buffer is a view
  clearPadding(bits, count)
  return { version, bits }
}
