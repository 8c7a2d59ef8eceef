export { bitfieldBytes, clearBit, countBits, fullBitfield, getBit, setBit } from './bitfield.ts'
export { type BoxStoreInit, createBoxStore, type StoppableBoxStore } from './boxes.ts'
export { MAX_BOX_BYTES } from './boxes-protocol.ts'
export * from './errors.ts'
export { type ExportInit, exportTo, type OpenStreamInit, openStream } from './export.ts'
export { clashKey, safeFileName } from './file-names.ts'
export { type SealedStream, type SealStreamInit, sealStream } from './import.ts'
export {
  checkShape,
  chunkCount,
  chunkSizeFor,
  chunkSizeForNext,
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
export { type CopyInit, copyUnchanged, type ResealInit, reseal } from './reseal.ts'
export { readSourceFile, type SourceFile } from './source-file.ts'
export { createStore, type StoreInit } from './store.ts'
export {
  type CheckPlace,
  createStoreCheck,
  FIRST_CHECK_MS,
  type StoreCheck,
  type StoreCheckInit,
} from './store-check.ts'
export type {
  BoxStore,
  ContentStore,
  Inspection,
  Manifest,
  SealedFile,
  SealingWriter,
  StoredVersion,
  VersionShape,
} from './types.ts'
