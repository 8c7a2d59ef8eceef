/**
 * The missing chunks of one version, rarest first, in random order among equals. Pure.
 *
 * One array in which chunks of equal availability stand together: every change moves a chunk over at most a few
 * borders by swaps, so that rarest-first costs nothing per chunk that is not touched (the structure of libtorrent's
 * piece picker). Sources that have everything shift all chunks alike and are left out of the counts.
 */
import type { Random } from '../random.ts'

/** Partial sources that are told apart; more do not make a chunk any rarer. */
export const MAX_AVAILABILITY = 32

export class RarityOrder {
  readonly #random: Random
  /** chunks, bucket after bucket; only the first `#ends[MAX]` places are in use */
  readonly #order: Int32Array
  /** place of each chunk in `#order`, -1 when it is not missing */
  readonly #place: Int32Array
  /** partial sources that have the chunk, missing or not */
  readonly #available: Uint8Array
  /** exclusive end of each bucket */
  readonly #ends: Int32Array

  constructor(count: number, random: Random) {
    this.#random = random
    this.#order = new Int32Array(count)
    this.#place = new Int32Array(count).fill(-1)
    this.#available = new Uint8Array(count)
    this.#ends = new Int32Array(MAX_AVAILABILITY + 1)
  }

  get size(): number {
    return this.#end(MAX_AVAILABILITY)
  }

  availability(index: number): number {
    return this.#available[index] ?? 0
  }

  /** Missing from now on. */
  insert(index: number): void {
    if (this.#place[index] !== -1) return
    const bucket = this.availability(index)
    // make room at the end of the bucket: each later bucket moves its first chunk behind its last
    for (let later = MAX_AVAILABILITY; later > bucket; later--) {
      const end = this.#end(later)
      const start = this.#end(later - 1)
      if (end > start) this.#put(this.#order[start] ?? 0, end)
      this.#ends[later] = end + 1
    }
    const end = this.#end(bucket)
    this.#put(index, end)
    this.#ends[bucket] = end + 1
    this.#mix(end, bucket)
  }

  /** No longer missing. */
  remove(index: number): void {
    let hole = this.#place[index] ?? -1
    if (hole === -1) return
    this.#place[index] = -1
    for (let bucket = this.availability(index); bucket <= MAX_AVAILABILITY; bucket++) {
      const last = this.#end(bucket) - 1
      if (last > hole) {
        this.#put(this.#order[last] ?? 0, hole)
        hole = last
      }
      if (last >= 0) this.#ends[bucket] = last
    }
  }

  /** One more partial source has it. */
  more(index: number): void {
    const bucket = this.availability(index)
    if (bucket >= MAX_AVAILABILITY) return
    this.#available[index] = bucket + 1
    const place = this.#place[index] ?? -1
    if (place === -1) return
    const last = this.#end(bucket) - 1
    this.#swap(place, last)
    this.#ends[bucket] = last
    this.#mix(last, bucket + 1)
  }

  /** One partial source less has it. */
  fewer(index: number): void {
    const bucket = this.availability(index)
    if (bucket === 0) return
    this.#available[index] = bucket - 1
    const place = this.#place[index] ?? -1
    if (place === -1) return
    const first = this.#end(bucket - 1)
    this.#swap(place, first)
    this.#ends[bucket - 1] = first + 1
    this.#mix(first, bucket - 1)
  }

  /** The rarest missing chunk that `has` accepts. @param least skip chunks that fewer partial sources have */
  first(has: (index: number) => boolean, least: number): number | undefined {
    const end = this.size
    for (let place = least === 0 ? 0 : this.#end(least - 1); place < end; place++) {
      const index = this.#order[place] ?? 0
      if (has(index)) return index
    }
    return undefined
  }

  /** Of the rarest missing chunks, the one for which `rank` is least, among so many. */
  best(rank: (index: number) => number, most: number): number | undefined {
    let bucket = 0
    while (bucket < MAX_AVAILABILITY && this.#end(bucket) === 0) bucket += 1
    const end = Math.min(this.#end(bucket), most)
    let best: number | undefined
    let least = Number.POSITIVE_INFINITY
    for (let place = 0; place < end && least > 0; place++) {
      const index = this.#order[place] ?? 0
      const its = rank(index)
      if (its >= least) continue
      least = its
      best = index
    }
    return best
  }

  #end(bucket: number): number {
    return this.#ends[bucket] ?? 0
  }

  #put(index: number, place: number): void {
    this.#order[place] = index
    this.#place[index] = place
  }

  #swap(a: number, b: number): void {
    if (a === b) return
    const x = this.#order[a] ?? 0
    const y = this.#order[b] ?? 0
    this.#put(y, a)
    this.#put(x, b)
  }

  /** To a random place of its bucket. */
  #mix(place: number, bucket: number): void {
    const start = bucket === 0 ? 0 : this.#end(bucket - 1)
    const length = this.#end(bucket) - start
    if (length > 1) this.#swap(place, start + this.#random.below(length))
  }
}
