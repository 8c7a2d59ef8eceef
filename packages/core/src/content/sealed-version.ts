/**
 * One version's sealed chunks on disk. Spec: docs/specs/store.md.
 *
 * Who owns which state: `record` (what is visible) lives in the store as long as the version does; this object lives
 * while someone uses it and owns what is on its way: writes, waiters, and the chunks whose bits are not on disk yet.
 * The order that everything rests on: chunk verified -> written -> visible in memory -> fdatasync of the data -> its bit
 * written. So a bit on disk always stands for bytes on disk.
 */
import type { Clock } from '../clock.ts'
import { allocate } from '../codec/index.ts'
import { blake3, equalBytes, NONCE_BYTES, SEAL_OVERHEAD } from '../crypto/index.ts'
import type { Root } from '../ids.ts'
import { clearBit, fullBitfield, getBit, setBit } from './bitfield.ts'
import { ChunkWaiters } from './chunk-waiters.ts'
import { type Disk, type DiskFile, readWhole, systemCode } from './disk.ts'
import {
  ChunkDamagedError,
  ChunkMissingError,
  DiskFaultError,
  ManifestMissingError,
  ManifestWrongError,
} from './errors.ts'
import type { HandlePool } from './handle-pool.ts'
import { encodeHave } from './have-file.ts'
import { plainLength, sealedOffset } from './manifest.ts'
import type { SpaceGuard } from './space.ts'
import type { Manifest, SealedFile } from './types.ts'

/** What is known of a version on this disk. Small: there is one in memory for each. */
export interface VersionRecord {
  readonly root: Root
  readonly size: number
  readonly chunk: number
  readonly count: number
  held: number
  /** null stands for all ones */
  bits: Uint8Array | null
  /** false: the chunks are there, but cannot be checked until it was fetched again */
  hasManifest: boolean
  /** bytes on disk as the store has counted them last; 0 while it does not know the record */
  counted: number
}

export interface VersionPaths {
  readonly folder: string
  readonly sealed: string
  readonly manifest: string
  readonly have: string
  /** of an unfinished sealing anew */
  readonly anew: string
  readonly anewDone: string
}

export interface VersionContext {
  readonly disk: Disk
  readonly pool: HandlePool
  readonly space: SpaceGuard
  readonly clock: Clock
  readonly flushChunks: number
  readonly flushMs: number
  paths(root: Root): VersionPaths
  /** Makes the files of a version whose manifest is known, durable, without any chunk. */
  establish(record: VersionRecord, manifest: Manifest): Promise<void>
  /** The record's chunks are others than before. */
  resized(record: VersionRecord): void
  changed(root: Root): void
  /** A chunk that was here is not any more. */
  damaged(root: Root): void
  /** While busy, the store must not let go of the object. */
  busy(version: SealedVersion, isBusy: boolean): void
}

export class SealedVersion implements SealedFile {
  readonly record: VersionRecord
  readonly #context: VersionContext
  readonly #paths: VersionPaths
  #manifest: Manifest | null
  readonly #waiters: ChunkWaiters
  readonly #writing = new Map<number, Promise<void>>()
  /** visible, but without a bit on disk */
  #unsynced: number[] = []
  /** bits on disk say more than the ones here */
  #recordStale = false
  #failedSyncs = 0
  /** changes of the files, one after the other */
  #queue: Promise<void> = Promise.resolve()
  #cancelTimer: (() => void) | null = null
  /** of a flush in the background; the next caller is told */
  #failure: { error: unknown } | null = null
  #ended: { reason: unknown } | null = null

  constructor(record: VersionRecord, manifest: Manifest | null, context: VersionContext) {
    this.record = record
    this.#manifest = manifest
    this.#context = context
    this.#paths = context.paths(record.root)
    this.#waiters = new ChunkWaiters(() => this.#tellBusy())
  }

  get root() {
    return this.record.root
  }
  get size() {
    return this.record.size
  }
  get chunk() {
    return this.record.chunk
  }
  get count() {
    return this.record.count
  }
  get held() {
    return this.record.held
  }
  get complete() {
    return isComplete(this.record)
  }
  get manifest() {
    return this.#manifest
  }

  has(index: number): boolean {
    const { bits, count } = this.record
    if (!Number.isInteger(index) || index < 0 || index >= count) return false
    return bits === null || getBit(bits, index)
  }

  bitfield(): Uint8Array {
    return this.record.bits?.slice() ?? fullBitfield(this.count)
  }

