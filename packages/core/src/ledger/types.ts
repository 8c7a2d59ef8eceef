import type { CborValue } from '../codec/index.ts'
import type { EntryId, FeedId, NodeId } from '../ids.ts'

/** A decoded entry. Fits `ControlEntry` of the membership room. */
export interface Entry {
  readonly id: EntryId
  readonly author: NodeId
  /** 32 bytes */
  readonly authorKey: Uint8Array
  readonly feed: FeedId
  readonly seq: number
  /** null at seq 0 */
  readonly prev: EntryId | null
  readonly ms: number
  readonly counter: number
  readonly kind: string
  readonly seen: readonly EntryId[]
  readonly body: CborValue
  readonly cosigned: boolean
  /** the canonical bytes whose SHA-256 is the id */
  readonly bytes: Uint8Array
  /** by the author over the id; null when a later entry of the feed vouches for it */
  readonly sig: Uint8Array | null
  /** by the recovery key over the id */
  readonly cosig: Uint8Array | null
}

/** An entry as it travels and as it is stored. */
export interface SignedBytes {
  readonly bytes: Uint8Array
  readonly sig: Uint8Array | null
  readonly cosig: Uint8Array | null
}

/** The tip of a feed; two with one `feed` where it forked. */
export interface Head {
  readonly feed: FeedId
  readonly seq: number
  readonly id: EntryId
}

/** Order of ordinary entries: (ms, counter, feed, id). */
export interface OrderKey {
  readonly ms: number
  readonly counter: number
  readonly feed: FeedId
  readonly id: EntryId
}
