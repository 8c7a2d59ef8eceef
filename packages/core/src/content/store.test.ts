import { execFileSync } from 'node:child_process'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import {
  ChunkDamagedError,
  ChunkMissingError,
  DiskFullError,
  ManifestMissingError,
  ManifestWrongError,
  ShapeInvalidError,
  StoreReadOnlyError,
  StoreStoppedError,
  TooManyChunksError,
  VersionRemovedError,
} from './errors.ts'
import { openStream } from './export.ts'
import { sealStream } from './import.ts'
import { createManifestBuilder } from './manifest.ts'
import { createStore, type StoreInit } from './store.ts'
import { allChunks, bytesOf, collect, createMemoryDisk, inPieces, KIB, newKeys, until, withFolder } from './testing.ts'
import type { ContentStore, Manifest, SealedFile } from './types.ts'

const CHUNK = 64 * KIB
const keys = newKeys()
const memoryStore = (init: Partial<StoreInit> = {}) =>
  createStore({ folder: '/s', disk: createMemoryDisk(), floorBytes: 0, flushMs: 1e9, ...init })

async function seal(store: ContentStore, plain: Uint8Array): Promise<SealedFile> {
  return (await sealStream({ store, keys, source: inPieces(plain, 100_000), chunk: CHUNK })).file
}

/** A sealed version of that size, as another member would have it. */
async function elsewhere(
  size: number,
  seed = 1,
): Promise<{ manifest: Manifest; chunks: Uint8Array[]; plain: Uint8Array }> {
  const plain = bytesOf(size, seed)
  const file = await seal(await memoryStore(), plain)
  const { manifest } = file
  if (manifest === null) throw new Error('a sealed version has a manifest')
  return { manifest, chunks: await allChunks(file), plain }
}

const chunkOf = (chunks: Uint8Array[], index: number): Uint8Array => {
  const chunk = chunks[index]
  if (chunk === undefined) throw new Error(`no chunk ${index}`)
  return chunk
}

async function fill(file: SealedFile, manifest: Manifest, chunks: Uint8Array[], ...indexes: number[]): Promise<void> {
  await file.setManifest(manifest)
  for (const index of indexes) expect(await file.write(index, chunkOf(chunks, index))).toBe(true)
}

const path = (folder: string, root: Root, kind: string) => join(folder, root.slice(0, 2), `${root}.${kind}`)

