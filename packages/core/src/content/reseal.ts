/** New keys for what is here already, and old bytes for what has not changed. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type EpochKeys, equalBytes } from '../crypto/index.ts'
import { ChunkDamagedError, ChunkMissingError, ManifestMissingError } from './errors.ts'
import { openStream } from './export.ts'
import { type SealedPieces, sealPieces } from './import.ts'
import type { ContentStore, SealedFile } from './types.ts'

export interface ResealInit {
  store: Pick<ContentStore, 'beginSealing'>
  /** chunks that are missing are waited for */
  from: SealedFile
  oldKeys: EpochKeys
  newKeys: EpochKeys
  signal?: AbortSignal | undefined
  want?: ((index: number) => void) | undefined
  /** chunks that an earlier run has left, which are not sealed again */
  onBegin?: ((left: number) => void) | undefined
  /** plain bytes sealed so far, by all runs */
  onProgress?: ((bytes: number) => void) | undefined
}

/**
 * Seals a version again, with the keys of another access epoch, as a version with a root of its own. What a crash or the
 * signal cuts short goes on where it was: any run seals a chunk to the same bytes (docs/specs/sealing.md).
 */
export async function reseal({ store, from, oldKeys, newKeys, ...init }: ResealInit): Promise<SealedPieces> {
  const { signal, want, onBegin, onProgress } = init
  signal?.throwIfAborted()
  const { root, size, chunk } = from
  const writer = await store.beginSealing(chunk, { of: { root, size, chunk }, mark: newKeys.proof.publicKey })
  onBegin?.(writer.count)
  const source = openStream({ file: from, keys: oldKeys, start: writer.size, signal, want })
  return await sealPieces({ writer, keys: newKeys, source, handsOver: true, signal, onProgress })
}

export interface CopyInit {
  /** e.g. the version before, in the same access epoch */
  from: SealedFile
  to: SealedFile
  signal?: AbortSignal | undefined
  onCopied?: ((index: number) => void) | undefined
}

/**
 * Copies the chunks that both versions have, so that they need not be fetched. A seal is bound to its index, so only
 * equal places can hold equal chunks. Each copy is verified like a chunk from the network.
 * @returns how many were copied
 * @throws {ManifestMissingError} unless both manifests are here
 */
export async function copyUnchanged({ from, to, signal, onCopied }: CopyInit): Promise<number> {
  const known = from.manifest
  const wanted = to.manifest
  if (known === null) throw new ManifestMissingError(from.root)
  if (wanted === null) throw new ManifestMissingError(to.root)
  let copied = 0
  const common = Math.min(from.count, to.count)
  for (let index = 0; index < common; index++) {
    // a long run without a match must not hold up everything else
    if (index % 4096 === 4095) await nextTurn()
    signal?.throwIfAborted()
    if (to.has(index) || !from.has(index) || !equalBytes(known.hash(index), wanted.hash(index))) continue
    try {
      if (!(await to.write(index, await from.read(index)))) continue
      copied += 1
      onCopied?.(index)
    } catch (error) {
      if (!(error instanceof ChunkMissingError || error instanceof ChunkDamagedError)) throw error
    }
  }
  return copied
}
