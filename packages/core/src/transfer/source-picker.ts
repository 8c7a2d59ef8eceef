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
import { MAX_AVAILABILITY, RarityOrder } from './rarity.ts'
import { mixed, seedOf } from './shares.ts'
import { expectedMs, MAX_WINDOW, SLOWEST_PER_MS, SourceRate } from './source-rate.ts'
import { withWishes } from './wishes.ts'

/** Sources that may be asked for the same chunk at one time. */
export const MAX_ASKERS = 2
/** A chunk for which somebody waits may take so long when nothing is known of any source (ms). */
const LATE_MS = 200
/** A chunk is recalled so often; then it stays where it is asked. */
const MAX_RECALLS = 3
/** What was recalled and was not dropped by then is on its way (ms). */
const RECALL_MS = 300
/** Chunks that are compared for a source that has all of them. */
const MAX_COMPARED = 256
/** A chunk is asked twice when that brings it so many times sooner. */
const HELP_GAIN = 2
/** What is expected of sources as long as none has delivered anything, when nobody waits (ms); else `LATE_MS`. */
const UNKNOWN_MS = 5000
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

export interface Asked<Id> {
  readonly source: Id
  readonly indexes: number[]
}

interface Source<Id> {
  readonly id: Id
  /** for its share of the chunks that only complete sources have */
  readonly seed: number
  /** null = everything */
  bits: Uint8Array | null
  readonly rate: SourceRate
  /** chunk -> when it was asked for, oldest first */
  readonly asked: Map<number, number>
  /** asked for, and asked to be dropped if it still waits there -> since when */
  readonly recalled: Map<number, number>
  /** asked for, then taken back; may still arrive until the source has confirmed */
  readonly taken: Map<number, number>
  lastHeard: number
  silent: boolean
  /** `#changes` when it was found to have nothing to give */
  dryAt: number
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
  #priority: number[] = []
  #maxWindow = MAX_WINDOW
  /** how often each chunk was recalled */
  readonly #recalls = new Map<number, number>()
  #spares = false
  /** grows whenever a source that had nothing to give may have something again */
  #changes = 0

  constructor(init: PickerInit) {
    this.#chunkBytes = init.chunkBytes
    this.#seed = seedOf(init.self ?? '')
    this.#random = init.random
    this.states = new ChunkStates(init.count, init.isHere)
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

  /** Background work makes itself small while a person waits for something else. @default MAX_WINDOW */
  setMaxWindow(chunks: number): void {
    if (chunks === this.#maxWindow) return
    this.#maxWindow = chunks
    this.#changes += 1
  }

  /** Nobody waits for it: links are spared rather than time. @default false */
  setSparing(spares: boolean): void {
    this.#spares = spares
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
    const unknown = this.#usualMs()
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
    if (source === undefined || this.room(id) === 0) return undefined
    const index = this.#choose(source, now)
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
    this.#recalls.delete(index)
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
    if (source === undefined || this.room(id) === 0) return undefined
    const mine = source.rate.usualMs ?? this.#usualMs()
    let from: Source<Id> | undefined
    let best = -1
    let longest = mine
    for (const other of this.#sources.values()) {
      if (other === source) continue
      for (const [index, askedAt] of other.asked) {
        if (!has(source, index) || other.recalled.has(index) || this.states.askers(index) > 1) continue
        if ((this.#recalls.get(index) ?? 0) >= MAX_RECALLS) continue
        const left = expectedMs(other.rate.usualMs ?? this.#usualMs(), now - askedAt)
        if (left <= longest) continue
        longest = left
        from = other
        best = index
      }
    }
    if (from === undefined) return undefined
    from.recalled.set(best, now)
    this.#recalls.set(best, (this.#recalls.get(best) ?? 0) + 1)
    return { source: from.id, indexes: [best] }
  }

  #choose(source: Source<Id>, now: number): number | undefined {
    for (const index of this.#priority) {
      if (!has(source, index)) continue
      if (this.states.isMissing(index)) return index
      if (this.states.isAsked(index) && this.#helps(source, index, now, true)) return index
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
    return this.#second(source, now)
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

  /** What another source owes and this one would bring sooner. */
  #second(source: Source<Id>, now: number): number | undefined {
    let best: number | undefined
    let longest = -1
    for (const other of this.#sources.values()) {
      if (other === source) continue
      for (const [index, askedAt] of other.asked) {
        if (!has(source, index) || !this.#helps(source, index, now, false)) continue
        const left = expectedMs(other.rate.usualMs ?? this.#usualMs(), now - askedAt)
        if (left <= longest) continue
        longest = left
        best = index
      }
    }
    return best
  }

  /** Would asking `source` too for a chunk that one other owes bring it sooner? */
  #helps(source: Source<Id>, index: number, now: number, atOnce: boolean): boolean {
    const askers = this.states.askers(index)
    // what has arrived from another is being verified: nobody need be asked, though some still owe it
    if (!this.states.isAsked(index)) return false
    if (askers === 0 || askers >= MAX_ASKERS || source.asked.has(index) || source.taken.has(index)) return false
    for (const other of this.#sources.values()) {
      const askedAt = other.asked.get(index)
      if (askedAt === undefined) continue
      // what may still wait there is moved, not asked twice
      const mayMove = !atOnce && (this.#recalls.get(index) ?? 0) < MAX_RECALLS
      if (mayMove && now - (other.recalled.get(index) ?? now) < RECALL_MS) return false
      const mine = source.rate.usualMs ?? this.#usualMs()
      const theirs = other.rate.usualMs ?? this.#usualMs()
      return HELP_GAIN * mine < expectedMs(theirs, now - askedAt)
    }
    return false
  }

  /** What is expected of a source that has not delivered anything yet (ms): as much as of the others. */
  #usualMs(): number {
    let sum = 0
    let count = 0
    for (const { rate } of this.#sources.values()) {
      if (rate.usualMs === null) continue
      sum += rate.usualMs
      count += 1
    }
    if (count > 0) return sum / count
    return this.#spares ? UNKNOWN_MS : LATE_MS
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

function has<Id>(source: Source<Id>, index: number): boolean {
  return source.bits === null || getBit(source.bits, index)
}
