import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blake3 } from '../crypto/index.ts'
import type { Root } from '../ids.ts'
import { ShapeInvalidError, TooManyChunksError } from './errors.ts'
import {
  checkShape,
  chunkCount,
  chunkSizeFor,
  chunkSizeForNext,
  createManifestBuilder,
  createManifestVerifier,
  emptyManifest,
  MAX_CHUNKS,
  manifestFromBytes,
  manifestSize,
  PAGE_HASHES,
} from './manifest.ts'
import { KIB, MIB } from './testing.ts'
import type { Manifest } from './types.ts'

const GIB = 1024 * MIB
const CHUNK = 64 * KIB

function build(size: number, chunk = CHUNK): Manifest {
  const builder = createManifestBuilder(chunk)
  const hash = new Uint8Array(32)
  for (let i = 0; i < chunkCount({ size, chunk }); i++) {
    new DataView(hash.buffer).setUint32(0, i + 1)
    builder.add(hash)
  }
  return builder.finish(size)
}

describe('chunkSizeFor', () => {
  it.each([
    ['unknown', null, MIB],
    ['nothing', 0, MIB],
    ['one byte', 1, MIB],
    ['the last size with 1 MiB', 64 * GIB, MIB],
    ['one byte more', 64 * GIB + 1, 2 * MIB],
    ['500 GB', 500e9, 8 * MIB],
    ['the last size with one page', 1024 * GIB, 16 * MIB],
    ['beyond: more pages', 1024 * GIB + 1, 16 * MIB],
    ['the largest', 16_384 * GIB, 16 * MIB],
  ])('%s', (_, size, chunk) => {
    expect(chunkSizeFor(size)).toBe(chunk)
    checkShape({ size: size ?? 0, chunk })
  })
})

describe('chunkSizeForNext', () => {
  it.each([
    ['unknown: as before', null, MIB, MIB],
    ['smaller: as before', 1, 8 * MIB, 8 * MIB],
    ['larger: as before', 500 * GIB, MIB, MIB],
    ['the last size with these chunks', 1024 * GIB, MIB, MIB],
    ['one byte more', 1024 * GIB + 1, MIB, 16 * MIB],
  ])('%s', (_, size, before, chunk) => {
    expect(chunkSizeForNext(size, before)).toBe(chunk)
    checkShape({ size: size ?? 0, chunk })
  })
})

describe('checkShape', () => {
  it.each([0, 1, 1000, 32 * KIB, 32 * MIB, MIB + 1, 1.5 * MIB, -MIB, Number.NaN])('refuses chunks of %d', (chunk) => {
    expect(() => checkShape({ size: 1, chunk })).toThrow(ShapeInvalidError)
  })
  it.each([-1, 0.5, 2 ** 53])('refuses a size of %d', (size) => {
    expect(() => checkShape({ size, chunk: MIB })).toThrow(ShapeInvalidError)
  })
  it('refuses one chunk too many', () => {
    checkShape({ size: MAX_CHUNKS * MIB, chunk: MIB })
    expect(() => checkShape({ size: MAX_CHUNKS * MIB + 1, chunk: MIB })).toThrow(TooManyChunksError)
  })
})

