import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openStream } from './export.ts'
import { reseal } from './reseal.ts'
import {
  bytesOf,
  CHUNK,
  coinsOf,
  collect,
  createMemoryDisk,
  type MemoryDisk,
  memoryStore,
  newKeys,
  seal,
  storeKeys,
} from './testing.ts'
import type { ContentStore, SealedFile } from './types.ts'

const NOTED = 2
const plain = bytesOf(9 * CHUNK + 7)
const COUNT = 10
const keys = newKeys(1)
const HEADER = 80

/** Where each block of a record begins, and the chunks before it; the end last. */
function blocksOf(record: Uint8Array): { at: number; before: number }[] {
  const view = new DataView(record.buffer, record.byteOffset, record.length)
  const blocks = [{ at: HEADER, before: 0 }]
  let [at, before] = [HEADER, 0]
  while (at + 8 <= record.length) {
    const count = view.getUint32(at + 4)
    at += 16 + 32 * count
    before += count
    blocks.push({ at, before })
  }
  return blocks
}

const storeOn = (disk: MemoryDisk) => memoryStore({ disk, noteBytes: NOTED * CHUNK })

async function rootElsewhere(of = plain, newer = keys): Promise<string> {
  const store = await memoryStore()
  const from = await seal(store, of)
  return (await reseal({ store, from, oldKeys: storeKeys, newKeys: newer })).file.root
}

/** Seals anew, and tells how much was left to go on with, and which chunks were opened for it. */
async function run(store: ContentStore, from: SealedFile, newer = keys, signal?: AbortSignal) {
  let left = -1
  const opened: number[] = []
  const seen = Object.create(from, {
    read: {
      value: (...args: Parameters<SealedFile['read']>) => {
        opened.push(args[0])
        return from.read(...args)
      },
    },
  }) as SealedFile
  const onBegin = (count: number) => {
    left = count
  }
  const { file, size } = await reseal({ store, from: seen, oldKeys: storeKeys, newKeys: newer, signal, onBegin })
  return { file, size, left, opened }
}

/** A disk on which a run was ended after that many chunks. @param how by a stop in order, or as a crash does */
async function cutShort(chunks: number, how: 'stop' | 'crash', disk = createMemoryDisk()) {
  const store = await storeOn(disk)
  const from = await seal(store, plain)
  const stop = new AbortController()
  const sealing = reseal({
    store,
    from,
    oldKeys: storeKeys,
    newKeys: keys,
    signal: stop.signal,
    onProgress(bytes) {
      if (bytes >= chunks * CHUNK) stop.abort(new Error('the node is stopping'))
    },
  })
  // what a crash leaves was there before the stop wrote anything
  const crashed = how === 'crash' ? Promise.withResolvers<MemoryDisk>() : null
  if (crashed !== null) {
    stop.signal.addEventListener('abort', () => crashed.resolve(disk.afterPowerCut(disk.done, () => true)))
  }
  await expect(sealing).rejects.toThrow('the node is stopping')
  return { root: from.root, disk: (await crashed?.promise) ?? disk }
}

async function again(disk: MemoryDisk, root: SealedFile['root']) {
  const store = await storeOn(disk)
  const from = await store.get(root)
  if (from === null) throw new Error('the version is gone')
  return { store, from }
}

const anewOf = (root: string) => join('/s', root.slice(0, 2), `${root}.anew`)

