import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import {
  ChunkDamagedError,
  ChunkMissingError,
  ManifestMissingError,
  ManifestWrongError,
  ShapeInvalidError,
  StoreStoppedError,
  TooManyChunksError,
  VersionRemovedError,
} from './errors.ts'
import { openStream } from './export.ts'
import { createManifestBuilder } from './manifest.ts'
import { createStore } from './store.ts'
import {
  allChunks,
  bytesOf,
  CHUNK,
  chunkOf,
  collect,
  createMemoryDisk,
  elsewhere,
  fill,
  memoryStore,
  seal,
  storeKeys,
  until,
  withFolder,
} from './testing.ts'

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
      expect(await collect(openStream({ file: resumed, keys: storeKeys }))).toEqual(plain)
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

describe('a process that was killed', () => {
  it('finds what it had written without having come to record it, and nothing else', () =>
    withFolder(async (folder) => {
      const { manifest, chunks } = await elsewhere(6 * CHUNK)
      // no flush in time: the bits on disk stay as they are
      const killed = await createStore({ folder, floorBytes: 0, flushMs: 3_600_000 })
      const file = await killed.open(manifest)
      await fill(file, manifest, chunks, 0)
      await file.flush()
      await fill(file, manifest, chunks, 2, 3)
      const sealed = await readFile(path(folder, manifest.root, 'sealed'))
      sealed[4 * (CHUNK + 28)] = 1 // a torn write
      await writeFile(path(folder, manifest.root, 'sealed'), sealed)
      const next = await createStore({ folder, floorBytes: 0 })
      const again = await next.open(manifest)
      expect([0, 1, 2, 3, 4, 5].map((index) => again.has(index))).toEqual([true, false, true, true, false, false])
      await next.stop()
      await killed.stop()
    }))
})

describe('sealing', () => {
  it('leaves nothing when it is given up, and what a crash left is removed at the next start', async () => {
    const disk = createMemoryDisk()
    const store = await memoryStore({ disk })
    const writer = await store.beginSealing(CHUNK)
    await writer.append([new Uint8Array(CHUNK + 28)], CHUNK)
    expect((await disk.list('/s/tmp')).length).toBe(1)
    await writer.abort()
    await writer.abort()
    expect(await disk.list('/s/tmp')).toEqual([])
    await (await store.beginSealing(CHUNK)).append([new Uint8Array(CHUNK + 28)], CHUNK)
    await memoryStore({ disk })
    expect(await disk.list('/s/tmp')).toEqual([])
  })

  it('refuses chunks that do not fit', async () => {
    const writer = await (await memoryStore()).beginSealing(CHUNK)
    await expect(writer.append([new Uint8Array(CHUNK + 29)], CHUNK + 1)).rejects.toThrow(RangeError)
    await expect(writer.append([new Uint8Array(28)], 0)).rejects.toThrow(RangeError)
    await writer.append([new Uint8Array(28 + 5)], 5)
    await expect(writer.append([new Uint8Array(28 + 5)], 5)).rejects.toThrow(RangeError)
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
