/** Reads a file that is to be shared: one descriptor, no links, and nothing that changes meanwhile. */
import type { BigIntStats } from 'node:fs'
import { constants, type FileHandle, lstat, open } from 'node:fs/promises'
import { systemCode } from './disk.ts'
import { FileChangedError, UnreadableError } from './errors.ts'

const READ_BYTES = 1024 * 1024

export interface SourceFile {
  readonly size: number
  /** milliseconds since the epoch */
  readonly modifiedAt: number
  /**
   * The bytes, once, each piece valid until the next but one is asked for; the descriptor is closed when they end or are
   * given up.
   * @throws {FileChangedError} before it ends, when the file is not the one that was opened
   */
  readonly source: AsyncIterable<Uint8Array>
  /** For when `source` is not read. */
  close(): Promise<void>
}

/**
 * NOFOLLOW: a link could be turned to another file between the user's look and ours. NONBLOCK: opening a fifo must not
 * wait for a writer. Windows knows neither, and is looked at before.
 */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

/** @throws {UnreadableError} for anything but a regular file that this user may read */
export async function readSourceFile(path: string): Promise<SourceFile> {
  const handle = await openPlain(path)
  try {
    const before = await handle.stat({ bigint: true })
    if (!before.isFile()) throw new UnreadableError(path, kindOf(before))
    return {
      size: Number(before.size),
      modifiedAt: Number(before.mtimeMs),
      source: readAll(path, handle, before),
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openPlain(path: string): Promise<FileHandle> {
  try {
    const found = await lstat(path, { bigint: true })
    if (!found.isFile()) throw new UnreadableError(path, kindOf(found))
    return await open(path, FLAGS)
  } catch (error) {
    if (error instanceof UnreadableError) throw error
    const why = { ENOENT: 'there is no such file', EACCES: 'permission denied', ELOOP: 'it is a symbolic link' }
    const code = systemCode(error)
    throw new UnreadableError(path, why[code as keyof typeof why] ?? code ?? 'it cannot be opened', error)
  }
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'it is a folder'
  if (stats.isSymbolicLink()) return 'it is a symbolic link'
  if (stats.isFIFO()) return 'it is a pipe'
  if (stats.isSocket()) return 'it is a socket'
  return 'it is a device'
}

async function* readAll(path: string, handle: FileHandle, before: BigIntStats): AsyncGenerator<Uint8Array> {
  try {
    const size = Number(before.size)
    // in turns: a new mebibyte for each would cost as much as sealing it
    let [buffer, other] = [bufferOf(size), bufferOf(size - READ_BYTES)]
    let at = 0
    for (;;) {
      // one byte more than there should be shows a file that grows
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at + 1), at)
      if (bytesRead === 0) break
      at += bytesRead
      if (at > size) throw new FileChangedError(path)
      yield buffer.subarray(0, bytesRead)
      ;[buffer, other] = [other, buffer]
    }
    if (at !== size) throw new FileChangedError(path)
    const after = await handle.stat({ bigint: true })
    const named = await lstat(path, { bigint: true }).catch(() => null)
    // a program that saves by renaming leaves the descriptor as it was, and another file under the name
    if (named === null || !isSame(before, after) || !isSame(before, named)) throw new FileChangedError(path)
  } finally {
    await handle.close()
  }
}

/** @param left bytes of the file that are still to come, or fewer than none */
function bufferOf(left: number): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, left + 1)))
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino && a.dev === b.dev
}
