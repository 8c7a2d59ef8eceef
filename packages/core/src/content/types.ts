import type { BoxHash, Root } from '../ids.ts'

/** The public description of one sealed version, as the ledger has it. */
export interface VersionShape {
  readonly root: Root
  /** plain bytes */
  readonly size: number
  /** plain bytes per chunk; every chunk but the last is full, an empty file has none */
  readonly chunk: number
}

/** The ordered hashes of the sealed chunks. Verified against `root` before it exists as a value. */
export interface Manifest extends VersionShape {
  readonly count: number
  /** 32 bytes; a view, not a copy */
  hash(index: number): Uint8Array
  /** whole encoding: header page first, then the pages of hashes (docs/specs/manifest.md) */
  readonly pages: readonly Uint8Array[]
}

/** One version's sealed chunks on disk. A chunk is visible only once it was verified and written. */
export interface SealedFile extends VersionShape {
  readonly count: number
  readonly held: number
  readonly complete: boolean
  /** null until it was fetched and verified */
  readonly manifest: Manifest | null
  /** Keeps the manifest; must be of this root. */
  setManifest(manifest: Manifest): Promise<void>
  has(index: number): boolean
  /** one bit per chunk, most significant first; a copy */
  bitfield(): Uint8Array
  sealedLength(index: number): number
  /**
   * @param options.into where they may be put; as long as the longest sealed chunk @default new memory
   * @throws {ChunkMissingError} @throws {ChunkDamagedError} when `verify` finds other bytes than were written (its bit is cleared)
   */
  read(index: number, options?: { verify?: boolean; into?: Uint8Array }): Promise<Uint8Array>
  /**
   * Verifies against the manifest, writes, then makes the chunk visible. False when the bytes are not that chunk.
   * @throws {DiskFullError} @throws {StoreReadOnlyError}
   */
  write(index: number, sealed: Uint8Array): Promise<boolean>
  /** Resolves when the chunk is here; rejects with the signal's reason. */
  waitFor(index: number, signal: AbortSignal): Promise<void>
  /** Everything visible is on disk, and so is the record of it. */
  flush(): Promise<void>
}

/** Sealing a new version, whose root is known only at the end. */
export interface SealingWriter {
  readonly chunk: number
  /** chunks, and plain bytes in them, that an earlier run left: what is appended follows them */
  readonly count: number
  readonly size: number
  /** Takes the next sealed chunk, in pieces that follow one another, and frees their memory. */
  append(sealed: readonly Uint8Array[], plainLength: number): Promise<void>
  /** Durable, in its place in the store, complete. */
  finish(): Promise<SealedFile>
  /** Nothing is left of it. */
  abort(): Promise<void>
  /** What was sealed anew stays for the next run; of anything else nothing is left. */
  leave(): Promise<void>
}

export interface SealingAnew {
  /** the version whose chunks are sealed with other keys */
  readonly of: VersionShape
  /** 32 bytes that tell these keys from all others */
  readonly mark: Uint8Array
}

export interface StoredVersion {
  readonly root: Root
  readonly held: number
  readonly count: number
  readonly complete: boolean
  /** bytes on disk */
  readonly bytes: number
}

/**
 * `right`; `mended`: the disk had another record or manifest than this node, and has the right one again; `incomplete`:
 * the manifest is lost and must be fetched; `gone`: so are the chunks, and the version was given up.
 */
export type Inspection = 'right' | 'mended' | 'incomplete' | 'gone'

export interface ContentStore {
  /** The version's file, made (preallocated sparse) when absent. */
  open(version: VersionShape): Promise<SealedFile>
  /** The version's file when any of it is here. */
  get(root: Root): Promise<SealedFile | null>
  /** What is here, from memory, without I/O. */
  stat(root: Root): StoredVersion | null
  list(): StoredVersion[]
  /** @param anew a version that is sealed anew: goes on where an earlier run with the same keys was cut short */
  beginSealing(chunk: number, anew?: SealingAnew): Promise<SealingWriter>
  /** Versions whose sealing anew was cut short in an earlier run, and that nobody has gone on with. */
  unfinished(): Root[]
  /** Removes what was made of it. */
  forgetUnfinished(root: Root): Promise<void>
  remove(root: Root): Promise<void>
  /**
   * Whether what lies around a version's chunks is as this node knows it; mends what it can. The chunks themselves are
   * looked at by `read` with `verify`.
   */
  inspect(root: Root): Promise<Inspection>
  usage(): { used: number; free: number; floor: number }
  /** Fires when a version becomes complete, loses a chunk, or is removed. */
  onChange(listener: (root: Root) => void): () => void
  /** Fires before that when the disk has lost or changed a part of it. */
  onDamage(listener: (root: Root) => void): () => void
  stop(): Promise<void>
}

/** Small sealed objects, named by hash. */
export interface BoxStore {
  put(bytes: Uint8Array): BoxHash
  /** from here only */
  local(hash: BoxHash): Uint8Array | null
  has(hash: BoxHash): boolean
  /** from here, else from the given members, verified and kept */
  get(hash: BoxHash, sources: readonly string[], options?: { signal?: AbortSignal }): Promise<Uint8Array | null>
  remove(hash: BoxHash): void
  /**
   * Looks at some boxes whose hashes follow `after`, and removes those whose bytes are not theirs.
   * @returns the last hash looked at, null behind the end
   */
  check(after: BoxHash | null): { last: BoxHash | null; bytes: number; damaged: BoxHash[] }
}