describe('a version that is fetched', () => {
  it('takes chunks in any order, shows each when it is written, and is there again after a restart', () =>
    withFolder(async (folder) => {
      const { manifest, chunks, plain } = await elsewhere(3 * CHUNK + 7)
      const store = await createStore({ folder, floorBytes: 0 })
      const file = await store.open(manifest)
      expect([file.count, file.held, file.complete, file.manifest, store.stat(file.root)]).toEqual([
        4,
        0,
        false,
        null,
        null,
      ])
      await expect(file.write(0, chunkOf(chunks, 0))).rejects.toThrow(ManifestMissingError)
      await fill(file, manifest, chunks, 3, 1)
      expect([0, 1, 2, 3, 4, -1, 0.5].map((index) => file.has(index))).toEqual([
        false,
        true,
        false,
        true,
        false,
        false,
        false,
      ])
      expect(file.bitfield()).toEqual(Uint8Array.of(0b0101_0000))
      expect(store.stat(file.root)).toMatchObject({ held: 2, count: 4, complete: false })
      expect((await stat(path(folder, file.root, 'sealed'))).size).toBe(3 * CHUNK + 7 + 4 * 28)
      expect(await store.get(file.root)).toBe(file)
      await store.stop()

      const again = await createStore({ folder, floorBytes: 0 })
      expect(again.list()).toMatchObject([{ root: file.root, held: 2, count: 4, complete: false }])
      const resumed = await again.open(manifest)
      expect([resumed.held, resumed.manifest?.root]).toEqual([2, manifest.root])
      const changes: Root[] = []
      again.onChange((root) => changes.push(root))
      await fill(resumed, manifest, chunks, 0, 2)
      expect([resumed.complete, changes]).toEqual([true, [file.root]])
      expect(await collect(openStream({ file: resumed, keys }))).toEqual(plain)
      await again.stop()

      const third = await createStore({ folder, floorBytes: 0 })
      expect(third.list()).toMatchObject([{ held: 4, complete: true }])
      await third.stop()
    }))

  it('refuses wrong chunks without a trace', async () => {
    const { manifest, chunks } = await elsewhere(3 * CHUNK)
    const store = await memoryStore()
    const file = await store.open(manifest)
    await file.setManifest(manifest)
    const first = chunkOf(chunks, 0)
    const flipped = first.slice()
    flipped[100] = (flipped[100] ?? 0) ^ 1
    for (const [index, bytes] of [
      [0, flipped],
      [1, first],
      [0, first.subarray(1)],
      [0, new Uint8Array(0)],
      [3, first],
      [-1, first],
      [0.5, first],
    ] as const) {
      expect(await file.write(index, bytes)).toBe(false)
    }
    expect(file.held).toBe(0)
  })

  it('writes a chunk once that comes twice at the same time', async () => {
    const { manifest, chunks } = await elsewhere(2 * CHUNK)
    const disk = createMemoryDisk()
    const store = await memoryStore({ disk })
    const file = await store.open(manifest)
    await file.setManifest(manifest)
    const writes: string[] = []
    disk.fault = (operation, at) => {
      if (operation === 'write' && at.endsWith('.sealed')) writes.push(at)
    }
    const chunk = chunkOf(chunks, 0)
    expect(await Promise.all([file.write(0, chunk), file.write(0, chunk)])).toEqual([true, true])
    expect(await file.write(0, chunk)).toBe(true)
    expect([file.held, writes.length]).toEqual([1, 1])
  })

  it('tells those who wait for a chunk', async () => {
    const { manifest, chunks } = await elsewhere(3 * CHUNK)
    const store = await memoryStore()
    const file = await store.open(manifest)
    await file.setManifest(manifest)
    const giveUp = new AbortController()
    const never = new AbortController().signal
    const first = file.waitFor(0, never)
    const second = file.waitFor(1, giveUp.signal)
    const third = file.waitFor(2, never)
    await file.write(0, chunkOf(chunks, 0))
    await first
    await file.waitFor(0, never)
    giveUp.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
    await expect(file.waitFor(2, giveUp.signal)).rejects.toThrow('enough')
    await expect(file.waitFor(3, never)).rejects.toThrow(RangeError)
    await store.remove(file.root)
    await expect(third).rejects.toThrow(VersionRemovedError)
  })

  it('touches no disk before a manifest was verified, and a false shape does not stand in the way of the true one', async () => {
    const { manifest, chunks } = await elsewhere(2 * CHUNK)
    const disk = createMemoryDisk()
    const store = await memoryStore({ disk })
    const before = disk.done
    const liar = await store.open({ ...manifest, size: 5 * CHUNK })
    await expect(liar.setManifest(manifest)).rejects.toThrow(ManifestWrongError)
    expect([disk.done, store.list()]).toEqual([before, []])
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 0)
    await expect(store.open({ ...manifest, size: 5 * CHUNK })).rejects.toThrow(ManifestWrongError)
    await expect(liar.setManifest(manifest)).rejects.toThrow(ManifestWrongError)
    expect(store.list()).toMatchObject([{ held: 1 }])
  })

  it('refuses shapes that no store keeps', async () => {
    const store = await memoryStore()
    const root = 'ab'.repeat(32) as Root
    await expect(store.open({ root, size: 1, chunk: 1000 })).rejects.toThrow(ShapeInvalidError)
    await expect(store.open({ root, size: 2 ** 50, chunk: CHUNK })).rejects.toThrow(TooManyChunksError)
    await expect(store.beginSealing(3)).rejects.toThrow(ShapeInvalidError)
  })

  it('without bytes is complete once its root is right', async () => {
    const empty = createManifestBuilder(CHUNK).finish(0)
    const store = await memoryStore()
    expect((await store.open(empty)).complete).toBe(true)
    const false_ = await store.open({ ...empty, root: 'ab'.repeat(32) as Root })
    expect([false_.complete, store.list().length]).toEqual([false, 1])
  })
})

