/**
 * The ordered hashes of a version's sealed chunks, in two levels, pure. Spec: docs/specs/manifest.md.
 *
 * Everything about an encoding but its hashes follows from the version's shape in the ledger: each page has one exact
 * length, known before a byte of it is taken, so nothing from outside decides how much memory is used.
 */
import { MAX_CHUNK_BYTES, MAX_CHUNKS, MIN_CHUNK_BYTES } from '../catalogue/index.ts'
import { encodeCbor } from '../codec/index.ts'
import { blake3, equalBytes, SEAL_OVERHEAD } from '../crypto/index.ts'
import { idFrom, type Root, toHex } from '../ids.ts'
import { ShapeInvalidError, TooManyChunksError } from './errors.ts'
import type { Manifest, VersionShape } from './types.ts'

export { MAX_CHUNK_BYTES, MAX_CHUNKS, MIN_CHUNK_BYTES }
export const HASH_BYTES = 32
/** Chunk hashes in one page: 2 MiB, which one frame carries. */
export const PAGE_HASHES = 65_536
/** 1 MiB: large enough for throughput, small enough that a video can start and that many sources share a file. */
export const DEFAULT_CHUNK_BYTES = 1024 * 1024

/** The head of the map, and each of its five keys with its head. */
const HEADER_KEY_BYTES = 1 + 2 + 5 + 6 + 6 + 6

type Shape = Pick<VersionShape, 'size' | 'chunk'>

/**
 * The chunk size for a new file: the smallest with which one page of hashes is enough.
 * @param sizeHint plain bytes, or null when unknown (a stream), which gives 1 MiB
 */
export function chunkSizeFor(sizeHint: number | null): number {
  let chunk = DEFAULT_CHUNK_BYTES
  while (sizeHint !== null && chunk < MAX_CHUNK_BYTES && sizeHint / chunk > PAGE_HASHES) chunk *= 2
  return chunk
}

/**
 * The chunk size for a new version that is sealed with the keys of the one before: the same, so that unchanged chunks seal
 * to the same bytes, unless that would be too many.
 */
export function chunkSizeForNext(sizeHint: number | null, before: number): number {
  return sizeHint !== null && sizeHint / before > MAX_CHUNKS ? chunkSizeFor(sizeHint) : before
}

/** @throws {ShapeInvalidError} @throws {TooManyChunksError} when no store keeps such a version */
export function checkShape({ size, chunk }: Shape): void {
  checkChunk(chunk)
  if (!Number.isSafeInteger(size) || size < 0) throw new ShapeInvalidError(`${size} is not a size`)
  if (size / chunk > MAX_CHUNKS) throw new TooManyChunksError(MAX_CHUNKS, chunk)
}

/** @throws {ShapeInvalidError} unless it is a power of two from 64 KiB to 16 MiB */
export function checkChunk(chunk: number): void {
  const isPower = Number.isSafeInteger(chunk) && Number.isInteger(Math.log2(chunk))
  if (!isPower || chunk < MIN_CHUNK_BYTES || chunk > MAX_CHUNK_BYTES) {
    throw new ShapeInvalidError(
      `chunks of ${chunk} bytes are not a power of two from ${MIN_CHUNK_BYTES} to ${MAX_CHUNK_BYTES}`,
    )
  }
}

export function chunkCount({ size, chunk }: Shape): number {
  return Math.ceil(size / chunk)
}

/** Plain bytes of chunk `index`; the caller has checked that there is one. */
export function plainLength({ size, chunk }: Shape, index: number): number {
  return Math.min(chunk, size - index * chunk)
}

/** Bytes of the whole sealed file. */
export function sealedSize(shape: Shape): number {
  return shape.size + chunkCount(shape) * SEAL_OVERHEAD
}

/** Where chunk `index` begins in the sealed file. */
export function sealedOffset({ chunk }: Pick<Shape, 'chunk'>, index: number): number {
  return index * (chunk + SEAL_OVERHEAD)
}

function hashPageCount(count: number): number {
  return Math.ceil(count / PAGE_HASHES)
}

function headerFields({ size, chunk }: Shape, count: number): Uint8Array {
  return encodeCbor({ v: 1, size, chunk, count, pages: hashPageCount(count) })
}

/** `pages` were verified, or made here. */
function createManifest(version: VersionShape, pages: readonly Uint8Array[]): Manifest {
  const count = chunkCount(version)
  return {
    root: version.root,
    size: version.size,
    chunk: version.chunk,
    count,
    pages,
    hash(index) {
      const page = pages[1 + Math.floor(index / PAGE_HASHES)]
      if (page === undefined || index < 0 || index >= count) throw new RangeError(`no chunk ${index} of ${count}`)
      const at = (index % PAGE_HASHES) * HASH_BYTES
      return page.subarray(at, at + HASH_BYTES)
    },
  }
}

export interface ManifestBuilder {
  /** Appends the hash of the next sealed chunk. @throws {TooManyChunksError} */
  add(hash: Uint8Array): void
  readonly count: number
  /** @param size plain bytes of all chunks that were added */
  finish(size: number): Manifest
}

