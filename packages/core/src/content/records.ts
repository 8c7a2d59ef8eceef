/** What the store knows of each version on this disk, and how many bytes all of them take: asked for too often to be counted each time. */
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import type { Root } from '../ids.ts'
import { bitfieldBytes } from './bitfield.ts'
import { HAVE_HEADER_BYTES } from './have-file.ts'
import { manifestSize, plainLength } from './manifest.ts'
import type { VersionRecord } from './sealed-version.ts'

export interface Records {
  get(root: Root): VersionRecord | undefined
  values(): Iterable<VersionRecord>
  /** In the place of another one of the same root, if there is one. */
  set(record: VersionRecord): void
  /** @returns false when there was none */
  delete(root: Root): boolean
  /** The chunks that `record` says it has are others than before. Nothing when it is not in the store (yet). */
  resized(record: VersionRecord): void
  /** bytes that the versions take on disk */
  bytes(): number
}

export function createRecords(found: ReadonlyMap<Root, VersionRecord>): Records {
  const records = new Map<Root, VersionRecord>()
  /** the sum of all that `counted` says */
  let bytes = 0
  const count = (record: VersionRecord, now: number) => {
    bytes += now - record.counted
    record.counted = now
  }
  const drop = (root: Root) => {
    const record = records.get(root)
    if (record !== undefined) count(record, 0)
    return records.delete(root)
  }
  const set = (record: VersionRecord) => {
    drop(record.root)
    records.set(record.root, record)
    count(record, bytesOnDisk(record))
  }
  for (const record of found.values()) set(record)
  return {
    get: (root) => records.get(root),
    values: () => records.values(),
    set,
    delete: drop,
    resized(record) {
      if (records.get(record.root) === record) count(record, bytesOnDisk(record))
    },
    bytes: () => bytes,
  }
}

export function bytesOnDisk(record: VersionRecord): number {
  const { count, chunk, held, bits } = record
  let sealed = held * (chunk + SEAL_OVERHEAD)
  const isLastHeld = count > 0 && (bits === null || ((bits[bits.length - 1] ?? 0) & (0x80 >>> ((count - 1) & 7))) !== 0)
  if (isLastHeld) sealed -= chunk - plainLength(record, count - 1)
  return sealed + manifestSize(record) + HAVE_HEADER_BYTES + bitfieldBytes(count)
}
