/**
 * What one source owes and another would bring sooner: moved where it still waits, asked twice where it is on its way. Pure.
 */
import type { ChunkStates } from './chunk-state.ts'
import { type Asked, has, type Source } from './picker-source.ts'
import { expectedMs } from './source-rate.ts'

/** Sources that may be asked for the same chunk at one time. */
export const MAX_ASKERS = 2
/** A chunk for which somebody waits may take so long when nothing is known of any source (ms). */
const LATE_MS = 200
/** A chunk is recalled so often; then it stays where it is asked. */
const MAX_RECALLS = 3
/** What was recalled and was not dropped by then is on its way (ms). */
const RECALL_MS = 300
/** A chunk is asked twice when that brings it so many times sooner. */
const HELP_GAIN = 2
/** What is expected of sources as long as none has delivered anything, when nobody waits (ms); else `LATE_MS`. */
const UNKNOWN_MS = 5000

export class LateChunks<Id extends string> {
  readonly #states: ChunkStates
  readonly #sources: ReadonlyMap<Id, Source<Id>>
  /** how often each chunk was recalled */
  readonly #recalls = new Map<number, number>()
  #spares = false

  constructor(states: ChunkStates, sources: ReadonlyMap<Id, Source<Id>>) {
    this.#states = states
    this.#sources = sources
  }

  /** Nobody waits for it. */
  setSparing(spares: boolean): void {
    this.#spares = spares
  }

  landed(index: number): void {
    this.#recalls.delete(index)
  }

  /** @returns whom to ask to drop what, so that it can be asked of this source */
  recall(source: Source<Id>, now: number): Asked<Id> | undefined {
    let from: Source<Id> | undefined
    let best = -1
    let longest = source.rate.usualMs ?? this.usualMs()
    for (const other of this.#sources.values()) {
      if (other === source) continue
      for (const [index, askedAt] of other.asked) {
        if (!has(source, index) || other.recalled.has(index) || this.#states.askers(index) > 1) continue
        if ((this.#recalls.get(index) ?? 0) >= MAX_RECALLS) continue
        const left = expectedMs(other.rate.usualMs ?? this.usualMs(), now - askedAt)
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

  /** A chunk that another source owes and this one would bring sooner. */
  second(source: Source<Id>, now: number): number | undefined {
    let best: number | undefined
    let longest = -1
    for (const other of this.#sources.values()) {
      if (other === source) continue
      for (const [index, askedAt] of other.asked) {
        if (!has(source, index) || !this.helps(source, index, now, false)) continue
        const left = expectedMs(other.rate.usualMs ?? this.usualMs(), now - askedAt)
        if (left <= longest) continue
        longest = left
        best = index
      }
    }
    return best
  }

  /** Would asking `source` too for a chunk that one other owes bring it sooner? */
  helps(source: Source<Id>, index: number, now: number, atOnce: boolean): boolean {
    const askers = this.#states.askers(index)
    // what has arrived from another is being verified: nobody need be asked, though some still owe it
    if (!this.#states.isAsked(index)) return false
    if (askers === 0 || askers >= MAX_ASKERS || source.asked.has(index) || source.taken.has(index)) return false
    for (const other of this.#sources.values()) {
      const askedAt = other.asked.get(index)
      if (askedAt === undefined) continue
      // what may still wait there is moved, not asked twice
      const mayMove = !atOnce && (this.#recalls.get(index) ?? 0) < MAX_RECALLS
      if (mayMove && now - (other.recalled.get(index) ?? now) < RECALL_MS) return false
      const mine = source.rate.usualMs ?? this.usualMs()
      const theirs = other.rate.usualMs ?? this.usualMs()
      return HELP_GAIN * mine < expectedMs(theirs, now - askedAt)
    }
    return false
  }

  /** What is expected of a source that has not delivered anything yet (ms): as much as of the others. */
  usualMs(): number {
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
}
