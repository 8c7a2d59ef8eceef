import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blake3 } from '../crypto/index.ts'
import { ChunkTimeoutError, ContentDamagedError, ManifestMissingError, RangeInvalidError } from './errors.ts'
import { exportTo, openStream } from './export.ts'
import { sealStream } from './import.ts'
import { copyUnchanged, reseal } from './reseal.ts'
import { createStore } from './store.ts'
import {
  allChunks,
  bytesOf,
  collect,
  createMemoryDisk,
  inPieces,
  KIB,
  MIB,
  newKeys,
  until,
  withFolder,
} from './testing.ts'
import type { SealedFile } from './types.ts'

const CHUNK = 64 * KIB
const keys = newKeys()
const memoryStore = (disk = createMemoryDisk()) => createStore({ folder: '/s', disk, floorBytes: 0, flushMs: 1e9 })

async function sealed(plain: Uint8Array, chunk = CHUNK, piece = 50_000, with_ = keys) {
  return sealStream({ store: await memoryStore(), keys: with_, source: inPieces(plain, piece), chunk })
}

/** The same version in another store, with the manifest and none of the chunks. */
async function emptyCopy(of: SealedFile): Promise<SealedFile> {
  const file = await (await memoryStore()).open(of)
  if (of.manifest === null) throw new Error('no manifest')
  await file.setManifest(of.manifest)
  return file
}

describe('sealStream and openStream', () => {
  it.each([
    ['nothing', 0, CHUNK],
    ['one byte', 1, CHUNK],
    ['one byte less than a chunk', CHUNK - 1, CHUNK],
    ['a chunk', CHUNK, CHUNK],
    ['one byte more', CHUNK + 1, CHUNK],
    ['three chunks and a bit', 3 * CHUNK + 7, CHUNK],
    ['the usual chunk size', 2 * MIB + 5, MIB],
  ])('%s', async (_, size, chunk) => {
    const plain = bytesOf(size)
    for (const piece of [chunk, 50_000, 3 * chunk]) {
      const progress: number[] = []
      const result = await sealStream({
        store: await memoryStore(),
        keys,
        source: inPieces(plain, piece),
        chunk,
        onProgress: (bytes) => progress.push(bytes),
      })
      expect([result.size, result.file.size, result.file.count]).toEqual([size, size, Math.ceil(size / chunk)])
      expect(result.plainHash).toEqual(blake3(plain))
      expect([result.file.complete, progress.at(-1) ?? 0, progress.length]).toEqual([true, size, result.file.count])
      expect(Buffer.compare(await collect(openStream({ file: result.file, keys })), plain)).toBe(0)
    }
  })

  it('any range is that slice', async () => {
    const plain = bytesOf(3 * CHUNK + 777)
    const { file } = await sealed(plain)
    await fc.assert(
      fc.asyncProperty(fc.nat(plain.length), fc.nat(plain.length), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)]
        const part = await collect(openStream({ file, keys, start, end }))
        expect(Buffer.compare(part, plain.subarray(start, end))).toBe(0)
      }),
    )
    for (const [start, end] of [
      [-1, 1],
      [2, 1],
      [0, plain.length + 1],
      [0.5, 1],
      [Number.NaN, 1],
    ] as const) {
      expect(() => openStream({ file, keys, start, end })).toThrow(RangeInvalidError)
    }
  })

  it('any two readers seal alike, and another epoch differs in every chunk', async () => {
    const plain = bytesOf(2 * CHUNK + 5)
    const first = (await sealed(plain)).file
    expect((await sealed(plain, CHUNK, 999)).file.root).toBe(first.root)
    const changed = plain.slice()
    changed[CHUNK] = (changed[CHUNK] ?? 0) ^ 1
    const second = (await sealed(changed)).file
    const same = [0, 1, 2].map(
      (i) => Buffer.compare(first.manifest?.hash(i) ?? plain, second.manifest?.hash(i) ?? plain) === 0,
    )
    expect(same).toEqual([true, false, true])
    expect((await sealed(plain, CHUNK, 999, newKeys(1))).file.root).not.toBe(first.root)
  })

  it('a source that fails, or a signal, leaves nothing behind', async () => {
    const disk = createMemoryDisk()
    const store = await memoryStore(disk)
    async function* failing() {
      yield bytesOf(3 * CHUNK)
      throw new Error('the sender hung up')
    }
    await expect(sealStream({ store, keys, source: failing(), chunk: CHUNK })).rejects.toThrow('the sender hung up')
    const stop = new AbortController()
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield bytesOf(3 * CHUNK)
      stop.abort(new Error('cancelled'))
      await new Promise(() => undefined)
    }
    await expect(sealStream({ store, keys, source: silent(), chunk: CHUNK, signal: stop.signal })).rejects.toThrow(
      'cancelled',
    )
    expect([store.list(), await disk.list('/s/tmp')]).toEqual([[], []])
  })

  it('reads while the chunks arrive, and says which it wants, in order', async () => {
    const plain = bytesOf(5 * CHUNK)
    const { file: origin } = await sealed(plain)
    const chunks = await allChunks(origin)
    const file = await emptyCopy(origin)
    const wanted: number[] = []
    const want = (index: number) => {
      wanted.push(index)
    }
    const reading = collect(openStream({ file, keys, start: CHUNK + 5, want }))
    await until(() => wanted.length === 4)
    for (const index of [4, 3, 2, 1]) await file.write(index, chunks[index] as Uint8Array)
    expect(Buffer.compare(await reading, plain.subarray(CHUNK + 5))).toBe(0)
    expect(wanted).toEqual([1, 2, 3, 4])
  })

  it('gives up by signal and by deadline, and leaves no waiters', async () => {
    const { file: origin } = await sealed(bytesOf(2 * CHUNK))
    const file = await emptyCopy(origin)
    await expect(collect(openStream({ file, keys, signal: AbortSignal.abort(new Error('gone')) }))).rejects.toThrow(
      'gone',
    )
    const clock = {
      now: () => 0,
      after: (_: number, callback: () => void) => {
        queueMicrotask(callback)
        return () => undefined
      },
    }
    await expect(collect(openStream({ file, keys, clock }))).rejects.toThrow(ChunkTimeoutError)
  })

  it('fetches a chunk again that the disk has spoilt', async () => {
    const disk = createMemoryDisk()
    const store = await memoryStore(disk)
    const plain = bytesOf(2 * CHUNK)
    const { file } = await sealStream({ store, keys, source: inPieces(plain, CHUNK), chunk: CHUNK })
    const good = await file.read(1)
    const content = disk.content(`/s/${file.root.slice(0, 2)}/${file.root}.sealed`)
    if (content === undefined) throw new Error('no such file')
    content[CHUNK + 28 + 50] = (content[CHUNK + 28 + 50] ?? 0) ^ 1
    const want = (index: number) => void file.write(index, good)
    expect(Buffer.compare(await collect(openStream({ file, keys, want })), plain)).toBe(0)
  })

  it('tells a wrong key from a spoilt disk', async () => {
    const { file } = await sealed(bytesOf(2 * CHUNK))
    await expect(collect(openStream({ file, keys: newKeys() }))).rejects.toThrow(ContentDamagedError)
    expect(file.complete).toBe(true)
  })
})

