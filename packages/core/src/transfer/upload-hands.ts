/**
 * To how many members that nobody waits for a node sends at one time. Pure.
 *
 * Few: a chunk that leaves at the full speed of the link can be passed on so much sooner, where 23 that leave together all
 * arrive late. But as many as it takes to fill the link, which nobody tells us: a slow member may take longer than others,
 * or not read at all. So what leaves is measured, and the number follows.
 */

export const LEAST_HANDS = 6
export const MOST_HANDS = 64
/**
 * What leaves is measured over so many chunks for each hand, else it would tell more of when they were begun than of the
 * link; and over so long (ms), at most over so long.
 */
const CHUNKS_PER_HAND = 4
const WINDOW_MS = 500
const LONGEST_WINDOW_MS = 20_000
/** When nothing leaves for so long (ms), those that have the hands do not read. */
const STUCK_MS = 5_000
/** A rate below this part of the best one means that the link is not full. */
const FULL = 0.6
/** The best rate is forgotten by so much with each measurement: a link may become slower. */
const FADE = 0.95
/**
 * More are tried after so long (ms), and kept when it brings so much more: then again at once, else not for as long. Not
 * sooner: where the link is full it delays all that is being sent, and worst what the others lack when a file is nearly there.
 */
const TRY_AFTER_MS = 30_000
const TRY_GAIN = 1.1

export class UploadHands {
  #limit = LEAST_HANDS
  #busy = 0
  /** the limit was reached */
  #wanted = false
  #since: number
  #bytes = 0
  #chunks = 0
  #best = 0
  #tryAt: number
  /** what left before more were tried, and with how many */
  #tried: { rate: number; limit: number } | undefined

  constructor(now: number) {
    this.#since = now
    this.#tryAt = now + TRY_AFTER_MS
  }

  get limit(): number {
    return this.#limit
  }

  isFree(now: number): boolean {
    this.#look(now)
    if (this.#busy < this.#limit) return true
    this.#wanted = true
    return false
  }

  take(): void {
    this.#busy += 1
  }

  giveBack(): void {
    this.#busy -= 1
  }

  /** A chunk has left. */
  sent(bytes: number): void {
    this.#bytes += bytes
    this.#chunks += 1
  }

  /** Ends a measurement when it is time. */
  #look(now: number): void {
    const elapsed = now - this.#since
    const isEnough = this.#chunks >= CHUNKS_PER_HAND * this.#limit && elapsed >= WINDOW_MS
    const isStuck = this.#chunks === 0 && elapsed >= STUCK_MS
    if (!isEnough && !isStuck && elapsed < LONGEST_WINDOW_MS) return
    const rate = this.#bytes / elapsed
    if (this.#wanted) this.#adapt(rate, now)
    else this.#tried = undefined
    this.#since = now
    this.#bytes = 0
    this.#chunks = 0
    this.#wanted = false
  }

  #adapt(rate: number, now: number): void {
    const tried = this.#tried
    this.#tried = undefined
    const isFull = rate > 0 && rate >= FULL * this.#best
    this.#best = Math.max(rate, this.#best * FADE)
    if (!isFull) this.#limit = Math.min(MOST_HANDS, 2 * this.#limit)
    else if (tried !== undefined && rate < TRY_GAIN * tried.rate) {
      this.#limit = tried.limit
      this.#tryAt = now + TRY_AFTER_MS
    } else if (tried !== undefined || now >= this.#tryAt) {
      this.#tried = { rate, limit: this.#limit }
      this.#limit = Math.min(MOST_HANDS, 2 * this.#limit)
    } else this.#limit = Math.max(LEAST_HANDS, this.#limit - 1)
  }
}
