/**
 * The chunk at a position to which a reader has jumped: until it is here nothing else is asked for, so that nothing else is
 * on the reader's link. Only for so long as that can be good for anybody. Pure.
 */
import type { ChunkStates } from './chunk-state.ts'

/** Once it was asked for (ms), or the time of one chunk at the rate below. */
const ALONE_MS = 2_000
/** Bytes per ms: on a slower path (4 Mbit/s) waiting would cost more than it brings. */
const ALONE_PER_MS = 512
/** While it was not, since none of the sources that can be asked has it (ms). */
const UNASKED_MS = 500

export class FirstChunk {
  readonly #aloneMs: number
  #index: number | null = null
  /** when somebody could first be asked */
  #since: number | undefined

  constructor(chunkBytes: number) {
    this.#aloneMs = Math.max(ALONE_MS, chunkBytes / ALONE_PER_MS)
  }

  begin(index: number): void {
    this.#index = index
    this.#since = undefined
  }

  end(): void {
    this.#index = null
  }

  /** Somebody can be asked. */
  canBeAsked(now: number): void {
    this.#since ??= now
  }

  /** The chunk that is still waited for, alone; null: anything may be asked for. */
  awaited(states: ChunkStates, now: number): number | null {
    const index = this.#index
    if (index === null) return null
    const isAsked = states.isAsked(index)
    const patience = isAsked ? this.#aloneMs : UNASKED_MS
    const isOver = this.#since !== undefined && now - this.#since >= patience
    if (!isOver && (isAsked || states.isMissing(index))) return index
    this.#index = null
    return null
  }
}
