import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DiskFullError, StoreReadOnlyError } from './errors.ts'
import { createStore } from './store.ts'
import {
  bytesOf,
  CHUNK,
  chunkOf,
  createMemoryDisk,
  elsewhere,
  fill,
  KIB,
  memoryStore,
  seal,
  withFolder,
} from './testing.ts'

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
