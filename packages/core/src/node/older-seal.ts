/** What was sealed before and is still here: the same plain bytes, without waiting for the new seal. */
import { ChunkMissingError, openStream, type SealedFile } from '../content/index.ts'
import type { EpochKeys } from '../crypto/index.ts'

export interface OlderSeal {
  /** complete when it was found */
  readonly file: SealedFile
  readonly keys: EpochKeys
}

/** Ends reading when a chunk is not here any more: nobody serves a seal that is over, so waiting for it is in vain. */
export function unlessSpoilt({ file }: OlderSeal, signal: AbortSignal) {
  const spoilt = new AbortController()
  return {
    signal: AbortSignal.any([signal, spoilt.signal]),
    want: (index: number) => spoilt.abort(new ChunkMissingError(file.root, index)),
  }
}

/**
 * @throws {VersionRemovedError} when the new seal was completed meanwhile
 * @throws {ChunkMissingError} when the disk has spoilt a chunk
 */
export function readOlder(older: OlderSeal, range: { start: number; end: number }, signal: AbortSignal) {
  return openStream({ ...older, ...range, ...unlessSpoilt(older, signal) })
}