describe('a sealing anew that was cut short', () => {
  it.each(['stop', 'crash'] as const)('by a %s goes on where it was, and makes the same version', async (how) => {
    const { root, disk } = await cutShort(7, how)
    const { store, from } = await again(disk, root)
    expect(store.unfinished()).toEqual([root])
    const { file, size, left, opened } = await run(store, from)
    // a stop in order writes down all of it, a crash costs what was not noted
    if (how === 'stop') expect(left).toBeGreaterThanOrEqual(7)
    else expect(left).toBeGreaterThanOrEqual(NOTED)
    expect(opened).toEqual(Array.from({ length: COUNT - left }, (_, at) => left + at))
    expect(size).toBe(plain.length)
    expect(file.root).toBe(await rootElsewhere())
    expect(Buffer.compare(await collect(openStream({ file, keys })), plain)).toBe(0)
    for (let index = 0; index < COUNT; index++) await file.read(index, { verify: true })
    expect(store.unfinished()).toEqual([])
    await store.stop()
    expect((await storeOn(disk)).stat(file.root)?.complete).toBe(true)
    expect((await disk.list(join('/s', root.slice(0, 2)))).filter((name) => name.includes('anew'))).toEqual([])
  })

  it('goes on again and again, a chunk at a time', async () => {
    const disk = createMemoryDisk()
    const { root } = await seal(await storeOn(disk), plain)
    let reached = 0
    for (let runs = 0; reached < COUNT; runs++) {
      if (runs > COUNT) throw new Error('it does not get on')
      const { store, from } = await again(disk, root)
      const stop = new AbortController()
      const progress = (bytes: number) => {
        reached = Math.ceil(bytes / CHUNK)
        stop.abort(new Error('stopping'))
      }
      await reseal({ store, from, oldKeys: storeKeys, newKeys: keys, signal: stop.signal, onProgress: progress }).catch(
        () => undefined,
      )
      await store.stop()
    }
    const { store, from } = await again(disk, root)
    const { file, left } = await run(store, from)
    expect(left).toBe(COUNT)
    expect(file.root).toBe(await rootElsewhere())
  })

  it('begins at the first chunk with other keys, and without the bytes that the hashes stand for', async () => {
    const other = newKeys(2)
    const one = await cutShort(7, 'stop')
    const first = await again(one.disk, one.root)
    const sealed = await run(first.store, first.from, other)
    expect([sealed.left, sealed.file.root]).toEqual([0, await rootElsewhere(plain, other)])

    const two = await cutShort(7, 'stop')
    const bytes = await two.disk.open(anewOf(two.root), 'update')
    await bytes.truncate(3 * CHUNK)
    const second = await again(two.disk, two.root)
    expect((await run(second.store, second.from)).left).toBe(0)
  })

  it('takes no hash behind a bit that is wrong', async () => {
    for (const [block, offset] of [
      [0, -1],
      [0, 3],
      [1, -1],
      [1, 20],
      [2, 7],
    ] as const) {
      const { root, disk } = await cutShort(7, 'stop')
      const path = `${anewOf(root)}-done`
      const record = disk.content(path) ?? new Uint8Array(0)
      const begin = blocksOf(record)[block]
      const at = (begin?.at ?? 0) + offset
      const byte = record[at]
      if (begin === undefined || byte === undefined) throw new Error(`nothing at ${at}`)
      // the end of the block before
      const expected = offset < 0 ? (blocksOf(record)[block - 1]?.before ?? 0) : begin.before
      await (await disk.open(path, 'update')).writeAt(Uint8Array.of(byte ^ 1), at)
      const { store, from } = await again(disk, root)
      const { file, left } = await run(store, from)
      expect([left, file.root], `a bit at ${at}`).toEqual([expected, await rootElsewhere()])
    }
  })

  it('by an error, or given up, leaves nothing', async () => {
    const disk = createMemoryDisk()
    const store = await storeOn(disk)
    const from = await seal(store, plain)
    let syncs = 0
    disk.fault = (operation, path) => {
      if (operation === 'sync' && path.endsWith('.anew') && ++syncs > 1)
        throw Object.assign(new Error(), { code: 'EIO' })
    }
    await expect(run(store, from)).rejects.toMatchObject({ code: 'damaged' })
    disk.fault = () => undefined
    expect(disk.content(anewOf(from.root))).toBeUndefined()
    expect(disk.content(`${anewOf(from.root)}-done`)).toBeUndefined()
    expect((await run(store, from)).left).toBe(0)

    const cut = await cutShort(7, 'stop')
    const reopened = await storeOn(cut.disk)
    await reopened.forgetUnfinished(cut.root)
    expect([reopened.unfinished(), cut.disk.content(anewOf(cut.root))]).toEqual([[], undefined])
    const removed = await cutShort(7, 'stop')
    await (await storeOn(removed.disk)).remove(removed.root)
    expect(removed.disk.content(anewOf(removed.root))).toBeUndefined()
    expect((await storeOn(removed.disk)).unfinished()).toEqual([])
  })

  it('does not meet another one of the same version', async () => {
    const store = await storeOn(createMemoryDisk())
    const from = await seal(store, plain)
    const other = newKeys(2)
    const [one, two] = await Promise.all([run(store, from), run(store, from, other)])
    expect([one.file.root, two.file.root]).toEqual([await rootElsewhere(), await rootElsewhere(plain, other)])
  })

  it('ends with the version that it is made of', async () => {
    const disk = createMemoryDisk()
    const store = await storeOn(disk)
    const from = await seal(store, plain)
    const removing = Promise.withResolvers<void>()
    const onProgress = () => store.remove(from.root).then(removing.resolve, removing.reject)
    await expect(reseal({ store, from, oldKeys: storeKeys, newKeys: keys, onProgress })).rejects.toThrow()
    await removing.promise
    expect(await disk.list(join('/s', from.root.slice(0, 2)))).toEqual([])
    await store.stop()
  })

  it.each([0, 1, CHUNK, 2 * NOTED * CHUNK])('is the same for %i bytes', async (size) => {
    const bytes = bytesOf(size)
    const store = await storeOn(createMemoryDisk())
    const { file } = await run(store, await seal(store, bytes))
    expect(file.root).toBe(await rootElsewhere(bytes))
    expect(Buffer.compare(await collect(openStream({ file, keys })), bytes)).toBe(0)
  })

  it('by a power cut at any moment goes on with all that was noted, and makes the same version', async () => {
    const disk = createMemoryDisk()
    const store = await storeOn(disk)
    const { root } = await seal(store, plain)
    const began = disk.done
    const from = await store.get(root)
    if (from === null) throw new Error('not there')
    /** operations done -> chunks that are on disk with their hashes */
    const notes = [{ from: 0, chunks: 0 }]
    const { open } = disk
    disk.open = async (path, mode) => {
      const file = await open(path, mode)
      if (path !== `${anewOf(root)}-done` || mode === 'read') return file
      return {
        ...file,
        async sync() {
          await file.sync()
          const record = disk.content(path) ?? new Uint8Array(0)
          notes.push({ from: disk.done, chunks: blocksOf(record).at(-1)?.before ?? 0 })
        },
      }
    }
    const wanted = (await run(store, from)).file.root
    expect(notes.at(-1)?.chunks).toBeGreaterThanOrEqual(3 * NOTED)
    const adopting = disk.done

    await fc.assert(
      fc.asyncProperty(fc.integer({ min: began, max: adopting }), fc.nat(), async (upTo, seed) => {
        const cut = disk.afterPowerCut(upTo, coinsOf(seed))
        const after = await again(cut, root)
        const isThere = after.store.stat(wanted as SealedFile['root'])?.complete === true
        const { file, left } = await run(after.store, after.from)
        expect(file.root).toBe(wanted)
        for (let index = 0; index < COUNT; index++) await file.read(index, { verify: true })
        const isBeingNamed = !disk.afterPowerCut(upTo, () => true).content(anewOf(root))
        const promised = notes.findLast((note) => note.from <= upTo)?.chunks ?? 0
        if (!isThere && !isBeingNamed) expect(left).toBeGreaterThanOrEqual(promised)
      }),
      { numRuns: 60 },
    )
  })
})
