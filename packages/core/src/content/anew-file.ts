/**
 * The `.anew-done` file: hashes of the chunks of an unfinished sealing anew that are on disk. Spec: docs/specs/store.md,
 * "Sealed anew, in more than one run". Pure.
 */
import { blake3, equalBytes } from '../crypto/index.ts'
import { idBytes, type Root } from '../ids.ts'
import { HASH_BYTES } from './manifest.ts'

export const ANEW_HEADER_BYTES = 80
export const BLOCK_HEAD_BYTES = 8
export const MARK_BYTES = 32
const CHECK_BYTES = 8
const MAGIC = Buffer.from('MNEW')
const FORMAT = 1
const CHECKED_BYTES = ANEW_HEADER_BYTES - CHECK_BYTES
/** More than 64 MiB of the smallest chunks. */
const BLOCK_HASHES_MAX = 4096

const check = (...parts: Uint8Array[]) => blake3(...parts).subarray(0, CHECK_BYTES)

/** @param mark of the keys that it is sealed with */
export function encodeAnewHeader(root: Root, mark: Uint8Array): Uint8Array {
  if (mark.length !== MARK_BYTES) throw new RangeError(`a mark of ${mark.length} bytes`)
  const header = Buffer.alloc(ANEW_HEADER_BYTES)
  MAGIC.copy(header)
  header.writeUInt32BE(FORMAT, 4)
  header.set(idBytes(root), 8)
  header.set(mark, 40)
  header.set(check(header.subarray(0, CHECKED_BYTES)), CHECKED_BYTES)
  return header
}

/** @param first index of the first of these chunks */
export function encodeBlock(header: Uint8Array, first: number, hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length < 1 || hashes.length > BLOCK_HASHES_MAX) throw new RangeError(`a block of ${hashes.length} hashes`)
  const head = Buffer.alloc(BLOCK_HEAD_BYTES)
  head.writeUInt32BE(first)
  head.writeUInt32BE(hashes.length, 4)
  const block = Buffer.concat([head, ...hashes])
  return Buffer.concat([block, check(header, block)])
}

/** Bytes of the block that begins so; null unless it can follow as the block of chunk `first`. */
export function blockBytes(head: Uint8Array, first: number): number | null {
  if (head.length < BLOCK_HEAD_BYTES) return null
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const count = view.getUint32(4)
  if (view.getUint32(0) !== first || count < 1 || count > BLOCK_HASHES_MAX) return null
  return BLOCK_HEAD_BYTES + count * HASH_BYTES + CHECK_BYTES
}

/** The hashes of a whole block; null when a bit of it is wrong. */
export function decodeBlock(header: Uint8Array, block: Uint8Array): Uint8Array[] | null {
  const end = block.length - CHECK_BYTES
  if (!equalBytes(check(header, block.subarray(0, end)), block.subarray(end))) return null
  const hashes: Uint8Array[] = []
  for (let at = BLOCK_HEAD_BYTES; at < end; at += HASH_BYTES) hashes.push(block.subarray(at, at + HASH_BYTES))
  return hashes
}
