/**
 * The tips of all feeds, in memory, with a hash over each of 64 buckets of feeds, so that two nodes find out in one
 * short message whether they differ and in a second one where. Spec: docs/specs/ledger-sync.md, "Heads".
 */
import { sha256 } from '../crypto/index.ts'
import { type EntryId, type FeedId, feedAuthor, feedIncarnation, idBytes } from '../ids.ts'
import type { Head } from './types.ts'

export interface Tip extends Head {
  readonly ms: number
  readonly counter: number
  /** the row in `tips` */
  readonly tipKey: number
}

export const BUCKETS = 64
/** Against a chance or searched-for collision, which would hide a difference only until the bucket's next entry. */
export const BUCKET_HASH_BYTES = 16

/** Incarnations are random, so their first byte spreads feeds evenly. */
export function bucketOf(feed: FeedId): number {
  return Number.parseInt(feed.slice(65, 67), 16) % BUCKETS
}

export class HeadIndex {
  readonly #tips = new Map<FeedId, Tip[]>()
  readonly #forked = new Set<FeedId>()
  readonly #feeds: Set<FeedId>[] = Array.from({ length: BUCKETS }, () => new Set())
  readonly #hashes = new Uint8Array(BUCKETS * BUCKET_HASH_BYTES)
  /** buckets whose hash is of what they held before */
  readonly #changed = new Set<number>()
  #hash: Uint8Array | null = null

  clear(): void {
    this.#tips.clear()
    this.#forked.clear()
    for (const feeds of this.#feeds) feeds.clear()
    this.#hashes.fill(0)
    this.#changed.clear()
    this.#hash = null
  }

  of(feed: FeedId): readonly Tip[] {
    return this.#tips.get(feed) ?? []
  }

  /** Feeds with several tips; a fork never goes away, since every entry stays. */
  forked(): ReadonlySet<FeedId> {
    return this.#forked
  }

  /** Highest sequence number of a feed, -1 when it has none. */
  highest(feed: FeedId): number {
    return this.of(feed).reduce((highest, tip) => Math.max(highest, tip.seq), -1)
  }

  /** @param replaced the tip that `tip` follows; absent for the first entry and where a feed forks */
  put(tip: Tip, replaced?: EntryId): void {
    const tips = (this.#tips.get(tip.feed) ?? []).filter((each) => each.id !== replaced)
    tips.push(tip)
    this.#tips.set(tip.feed, tips)
    if (tips.length > 1) this.#forked.add(tip.feed)
    const bucket = bucketOf(tip.feed)
    this.#feeds[bucket]?.add(tip.feed)
    this.#changed.add(bucket)
    this.#hash = null
  }

  *all(): Generator<Tip> {
    for (const tips of this.#tips.values()) yield* tips
  }

  *inBucket(bucket: number): Generator<Tip> {
    for (const feed of this.#feeds[bucket] ?? []) yield* this.of(feed)
  }

  /** 64 hashes of 16 bytes, one after the other; zeros for an empty bucket. */
  buckets(): Uint8Array {
    return this.#upToDate().slice()
  }

  /** 32 bytes; equal for two nodes that have the same entries. */
  hash(): Uint8Array {
    this.#hash ??= sha256(this.#upToDate())
    return this.#hash
  }

  #upToDate(): Uint8Array {
    for (const bucket of this.#changed) {
      // a bucket that has changed is not empty
      const parts = [...this.inBucket(bucket)].map(headBytes).sort(Buffer.compare)
      this.#hashes.set(sha256(...parts).subarray(0, BUCKET_HASH_BYTES), bucket * BUCKET_HASH_BYTES)
    }
    this.#changed.clear()
    return this.#hashes
  }
}

function headBytes(head: Head): Uint8Array {
  const seq = Buffer.alloc(8)
  seq.writeBigUInt64BE(BigInt(head.seq))
  return Buffer.concat([feedAuthor(head.feed), feedIncarnation(head.feed), seq, idBytes(head.id)])
}
