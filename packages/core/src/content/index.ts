export { bitfieldBytes, clearBit, countBits, fullBitfield, getBit, setBit } from './bitfield.ts'
export * from './errors.ts'
export {
  checkShape,
  chunkCount,
  chunkSizeFor,
  createManifestBuilder,
  createManifestVerifier,
  DEFAULT_CHUNK_BYTES,
  MAX_CHUNK_BYTES,
  MAX_CHUNKS,
  type ManifestBuilder,
  type ManifestVerifier,
  MIN_CHUNK_BYTES,
  PAGE_HASHES,
} from './manifest.ts'
export type {
  BoxStore,
  ContentStore,
  Manifest,
  SealedFile,
  SealingWriter,
  StoredVersion,
  VersionShape,
} from './types.ts'