/** For a version that is being sealed: hashes come in order, the size is known at the end. */
export function createManifestBuilder(chunk: number): ManifestBuilder {
  checkChunk(chunk)
  const pages: Uint8Array[] = []
  let page = new Uint8Array(0)
  let filled = 0
  let count = 0
  return {
    get count() {
      return count
    },
    add(hash) {
      if (count >= MAX_CHUNKS) throw new TooManyChunksError(MAX_CHUNKS, chunk)
      if (filled === PAGE_HASHES * HASH_BYTES) {
        pages.push(page)
        page = new Uint8Array(0)
        filled = 0
      }
      if (filled === page.length) {
        // doubling: most versions are small, and a page need not cost 2 MiB for them
        const larger = new Uint8Array(Math.min(PAGE_HASHES * HASH_BYTES, Math.max(32 * HASH_BYTES, page.length * 2)))
        larger.set(page)
        page = larger
      }
      page.set(hash, filled)
      filled += HASH_BYTES
      count += 1
    },
    finish(size) {
      const shape = { size, chunk }
      checkShape(shape)
      if (chunkCount(shape) !== count) throw new RangeError(`${count} chunks cannot hold ${size} bytes`)
      if (filled > 0) pages.push(page.slice(0, filled))
      const header = Buffer.concat([headerFields(shape, count), ...pages.map((each) => blake3(each))])
      const root = idFrom<Root>(blake3(header))
      return createManifest({ root, size, chunk }, [header, ...pages])
    },
  }
}

export interface ManifestVerifier {
  /** pages in all, the header page included */
  readonly pageCount: number
  /** the one length that page may have; bounds what is read for it */
  pageBytes(page: number): number
  /** False when the bytes are not that page, or when the header page (0) is not here yet. Takes no other page twice. */
  add(page: number, bytes: Uint8Array): boolean
  /** the first page that is not here yet, or null */
  readonly missing: number | null
  /** once every page is here */
  readonly manifest: Manifest | null
}

/** Checks a manifest against its version, a page at a time. @throws {ShapeInvalidError} @throws {TooManyChunksError} */
export function createManifestVerifier(version: VersionShape): ManifestVerifier {
  checkShape(version)
  const count = chunkCount(version)
  const hashPages = hashPageCount(count)
  const fields = headerFields(version, count)
  const pages: (Uint8Array | undefined)[] = new Array(hashPages + 1).fill(undefined)
  let manifest: Manifest | null = null

  const pageBytes = (page: number) => {
    if (page === 0) return fields.length + hashPages * HASH_BYTES
    return Math.min(PAGE_HASHES, count - (page - 1) * PAGE_HASHES) * HASH_BYTES
  }
  const isRight = (page: number, bytes: Uint8Array) => {
    if (page === 0) return equalBytes(bytes.subarray(0, fields.length), fields) && toHex(blake3(bytes)) === version.root
    const [header] = pages
    if (header === undefined) return false
    const at = fields.length + (page - 1) * HASH_BYTES
    return equalBytes(blake3(bytes), header.subarray(at, at + HASH_BYTES))
  }
  return {
    pageCount: hashPages + 1,
    pageBytes,
    add(page, bytes) {
      if (!Number.isInteger(page) || page < 0 || page > hashPages) return false
      if (bytes.length !== pageBytes(page) || !isRight(page, bytes)) return false
      if (pages[page] === undefined) {
        // a view into a larger buffer would keep all of it in memory
        pages[page] = bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
        const all = pages.filter((each) => each !== undefined)
        if (all.length === pages.length) manifest = createManifest(version, all)
      }
      return true
    },
    get missing() {
      const index = pages.indexOf(undefined)
      return index === -1 ? null : index
    },
    get manifest() {
      return manifest
    },
  }
}

/** The manifest of a version without bytes follows from its shape alone. Null when the root is not its root. */
export function emptyManifest(version: VersionShape): Manifest | null {
  const manifest = createManifestBuilder(version.chunk).finish(0)
  return version.size === 0 && manifest.root === version.root ? manifest : null
}

/** Checks all pages, laid end to end as in the `.manifest` file. Null when anything is wrong. */
export function manifestFromBytes(version: VersionShape, bytes: Uint8Array): Manifest | null {
  const verifier = createManifestVerifier(version)
  let at = 0
  for (let page = 0; page < verifier.pageCount; page++) {
    const end = at + verifier.pageBytes(page)
    if (!verifier.add(page, bytes.subarray(at, end))) return null
    at = end
  }
  return at === bytes.length ? verifier.manifest : null
}

/** Bytes of a whole encoding, all pages; reckoned, since it is asked for every version at once. */
export function manifestSize({ size, chunk }: Shape): number {
  const count = chunkCount({ size, chunk })
  const hashPages = hashPageCount(count)
  const numbers = [1, size, chunk, count, hashPages].reduce((sum, value) => sum + cborUintBytes(value), 0)
  return HEADER_KEY_BYTES + numbers + (hashPages + count) * HASH_BYTES
}

/** RFC 8949 section 3: an unsigned integer in its shortest form. */
function cborUintBytes(value: number): number {
  if (value < 24) return 1
  if (value < 2 ** 8) return 2
  if (value < 2 ** 16) return 3
  return value < 2 ** 32 ? 5 : 9
}
