/**
 * When a file came to name a hash, found out from its entries: what `refs` says of it is lost with its row, and who named
 * a root later must not come before who named it first.
 */
import type { CborValue } from '../codec/index.ts'
import { toHex } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'

const HASH_BYTES = 32

export interface NamingEntries {
  arrivalsAbout(subject: Uint8Array): readonly number[]
  page(after: number, limit: number): readonly { readonly entry: Entry }[]
}

/**
 * @returns the arrival number of the first entry about a subject in which a hash stands; that of the last one about it
 * for a hash that stands in none
 */
export function firstNamings(entries: NamingEntries, subject: Uint8Array): (hash: Uint8Array) => number {
  const first = new Map<string, number>()
  let last = 0
  for (const arrival of entries.arrivalsAbout(subject)) {
    for (const { entry } of entries.page(arrival - 1, 1)) {
      for (const hash of hashesIn(entry.body)) if (!first.has(hash)) first.set(hash, arrival)
    }
    last = arrival
  }
  return (hash) => first.get(toHex(hash)) ?? last
}

function* hashesIn(value: CborValue): Generator<string> {
  if (value instanceof Uint8Array) {
    if (value.length === HASH_BYTES) yield toHex(value)
  } else if (Array.isArray(value)) {
    for (const item of value) yield* hashesIn(item)
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) yield* hashesIn(item as CborValue)
  }
}