describe('exportTo', () => {
  it('writes under a safe name, beside what is there', () =>
    withFolder(async (folder) => {
      const plain = bytesOf(2 * CHUNK + 9)
      const { file } = await sealed(plain)
      await writeFile(join(folder, '_._.._escape.txt'), 'mine')
      const path = await exportTo({ source: openStream({ file, keys }), folder, name: '../../escape.txt' })
      expect(path).toBe(join(folder, '_._.._escape (2).txt'))
      expect(Buffer.compare(await readFile(path), plain)).toBe(0)
      expect(await readFile(join(folder, '_._.._escape.txt'), 'utf8')).toBe('mine')
      const both = await Promise.all(
        [1, 2].map(() => exportTo({ source: openStream({ file, keys }), folder, name: 'a' })),
      )
      expect(both.sort()).toEqual([join(folder, 'a'), join(folder, 'a (2)')].sort())
    }))

  it('leaves nothing when it fails', () =>
    withFolder(async (folder) => {
      const { file } = await sealed(bytesOf(2 * CHUNK))
      await expect(exportTo({ source: openStream({ file, keys: newKeys() }), folder, name: 'a' })).rejects.toThrow(
        ContentDamagedError,
      )
      expect(await readdir(folder)).toEqual([])
    }))
})

describe('reseal and copyUnchanged', () => {
  it('gives the same plain bytes under other keys', async () => {
    const plain = bytesOf(3 * CHUNK + 7)
    const { file: from } = await sealed(plain)
    const newer = newKeys(1)
    const again = await reseal({ store: await memoryStore(), from, oldKeys: keys, newKeys: newer })
    expect([again.size, again.file.chunk]).toEqual([plain.length, CHUNK])
    expect(again.file.root).not.toBe(from.root)
    expect(Buffer.compare(await collect(openStream({ file: again.file, keys: newer })), plain)).toBe(0)
    await expect(collect(openStream({ file: again.file, keys }))).rejects.toThrow(ContentDamagedError)
  })

  it('copies what has not changed, and only what is here', async () => {
    const plain = bytesOf(5 * CHUNK)
    const changed = plain.slice()
    changed[CHUNK + 3] = (changed[CHUNK + 3] ?? 0) ^ 1
    const { file: before } = await sealed(plain)
    const { file: after } = await sealed(changed)
    const from = await emptyCopy(before)
    for (const index of [0, 1, 3]) await from.write(index, await before.read(index))
    const to = await emptyCopy(after)
    expect(await copyUnchanged({ from, to })).toBe(2)
    expect([0, 1, 2, 3, 4].map((index) => to.has(index))).toEqual([true, false, false, true, false])
    expect(await copyUnchanged({ from, to })).toBe(0)
    const bare = await (await memoryStore()).open(after)
    await expect(copyUnchanged({ from, to: bare })).rejects.toThrow(ManifestMissingError)
  })
})
