/** Plain bytes in, a sealed version in the store out. Memory is a few chunks, whatever the size. */
import { release } from '../codec/index.ts'
import { blake3Stream, type EpochKeys, sealChunk } from '../crypto/index.ts'
import type { ContentStore, SealedFile, SealingWriter } from './types.ts'

/** Chunks whose writes may be on their way while the next is sealed. */
const DEPTH = 3

export interface SealStreamInit {
  store: Pick<ContentStore, 'beginSealing'>
  keys: EpochKeys
  /** pieces of any size, each valid until the next but one is asked for */
  source: AsyncIterable<Uint8Array>
  /** plain bytes per chunk, see `chunkSizeFor` */
  chunk: number
  signal?: AbortSignal | undefined
  /** plain bytes sealed so far */
  onProgress?: ((bytes: number) => void) | undefined
}

export interface SealPiecesInit extends Omit<SealStreamInit, 'store' | 'chunk'> {
  writer: SealingWriter
  /** Nobody needs the pieces once they were taken: their memory is freed. @default false */
  handsOver?: boolean | undefined
  /** told of each chunk before it is sealed */
  onPlain?: ((plain: Uint8Array) => void) | undefined
}

export interface SealedPieces {
  file: SealedFile
  size: number
}

export interface SealedStream extends SealedPieces {
  /** BLAKE3 of the plain bytes */
  plainHash: Uint8Array
}

/**
 * Nothing is in the store before the source has ended well; an error of the source or the signal leaves nothing behind.
 * @throws {DiskFullError} @throws {StoreReadOnlyError} @throws {TooManyChunksError} and what the source throws
 */
export async function sealStream({ store, chunk, ...init }: SealStreamInit): Promise<SealedStream> {
  init.signal?.throwIfAborted()
  const writer = await store.beginSealing(chunk)
  const plainHash = blake3Stream()
  const sealed = await sealPieces({ ...init, writer, onPlain: (plain) => plainHash.update(plain) })
  return { ...sealed, plainHash: plainHash.digest() }
}

/** Appends the pieces to what is in the writer, and finishes it. The signal leaves there what may stay. */
export async function sealPieces(init: SealPiecesInit): Promise<SealedPieces> {
  const { writer, keys, source, signal, onPlain, onProgress } = init
  const { chunk } = writer
  const writes: Promise<void>[] = []
  let index = writer.count
  let { size } = writer
  let part = new Uint8Array(0)
  let filled = 0

  const take = async (plain: Uint8Array) => {
    onPlain?.(plain)
    const sealed = sealChunk(keys, index, plain)
    index += 1
    size += plain.length
    if (writes.length >= DEPTH) await writes.shift()
    const write = writer.append(sealed, plain.length)
    write.catch(() => undefined) // awaited in its turn
    writes.push(write)
    onProgress?.(size)
  }

  try {
    for await (const piece of ahead(source, signal)) {
      let at = 0
      while (at < piece.length) {
        if (filled === 0 && piece.length - at >= chunk) {
          await take(piece.subarray(at, at + chunk))
          at += chunk
          continue
        }
        if (part.length === 0) part = new Uint8Array(chunk)
        const length = Math.min(chunk - filled, piece.length - at)
        part.set(piece.subarray(at, at + length), filled)
        filled += length
        at += length
        if (filled < chunk) continue
        await take(part)
        filled = 0
      }
      if (init.handsOver === true) release(piece)
    }
    if (filled > 0) await take(part.subarray(0, filled))
    await Promise.all(writes)
    signal?.throwIfAborted()
    const file = await writer.finish()
    return { file, size }
  } catch (error) {
    await (signal?.aborted === true ? writer.leave() : writer.abort())
    throw error
  }
}

/** The source's pieces, the next on its way while one is sealed, until the signal fires, also while the source is silent. */
async function* ahead<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  const pull = () => {
    const step = iterator.next()
    step.catch(() => undefined) // told in its turn
    return step
  }
  let hasEnded = false
  try {
    for (let step = pull(); ; ) {
      signal?.throwIfAborted()
      const { done, value } = await (signal === undefined ? step : unlessAborted(step, signal))
      if (done) {
        hasEnded = true
        return
      }
      step = pull()
      yield value
    }
  } finally {
    // not awaited: a source that hangs in `next` would hang here, too
    if (!hasEnded) iterator.return?.().catch(() => undefined)
  }
}

/**
 * What the promise yields, or the signal's reason. Not a race against one promise for all steps: that promise would keep
 * every value that it ever raced against.
 */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
