/** What a start finds on disk, and what it makes of leftovers. Spec: docs/specs/store.md, "Start". */
import { dirname, join } from 'node:path'
import { decodeCbor, shape } from '../codec/index.ts'
import { blake3, equalBytes } from '../crypto/index.ts'
import { fromHex, type Root } from '../ids.ts'
import { removeAnew } from './anew.ts'
import { bitfieldBytes, countBits } from './bitfield.ts'
import { type Disk, readWhole, writeDurable } from './disk.ts'
import { decodeHave, encodeHave, MAX_HAVE_BYTES } from './have-file.ts'
import { checkShape, chunkCount, HASH_BYTES, MAX_CHUNKS, manifestSize, PAGE_HASHES, sealedSize } from './manifest.ts'
import type { VersionPaths, VersionRecord } from './sealed-version.ts'
import type { VersionShape } from './types.ts'

interface LoadInit {
  disk: Disk
  folder: string
  temporary: string
  pathsOf(root: Root): VersionPaths
}

const FILE_NAME = /^([0-9a-f]{64})\.(sealed|manifest|have|anew|anew-done)$/

export interface Loaded {
  records: Map<Root, VersionRecord>
  /** versions whose chunks must be looked at one by one */
  recheck: Root[]
  /** versions whose sealing anew was cut short */
  unfinished: Set<Root>
}

export async function loadVersions(init: LoadInit): Promise<Loaded> {
  const { disk, folder, temporary } = init
  await disk.makeFolder(folder)
  // the store is worth nothing under a name that a power cut takes away
  await disk.syncFolder(dirname(folder))
  await disk.remove(temporary)
  await disk.makeFolder(temporary)
  const present = new Set(await disk.list(folder))
  const names = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
  for (const name of names) if (!present.has(name)) await disk.makeFolder(join(folder, name))
  await disk.syncFolder(folder)

  const records = new Map<Root, VersionRecord>()
  const recheck: Root[] = []
  const unfinished = new Set<Root>()
  for (const name of names) {
    const found = new Map<Root, Set<string>>()
    for (const file of await disk.list(join(folder, name))) {
      const [, root, kind] = FILE_NAME.exec(file) ?? []
      if (root === undefined || kind === undefined || !root.startsWith(name)) continue
      const kinds = found.get(root as Root) ?? new Set()
      found.set(root as Root, kinds.add(kind))
    }
    for (const [root, kinds] of found) {
      const loaded = await loadVersion(init, root, kinds)
      if (loaded === null) continue
      records.set(root, loaded.record)
      if (loaded.recheck) recheck.push(root)
      if (kinds.has('anew') && kinds.has('anew-done')) unfinished.add(root)
      else if (kinds.has('anew') || kinds.has('anew-done')) await removeAnew(disk, init.pathsOf(root))
    }
  }
  return { records, recheck, unfinished }
}

async function loadVersion(
  init: LoadInit,
  root: Root,
  kinds: Set<string>,
): Promise<{ record: VersionRecord; recheck: boolean } | null> {
  const { disk } = init
  const paths = init.pathsOf(root)
  // without a record it was never finished, or is being removed
  if (!kinds.has('have') || !kinds.has('sealed')) return discard(disk, paths)
  const bytes = disk.readNow(paths.have, MAX_HAVE_BYTES)
  const have = bytes === null ? null : decodeHave(root, bytes)
  if (have !== null && disk.sizeOfNow(paths.sealed) === sealedSize(have.version)) {
    return { record: toRecord(have.version, have.bits, kinds.has('manifest')), recheck: false }
  }
  // the disk has damaged the record: what the manifest says is here, is found out by looking
  const version = have?.version ?? (await shapeFromManifest(disk, root, paths.manifest))
  if (version === null || !kinds.has('manifest')) return discard(disk, paths)
  const bits = new Uint8Array(bitfieldBytes(chunkCount(version)))
  const fresh = join(init.temporary, `${root}.have`)
  await writeDurable(disk, fresh, [encodeHave(version, bits)])
  await disk.rename(fresh, paths.have)
  const sealed = await disk.open(paths.sealed, 'update')
  await sealed.truncate(sealedSize(version)).finally(() => sealed.close())
  await disk.syncFolder(paths.folder)
  return { record: toRecord(version, bits, true), recheck: true }
}

function toRecord(version: VersionShape, bits: Uint8Array, hasManifest: boolean): VersionRecord {
  const count = chunkCount(version)
  const held = countBits(bits)
  return { ...version, count, held, bits: held === count ? null : bits, hasManifest, counted: 0 }
}

async function discard(disk: Disk, paths: VersionPaths): Promise<null> {
  await disk.remove(paths.have)
  await removeAnew(disk, paths)
  await disk.remove(paths.sealed)
  await disk.remove(paths.manifest)
  return null
}

const headerShape = shape.object({
  v: shape.uint(1),
  size: shape.uint(),
  chunk: shape.uint(),
  count: shape.uint(),
  pages: shape.uint(),
})
const MAX_MANIFEST_BYTES = 64 + MAX_CHUNKS * HASH_BYTES + (MAX_CHUNKS / PAGE_HASHES) * HASH_BYTES
const MAX_HEADER_FIELDS = 64

/** The shape as the header page has it, which the root vouches for. */
async function shapeFromManifest(disk: Disk, root: Root, path: string): Promise<VersionShape | null> {
  const bytes = await readWhole(disk, path, MAX_MANIFEST_BYTES)
  if (bytes === null) return null
  // where the fields end is not written down; they are few bytes, so each end is tried
  for (let end = 1; end <= Math.min(MAX_HEADER_FIELDS, bytes.length); end++) {
    try {
      const { size, chunk, count, pages } = headerShape(decodeCbor(bytes.subarray(0, end), MAX_HEADER_FIELDS))
      const version = { root, size, chunk }
      checkShape(version)
      const header = bytes.subarray(0, end + pages * HASH_BYTES)
      const isWhole = chunkCount(version) === count && manifestSize(version) === bytes.length
      return isWhole && equalBytes(blake3(header), fromHex(root)) ? version : null
    } catch {
      // not the end
    }
  }
  return null
}