  sealedLength(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.count) throw new RangeError(`no chunk ${index}`)
    return plainLength(this, index) + SEAL_OVERHEAD
  }

  async setManifest(manifest: Manifest): Promise<void> {
    this.#assertLive()
    const { root, size, chunk } = this.record
    if (manifest.root !== root || manifest.size !== size || manifest.chunk !== chunk) throw new ManifestWrongError(root)
    await this.#serially(async () => {
      if (this.#manifest !== null) return
      await this.#context.establish(this.record, manifest)
      this.record.hasManifest = true
      this.#manifest = manifest
      if (this.complete) this.#context.changed(root)
    })
  }

  async read(index: number, options: { verify?: boolean; into?: Uint8Array } = {}): Promise<Uint8Array> {
    this.#assertLive()
    if (!this.has(index)) throw new ChunkMissingError(this.root, index)
    const verify = options.verify === true
    const sealed = await this.#readRaw(index, options.into).catch((error: unknown) => {
      // a sector that the disk cannot read any more, which a look at it is meant to find
      if (verify && error instanceof DiskFaultError && systemCode(error.cause) === 'EIO') return new Uint8Array(0)
      throw error
    })
    const isShort = sealed.length < this.sealedLength(index)
    if (isShort || (verify && !this.#matches(index, sealed))) {
      await this.#lose(index)
      throw new ChunkDamagedError(this.root, index)
    }
    return sealed
  }

  async write(index: number, sealed: Uint8Array): Promise<boolean> {
    this.#assertLive()
    this.#throwFailure()
    if (this.#manifest === null) throw new ManifestMissingError(this.root)
    if (!Number.isInteger(index) || index < 0 || index >= this.count) return false
    if (sealed.length !== this.sealedLength(index) || !this.#matches(index, sealed)) return false
    if (this.has(index)) return true
    let work = this.#writing.get(index)
    if (work === undefined) {
      work = this.#writeVerified(index, sealed).finally(() => this.#writing.delete(index))
      this.#writing.set(index, work)
    }
    await work
    return true
  }

  async waitFor(index: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#assertLive()
    if (this.has(index)) return
    if (index < 0 || index >= this.count) throw new RangeError(`no chunk ${index}`)
    await this.#waiters.wait(index, signal)
  }

  async flush(): Promise<void> {
    this.#assertLive()
    await this.#serially(() => this.#persist())
    this.#throwFailure()
  }

  /** Bytes of a chunk that may be on disk without a bit (its record was lost) become visible if they are right. */
  async adopt(index: number): Promise<boolean> {
    if (this.has(index) || this.#manifest === null || this.#ended !== null) return this.has(index)
    const sealed = await this.#readRaw(index)
    if (!this.#matches(index, sealed)) return false
    if (!this.has(index)) await this.#show(index)
    return true
  }

  /**
   * Makes visible what was written before a crash but had no bit yet. Where nothing was written the file is a hole, whose
   * zeros no nonce is made of, so a look at the first bytes of each missing chunk suffices to leave holes alone.
   */
  async salvage(): Promise<void> {
    const head = new Uint8Array(NONCE_BYTES)
    for (let index = 0; index < this.count; index++) {
      if (this.has(index) || this.#ended !== null) continue
      const length = await this.#inFile((file) => file.readAt(head, sealedOffset(this, index)))
      if (length === NONCE_BYTES && head.some((byte) => byte !== 0)) await this.adopt(index)
    }
  }

  /** Whether the disk has the bits that are known here, which are written again where it has not. */
  async restoreRecord(place: (bytes: Uint8Array) => Promise<void>): Promise<boolean> {
    let isRight = true
    await this.#serially(async () => {
      if (this.#ended !== null) return
      await this.#persist()
      const unsynced = new Set(this.#unsynced)
      const bits = this.bitfield()
      for (const index of unsynced) clearBit(bits, index)
      const record = encodeHave(this.record, bits)
      const found = await readWhole(this.#context.disk, this.#paths.have, record.length)
      isRight = found !== null && equalBytes(found, record)
      if (!isRight) await place(record)
    })
    return isRight
  }

  /** The whole file was replaced by a complete one, by `replace`. */
  async becomeComplete(manifest: Manifest, replace: () => Promise<void>): Promise<void> {
    await this.#serially(async () => {
      await replace()
      this.#manifest = manifest
      Object.assign(this.record, { hasManifest: true, bits: null, held: this.count })
      this.#context.resized(this.record)
      this.#unsynced = []
      this.#recordStale = false
    })
    this.#waiters.resolveAll()
  }

  /** live -> ended: nobody waits any longer, and every later call throws the reason. */
  async end(reason: unknown): Promise<void> {
    this.#ended ??= { reason }
    this.#waiters.rejectAll(reason)
    this.#cancelTimer?.()
    this.#cancelTimer = null
    await Promise.allSettled([...this.#writing.values()])
    await this.#queue
  }

  #assertLive(): void {
    if (this.#ended !== null) throw this.#ended.reason
  }

  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure.error
  }

  #matches(index: number, sealed: Uint8Array): boolean {
    if (this.#manifest === null) throw new ManifestMissingError(this.root)
    return equalBytes(blake3(sealed), this.#manifest.hash(index))
  }

  async #readRaw(index: number, into?: Uint8Array): Promise<Uint8Array> {
    const expected = this.sealedLength(index)
    const sealed = into?.subarray(0, expected) ?? allocate(expected)
    const length = await this.#inFile((file) => file.readAt(sealed, sealedOffset(this, index)))
    return sealed.subarray(0, length)
  }

  /** A file that is gone because the version was removed meanwhile is told as that. */
  async #inFile<T>(work: (file: DiskFile) => Promise<T>): Promise<T> {
    try {
      return await this.#context.pool.use(this.#paths.sealed, work)
    } catch (error) {
      this.#assertLive()
      throw error
    }
  }

  async #writeVerified(index: number, sealed: Uint8Array): Promise<void> {
    const failedSyncs = this.#failedSyncs
    this.#context.space.reserve(sealed.length)
    await this.#inFile((file) => file.writeAt(sealed, sealedOffset(this, index)))
    this.#assertLive()
    if (failedSyncs !== this.#failedSyncs)
      throw new DiskFaultError(this.#paths.sealed, 'a sync failed during this write')
    await this.#show(index)
  }

  /** written -> visible */
  async #show(index: number): Promise<void> {
    const { record } = this
    if (record.bits === null || this.has(index)) return
    setBit(record.bits, index)
    record.held += 1
    this.#context.resized(record)
    this.#unsynced.push(index)
    this.#waiters.resolve(index)
    this.#tellBusy()
    if (record.held === record.count) {
      await this.flush()
      if (!this.complete) return
      record.bits = null
      this.#context.changed(this.root)
    } else if (this.#unsynced.length >= this.#context.flushChunks) this.#flushInBackground()
    else this.#cancelTimer ??= this.#context.clock.after(this.#context.flushMs, () => this.#flushInBackground())
  }

  /** visible -> lost */
  async #lose(index: number): Promise<void> {
    if (!this.has(index)) return
    this.record.bits ??= fullBitfield(this.count)
    clearBit(this.record.bits, index)
    this.record.held -= 1
    this.#context.resized(this.record)
    this.#recordStale = true
    // told also where that cannot be written: the chunk is no longer here
    try {
      await this.#serially(() => this.#persist())
    } finally {
      this.#context.damaged(this.root)
      this.#context.changed(this.root)
    }
  }

  #flushInBackground(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#serially(() => this.#persist()).catch((error: unknown) => {
      this.#failure = { error }
    })
  }

  /** visible -> durable */
  async #persist(): Promise<void> {
    if (this.#unsynced.length === 0 && !this.#recordStale) return
    const isSyncDue = this.#unsynced.length > 0
    const bits = this.bitfield() // of this moment: each of these chunks was written before the sync below begins
    const batch = this.#unsynced
    this.#unsynced = []
    this.#recordStale = false
    try {
      if (isSyncDue) await this.#syncData(batch)
      const file = await this.#context.disk.open(this.#paths.have, 'update')
      try {
        await file.writeAt(encodeHave(this.record, bits), 0)
        await file.sync()
      } finally {
        await file.close()
      }
    } catch (error) {
      this.#recordStale = true
      throw error
    } finally {
      this.#tellBusy()
    }
  }

  /**
   * After a failed sync the kernel may have dropped pages and called them clean, so that a second sync would succeed
   * without them: whatever was not known to be on disk before is given up.
   */
  async #syncData(batch: number[]): Promise<void> {
    try {
      await this.#inFile((file) => file.sync())
    } catch (error) {
      this.#failedSyncs += 1
      for (const index of [...batch, ...this.#unsynced]) this.#hide(index)
      this.#unsynced = []
      this.#context.changed(this.root)
      throw error
    }
  }

  #hide(index: number): void {
    if (!this.has(index)) return
    this.record.bits ??= fullBitfield(this.count)
    clearBit(this.record.bits, index)
    this.record.held -= 1
    this.#context.resized(this.record)
  }

  #serially(work: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }

  #tellBusy(): void {
    this.#context.busy(this, this.#waiters.size > 0 || this.#unsynced.length > 0)
  }
}

export function isComplete(record: VersionRecord): boolean {
  return record.hasManifest && record.held === record.count
}
