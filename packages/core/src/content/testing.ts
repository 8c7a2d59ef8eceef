/** What the room's tests share: folders, keys, bytes, and a disk in memory that can lose power or fail. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { deriveEpochKeys, type EpochKeys, NO_NETWORK, newFileKey } from '../crypto/index.ts'
import type { FileId } from '../ids.ts'
import { type Disk, type DiskFile, diskError } from './disk.ts'
import { sealStream } from './import.ts'
import { createStore, type StoreInit } from './store.ts'
import type { ContentStore, Manifest, SealedFile } from './types.ts'

export const KIB = 1024
export const MIB = 1024 * 1024

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'malote-content-'))
}

export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await temporaryFolder()
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function newKeys(epoch = 0): EpochKeys {
  return deriveEpochKeys(NO_NETWORK, '0123456789abcdef0123456789abcdef' as FileId, epoch, newFileKey())
}

/** Bytes in which no two chunks are equal; the same for the same seed. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

export async function* inPieces(bytes: Uint8Array, piece: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.slice(at, at + piece)
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(new Uint8Array(part)) // some are valid for a while only
  return new Uint8Array(Buffer.concat(parts))
}

export async function allChunks(file: SealedFile): Promise<Uint8Array[]> {
  return Promise.all(Array.from({ length: file.count }, (_, index) => file.read(index)))
}

type Op =
  | { kind: 'write'; inode: Inode; at: number; bytes: Uint8Array }
  | { kind: 'truncate'; inode: Inode; length: number }
  /** covers what was done before `begun` */
  | { kind: 'sync'; inode: Inode; begun: number }
  | { kind: 'name'; folder: string; name: string; inode: Inode | null }
  | { kind: 'folder'; folder: string; name: string; isThere: boolean }
  | { kind: 'sync-folder'; folder: string; begun: number }

interface Inode {
  bytes: Uint8Array
}

export interface MemoryDisk extends Disk {
  /** operations that have ended */
  readonly done: number
  /** Called before each operation; what it throws, the operation throws. */
  fault: (operation: string, path: string) => void
  bytesFree: number
  content(path: string): Uint8Array | undefined
  /**
   * The disk after a power cut behind operation `upTo`: what was synced is there; of everything else, each sector of 512
   * bytes and each name is there or not, as `coin` says.
   */
  afterPowerCut(upTo: number, coin: () => boolean): MemoryDisk
}

const SECTOR = 512

