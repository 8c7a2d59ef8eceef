/** Writes a version whose root is known only at the end: in a temporary file, sealed chunk after sealed chunk. */
import { release } from '../codec/index.ts'
import { blake3, SEAL_OVERHEAD } from '../crypto/index.ts'
import type { Disk, DiskFile } from './disk.ts'
import { createManifestBuilder, sealedOffset } from './manifest.ts'
import type { SpaceGuard } from './space.ts'
import type { Manifest, SealedFile, SealingWriter } from './types.ts'

export interface SealingWriterInit {
  disk: Disk
  space: SpaceGuard
  /** where the temporary file is made */
  path: string
  chunk: number
  /** Moves the durable temporary file to its place in the store. */
  adopt(path: string, manifest: Manifest): Promise<SealedFile>
  /** The writer has ended, one way or the other. */
  ended(): void
}

/** @throws {ShapeInvalidError} @throws {DiskFullError} @throws {StoreReadOnlyError} */
export async function createSealingWriter(init: SealingWriterInit): Promise<SealingWriter> {
  const { disk, space, path, chunk } = init
  const builder = createManifestBuilder(chunk)
  const file: DiskFile = await disk.open(path, 'new')
  const writes = new Set<Promise<void>>()
  let state: 'open' | 'finishing' | 'ended' = 'open'
  let size = 0
  let isLastTaken = false
  let failure: { error: unknown } | null = null

  const discard = async () => {
    if (state === 'ended') return
    state = 'ended'
    await Promise.all([...writes])
    await file.close()
    await disk.remove(path)
    init.ended()
  }

  return {
    chunk,
    async append(parts, plainLength) {
      if (state !== 'open') throw new Error(`append to a writer that is ${state}`)
      const length = parts.reduce((sum, part) => sum + part.length, 0)
      if (isLastTaken || plainLength < 1 || plainLength > chunk || length !== plainLength + SEAL_OVERHEAD) {
        throw new RangeError(`${length} sealed bytes cannot follow as a chunk of ${plainLength}`)
      }
      space.reserve(length)
      const position = sealedOffset({ chunk }, builder.count)
      builder.add(blake3(...parts))
      size += plainLength
      isLastTaken = plainLength < chunk
      // chunks have their places, so the next one need not wait for this one
      const write = file.writePartsAt(parts, position)
      const settled = write
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => writes.delete(settled))
      writes.add(settled)
      await write
      for (const part of parts) release(part)
    },
    async finish() {
      if (state !== 'open') throw new Error(`finish of a writer that is ${state}`)
      state = 'finishing'
      try {
        await Promise.all([...writes])
        if (failure !== null) throw failure.error
        await file.sync()
        const sealedFile = await init.adopt(path, builder.finish(size))
        await file.close()
        state = 'ended'
        init.ended()
        return sealedFile
      } catch (error) {
        await discard()
        throw error
      }
    },
    abort: discard,
  }
}
