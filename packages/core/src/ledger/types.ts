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

/** Where a feed forked first: two entries of one author with one predecessor, each vouched for by its signature. */
export interface Fork {
  readonly feed: FeedId
  readonly seq: number
  /** the two lowest ids at that place */
  readonly ids: readonly [EntryId, EntryId]
}

/** Order of ordinary entries: (ms, counter, feed, id). */
export interface OrderKey {
  readonly ms: number
  readonly counter: number
  readonly feed: FeedId
  readonly id: EntryId
}

/** The stored entries, as the rooms to the right read them. Everything happens inside the caller's transaction. */
export interface EntryReader {
  get(id: EntryId): Entry | undefined
  /** all control entries, in order of arrival; kept in memory, since they are few */
  control(): readonly Entry[]
  /** ordinary entries about one subject (file or audience id, 16 bytes; for `capacity` the author's key), unordered */
  bySubject(subject: Uint8Array): Entry[]
  /** their arrival numbers, which count up from 1 with each entry stored here, ascending */
  arrivalsAbout(subject: Uint8Array): readonly number[]
  /** subjects of all ordinary entries of one author: what depends on that author's standing */
  subjectsOf(author: NodeId): Uint8Array[]
  count(): number
}

export interface EntryStore extends EntryReader {
  forked(): ReadonlySet<FeedId>
  /** null for a feed that has not forked */
  forkOf(feed: FeedId): Fork | null
  setVerdict(id: EntryId, refusal: { code: string; reason: string } | null): void
}

/** What the ledger must know of kinds, which belong to the rooms beside it. Unknown kinds are stored and passed on. */
export interface KindInfo {
  readonly isControl: boolean
  /** what an ordinary entry is about; null when the body has not the form it must have, or is about nothing */
  subject(body: CborValue, authorKey: Uint8Array): Uint8Array | null
}

/** Executes new entries. Called inside the transaction that stores them. */
export type Apply = (entries: readonly Entry[]) => void
