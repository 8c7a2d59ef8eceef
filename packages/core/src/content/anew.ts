/**
 * An unfinished sealing anew on disk, from run to run. What everything rests on: chunks written -> fdatasync of `.anew` ->
 * their hashes appended to `.anew-done`. So a hash on disk always stands for bytes on disk. Spec: docs/specs/store.md.
 */
import { equalBytes } from '../crypto/index.ts'
import {
  ANEW_HEADER_BYTES,
  BLOCK_HEAD_BYTES,
  blockBytes,
  decodeBlock,
  encodeAnewHeader,
  encodeBlock,
} from './anew-file.ts'
import type { Disk, DiskFile } from './disk.ts'
import { chunkCount, sealedOffset, sealedSize } from './manifest.ts'
import type { VersionPaths } from './sealed-version.ts'
import type { VersionShape } from './types.ts'

export interface AnewInit {
  disk: Disk
  paths: VersionPaths
  /** the version that is sealed anew */
  of: VersionShape
  /** of the keys that it is sealed with */
  mark: Uint8Array
}

/** Hashes of chunks that are on disk. */
export interface AnewRecord {
  /** those that an earlier run left */
  readonly hashes: readonly Uint8Array[]
  /** Durable when it resolves. The chunks must be before. */
  append(first: number, hashes: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
  /** It was finished, or is given up. */
  remove(): Promise<void>
}

/** Goes on with what an earlier run left, or begins. @throws {DiskFullError} @throws {StoreReadOnlyError} */
export async function openAnew(init: AnewInit): Promise<{ file: DiskFile; record: AnewRecord }> {
  const { disk, paths } = init
  const header = encodeAnewHeader(init.of.root, init.mark)
  const left = await readLeft(init, header)
  if (left.hashes.length === 0) await removeAnew(disk, paths)
  const file = await disk.open(paths.anew, 'create')
  let done: DiskFile
  try {
    done = await disk.open(paths.anewDone, 'create')
  } catch (error) {
    await file.close()
    throw error
  }
  let { end } = left
  try {
    if (end === 0) {
      await done.writeAt(header, 0)
      await done.sync()
      await disk.syncFolder(paths.folder)
      end = header.length
    } else await done.truncate(end) // what is torn there
  } catch (error) {
    await Promise.all([file.close(), done.close()])
    await removeAnew(disk, paths)
    throw error
  }
  return {
    file,
    record: {
      hashes: left.hashes,
      async append(first, hashes) {
        const block = encodeBlock(header, first, hashes)
        await done.writeAt(block, end)
        end += block.length
        await done.sync()
      },
      close: () => done.close(),
      async remove() {
        await done.close()
        await removeAnew(disk, paths)
      },
    },
  }
}

/** The hashes first: they must not stand for the bytes of a later run. */
export async function removeAnew(disk: Disk, { folder, anew, anewDone }: VersionPaths): Promise<void> {
  await disk.remove(anewDone)
  await disk.syncFolder(folder)
  await disk.remove(anew)
}

/** What counts of an earlier run, and where its record ends; nothing of one with other keys. */
async function readLeft(init: AnewInit, header: Uint8Array): Promise<{ hashes: Uint8Array[]; end: number }> {
  const { disk, paths, of } = init
  const none = { hashes: [], end: 0 }
  const written = await disk.sizeOf(paths.anew)
  if (written === null || (await disk.sizeOf(paths.anewDone)) === null) return none
  const count = chunkCount(of)
  const hashes: Uint8Array[] = []
  let end = ANEW_HEADER_BYTES
  const done = await disk.open(paths.anewDone, 'read')
  try {
    const read = async (length: number, position: number) => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, await done.readAt(bytes, position))
    }
    if (!equalBytes(await read(ANEW_HEADER_BYTES, 0), header)) return none
    for (;;) {
      const length = blockBytes(await read(BLOCK_HEAD_BYTES, end), hashes.length)
      const block = length === null ? null : await read(length, end)
      const more = block === null || block.length !== length ? null : decodeBlock(header, block)
      if (more === null || hashes.length + more.length > count) break
      hashes.push(...more)
      end += block?.length ?? 0
    }
  } finally {
    await done.close()
  }
  const needed = hashes.length === count ? sealedSize(of) : sealedOffset(of, hashes.length)
  return hashes.length === 0 || written < needed ? none : { hashes, end }
}