describe('damage on disk', () => {
  it('is found by a verifying read, and the chunk can be fetched again', () =>
    withFolder(async (folder) => {
      const { manifest, chunks } = await elsewhere(3 * CHUNK)
      const store = await createStore({ folder, floorBytes: 0 })
      const file = await store.open(manifest)
      await fill(file, manifest, chunks, 0, 1, 2)
      const sealed = path(folder, file.root, 'sealed')
      const bytes = await readFile(sealed)
      bytes[CHUNK + 28 + 1000] = (bytes[CHUNK + 28 + 1000] ?? 0) ^ 4
      await writeFile(sealed, bytes)
      expect((await file.read(1)).length).toBe(CHUNK + 28)
      const changes: Root[] = []
      store.onChange((root) => changes.push(root))
      await expect(file.read(1, { verify: true })).rejects.toThrow(ChunkDamagedError)
      expect([file.has(1), file.complete, store.stat(file.root)?.held, changes]).toEqual([false, false, 2, [file.root]])
      await expect(file.read(1)).rejects.toThrow(ChunkMissingError)
      await store.stop()
      const again = await createStore({ folder, floorBytes: 0 })
      const repaired = await again.open(manifest)
      expect(repaired.bitfield()).toEqual(Uint8Array.of(0b1010_0000))
      await fill(repaired, manifest, chunks, 1)
      expect(await repaired.read(1, { verify: true })).toEqual(chunkOf(chunks, 1))
      expect(repaired.complete).toBe(true)
      await again.stop()
    }))

  it.each(['have', 'sealed'])('to the .%s file is repaired from what is right', (kind) =>
    withFolder(async (folder) => {
      const { manifest, chunks } = await elsewhere(3 * CHUNK)
      const store = await createStore({ folder, floorBytes: 0 })
      const file = await store.open(manifest)
      await fill(file, manifest, chunks, 0, 1, 2)
      await store.stop()
      const at = path(folder, file.root, kind)
      // the sealed file loses its last chunk, the record a byte of its header
      const bytes = await readFile(at)
      if (kind === 'have') bytes[9] = 77
      await writeFile(at, kind === 'have' ? bytes : bytes.subarray(0, 2 * (CHUNK + 28)))
      const again = await createStore({ folder, floorBytes: 0 })
      const expected = kind === 'have' ? 3 : 2
      await until(() => again.stat(file.root)?.held === expected)
      const found = await again.open(manifest)
      expect(found.has(2)).toBe(kind === 'have')
      expect(await found.read(1, { verify: true })).toEqual(chunkOf(chunks, 1))
      await again.stop()
    }),
  )

  it('to the manifest costs the manifest only', () =>
    withFolder(async (folder) => {
      const { manifest, chunks } = await elsewhere(3 * CHUNK)
      const store = await createStore({ folder, floorBytes: 0 })
      await fill(await store.open(manifest), manifest, chunks, 0, 1, 2)
      await store.stop()
      const at = path(folder, manifest.root, 'manifest')
      const bytes = await readFile(at)
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
      await writeFile(at, bytes)
      const again = await createStore({ folder, floorBytes: 0 })
      const file = await again.open(manifest)
      expect([file.manifest, file.complete, file.held]).toEqual([null, false, 3])
      await file.setManifest(manifest)
      expect(file.complete).toBe(true)
      await again.stop()
      const third = await createStore({ folder, floorBytes: 0 })
      expect((await third.open(manifest)).complete).toBe(true)
      await third.stop()
    }))
})

describe('sealing', () => {
  it('leaves nothing when it is given up, and what a crash left is removed at the next start', async () => {
    const disk = createMemoryDisk()
    const store = await memoryStore({ disk })
    const writer = await store.beginSealing(CHUNK)
    await writer.append(new Uint8Array(CHUNK + 28), CHUNK)
    expect((await disk.list('/s/tmp')).length).toBe(1)
    await writer.abort()
    await writer.abort()
    expect(await disk.list('/s/tmp')).toEqual([])
    await (await store.beginSealing(CHUNK)).append(new Uint8Array(CHUNK + 28), CHUNK)
    await memoryStore({ disk })
    expect(await disk.list('/s/tmp')).toEqual([])
  })

  it('refuses chunks that do not fit', async () => {
    const writer = await (await memoryStore()).beginSealing(CHUNK)
    await expect(writer.append(new Uint8Array(CHUNK + 29), CHUNK + 1)).rejects.toThrow(RangeError)
    await expect(writer.append(new Uint8Array(28), 0)).rejects.toThrow(RangeError)
    await writer.append(new Uint8Array(28 + 5), 5)
    await expect(writer.append(new Uint8Array(28 + 5), 5)).rejects.toThrow(RangeError)
  })

  it('of bytes that are here already gives the version that is here', async () => {
    const disk = createMemoryDisk()
    const store = await memoryStore({ disk })
    const plain = bytesOf(3 * CHUNK)
    const file = await seal(store, plain)
    expect(await seal(store, plain)).toBe(file)
    expect([store.list().length, await disk.list('/s/tmp')]).toEqual([1, []])
  })

  it('of a version that is partly here completes it for everyone', async () => {
    const { manifest, chunks, plain } = await elsewhere(3 * CHUNK)
    const store = await memoryStore()
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 1)
    const waiting = file.waitFor(2, new AbortController().signal)
    expect(await seal(store, plain)).toBe(file)
    await waiting
    expect([file.complete, await allChunks(file)]).toEqual([true, chunks])
  })
})

