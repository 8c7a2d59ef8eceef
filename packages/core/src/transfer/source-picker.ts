/**
 * Which chunk to ask of whom next. Decides only: no sockets, no clock (times are handed in, in ms), chance from a
 * given `Random`. docs/decisions/0007-source-picking.md says why it is so.
 *
 * - Chunks at a reader's position first, then the rarest, equals in random order.
 * - Each source is asked for as much as it delivers (bandwidth times delay); a silent one loses what it was asked for.
 * - When nothing unasked is left for a source, it is asked for what a slower one still owes; the last chunks of a
 *   version are asked twice in any case once they are late.
 */
import { clearBit, getBit, setBit } from '../content/index.ts'
import { type Random, shuffled } from '../random.ts'
import { ChunkStates } from './chunk-state.ts'
import { FirstChunk } from './first-chunk.ts'
import { LateChunks } from './late-chunks.ts'
import { type Asked, has, type Source } from './picker-source.ts'
import { MAX_AVAILABILITY, RarityOrder } from './rarity.ts'
import { mixed, seedOf } from './shares.ts'
import { MAX_WINDOW, SLOWEST_PER_MS, SourceRate } from './source-rate.ts'
import { withWishes } from './wishes.ts'

/** Chunks that are compared for a source that has all of them. */
const MAX_COMPARED = 256
/** A source is silent after this long without a sign of life (ms), or the time of one chunk at the rate below. */
const SILENT_MS = 10_000

export interface PickerInit {
  /** who fetches: one of those who share the chunks of a complete source among them */
  readonly self?: string
  readonly count: number
  /** sealed bytes of a full chunk */
  readonly chunkBytes: number
  readonly isHere: (index: number) => boolean
  readonly random: Random
}

/** How long a source may say nothing while something was asked of it (ms). */
export function silentAfter(chunkBytes: number): number {
  return Math.max(SILENT_MS, chunkBytes / SLOWEST_PER_MS)
}

export class SourcePicker<Id extends string> {
  readonly states: ChunkStates
  readonly #chunkBytes: number
  readonly #seed: number
  readonly #random: Random
  readonly #order: RarityOrder
  readonly #sources = new Map<Id, Source<Id>>()
  readonly #late: LateChunks<Id>
  readonly #first: FirstChunk
  #priority: number[] = []
  #maxWindow = MAX_WINDOW
  #spares = false
  /** grows whenever a source that had nothing to give may have something again */
  #changes = 0

  constructor(init: PickerInit) {
    this.#chunkBytes = init.chunkBytes
    this.#seed = seedOf(init.self ?? '')
    this.#random = init.random
    this.states = new ChunkStates(init.count, init.isHere)
    this.#late = new LateChunks(this.states, this.#sources)
    this.#first = new FirstChunk(init.chunkBytes)
    this.#order = new RarityOrder(init.count, init.random)
    const missing: number[] = []
    for (let index = 0; index < init.count; index++) if (this.states.isMissing(index)) missing.push(index)
    for (const index of shuffled(missing, init.random)) this.#order.insert(index)
  }

