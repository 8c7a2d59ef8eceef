/** What has passed over one path, and how long an answer takes. Pure. */

/** A second in which less than this has passed says nothing about how much would. */
const BUSY_BYTES = 64 * 1024
/** What was measured counts so long, milliseconds. */
const MEMORY_MS = 10 * 60_000
/** The round trip is an average over about so many answers, but a shorter one counts at once. */
const OVER = 4
const SECOND_MS = 1000

export class PathMeter {
  #secondAt = 0
  #inSecond = 0
  #best = 0
  #bestAt = 0
  #rttMs: number | null = null
  #heardAt = Number.NEGATIVE_INFINITY
  /** the first thing sent after something was last heard */
  #owedSince: number | null = null

  heard(bytes: number, now: number): void {
    this.#heardAt = now
    this.#owedSince = null
    this.#passed(bytes, now)
  }

  sent(bytes: number, now: number): void {
    this.#owedSince ??= now
    this.#passed(bytes, now)
  }

  answered(ms: number, now: number): void {
    this.heard(0, now)
    this.#rttMs = this.#rttMs === null ? ms : Math.min(ms, this.#rttMs + (ms - this.#rttMs) / OVER)
  }

  get rttMs(): number | null {
    return this.#rttMs
  }

  get heardAt(): number {
    return this.#heardAt
  }

  /** Something was sent, and nothing has come since then; null when nothing is awaited. */
  get owedSince(): number | null {
    return this.#owedSince
  }

  /** In the busiest second of late, either way; null when none was busy. */
  bytesPerMs(now: number): number | null {
    this.#turn(now)
    return this.#best === 0 || now - this.#bestAt > MEMORY_MS ? null : this.#best
  }

  #passed(bytes: number, now: number): void {
    this.#turn(now)
    this.#inSecond += bytes
  }

  #turn(now: number): void {
    if (now - this.#secondAt < SECOND_MS) return
    // whatever is counted came within a second: the first that comes later turns it
    const rate = this.#inSecond / SECOND_MS
    const isBusy = this.#inSecond >= BUSY_BYTES
    if (isBusy && (rate >= this.#best || now - this.#bestAt > MEMORY_MS)) {
      this.#best = rate
      this.#bestAt = now
    } else if (isBusy) {
      // a path that became slower is noticed, a pause in what is sent is not taken for one
      this.#best += (rate - this.#best) / 64
    }
    this.#secondAt = now
    this.#inSecond = 0
  }
}