describe('space', () => {
  it('keeps the floor free, and says so', async () => {
    const disk = createMemoryDisk()
    const { manifest, chunks } = await elsewhere(3 * CHUNK)
    disk.bytesFree = 1_000_000
    const store = await memoryStore({ disk, floorBytes: 900_000 })
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 0)
    disk.bytesFree = 930_000
    await expect(file.write(1, chunkOf(chunks, 1))).rejects.toThrow(/900000 bytes are kept free/)
    await expect(seal(store, bytesOf(5 * CHUNK, 2))).rejects.toThrow(DiskFullError)
    expect(await disk.list('/s/tmp')).toEqual([])
    disk.bytesFree = 2_000_000
    expect(await file.write(1, chunkOf(chunks, 1))).toBe(true)
    expect(store.usage()).toMatchObject({ free: 2_000_000, floor: 900_000 })
    expect(store.usage().used).toBeGreaterThan(2 * CHUNK)
  })

  it.each([
    ['ENOSPC', DiskFullError, 'disk-full'],
    ['EDQUOT', DiskFullError, 'disk-full'],
    ['EROFS', StoreReadOnlyError, 'read-only'],
    ['EACCES', StoreReadOnlyError, 'read-only'],
  ] as const)('%s shows no chunk that is not there', async (code, type, stable) => {
    const disk = createMemoryDisk()
    const { manifest, chunks } = await elsewhere(3 * CHUNK)
    const store = await memoryStore({ disk })
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 0)
    disk.fault = (operation) => {
      if (operation === 'write') throw Object.assign(new Error(code), { code })
    }
    const failed = file.write(1, chunkOf(chunks, 1))
    await expect(failed).rejects.toThrow(type)
    await expect(failed).rejects.toMatchObject({ code: stable })
    expect([file.has(0), file.has(1), file.held]).toEqual([true, false, 1])
    await expect(seal(store, bytesOf(CHUNK, 3))).rejects.toThrow(type)
    disk.fault = () => undefined
    await fill(file, manifest, chunks, 1, 2)
    expect(file.complete).toBe(true)
  })

  it.skipIf(process.platform !== 'linux' || process.getuid?.() !== 0)('a disk that is really full', (context) =>
    withFolder(async (folder) => {
      const mount = join(folder, 'small')
      await mkdir(mount)
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount], { stdio: 'ignore' })
      } catch {
        context.skip('this container may not mount; the same errors are faked above')
      }
      try {
        const { manifest, chunks } = await elsewhere(40 * CHUNK)
        const store = await createStore({ folder: join(mount, 'store'), floorBytes: 0 })
        const file = await store.open(manifest)
        await file.setManifest(manifest)
        const results = await Promise.allSettled(chunks.map((chunk, index) => file.write(index, chunk)))
        const failed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
        expect(failed.length).toBeGreaterThan(5)
        for (const error of failed) expect(error).toBeInstanceOf(DiskFullError)
        expect(file.held).toBe(40 - failed.length)
        await expect(seal(store, bytesOf(3 * CHUNK, 5))).rejects.toThrow(DiskFullError)
        for (const [index, chunk] of chunks.entries()) {
          if (file.has(index)) expect(Buffer.compare(await file.read(index), chunk)).toBe(0)
        }
        await store.stop()
        const again = await createStore({ folder: join(mount, 'store'), floorBytes: 0 })
        expect(again.list()).toMatchObject([{ held: 40 - failed.length }])
        await again.stop()
        const floored = await createStore({ folder: join(mount, 'store') })
        expect(floored.usage().floor).toBe(Math.floor((2 * 1024 * KIB) / 20))
        await floored.stop()
      } finally {
        execFileSync('umount', [mount])
      }
    }),
  )

  it('gives up what a failed sync may have lost', async () => {
    const disk = createMemoryDisk()
    const { manifest, chunks } = await elsewhere(4 * CHUNK)
    const store = await memoryStore({ disk })
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 0)
    await file.flush()
    await fill(file, manifest, chunks, 1)
    disk.fault = (operation) => {
      if (operation === 'sync') throw Object.assign(new Error('EIO'), { code: 'EIO' })
    }
    await expect(file.flush()).rejects.toMatchObject({ code: 'damaged' })
    expect(file.bitfield()).toEqual(Uint8Array.of(0b1000_0000))
    disk.fault = () => undefined
    await fill(file, manifest, chunks, 1, 2, 3)
    expect(file.complete).toBe(true)
  })
})