/** @param names, folders what is on it, to stay */
export function createMemoryDisk(names = new Map<string, Inode>(), folders = new Set(['/', '/e'])): MemoryDisk {
  const log: Op[] = []
  const firstFolders = new Set(folders)
  const first = [...names].map(([path, inode]) => ({ path, inode, bytes: inode.bytes.slice() }))
  const write = (inode: Inode, at: number, bytes: Uint8Array) => {
    if (inode.bytes.length < at + bytes.length) resize(inode, at + bytes.length)
    inode.bytes.set(bytes, at)
  }
  /** what is in each folder */
  const entries = new Map<string, Set<string>>()
  const enlist = (path: string, isThere: boolean) => {
    const known = entries.get(dirname(path)) ?? new Set()
    entries.set(dirname(path), known)
    if (isThere) known.add(basename(path))
    else known.delete(basename(path))
  }
  for (const path of [...names.keys(), ...folders]) if (path !== '/') enlist(path, true)
  const rename = (path: string, inode: Inode | null) => {
    if (inode === null) names.delete(path)
    else names.set(path, inode)
    enlist(path, inode !== null)
    log.push({ kind: 'name', folder: dirname(path), name: basename(path), inode })
  }
  const nameFolder = (path: string, isThere: boolean) => {
    if (isThere) folders.add(path)
    else folders.delete(path)
    enlist(path, isThere)
    log.push({ kind: 'folder', folder: dirname(path), name: basename(path), isThere })
  }
  const enter = async (operation: string, path: string) => {
    await Promise.resolve()
    try {
      disk.fault(operation, path)
    } catch (error) {
      throw diskError(error, path)
    }
  }
  const find = (path: string): Inode => {
    const inode = names.get(path)
    if (inode === undefined) throw diskError(Object.assign(new Error('ENOENT'), { code: 'ENOENT' }), path)
    return inode
  }
  const fileOf = (path: string, inode: Inode): DiskFile => ({
    async readAt(buffer, position) {
      await enter('read', path)
      const part = inode.bytes.subarray(position, position + buffer.length)
      buffer.set(part)
      return part.length
    },
    async writeAt(bytes, position) {
      await enter('write', path)
      write(inode, position, bytes)
      log.push({ kind: 'write', inode, at: position, bytes: bytes.slice() })
    },
    writePartsAt(parts, position) {
      return this.writeAt(Buffer.concat(parts), position)
    },
    async sync() {
      const begun = log.length
      await enter('sync', path)
      log.push({ kind: 'sync', inode, begun })
    },
    async truncate(length) {
      await enter('truncate', path)
      resize(inode, length)
      log.push({ kind: 'truncate', inode, length })
    },
    close: () => enter('close', path),
  })
  const disk: MemoryDisk = {
    fault: () => undefined,
    bytesFree: 1e12,
    get done() {
      return log.length
    },
    content: (path) => names.get(path)?.bytes,
    async open(path, mode) {
      await enter('open', path)
      if (mode === 'new' || mode === 'shared' || (mode === 'create' && !names.has(path)))
        rename(path, { bytes: new Uint8Array(0) })
      return fileOf(path, find(path))
    },
    async rename(from, to) {
      await enter('rename', from)
      const inode = find(from)
      rename(to, inode)
      rename(from, null)
    },
    async renameIfFree(from, to) {
      if (names.has(to)) return false
      await disk.rename(from, to)
      return true
    },
    async remove(path) {
      await enter('remove', path)
      for (const each of [...folders].filter((one) => one === path || one.startsWith(`${path}/`)))
        nameFolder(each, false)
      for (const name of [...names.keys()]) if (name === path || name.startsWith(`${path}/`)) rename(name, null)
    },
    async makeFolder(path) {
      await enter('makeFolder', path)
      for (let at = path; !folders.has(at); at = dirname(at)) nameFolder(at, true)
    },
    async syncFolder(path) {
      const begun = log.length
      await enter('syncFolder', path)
      log.push({ kind: 'sync-folder', folder: path, begun })
    },
    async list(path) {
      await enter('list', path)
      return [...(entries.get(path) ?? [])]
    },
    async sizeOf(path) {
      await enter('sizeOf', path)
      return names.get(path)?.bytes.length ?? (folders.has(path) ? 0 : null)
    },
    sizeOfNow: (path) => names.get(path)?.bytes.length ?? null,
    readNow: (path) => names.get(path)?.bytes.slice() ?? null,
    space: () => ({ free: disk.bytesFree, total: 2e12 }),
    afterPowerCut(upTo, coin) {
      const synced = new Map<Inode | string, number>()
      for (const op of log.slice(0, upTo)) {
        if (op.kind === 'sync') synced.set(op.inode, op.begun)
        if (op.kind === 'sync-folder') synced.set(op.folder, op.begun)
      }
      const inodes = new Map<Inode, Inode>()
      const copyOf = (inode: Inode): Inode => {
        const copy = inodes.get(inode) ?? { bytes: new Uint8Array(0) }
        inodes.set(inode, copy)
        return copy
      }
      const left = new Map<string, Inode>()
      const leftFolders = new Set(firstFolders)
      for (const { path, inode, bytes } of first) {
        const copy = { bytes: bytes.slice() }
        inodes.set(inode, copy)
        left.set(path, copy)
      }
      log.slice(0, upTo).forEach((op, index) => {
        if (op.kind === 'sync' || op.kind === 'sync-folder') return
        const isSafe = index < (synced.get('folder' in op ? op.folder : op.inode) ?? 0)
        if (op.kind === 'folder') {
          if (!isSafe && !coin()) return
          if (op.isThere) leftFolders.add(join(op.folder, op.name))
          else leftFolders.delete(join(op.folder, op.name))
        } else if (op.kind === 'name') {
          const path = join(op.folder, op.name)
          if (!isSafe && !coin()) return
          if (op.inode === null) left.delete(path)
          else left.set(path, copyOf(op.inode))
        } else if (op.kind === 'truncate') {
          if (isSafe || coin()) resize(copyOf(op.inode), op.length)
        } else if (isSafe) {
          write(copyOf(op.inode), op.at, op.bytes)
        } else {
          for (let at = 0; at < op.bytes.length; at += SECTOR) {
            if (coin()) write(copyOf(op.inode), op.at + at, op.bytes.subarray(at, at + SECTOR))
          }
        }
      })
      // whatever lay in a folder that is not there
      const isThere = (path: string): boolean => path === '/' || (leftFolders.has(path) && isThere(dirname(path)))
      for (const path of [...left.keys()]) if (!isThere(dirname(path))) left.delete(path)
      for (const path of [...leftFolders]) if (!isThere(path)) leftFolders.delete(path)
      return createMemoryDisk(left, leftFolders)
    },
  }
  return disk
}

