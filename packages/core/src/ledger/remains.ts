/**
 * Entries found in files that were set aside, offered to the ledger like those of a peer. Kept in memory is where they
 * stand, not what they say. Spec: docs/specs/repair.md, "Rebuild".
 */
import { setImmediate } from 'node:timers/promises'
import { decodeCbor } from '../codec/index.ts'
import { sha256 } from '../crypto/index.ts'
import { openSalvage, type Salvage, type SalvagedValue } from '../database/index.ts'
import { type EntryId, type FeedId, idFrom, type NetworkId, type NodeId } from '../ids.ts'
import { decodeEntry, ENTRY_MAX_BYTES, FOUND, isSigned } from './entry.ts'
import type { Ledger } from './ledger.ts'
import type { Entry, SignedBytes } from './types.ts'

const BATCH = 1000
/** An entry is a CBOR array of eleven items: no other blob of ours begins like that. */
const ENTRY_FIRST_BYTE = 0x8b

export interface Remains {
  /** Offers what is left, in the order in which it was stored. @throws the signal's reason */
  offer(ledger: Ledger, signal: AbortSignal): Promise<void>
  /** what the ledger has not taken */
  left(): { readonly entries: number; readonly own: number }
  /** of this node's own among these the first ones */
  own(limit: number): Entry[]
  close(): void
}

interface Place {
  readonly salvage: Salvage
  readonly place: number
  readonly arrival: number
  readonly isOwn: boolean
}

/** @throws the signal's reason */
export async function openRemains(
  paths: readonly string[],
  network: NetworkId,
  self: NodeId,
  signal: AbortSignal,
): Promise<Remains> {
  const salvages = paths.map(openSalvage)
  let left: Place[] = []
  const places: OwnPlaces = new Map()
  try {
    for (const salvage of salvages) {
      const found: Place[] = []
      let steps = 0
      for (const { place, rowid, values } of salvage.records()) {
        if (++steps % BATCH === 0) {
          signal.throwIfAborted()
          await setImmediate()
        }
        const entry = entryOf(values, network)
        if (entry === null) continue
        const isOwn = entry.author === self
        if (isOwn) notePlace(places, entry)
        found.push({ salvage, place, arrival: rowid, isOwn })
      }
      left.push(...found.sort((a, b) => a.arrival - b.arrival))
    }
  } catch (error) {
    for (const salvage of salvages) salvage.close()
    throw error
  }

  // of two entries of ours at one place one was never to be seen: neither, nor what follows, is ours to publish
  const forkedFrom = new Map<FeedId, number>()
  for (const [feed, ids] of places) {
    for (const [seq, id] of ids) if (id === null) forkedFrom.set(feed, Math.min(seq, forkedFrom.get(feed) ?? seq))
  }
  const isForked = (entry: Entry) => entry.seq >= (forkedFrom.get(entry.feed) ?? Number.POSITIVE_INFINITY)

  return {
    async offer(ledger, signal) {
      const rest: Place[] = []
      for (let at = 0; at < left.length; at += BATCH) {
        signal.throwIfAborted()
        const batch = left.slice(at, at + BATCH).flatMap((place): { place: Place; entry: Entry }[] => {
          const entry = entryOf(place.salvage.at(place.place)?.values ?? [], network)
          return entry === null || isForked(entry) ? [] : [{ place, entry }]
        })
        const { refused } = ledger.ingest(batch.map(({ entry }): SignedBytes => entry))
        const never = new Set(
          refused.filter(({ code }) => code === 'clock' || code === 'not-cosigned').map(({ id }) => id),
        )
        for (const { place, entry } of batch) {
          const { feed, seq, id } = entry
          if (!never.has(id) && !ledger.sync.knows({ feed, seq, id })) rest.push(place)
        }
        await setImmediate()
      }
      left = rest
    },
    left: () => ({ entries: left.length, own: left.filter(({ isOwn }) => isOwn).length }),
    own(limit) {
      const own = left.filter(({ isOwn }) => isOwn).slice(0, limit)
      return own.flatMap(({ salvage, place }) => entryOf(salvage.at(place)?.values ?? [], network) ?? [])
    },
    close() {
      for (const salvage of salvages.splice(0)) salvage.close()
    },
  }
}

/** Our entries by feed and place; null where there are two. */
type OwnPlaces = Map<FeedId, Map<number, EntryId | null>>

function notePlace(places: OwnPlaces, { feed, seq, id }: Entry): void {
  const ids = places.get(feed) ?? new Map<number, EntryId | null>()
  places.set(feed, ids)
  const known = ids.get(seq)
  ids.set(seq, known === undefined || known === id ? id : null)
}

/** The entry in a record of whatever table, with the signatures beside it; null when there is none. */
function entryOf(values: readonly SalvagedValue[], network: NetworkId): Entry | null {
  for (const [index, bytes] of values.entries()) {
    if (!(bytes instanceof Uint8Array) || bytes[0] !== ENTRY_FIRST_BYTE || bytes.length > ENTRY_MAX_BYTES) continue
    try {
      return decodeEntry({ bytes, sig: signatureOf(values[index + 1]), cosig: signatureOf(values[index + 2]) }, network)
    } catch {
      // not an entry, or not what it was
    }
  }
  return null
}

function signatureOf(value: SalvagedValue | undefined): Uint8Array | null {
  return value instanceof Uint8Array && value.length === 64 ? value : null
}

/** The network whose founding entry this record holds, rightly signed; null when it holds none. */
export function foundingIn(values: readonly SalvagedValue[]): NetworkId | null {
  for (const bytes of values) {
    if (!(bytes instanceof Uint8Array) || bytes[0] !== ENTRY_FIRST_BYTE || bytes.length > ENTRY_MAX_BYTES) continue
    try {
      const items = decodeCbor(bytes, ENTRY_MAX_BYTES)
      if (!Array.isArray(items) || items[8] !== FOUND) continue
      const network = idFrom<NetworkId>(sha256(bytes))
      const entry = entryOf(values, network)
      if (entry !== null && isSigned(entry, network)) return network
    } catch {
      // not an entry
    }
  }
  return null
}
