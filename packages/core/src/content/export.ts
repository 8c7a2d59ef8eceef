/** Sealed chunks in, plain bytes out, as they arrive: also while the rest of the version is still on its way. */
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { type EpochKeys, openChunk, SEAL_OVERHEAD, SealBrokenError } from '../crypto/index.ts'
import { toHex } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { type Disk, type DiskFile, diskError, nodeDisk } from './disk.ts'
import {
  ChunkDamagedError,
  ChunkMissingError,
  ChunkTimeoutError,
  ContentDamagedError,
  RangeInvalidError,
} from './errors.ts'
import { safeFileName } from './file-names.ts'
import { plainLength } from './manifest.ts'
import type { SealedFile } from './types.ts'

/** Chunks that are read while the one before is being consumed; larger chunks, fewer. */
const READ_AHEAD_BYTES = 4 * 1024 * 1024
/** A chunk that the disk has spoilt is fetched again, but not for ever. */
const MAX_TRIES = 3
const DEFAULT_CHUNK_TIMEOUT_MS = 10 * 60 * 1000

export interface OpenStreamInit {
  file: SealedFile
  keys: EpochKeys
  /** first plain byte @default 0 */
  start?: number
  /** behind the last plain byte @default the size */
  end?: number
  signal?: AbortSignal | undefined
  /** Told of each chunk that is needed and not here, in the order of need: transfers put it first. */
  want?: ((index: number) => void) | undefined
  /** milliseconds to wait for one chunk @default 600000 */
  chunkTimeoutMs?: number
  clock?: Clock
}

/**
 * The plain bytes from `start` to `end`. Memory is a few chunks, also with a slow reader.
 * @throws {RangeInvalidError} at once
 * @throws {ContentDamagedError} @throws {ChunkTimeoutError} and the signal's reason, while reading
 */
export function openStream(init: OpenStreamInit): AsyncIterable<Uint8Array> {
  const { size } = init.file
  const { start = 0, end = size } = init
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end || end > size) {
    throw new RangeInvalidError(start, end, size)
  }
  return openRange(init, start, end)
}

async function* openRange(init: OpenStreamInit, start: number, end: number): AsyncGenerator<Uint8Array> {
  if (start === end) return
  const { file } = init
  const given = new AbortController()
  const signal = init.signal === undefined ? given.signal : AbortSignal.any([init.signal, given.signal])
  const last = Math.floor((end - 1) / file.chunk)
  const depth = Math.max(1, Math.floor(READ_AHEAD_BYTES / file.chunk))
  const ahead: Promise<Uint8Array>[] = []
  // used again: new memory for each sealed chunk would cost as much as opening it
  const idle: Uint8Array[] = []
  const open = async (index: number) => {
    const into = idle.pop() ?? Buffer.allocUnsafeSlow(file.chunk + SEAL_OVERHEAD)
    const plain = await openWhenHere(init, index, signal, into)
    idle.push(into)
    return plain
  }
  let next = Math.floor(start / file.chunk)
  try {
    for (let index = next; index <= last; index++) {
      while (next <= last && ahead.length < depth) {
        const chunk = open(next)
        chunk.catch(() => undefined) // told when its turn comes
        ahead.push(chunk)
        next += 1
      }
      const plain = await ahead.shift()
      if (plain === undefined) return
      signal.throwIfAborted()
      const at = index * file.chunk
      yield plain.subarray(Math.max(0, start - at), Math.min(plain.length, end - at))
    }
  } finally {
    given.abort()
    await Promise.allSettled(ahead)
  }
}

/** @param into for the sealed bytes */
async function openWhenHere(
  init: OpenStreamInit,
  index: number,
  signal: AbortSignal,
  into: Uint8Array,
): Promise<Uint8Array> {
  const { file, keys } = init
  for (let tries = 1; ; tries++) {
    await arrival(init, index, signal)
    try {
      const sealed = await file.read(index, { into })
      try {
        return openChunk(keys, index, plainLength(file, index), sealed)
      } catch (error) {
        if (!(error instanceof SealBrokenError)) throw error
        // whose fault: other bytes than the manifest names are the disk's, and throw ChunkDamagedError here
        await file.read(index, { verify: true })
        throw new ContentDamagedError(file.root, index, error)
      }
    } catch (error) {
      const isGone = error instanceof ChunkDamagedError || error instanceof ChunkMissingError
      if (!isGone || tries >= MAX_TRIES) throw error
    }
  }
}

async function arrival(init: OpenStreamInit, index: number, signal: AbortSignal): Promise<void> {
  const { file, want, clock = systemClock, chunkTimeoutMs = DEFAULT_CHUNK_TIMEOUT_MS } = init
  if (file.has(index)) return
  signal.throwIfAborted()
  const deadline = new AbortController()
  const cancel = clock.after(chunkTimeoutMs, () =>
    deadline.abort(new ChunkTimeoutError(file.root, index, chunkTimeoutMs)),
  )
  try {
    const arrived = file.waitFor(index, AbortSignal.any([signal, deadline.signal]))
    want?.(index)
    await arrived
  } finally {
    cancel()
  }
}

export interface ExportInit {
  /** all plain bytes, as `openStream` gives them */
  source: AsyncIterable<Uint8Array>
  /** where the file is made; must exist */
  folder: string
  /** the name its owner gave it: data, made safe here */
  name: string
  /** for tests @default the disk of this machine */
  disk?: Disk
  /** plain bytes written so far */
  onProgress?: ((bytes: number) => void) | undefined
}

/**
 * Writes the version into `folder` under a safe name that is not taken, never over another file and never outside the
 * folder; the name appears when all bytes are on disk, and is there to stay when this returns.
 * @returns the path
 * @throws {DiskFullError} @throws {StoreReadOnlyError} and what the source throws
 */
export async function exportTo(init: ExportInit): Promise<string> {
  const { folder, disk = nodeDisk } = init
  const temporary = join(folder, `.malote-${toHex(systemRandom.bytes(8))}.part`)
  try {
    const file = await disk.open(temporary, 'shared')
    try {
      await writeAll(init, file)
      await file.sync()
    } finally {
      await file.close()
    }
    const path = await settle(disk, temporary, folder, init.name)
    await disk.syncFolder(folder)
    return path
  } catch (error) {
    await disk.remove(temporary).catch(() => undefined) // the first error is the one to tell
    throw diskError(error, folder)
  }
}

async function writeAll(init: ExportInit, file: DiskFile): Promise<void> {
  let at = 0
  for await (const plain of init.source) {
    await file.writeAt(plain, at)
    at += plain.length
    init.onProgress?.(at)
  }
}

async function settle(disk: Disk, temporary: string, folder: string, name: string): Promise<string> {
  const taken = new Set(await disk.list(folder))
  for (;;) {
    const safe = safeFileName(name, taken)
    const path = join(folder, safe)
    if (await disk.renameIfFree(temporary, path)) return path
    taken.add(safe)
  }
}