/** What a disk had written of all that was under way: in one case of eight nothing, in another all. */
export function coinsOf(seed: number): () => boolean {
  if (seed % 8 < 2) return () => seed % 8 === 1
  // splitmix32 (Steele, Lea, Flood 2014): cheap, as a cut tosses thousands
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    const mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    return (Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97) & 0x8000) !== 0
  }
}

/** There is room for twice as much, or a file that grows sector by sector would be copied for each. */
function resize(inode: Inode, length: number): void {
  const { bytes } = inode
  if (length <= bytes.length) bytes.fill(0, length)
  const buffer = length <= bytes.buffer.byteLength ? bytes.buffer : new ArrayBuffer(2 * length)
  inode.bytes = new Uint8Array(buffer, 0, length)
  if (buffer !== bytes.buffer) inode.bytes.set(bytes)
}

/** Resolves when `isTrue` is; for what happens behind promises that a test does not hold. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

export const CHUNK = 64 * KIB
export const storeKeys = newKeys()

/** A store on a disk in memory, which flushes only when it must. */
export function memoryStore(init: Partial<StoreInit> = {}): Promise<ContentStore> {
  return createStore({ folder: '/s', disk: createMemoryDisk(), floorBytes: 0, flushMs: 1e9, ...init })
}

export async function seal(store: ContentStore, plain: Uint8Array): Promise<SealedFile> {
  return (await sealStream({ store, keys: storeKeys, source: inPieces(plain, 100_000), chunk: CHUNK })).file
}

/** A sealed version of that size, as another member would have it. */
export async function elsewhere(
  size: number,
  seed = 1,
): Promise<{ manifest: Manifest; chunks: Uint8Array[]; plain: Uint8Array }> {
  const plain = bytesOf(size, seed)
  const file = await seal(await memoryStore(), plain)
  const { manifest } = file
  if (manifest === null) throw new Error('a sealed version has a manifest')
  return { manifest, chunks: await allChunks(file), plain }
}

export function chunkOf(chunks: Uint8Array[], index: number): Uint8Array {
  const chunk = chunks[index]
  if (chunk === undefined) throw new Error(`no chunk ${index}`)
  return chunk
}

/** Gives a version its manifest and some of its chunks. */
export async function fill(
  file: SealedFile,
  manifest: Manifest,
  chunks: Uint8Array[],
  ...indexes: number[]
): Promise<void> {
  await file.setManifest(manifest)
  for (const index of indexes) {
    if (!(await file.write(index, chunkOf(chunks, index)))) throw new Error(`chunk ${index} was refused`)
  }
}