describe('manifest', () => {
  it('verifies what was built, page by page in any order after the header', () => {
    const manifest = build((2 * PAGE_HASHES + 1) * CHUNK - 5)
    expect(manifest.pages.map((page) => page.length)).toEqual([expect.any(Number), 2 * MIB, 2 * MIB, 32])
    const verifier = createManifestVerifier(manifest)
    expect(verifier.pageCount).toBe(4)
    const add = (page: number) => verifier.add(page, manifest.pages[page] as Uint8Array)
    expect(add(2)).toBe(false) // the header comes first
    expect([add(0), add(3), verifier.missing, add(2), verifier.manifest, add(1)]).toEqual([
      true,
      true,
      1,
      true,
      null,
      true,
    ])
    expect(verifier.missing).toBe(null)
    for (const index of [0, PAGE_HASHES - 1, PAGE_HASHES, 2 * PAGE_HASHES]) {
      expect(verifier.manifest?.hash(index)).toEqual(manifest.hash(index))
      expect(new DataView(manifest.hash(index).slice().buffer).getUint32(0)).toBe(index + 1)
    }
    expect(() => manifest.hash(manifest.count)).toThrow(RangeError)
  })

  it('has one root per size, chunk and hashes', () => {
    const roots = [
      build(5 * CHUNK),
      build(5 * CHUNK - 1),
      build(5 * 2 * CHUNK, 2 * CHUNK),
      build(0),
      build(0, 2 * CHUNK),
    ]
    expect(new Set(roots.map((each) => each.root)).size).toBe(roots.length)
  })

  it('commits to exactly the documented bytes', () => {
    const builder = createManifestBuilder(CHUNK)
    builder.add(new Uint8Array(32).fill(7))
    const { pages, root } = builder.finish(10)
    // a5 = map of 5; "v" 1, "size" 10, "chunk" 65536, "count" 1, "pages" 1
    const fields = 'a56176016473697a650a656368756e6b1a0001000065636f756e740165706167657301'
    expect(Buffer.from(pages[0] as Uint8Array).toString('hex')).toBe(
      fields + Buffer.from(blake3(new Uint8Array(32).fill(7))).toString('hex'),
    )
    expect(root).toBe(Buffer.from(blake3(pages[0] as Uint8Array)).toString('hex'))
  })

  it.each([0, 1, 23, 24, 255, 256, 65_535, 65_536, 23 * CHUNK, 24 * CHUNK, 300 * CHUNK, (PAGE_HASHES + 1) * CHUNK])(
    'has the reckoned size for %d bytes',
    (size) => {
      for (const chunk of [CHUNK, 16 * MIB]) {
        const manifest = build(size, chunk)
        expect(manifestSize(manifest)).toBe(manifest.pages.reduce((sum, page) => sum + page.length, 0))
      }
    },
  )

  it('refuses any other byte, length or shape', () => {
    const manifest = build(3 * CHUNK + 7)
    const bytes = Buffer.concat(manifest.pages)
    expect(manifestSize(manifest)).toBe(bytes.length)
    expect(manifestFromBytes(manifest, bytes)?.root).toBe(manifest.root)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const other = new Uint8Array(bytes)
        other[at] = (other[at] ?? 0) ^ flip
        expect(manifestFromBytes(manifest, other)).toBe(null)
      }),
    )
    expect(manifestFromBytes(manifest, bytes.subarray(1))).toBe(null)
    expect(manifestFromBytes(manifest, Buffer.concat([bytes, Buffer.alloc(32)]))).toBe(null)
    for (const size of [manifest.size - 1, manifest.size + CHUNK, 0]) {
      expect(manifestFromBytes({ ...manifest, size }, bytes)).toBe(null)
    }
    expect(manifestFromBytes({ ...manifest, chunk: 2 * CHUNK }, bytes)).toBe(null)
    expect(manifestFromBytes({ ...manifest, root: 'ff'.repeat(32) as Root }, bytes)).toBe(null)
  })

  it('keeps no larger buffer alive than a page', () => {
    const manifest = build(CHUNK)
    const verifier = createManifestVerifier(manifest)
    const frame = Buffer.concat([Buffer.alloc(10 * MIB), ...manifest.pages])
    const header = manifest.pages[0]?.length ?? 0
    verifier.add(0, frame.subarray(10 * MIB, 10 * MIB + header))
    verifier.add(1, frame.subarray(10 * MIB + header))
    expect(verifier.manifest?.pages.map((page) => page.buffer.byteLength)).toEqual([header, 32])
  })

  it('of nothing follows from the shape', () => {
    const empty = build(0)
    expect(emptyManifest(empty)?.root).toBe(empty.root)
    expect(emptyManifest({ ...empty, root: 'ff'.repeat(32) as Root })).toBe(null)
  })

  it('refuses to finish with other sizes than its chunks hold', () => {
    const builder = createManifestBuilder(CHUNK)
    builder.add(new Uint8Array(32))
    for (const size of [0, CHUNK + 1]) expect(() => builder.finish(size)).toThrow(RangeError)
  })
})
