/** The sealed store: one sparse file, one manifest and one bitfield for each version. Spec: docs/specs/store.md. */
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from '../clock.ts'
import type { Root } from '../ids.ts'
import { toHex } from '../ids.ts'
import { type Random, systemRandom } from '../random.ts'
import { openAnew, removeAnew } from './anew.ts'
import { bitfieldBytes, fullBitfield } from './bitfield.ts'
import { type Disk, nodeDisk, readWhole, writeDurable } from './disk.ts'
import { DiskFaultError, ManifestWrongError, StoreStoppedError, VersionRemovedError } from './errors.ts'
import { createHandlePool } from './handle-pool.ts'
import { encodeHave, HAVE_HEADER_BYTES } from './have-file.ts'
import {
  checkChunk,
  checkShape,
  chunkCount,
  emptyManifest,
  manifestFromBytes,
  manifestSize,
  sealedSize,
} from './manifest.ts'
import { bytesOnDisk, createRecords } from './records.ts'
import {
  isComplete,
  SealedVersion,
  type VersionContext,
  type VersionPaths,
  type VersionRecord,
} from './sealed-version.ts'
import { createSealingWriter } from './sealing-writer.ts'
import { createSpaceGuard } from './space.ts'
import { loadVersions } from './store-load.ts'
import type {
  ContentStore,
  Inspection,
  Manifest,
  SealedFile,
  SealingAnew,
  SealingWriter,
  StoredVersion,
  VersionShape,
} from './types.ts'

/** How much of a sealing anew a crash may cost. */
const NOTE_BYTES = 64 * 1024 * 1024

export interface StoreInit {
  /** made when absent */
  folder: string
  clock?: Clock
  random?: Random
  /** bytes of the disk that are kept free @default 5 % of the disk or 10 GiB, the smaller */
  floorBytes?: number
  /** descriptors kept open @default 64 */
  openFiles?: number
  /** chunks that may be visible without a bit on disk @default 64 */
  flushChunks?: number
  /** milliseconds that they may be so @default 1000 */
  flushMs?: number
  /** bytes of a sealing anew that a crash may cost @default 64 MiB */
  noteBytes?: number
  /** for tests @default the disk of this machine */
  disk?: Disk
}

/**
 * Opens the store, removes what a crash has left half made, and reads which chunks are here, without reading chunks.
 * @throws {StoreReadOnlyError} @throws {DiskFullError} @throws {DiskFaultError}
 */
