/**
 * The few things the store asks of a disk, so that a test can record the order of syncs, lose power, or fill the disk.
 * Positional I/O only; what a system call reports becomes one of the room's errors here and nowhere else.
 */
import { closeSync, fstatSync, openSync, readSync, statfsSync, statSync } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { MaloteError } from '../errors.ts'
import { DiskFaultError, DiskFullError, StoreReadOnlyError } from './errors.ts'

export interface DiskFile {
  /** Fills the buffer from `position`; returns fewer bytes only at the end of the file. */
  readAt(buffer: Uint8Array, position: number): Promise<number>
  /** Writes all of it. */
  writeAt(bytes: Uint8Array, position: number): Promise<void>
  /** The same of pieces that follow one another. */
  writePartsAt(parts: readonly Uint8Array[], position: number): Promise<void>
  /** fdatasync: what was written survives a power cut */
  sync(): Promise<void>
  /** Sparse when it grows. */
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/**
 * `new` fails when the file exists, `create` makes it when absent, `update` and `read` want it to exist; `shared` is as
 * `new`, for a file that is not the store's: who may read it follows from the folder and the user's umask.
 */
export type OpenMode = 'new' | 'shared' | 'create' | 'update' | 'read'

/** @throws {DiskFullError} @throws {StoreReadOnlyError} @throws {DiskFaultError} from every method */
export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  /** The same, but never over what is there. @returns false when there is something */
  renameIfFree(from: string, to: string): Promise<boolean>
  /** No error when there is none. */
  remove(path: string): Promise<void>
  makeFolder(path: string): Promise<void>
  /** Names that were made, renamed or removed in it survive a power cut. */
  syncFolder(path: string): Promise<void>
  list(path: string): Promise<string[]>
  /** bytes, or null when there is no such file */
  sizeOf(path: string): Promise<number | null>
  /**
   * The same at once, blocking: for the start, where tens of thousands of small files are looked at, nothing else runs
   * yet, and a trip through the thread pool costs ten times the call.
   */
  sizeOfNow(path: string): number | null
  /** The whole file; null when there is none, or it is larger than `maxBytes`. Blocks, see above. */
  readNow(path: string, maxBytes: number): Uint8Array | null
  /** bytes that this user may still use, and all there are */
  space(path: string): { free: number; total: number }
}

/** Only the owner of the process may look: sealed bytes are no secret, but which files a branch has is its own matter. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const FLAGS = { new: 'wx+', shared: 'wx', update: 'r+', read: 'r' } as const

export const nodeDisk: Disk = {
  open: (path, mode) => guarded(path, async () => nodeFile(path, await openHandle(path, mode))),
  rename: (from, to) => guarded(to, () => rename(from, to)),
  renameIfFree: (from, to) => guarded(to, () => moveIfFree(from, to)),
  remove: (path) => guarded(path, () => rm(path, { force: true, recursive: true })),
  makeFolder: (path) => guarded(path, async () => void (await mkdir(path, { recursive: true, mode: FOLDER_MODE }))),
  async syncFolder(path) {
    // Windows has no such call; NTFS journals names by itself
    if (process.platform === 'win32') return
    await guarded(path, async () => {
      const handle = await open(path, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    })
  },
  list: (path) => guarded(path, () => readdir(path)),
  sizeOf: (path) =>
    guarded(path, () =>
      stat(path).then(
        (found) => found.size,
        (error: unknown) => {
          if (systemCode(error) === 'ENOENT') return null
          throw error
        },
      ),
    ),
  sizeOfNow: (path) => guardedNow(path, () => statSync(path, { throwIfNoEntry: false })?.size ?? null),
  readNow: (path, maxBytes) =>
    guardedNow(path, () => {
      const descriptor = openSync(path, 'r')
      try {
        const { size } = fstatSync(descriptor)
        if (size > maxBytes) return null
        const bytes = new Uint8Array(size)
        return readSync(descriptor, bytes, 0, size, 0) === size ? bytes : null
      } finally {
        closeSync(descriptor)
      }
    }),
  space(path) {
    const found = statfsSync(path)
    return { free: found.bavail * found.bsize, total: found.blocks * found.bsize }
  },
}

/** What a file system says that has no links: FAT, and some network disks. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EISDIR'])

/** A second name is made before the first is taken away, since renaming would replace what is there. */
async function moveIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    await rm(from)
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') return false
    if (!NO_LINKS.has(code)) throw error
    // the look before is the best there is
    if ((await lstat(to).catch(() => null)) !== null) return false
    await rename(from, to)
    return true
  }
}

async function openHandle(path: string, mode: OpenMode): Promise<FileHandle> {
  if (mode === 'shared') return open(path, FLAGS[mode])
  if (mode !== 'create') return open(path, FLAGS[mode], FILE_MODE)
  try {
    return await open(path, 'wx+', FILE_MODE)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return open(path, 'r+', FILE_MODE)
  }
}

function nodeFile(path: string, handle: FileHandle): DiskFile {
  const writeAll = async (bytes: Uint8Array, from: number, position: number) => {
    for (let written = from; written < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written)
      written += bytesWritten
    }
  }
  return {
    readAt: (buffer, position) =>
      guarded(path, async () => {
        let filled = 0
        while (filled < buffer.length) {
          const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, position + filled)
          if (bytesRead === 0) break
          filled += bytesRead
        }
        return filled
      }),
    writeAt: (bytes, position) => guarded(path, () => writeAll(bytes, 0, position)),
    writePartsAt: (parts, position) =>
      guarded(path, async () => {
        const { bytesWritten } = await handle.writev(parts, position)
        let start = 0
        for (const part of parts) {
          // a full disk takes less than it was given, and says so only when asked for the rest
          await writeAll(part, Math.max(0, bytesWritten - start), position + start)
          start += part.length
        }
      }),
    sync: () => guarded(path, () => handle.datasync()),
    truncate: (length) => guarded(path, () => handle.truncate(length)),
    close: () => guarded(path, () => handle.close()),
  }
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw diskError(error, path)
  }
}

function guardedNow<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw diskError(error, path)
  }
}

export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What a failed system call means to the user; anything else is passed on as it is. */
export function diskError(error: unknown, path: string): unknown {
  if (error instanceof MaloteError) return error
  switch (systemCode(error)) {
    case 'ENOSPC':
      return new DiskFullError(`the disk is full (${path})`, {}, error)
    case 'EDQUOT':
      return new DiskFullError(`the disk quota of this user is used up (${path})`, {}, error)
    case 'EFBIG':
      return new DiskFullError(`the file system cannot hold a file that large (${path})`, {}, error)
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new StoreReadOnlyError(path, error)
    case 'EIO':
    case 'ENOENT': // what the store wrote is gone
      return new DiskFaultError(path, error)
    default:
      return error
  }
}

/** The whole file, or null when there is none or it is larger than `maxBytes`. */
export async function readWhole(disk: Disk, path: string, maxBytes: number): Promise<Uint8Array | null> {
  const size = await disk.sizeOf(path)
  if (size === null || size > maxBytes) return null // null before memory is taken
  const file = await disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(size)
    return (await file.readAt(bytes, 0)) === size ? bytes : null
  } finally {
    await file.close()
  }
}

/** Writes a new file whose bytes survive a power cut; its name does only after the folder was synced. */
export async function writeDurable(disk: Disk, path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await disk.open(path, 'new')
  try {
    let at = 0
    for (const part of parts) {
      await file.writeAt(part, at)
      at += part.length
    }
    await file.sync()
  } catch (error) {
    await file.close()
    await disk.remove(path)
    throw error
  }
  await file.close()
}
