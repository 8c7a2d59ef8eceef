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
import { MAX_WINDOW, SLOWEST_PER_MS, SourceRate } from './source-rate.ts'

/** Sources that may be asked for the same chunk at one time. */
export const MAX_ASKERS = 2
/** A chunk among the last ones is asked twice when it has been on its way for so long (ms), or twice the helper's delay. */
const LATE_MS = 200
/** Indexes kept as a reader's wish; more would be no order at all. */
const MAX_PRIORITY = 256
/** A source is silent after this long without a sign of life (ms), or the time of one chunk at the rate below. */
const SILENT_MS = 10_000

export interface PickerInit {
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
  /** null = everything */
  bits: Uint8Array | null
  readonly rate: SourceRate
  /** chunk -> when it was asked for, oldest first */
  readonly asked: Map<number, number>
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

export class SourcePicker<Id> {
  readonly states: ChunkStates
  readonly #chunkBytes: number
  readonly #order: RarityOrder
  readonly #sources = new Map<Id, Source<Id>>()
  #priority: number[] = []
  #maxWindow = MAX_WINDOW
  /** grows whenever a source that had nothing to give may have something again */
  #changes = 0

  constructor(init: PickerInit) {
    this.#chunkBytes = init.chunkBytes
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
      bits: own,
      rate: new SourceRate(),
      asked: new Map(),
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
    const fresh = indexes.filter((index) => index < this.states.count && this.states.of(index) !== 'here')
    this.#priority = [...new Set([...fresh, ...this.#priority])].slice(0, MAX_PRIORITY)
    this.#changes += 1
  }

  /** Background work makes itself small while a person waits for something else. @default MAX_WINDOW */
  setMaxWindow(chunks: number): void {
    if (chunks === this.#maxWindow) return
    this.#maxWindow = chunks
    this.#changes += 1
  }

  /** Chunks that the source may be asked for now without going over its window. */
  room(id: Id): number {
    const source = this.#sources.get(id)
    if (source === undefined || source.silent) return 0
    const window = source.rate.window(this.#chunkBytes, this.#maxWindow)
    return Math.max(0, window - source.asked.size - source.taken.size)
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

  #choose(source: Source<Id>, now: number): number | undefined {
    for (const index of this.#priority) {
      if (!has(source, index)) continue
      if (this.states.isMissing(index)) return index
      if (this.states.isAsked(index) && this.#helps(source, index, now, false)) return index
    }
    if (source.dryAt !== this.#changes) {
      // a chunk that a partial source has is had by one partial source at least
      const rarest = this.#order.first((index) => has(source, index), source.bits === null ? 0 : 1)
      if (rarest !== undefined) return rarest
      source.dryAt = this.#changes
    }
    return this.#second(source, now)
  }

  /** What another source owes and this one would bring sooner. */
  #second(source: Source<Id>, now: number): number | undefined {
    const isEnd = this.states.left <= 2 * this.#sources.size
    let best: number | undefined
    let longest = -1
    for (const other of this.#sources.values()) {
      if (other === source) continue
      let place = 0
      for (const index of other.asked.keys()) {
        place += 1
        if (!has(source, index) || !this.#helps(source, index, now, isEnd)) continue
        const left = this.#expected(other, place, now) ?? Number.MAX_SAFE_INTEGER
        if (left <= longest) continue
        longest = left
        best = index
      }
    }
    return best
  }

  /** Would asking `source` too for a chunk that one other owes bring it sooner? */
  #helps(source: Source<Id>, index: number, now: number, isEnd: boolean): boolean {
    const askers = this.states.askers(index)
    // what has arrived from another is being verified: nobody need be asked, though some still owe it
    if (!this.states.isAsked(index)) return false
    if (askers === 0 || askers >= MAX_ASKERS || source.asked.has(index) || source.taken.has(index)) return false
    for (const other of this.#sources.values()) {
      const askedAt = other.asked.get(index)
      if (askedAt === undefined) continue
      const mine = this.#expected(source, source.asked.size + 1, now)
      const theirs = this.#expected(other, placeOf(other, index), now)
      if (mine !== null && theirs !== null && mine + (source.rate.delayMs ?? 0) < theirs) return true
      const late = Math.max(LATE_MS, 2 * (source.rate.delayMs ?? 0))
      return (isEnd || theirs === null) && now - askedAt >= late
    }
    return false
  }

  /** Time until the source delivers its `place`-th chunk from now (ms), or null when nothing was measured. */
  #expected(source: Source<Id>, place: number, now: number): number | null {
    const rate = source.rate.perMs
    if (rate === null) return null
    const quiet = source.asked.size > 0 ? now - source.lastHeard : 0
    const each = this.#chunkBytes / rate
    // quiet for longer than a chunk takes: what was measured no longer holds
    return Math.max(place * each - quiet, quiet > 2 * each ? quiet : 0)
  }

  #unask(index: number): void {
    if (!this.states.unask(index)) return
    this.#order.insert(index)
    this.#changes += 1
  }

  #forget(source: Source<Id>, index: number): boolean {
    if (source.taken.delete(index)) return true
    if (!source.asked.delete(index)) return false
    this.#unask(index)
    return true
  }

  #takeBack(source: Source<Id>, index: number): boolean {
    const askedAt = source.asked.get(index)
    if (askedAt === undefined) return false
    source.asked.delete(index)
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

function placeOf<Id>(source: Source<Id>, index: number): number {
  let place = 1
  for (const each of source.asked.keys()) {
    if (each === index) return place
    place += 1
  }
  return place
}