  get sources(): readonly Id[] {
    return [...this.#sources.keys()]
  }

  /** @param bits what it has, one bit per chunk; null = everything */
  addSource(id: Id, bits: Uint8Array | null, now: number): void {
    this.removeSource(id)
    if (this.#sources.size >= MAX_AVAILABILITY) throw new RangeError('more sources than can be told apart')
    const own = bits === null ? null : bits.slice()
    const source: Source<Id> = {
      id,
      seed: seedOf(id),
      bits: own,
      rate: new SourceRate(),
      asked: new Map(),
      recalled: new Map(),
      taken: new Map(),
      lastHeard: now,
      silent: false,
      dryAt: -1,
    }
    this.#sources.set(id, source)
    if (own !== null)
      for (let index = 0; index < this.states.count; index++) if (getBit(own, index)) this.#order.more(index)
    this.#changes += 1
  }

  /** What a source has that was taken to have everything when it was added. */
  hasOnly(id: Id, bits: Uint8Array): void {
    const source = this.#sources.get(id)
    if (source === undefined || source.bits !== null) return
    source.bits = bits.slice()
    for (let index = 0; index < this.states.count; index++) if (getBit(bits, index)) this.#order.more(index)
    this.#changes += 1
  }

  /** What was asked of it is missing again. */
  removeSource(id: Id): void {
    const source = this.#sources.get(id)
    if (source === undefined) return
    this.#sources.delete(id)
    for (const index of source.asked.keys()) this.#unask(index)
    const { bits } = source
    if (bits !== null)
      for (let index = 0; index < this.states.count; index++) if (getBit(bits, index)) this.#order.fewer(index)
  }

  /** The source has more than it said. @returns whether that was news */
  have(id: Id, indexes: readonly number[], now: number): boolean {
    const source = this.#sources.get(id)
    if (source === undefined) return false
    this.heard(id, now)
    const { bits } = source
    if (bits === null) return false
    let isNews = false
    for (const index of indexes) {
      if (index >= this.states.count || getBit(bits, index)) continue
      setBit(bits, index)
      this.#order.more(index)
      isNews = true
    }
    source.dryAt = -1
    return isNews
  }

  /**
   * What a partial source has from now on, a complete one need not send: it may have better use for its link.
   * @returns whom to ask to drop what; until it has confirmed that, nobody else is asked
   */
  spared(indexes: readonly number[]): Asked<Id>[] {
    if (!this.#spares) return []
    const cancel: Asked<Id>[] = []
    for (const { id, bits, asked } of this.#sources.values()) {
      const ours = bits === null ? indexes.filter((index) => asked.has(index) && this.states.askers(index) === 1) : []
      if (ours.length > 0) cancel.push({ source: id, indexes: ours })
    }
    return cancel
  }

  /** The source does not have it after all. @returns false when it was not asked for it */
  gone(id: Id, index: number, now: number): boolean {
    const source = this.#sources.get(id)
    if (source === undefined) return false
    this.heard(id, now)
    const wasAsked = this.#forget(source, index)
    if (source.bits === null) this.#spellOut(source)
    const { bits } = source
    if (bits !== null && getBit(bits, index)) {
      clearBit(bits, index)
      this.#order.fewer(index)
    }
    return wasAsked
  }

  /** Any sign of life: a silent source may be asked again. */
  heard(id: Id, now: number): void {
    const source = this.#sources.get(id)
    if (source === undefined) return
    source.lastHeard = now
    if (source.silent) {
      source.silent = false
      source.dryAt = -1
    }
  }

  /** A reader's position: these first, in this order. */
  prioritise(indexes: readonly number[]): void {
    const isMissing = (index: number) => index < this.states.count && this.states.of(index) !== 'here'
    this.#priority = withWishes(this.#priority, indexes).filter(isMissing)
    this.#changes += 1
  }

  /**
   * A reader has jumped to this chunk: until it has come, or took too long, nothing else is asked for.
   * @returns whom to ask to drop what, since it would come before
   */
  first(index: number): Asked<Id>[] {
    if (index >= this.states.count || !(this.states.isMissing(index) || this.states.isAsked(index))) return []
    this.#first.begin(index)
    const cancel: Asked<Id>[] = []
    for (const { id, asked } of this.#sources.values()) {
      const others = [...asked.keys()].filter((each) => each !== index)
      if (others.length > 0) cancel.push({ source: id, indexes: others })
    }
    return cancel
  }

  /** The chunk besides which nothing is asked for now. */
  awaited(now: number): number | null {
    return this.#first.awaited(this.states, now)
  }

  /** Nothing has to wait for the chunk at a reader's position. */
  allAtOnce(): void {
    this.#first.end()
  }

  /** Background work makes itself small while a person waits for something else. @default MAX_WINDOW */
  setMaxWindow(chunks: number): void {
    if (chunks === this.#maxWindow) return
    this.#maxWindow = chunks
    this.#changes += 1
  }

  /** Nobody waits for it: links are spared rather than time. @default false */
  setSparing(spares: boolean): void {
    this.#spares = spares
    this.#late.setSparing(spares)
  }

  /** Chunks that the source may be asked for now without going over its window. */
  room(id: Id): number {
    const source = this.#sources.get(id)
    if (source === undefined || source.silent) return 0
    const window = source.rate.window(this.#chunkBytes, this.#maxWindow)
    return Math.max(0, window - source.asked.size - source.taken.size)
  }

  /**
   * The sources in the order in which they are to be asked: who would have served one more chunk soonest comes first. Without
   * it all who fetch would turn to the same ones, and the others' links would be idle.
   */
  inTurn(ids: readonly Id[]): Id[] {
    const unknown = this.#late.usualMs()
    const cost = (id: Id) => {
      const source = this.#sources.get(id)
      return source === undefined ? 0 : (source.rate.usualMs ?? unknown) * (1 + source.asked.size)
    }
    const costs = new Map(shuffled(ids, this.#random).map((id) => [id, cost(id)]))
    return [...costs].sort(([, a], [, b]) => a - b).map(([id]) => id)
  }

  /** Chooses one chunk to ask of the source, and counts it as asked. */
  next(id: Id, now: number): number | undefined {
    const source = this.#sources.get(id)
    if (source === undefined || source.silent) return undefined
    const first = this.awaited(now)
    if (first !== null) this.#first.canBeAsked(now)
    // the others that it was asked for are being dropped: below the largest window they are no reason to wait
    if (first === null && this.room(id) === 0) return undefined
    const index = first === null ? this.#choose(source, now) : this.#chooseFirst(source, first, now)
    if (index === undefined) return undefined
    this.states.ask(index)
    this.#order.remove(index)
    if (source.asked.size === 0) {
      source.rate.began(now)
      source.lastHeard = now
    }
    source.asked.set(index, now)
    return index
  }

  /** Was not sent after all. */
  unasked(id: Id, index: number): void {
    const source = this.#sources.get(id)
    if (source !== undefined) this.#forget(source, index)
  }

  /** The source has confirmed that it dropped these. @returns those it had been asked for */
  confirmed(id: Id, indexes: readonly number[], now: number): number[] {
    const source = this.#sources.get(id)
    if (source === undefined) return []
    this.heard(id, now)
    source.dryAt = -1
    return indexes.filter((index) => this.#forget(source, index))
  }

  /**
   * Bytes have come. `unasked`: the source was never asked, a violation. `known`: it is here already.
   * `fresh`: to be verified, then `landed` or `failed`.
   */
  arrived(id: Id, index: number, bytes: number, now: number): 'fresh' | 'known' | 'unasked' {
    const source = this.#sources.get(id)
    const askedAt = source?.asked.get(index) ?? source?.taken.get(index)
    if (source === undefined || askedAt === undefined) return 'unasked'
    this.heard(id, now)
    source.taken.delete(index)
    source.recalled.delete(index)
    const fresh = this.states.arrive(index)
    if (source.asked.delete(index)) this.states.unask(index)
    if (fresh) this.#order.remove(index)
    source.rate.delivered(bytes, askedAt, now, source.asked.size === 0)
    return fresh ? 'fresh' : 'known'
  }

  /** Verified and kept. @returns whom to tell that it is no longer wanted */
  landed(index: number): Asked<Id>[] {
    this.states.land(index)
    this.#order.remove(index)
    this.#late.landed(index)
    const cancel: Asked<Id>[] = []
    for (const source of this.#sources.values())
      if (this.#takeBack(source, index)) cancel.push({ source: source.id, indexes: [index] })
    if (this.#priority.length > 0) this.#priority = this.#priority.filter((each) => each !== index)
    return cancel
  }

  /** Was not the chunk, or could not be kept. */
  failed(index: number): void {
    if (this.states.fail(index)) {
      this.#order.insert(index)
      this.#changes += 1
    }
  }

  /** Takes work back from sources that have gone silent. @returns whom to tell */
  sweep(now: number): Asked<Id>[] {
    const cancel: Asked<Id>[] = []
    const limit = silentAfter(this.#chunkBytes)
    for (const source of this.#sources.values()) {
      if (source.silent || source.asked.size === 0 || now - source.lastHeard < limit) continue
      source.silent = true
      const indexes = [...source.asked.keys()]
      for (const index of indexes) this.#takeBack(source, index)
      cancel.push({ source: source.id, indexes })
    }
    return cancel
  }

  isSilent(id: Id): boolean {
    return this.#sources.get(id)?.silent ?? true
  }

  /** Last sign of life while something was asked of it. */
  lastHeard(id: Id): number | undefined {
    return this.#sources.get(id)?.lastHeard
  }

  /** Chunks that the source owes an answer for. */
  outstanding(id: Id): number {
    const source = this.#sources.get(id)
    return source === undefined ? 0 : source.asked.size + source.taken.size
  }

  /** True when it has something that is not here yet. */
  isUseful(id: Id): boolean {
    const source = this.#sources.get(id)
    if (source === undefined) return false
    if (source.asked.size > 0) return true
    return this.#order.first((index) => has(source, index), source.bits === null ? 0 : 1) !== undefined
  }

  /**
   * Nothing unasked is left for this source, but something waits at another that it would bring sooner. @returns whom to ask
   * to drop what: once that is confirmed it can be asked of this one; where it is on its way already, nothing is lost.
   */
  recall(id: Id, now: number): Asked<Id> | undefined {
    const source = this.#sources.get(id)
    if (source === undefined || this.room(id) === 0 || this.awaited(now) !== null) return undefined
    return this.#late.recall(source, now)
  }

  #chooseFirst(source: Source<Id>, first: number, now: number): number | undefined {
    if (!has(source, first) || source.asked.size + source.taken.size >= MAX_WINDOW) return undefined
    return this.states.isMissing(first) || this.#late.helps(source, first, now, true) ? first : undefined
  }

  #choose(source: Source<Id>, now: number): number | undefined {
    for (const index of this.#priority) {
      if (!has(source, index)) continue
      if (this.states.isMissing(index)) return index
      if (this.states.isAsked(index) && this.#late.helps(source, index, now, true)) return index
    }
    if (source.dryAt !== this.#changes) {
      // a chunk that a partial source has is had by one partial source at least
      const rarest =
        source.bits === null && this.#spares
          ? this.#order.best((index) => this.#betterFor(index), MAX_COMPARED)
          : this.#order.first((index) => has(source, index), source.bits === null ? 0 : 1)
      if (rarest !== undefined) return rarest
      source.dryAt = this.#changes
    }
    return this.#late.second(source, now)
  }

  /**
   * Of those who fetch it too and lack this chunk, how many come before us. All reckon alike, so that different chunks go to
   * different ones first, and nobody has to tell anybody; who vanishes leaves its share to the others.
   */
  #betterFor(index: number): number {
    const own = mixed(this.#seed, index)
    let better = 0
    for (const { bits, seed } of this.#sources.values())
      if (bits !== null && !getBit(bits, index) && mixed(seed, index) > own) better += 1
    return better
  }

  #unask(index: number): void {
    if (!this.states.unask(index)) return
    this.#order.insert(index)
    this.#changes += 1
  }

  #forget(source: Source<Id>, index: number): boolean {
    if (source.taken.delete(index)) return true
    if (!source.asked.delete(index)) return false
    source.recalled.delete(index)
    this.#unask(index)
    return true
  }

  #takeBack(source: Source<Id>, index: number): boolean {
    const askedAt = source.asked.get(index)
    if (askedAt === undefined) return false
    source.asked.delete(index)
    source.recalled.delete(index)
    source.taken.set(index, askedAt)
    this.#unask(index)
    return true
  }

  /** A source that had everything lost something: from now on it is counted chunk by chunk. */
  #spellOut(source: Source<Id>): void {
    const bits = new Uint8Array(Math.ceil(this.states.count / 8)).fill(0xff)
    source.bits = bits
    for (let index = 0; index < this.states.count; index++) this.#order.more(index)
  }
}
