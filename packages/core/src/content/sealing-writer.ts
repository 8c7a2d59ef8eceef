/** Writes a version whose root is known only at the end, sealed chunk after sealed chunk, in a file that has no root yet. */
import { release } from '../codec/index.ts'
import { blake3, SEAL_OVERHEAD } from '../crypto/index.ts'
import type { AnewRecord } from './anew.ts'
import type { Disk, DiskFile } from './disk.ts'
import { createManifestBuilder, sealedOffset } from './manifest.ts'
import type { SpaceGuard } from './space.ts'
import type { Manifest, SealedFile, SealingWriter } from './types.ts'

export interface SealingWriterInit {
  disk: Disk
  space: SpaceGuard
  /** open, at `path`; the writer closes it */
  file: DiskFile
  path: string
  chunk: number
  /** what an earlier run left in the file, and where to note what this one adds; without it nothing outlives the writer */
  record: AnewRecord | null
  /** a note is made each time that so much is not in the record */
  noteBytes: number
  /** plain bytes of the chunks that an earlier run left */
  size: number
  /** Moves the durable file to its place in the store. */
  adopt(path: string, manifest: Manifest): Promise<SealedFile>
  /** The writer has ended, one way or the other. */
  ended(): void
}

export function createSealingWriter(init: SealingWriterInit): SealingWriter {
  const { disk, space, file, path, chunk, record } = init
  const builder = createManifestBuilder(chunk)
  for (const hash of record?.hashes ?? []) builder.add(hash)
  let { size } = init
  const noteChunks = Math.ceil(init.noteBytes / chunk)
  const writes = new Set<Promise<void>>()
  let state: 'open' | 'finishing' | 'ended' = 'open'
  let isLastTaken = size < builder.count * chunk
  let failure: { error: unknown } | null = null
  /** of chunks that are not in the record */
  let fresh: Uint8Array[] = []
  let noting: Promise<void> | null = null
  let finishing: Promise<SealedFile> | null = null

  /** written -> durable -> in the record */
  const note = async (to: AnewRecord) => {
    const hashes = fresh
    fresh = []
    const first = builder.count - hashes.length
    try {
      await Promise.all([...writes])
      if (failure !== null || hashes.length === 0) return
      await file.sync()
      await to.append(first, hashes)
    } catch (error) {
      failure ??= { error } // a failed sync may have lost any of it
    }
  }
  const settled = async () => {
    await Promise.all([...writes])
    await noting
  }
  const close = async () => {
    await file.close()
    await record?.close()
  }
  const discard = async () => {
    await settled()
    await file.close()
    await (record === null ? disk.remove(path) : record.remove())
  }
  /** open -> ended */
  const end = async (last: () => Promise<void>) => {
    // what is being moved to its place is not touched
    await finishing?.catch(() => undefined)
    if (state !== 'open') return
    state = 'ended'
    try {
      await last()
    } finally {
      init.ended()
    }
  }
  const finish = async () => {
    try {
      await settled()
      if (failure !== null) throw failure.error
      await file.sync()
      const sealedFile = await init.adopt(path, builder.finish(size))
      await file.close()
      await record?.remove()
      return sealedFile
    } catch (error) {
      await discard()
      throw error
    } finally {
      state = 'ended'
      init.ended()
    }
  }

  return {
    chunk,
    count: builder.count,
    size,
    async append(parts, plainLength) {
      if (state !== 'open') throw new Error(`append to a writer that is ${state}`)
      if (failure !== null) throw failure.error
      const length = parts.reduce((sum, part) => sum + part.length, 0)
      if (isLastTaken || plainLength < 1 || plainLength > chunk || length !== plainLength + SEAL_OVERHEAD) {
        throw new RangeError(`${length} sealed bytes cannot follow as a chunk of ${plainLength}`)
      }
      space.reserve(length)
      const position = sealedOffset({ chunk }, builder.count)
      const hash = blake3(...parts)
      builder.add(hash)
      if (record !== null) fresh.push(hash)
      size += plainLength
      isLastTaken = plainLength < chunk
      // chunks have their places, so the next one need not wait for this one
      const write = file.writePartsAt(parts, position)
      const ended = write
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => writes.delete(ended))
      writes.add(ended)
      await write
      for (const part of parts) release(part)
      while (record !== null && fresh.length >= noteChunks && failure === null) {
        // not more ahead of the disk than that
        if (noting !== null) await noting
        else
          noting = note(record).finally(() => {
            noting = null
          })
      }
    },
    finish() {
      if (state !== 'open') return Promise.reject(new Error(`finish of a writer that is ${state}`))
      state = 'finishing'
      finishing = finish()
      return finishing
    },
    abort: () => end(discard),
    leave: () =>
      end(async () => {
        if (record === null) return await discard()
        await settled()
        await note(record)
        await (failure === null ? close() : discard())
      }),
  }
}
