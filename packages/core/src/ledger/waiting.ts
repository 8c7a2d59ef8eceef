/**
 * What has arrived and may not be stored yet, in memory and bounded: nothing here counts as known to this node, so a
 * restart loses nothing that peers would not send again.
 */
import type { EntryId, FeedId, NodeId } from '../ids.ts'
import type { Entry } from './types.ts'

export interface PoolLimits {
  entries: number
  bytes: number
  /** share of one author, so that none can push out the others' */
  entriesPerAuthor: number
}

/** Entries that wait for a later one of their feed to vouch for them. */
export const UNSIGNED_LIMITS: PoolLimits = { entries: 4096, bytes: 8 * 1024 * 1024, entriesPerAuthor: 1024 }
/** Entries that are ahead of our time. */
export const HELD_LIMITS: PoolLimits = { entries: 8192, bytes: 16 * 1024 * 1024, entriesPerAuthor: 1024 }

/**
 * What a full pool does. Anyone can make up unsigned entries of another, so there the oldest (of the author, then of
 * all) makes room; what is held is authentic and a chain without holes, so there nothing more is taken.
 */
export type WhenFull = 'drop-oldest' | 'refuse'

/** Keeps order of arrival. */
export class WaitingPool {
  readonly #limits: PoolLimits
  readonly #whenFull: WhenFull
  readonly #entries = new Map<EntryId, Entry>()
  readonly #perAuthor = new Map<NodeId, number>()
  #bytes = 0

  constructor(limits: PoolLimits, whenFull: WhenFull) {
    this.#limits = limits
    this.#whenFull = whenFull
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: EntryId): Entry | undefined {
    return this.#entries.get(id)
  }

  has(id: EntryId): boolean {
    return this.#entries.has(id)
  }

  /** In order of arrival. */
  all(): Entry[] {
    return [...this.#entries.values()]
  }

  /** Highest sequence number that waits of a feed, -1 when none does. */
  highest(feed: FeedId): number {
    let highest = -1
    for (const entry of this.#entries.values()) if (entry.feed === feed) highest = Math.max(highest, entry.seq)
    return highest
  }

  /** @returns false when it was refused */
  add(entry: Entry): boolean {
    if (this.#entries.has(entry.id)) return true
    if (this.#whenFull === 'refuse' && this.#isFullFor(entry)) return false
    if ((this.#perAuthor.get(entry.author) ?? 0) >= this.#limits.entriesPerAuthor) this.#dropOldest(entry.author)
    this.#entries.set(entry.id, entry)
    this.#perAuthor.set(entry.author, (this.#perAuthor.get(entry.author) ?? 0) + 1)
    this.#bytes += entry.bytes.length
    while (this.#entries.size > this.#limits.entries || this.#bytes > this.#limits.bytes) this.#dropOldest()
    return true
  }

  delete(id: EntryId): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    this.#bytes -= entry.bytes.length
    const left = (this.#perAuthor.get(entry.author) ?? 1) - 1
    if (left > 0) this.#perAuthor.set(entry.author, left)
    else this.#perAuthor.delete(entry.author)
  }

  #isFullFor(entry: Entry): boolean {
    const { entries, bytes, entriesPerAuthor } = this.#limits
    const ofAuthor = this.#perAuthor.get(entry.author) ?? 0
    return this.#entries.size >= entries || this.#bytes + entry.bytes.length > bytes || ofAuthor >= entriesPerAuthor
  }

  #dropOldest(author?: NodeId): void {
    for (const entry of this.#entries.values()) {
      if (author !== undefined && entry.author !== author) continue
      this.delete(entry.id)
      return
    }
  }
}