describe('removing and stopping', () => {
  it('removes every file, and the version can come again', () =>
    withFolder(async (folder) => {
      const { manifest, chunks } = await elsewhere(2 * CHUNK)
      const store = await createStore({ folder, floorBytes: 0 })
      const file = await store.open(manifest)
      await fill(file, manifest, chunks, 0, 1)
      await store.remove(manifest.root)
      expect([store.list(), await store.get(manifest.root)]).toEqual([[], null])
      await expect(file.read(0)).rejects.toThrow(VersionRemovedError)
      await expect(file.write(0, chunkOf(chunks, 0))).rejects.toThrow(VersionRemovedError)
      for (const kind of ['sealed', 'have', 'manifest']) {
        await expect(stat(path(folder, manifest.root, kind))).rejects.toThrow('ENOENT')
      }
      await fill(await store.open(manifest), manifest, chunks, 1)
      expect(store.list()).toMatchObject([{ held: 1 }])
      await store.stop()
    }))

  it('stops once, ends who waits, and refuses what comes later', async () => {
    const { manifest, chunks } = await elsewhere(2 * CHUNK)
    const store = await memoryStore()
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 0)
    const waiting = file.waitFor(1, new AbortController().signal)
    const expectation = expect(waiting).rejects.toThrow(StoreStoppedError)
    await store.stop()
    await store.stop()
    await expectation
    await expect(store.open(manifest)).rejects.toThrow(StoreStoppedError)
    await expect(file.write(1, chunkOf(chunks, 1))).rejects.toThrow(StoreStoppedError)
  })

  it('works with fewer descriptors than versions', () =>
    withFolder(async (folder) => {
      const store = await createStore({ folder, floorBytes: 0, openFiles: 2 })
      const files = await Promise.all([1, 2, 3, 4, 5].map((seed) => seal(store, bytesOf(3 * CHUNK, seed))))
      const read = await Promise.all(
        files.flatMap((file) => [0, 1, 2].map((index) => file.read(index, { verify: true }))),
      )
      expect(read.length).toBe(15)
      await store.stop()
    }))
})

describe('a power cut', () => {
  it('at any moment leaves no bit without its bytes, and nothing that was promised is lost', async () => {
    const { manifest, chunks } = await elsewhere(6 * CHUNK)
    const sealed = await elsewhere(2 * CHUNK, 9)
    const disk = createMemoryDisk()
    const store = await memoryStore({ disk, flushChunks: 2 })
    /** operations done -> bits of the fetched version that are promised from then on */
    const promises: { from: number; bits: Uint8Array }[] = []
    const file = await store.open(manifest)
    await fill(file, manifest, chunks, 4, 0, 5)
    await file.flush()
    promises.push({ from: disk.done, bits: file.bitfield() })
    await Promise.all([1, 2].map((index) => file.write(index, chunkOf(chunks, index))))
    // sealing takes the place of a part that was fetched before
    await fill(await store.open(sealed.manifest), sealed.manifest, sealed.chunks, 1)
    await seal(store, sealed.plain)
    const sealedFrom = disk.done
    await file.write(3, chunkOf(chunks, 3))
    promises.push({ from: disk.done, bits: file.bitfield() })
    const writtenAt = disk.done
    await store.remove(sealed.manifest.root)

    await fc.assert(
      fc.asyncProperty(fc.nat(disk.done), fc.infiniteStream(fc.boolean()), async (upTo, coins) => {
        const after = disk.afterPowerCut(upTo, () => coins.next().value)
        const reopened = await memoryStore({ disk: after })
        for (const { root } of reopened.list()) {
          const found = await reopened.get(root)
          if (found === null) throw new Error('listed, but not there')
          const right = root === manifest.root ? chunks : sealed.chunks
          for (let index = 0; index < found.count; index++) {
            if (found.has(index)) expect(await found.read(index)).toEqual(right[index])
          }
        }
        const now = await reopened.open(manifest)
        const promised = promises.findLast(({ from }) => from <= upTo)?.bits ?? new Uint8Array(1)
        expect((now.bitfield()[0] ?? 0) & (promised[0] ?? 0)).toBe(promised[0])
        if (upTo >= sealedFrom && upTo <= writtenAt) expect(reopened.stat(sealed.manifest.root)?.complete).toBe(true)
        // and it goes on from there
        await now.setManifest(manifest)
        for (const [index, chunk] of chunks.entries()) expect(await now.write(index, chunk)).toBe(true)
        expect(now.complete).toBe(true)
      }),
      { numRuns: 100 },
    )
  })
})