export async function createStore(init: StoreInit): Promise<ContentStore> {
  const { folder, disk = nodeDisk, clock = systemClock, random = systemRandom } = init
  const temporary = join(folder, 'tmp')
  const pathsOf = (root: Root): VersionPaths => {
    const home = join(folder, root.slice(0, 2))
    const base = join(home, root)
    const [sealed, manifest, have] = [`${base}.sealed`, `${base}.manifest`, `${base}.have`]
    return { folder: home, sealed, manifest, have, anew: `${base}.anew`, anewDone: `${base}.anew-done` }
  }
  const { records: found, recheck, unfinished } = await loadVersions({ disk, folder, temporary, pathsOf })
  const records = createRecords(found)
  /** incomplete when the last run ended: some of what they lack may be on disk all the same */
  const interrupted = new Set([...records.values()].filter((record) => record.bits !== null).map(({ root }) => root))
  const pool = createHandlePool(disk, init.openFiles ?? 64)
  const space = createSpaceGuard({ disk, folder, clock, floorBytes: init.floorBytes })
  const listeners = new Set<(root: Root) => void>()
  const damageListeners = new Set<(root: Root) => void>()
  /** Objects in use elsewhere; one version must not have two. */
  const live = new Map<Root, WeakRef<SealedVersion>>()
  const collected = new FinalizationRegistry<Root>((root) => {
    if (live.get(root)?.deref() === undefined) live.delete(root)
  })
  const busy = new Set<SealedVersion>()
  const writers = new Set<SealingWriter>()
  /** by the version that is sealed anew */
  const sealingAnew = new Map<Root, Promise<SealingWriter>>()
  const locks = new Map<Root, Promise<unknown>>()
  const stopping = new AbortController()

  const assertRunning = () => {
    if (stopping.signal.aborted) throw new StoreStoppedError()
  }
  const temporaryPath = () => join(temporary, toHex(random.bytes(16)))
  /** Opening, adopting and removing one version never overlap. */
  const exclusively = <T>(root: Root, work: () => Promise<T>): Promise<T> => {
    const result = (locks.get(root) ?? Promise.resolve()).then(work)
    const settled = result.then(
      () => undefined,
      () => undefined,
    )
    locks.set(root, settled)
    void settled.then(() => {
      if (locks.get(root) === settled) locks.delete(root)
    })
    return result
  }
  const place = async (path: string, parts: readonly Uint8Array[]) => {
    const fresh = temporaryPath()
    await writeDurable(disk, fresh, parts)
    await disk.rename(fresh, path)
  }

  const changed = (root: Root) => {
    for (const listener of [...listeners]) listener(root)
  }
  const damaged = (root: Root) => {
    for (const listener of [...damageListeners]) listener(root)
  }

  const context: VersionContext = {
    disk,
    pool,
    space,
    clock,
    flushChunks: init.flushChunks ?? 64,
    flushMs: init.flushMs ?? 1000,
    paths: pathsOf,
    async establish(record, manifest) {
      const paths = pathsOf(record.root)
      space.reserve(manifestSize(record) + HAVE_HEADER_BYTES + bitfieldBytes(record.count))
      await place(paths.manifest, manifest.pages)
      if (records.get(record.root) !== record) {
        const file = await disk.open(paths.sealed, 'create')
        try {
          await file.truncate(sealedSize(record))
          await file.sync()
        } finally {
          await file.close()
        }
        // the record comes last: without it the rest does not count
        await disk.syncFolder(paths.folder)
        await place(paths.have, [encodeHave(record, record.bits ?? fullBitfield(record.count))])
        records.set(record)
      }
      await disk.syncFolder(paths.folder)
    },
    resized: (record) => records.resized(record),
    damaged,
    changed,
    busy(version, isBusy) {
      if (isBusy) busy.add(version)
      else busy.delete(version)
    },
  }

  const track = (version: SealedVersion): SealedVersion => {
    live.set(version.root, new WeakRef(version))
    collected.register(version, version.root)
    return version
  }
  const load = async (record: VersionRecord): Promise<SealedVersion> => {
    const known = live.get(record.root)?.deref()
    if (known !== undefined && known.record === record) return known
    const bytes = record.hasManifest ? await readWhole(disk, pathsOf(record.root).manifest, manifestSize(record)) : null
    const manifest = bytes === null ? null : manifestFromBytes(record, bytes)
    // a manifest that the disk has lost is fetched again; the chunks stay
    if (record.hasManifest && manifest === null) {
      record.hasManifest = false
      damaged(record.root)
      changed(record.root)
    }
    const version = track(new SealedVersion(record, manifest, context))
    // before anyone fetches what is here already
    if (interrupted.delete(record.root) && manifest !== null) await version.salvage()
    return version
  }

  const open = async (version: VersionShape): Promise<SealedVersion> => {
    const { root, size, chunk } = version
    const record = records.get(root)
    if (record !== undefined) {
      // it is on disk, so its manifest was verified: the other shape is the false one
      if (record.size !== size || record.chunk !== chunk) throw new ManifestWrongError(root)
      return load(record)
    }
    const known = live.get(root)?.deref()
    if (known !== undefined && known.size === size && known.chunk === chunk) return known
    const fresh = track(new SealedVersion(emptyRecord(version), null, context))
    const manifest = size === 0 ? emptyManifest(version) : null
    if (manifest !== null) await fresh.setManifest(manifest)
    return fresh
  }

  /** tmp -> store. Data and manifest get their names first, the record last: a crash in between leaves nothing that counts. */
  const adopt = async (path: string, manifest: Manifest): Promise<SealedFile> => {
    const { root } = manifest
    const paths = pathsOf(root)
    const record = records.get(root)
    const existing = record === undefined ? live.get(root)?.deref() : await load(record)
    if (existing?.complete) {
      await disk.remove(path)
      return existing
    }
    const isOfThisShape = existing !== undefined && existing.size === manifest.size && existing.chunk === manifest.chunk
    const version = isOfThisShape ? existing : track(new SealedVersion(emptyRecord(manifest), null, context))
    await version.becomeComplete(manifest, async () => {
      await pool.forget(paths.sealed)
      await place(paths.manifest, manifest.pages)
      await disk.rename(path, paths.sealed)
      await disk.syncFolder(paths.folder)
      await place(paths.have, [encodeHave(manifest, fullBitfield(manifest.count))])
      await disk.syncFolder(paths.folder)
      records.set(version.record)
    })
    changed(root)
    return version
  }

  const begin = async (chunk: number, anew?: SealingAnew): Promise<SealingWriter> => {
    const path = anew === undefined ? temporaryPath() : pathsOf(anew.of.root).anew
    if (anew !== undefined) unfinished.delete(anew.of.root)
    const { file, record } =
      anew === undefined
        ? { file: await disk.open(path, 'new'), record: null }
        : await openAnew({ disk, paths: pathsOf(anew.of.root), ...anew })
    const writer = createSealingWriter({
      disk,
      space,
      file,
      path,
      chunk,
      record,
      noteBytes: init.noteBytes ?? NOTE_BYTES,
      size: anew === undefined || record === null ? 0 : Math.min(record.hashes.length * chunk, anew.of.size),
      adopt: (from, manifest) => exclusively(manifest.root, () => adopt(from, manifest)),
      ended() {
        writers.delete(writer)
        if (anew !== undefined) sealingAnew.delete(anew.of.root)
      },
    })
    writers.add(writer)
    if (stopping.signal.aborted) await writer.leave()
    assertRunning()
    return writer
  }

  const remove = async (root: Root): Promise<void> => {
    const version = live.get(root)?.deref()
    live.delete(root)
    await version?.end(new VersionRemovedError(root))
    if (version !== undefined) busy.delete(version)
    const making = await sealingAnew.get(root)?.catch(() => null)
    await making?.abort()
    unfinished.delete(root)
    if (!records.delete(root)) return
    const paths = pathsOf(root)
    await disk.remove(paths.have)
    await removeAnew(disk, paths)
    await pool.forget(paths.sealed)
    await disk.remove(paths.sealed)
    await disk.remove(paths.manifest)
  }

  const inspect = async (root: Root): Promise<Inspection> => {
    const record = records.get(root)
    if (record === undefined) return 'right' // removed meanwhile
    const paths = pathsOf(root)
    if ((await disk.sizeOf(paths.sealed)) !== sealedSize(record)) {
      // a disk that was pulled out has lost nothing
      if ((await disk.sizeOf(paths.folder)) === null) throw new DiskFaultError(paths.folder, 'the folder is gone')
      await remove(root)
      return 'gone'
    }
    const version = await load(record)
    const { manifest } = version
    let isMended = false
    if (manifest === null) return 'incomplete'
    const pages = await readWhole(disk, paths.manifest, manifestSize(record))
    if (pages === null || manifestFromBytes(record, pages) === null) {
      await place(paths.manifest, manifest.pages)
      isMended = true
    }
    const restored = await version.restoreRecord((bytes) => place(paths.have, [bytes]))
    if (restored && !isMended) return 'right'
    await disk.syncFolder(paths.folder)
    return 'mended'
  }

  /** Versions whose record was damaged: their chunks are looked at one by one, while the node is already at work. */
  const rechecking = (async () => {
    for (const root of recheck) {
      const record = records.get(root)
      if (record === undefined) continue
      const version = await exclusively(root, () => load(record)).catch(() => null)
      if (version === null) continue
      for (let index = 0; index < version.count && !stopping.signal.aborted; index++) {
        await version.adopt(index).catch(() => false)
        await nextTurn()
      }
    }
  })()

  return {
    async open(version) {
      assertRunning()
      checkShape(version)
      return exclusively(version.root, () => open(version))
    },
    async get(root) {
      assertRunning()
      return exclusively(root, async () => {
        const record = records.get(root)
        return record === undefined ? null : load(record)
      })
    },
    stat(root) {
      const record = records.get(root)
      return record === undefined ? null : storedVersion(record)
    },
    list: () => [...records.values()].map(storedVersion),
    async beginSealing(chunk, anew) {
      assertRunning()
      checkChunk(chunk)
      // two at a time would write one file
      if (anew === undefined || sealingAnew.has(anew.of.root)) return await begin(chunk)
      const { root } = anew.of
      const begun = begin(chunk, anew)
      sealingAnew.set(root, begun)
      try {
        return await begun
      } catch (error) {
        sealingAnew.delete(root)
        throw error
      }
    },
    unfinished: () => [...unfinished],
    async forgetUnfinished(root) {
      if (unfinished.delete(root)) await removeAnew(disk, pathsOf(root))
    },
    async remove(root) {
      assertRunning()
      await exclusively(root, () => remove(root))
      changed(root)
    },
    async inspect(root) {
      assertRunning()
      const found = await exclusively(root, () => inspect(root))
      if (found === 'gone') {
        damaged(root)
        changed(root)
      }
      return found
    },
    usage: () => ({ used: records.bytes(), ...space.now() }),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    onDamage(listener) {
      damageListeners.add(listener)
      return () => void damageListeners.delete(listener)
    },
    async stop() {
      if (stopping.signal.aborted) return
      const reason = new StoreStoppedError()
      stopping.abort(reason)
      await rechecking
      await Promise.all([...writers].map((writer) => writer.leave()))
      const versions = [...live.values()].flatMap((reference) => reference.deref() ?? [])
      const flushed = await Promise.allSettled(versions.map((version) => version.flush()))
      await Promise.all(versions.map((version) => version.end(reason)))
      busy.clear()
      await pool.close()
      for (const result of flushed) if (result.status === 'rejected') throw result.reason
    },
  }
}

function emptyRecord({ root, size, chunk }: VersionShape): VersionRecord {
  const count = chunkCount({ size, chunk })
  const bits = new Uint8Array(bitfieldBytes(count))
  return { root, size, chunk, count, held: 0, bits, hasManifest: false, counted: 0 }
}

function storedVersion(record: VersionRecord): StoredVersion {
  const { root, held, count } = record
  return { root, held, count, complete: isComplete(record), bytes: bytesOnDisk(record) }
}
