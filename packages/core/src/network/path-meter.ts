/** What has come over one path, how long an answer takes, and what is owed. Pure. */

/** A second in which less than this has come says nothing about how much would. */
const BUSY_BYTES = 64 * 1024
/** What was measured counts so long, milliseconds. */
const MEMORY_MS = 10 * 60_000
/** The round trip is an average over about so many answers, but a shorter one counts at once. */
const OVER = 4
const SECOND_MS = 1000
/** For how long, once or twice, what was sent may still wait in somebody's buffers (ms). */
const BUFFER_MS = 30_000

export class PathMeter {
  #secondAt = 0
  #inSecond = 0
  #best = 0
  #bestAt = 0
  #rttMs: number | null = null
  #heardAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  /** the first thing sent after something was last heard */
  #owedSince: number | null = null
  #sentFrom = 0
  #sent = 0
  #sentBefore = 0

  heard(bytes: number, now: number): void {
    this.#heardAt = now
    this.#owedSince = null
    this.#turn(now)
    this.#inSecond += bytes
  }

  /** @param isBeside over a socket of its own, so that nothing waits behind it */
  sent(bytes: number, now: number, isBeside = false): void {
    this.#owedSince ??= now
    if (isBeside) return
    this.#turnSent(now)
    this.#sent += bytes
  }

  /** A ping has left. */
  asked(now: number): void {
    this.#askedAt = now
    this.#owedSince ??= now
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

  get askedAt(): number {
    return this.#askedAt
  }

  /** Something was sent, and nothing has come since then; null when nothing is awaited. */
  get owedSince(): number | null {
    return this.#owedSince
  }

  /** What came in the busiest second of late: what was sent may be in a buffer. Null when none was busy. */
  bytesPerMs(now: number): number | null {
    this.#turn(now)
    return this.#best === 0 || now - this.#bestAt > MEMORY_MS ? null : this.#best
  }

  /** Bytes that were sent in the last half minute or minute. */
  sentLately(now: number): number {
    this.#turnSent(now)
    return this.#sent + this.#sentBefore
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
      // a path that became slower is noticed, a pause in what comes is not taken for one
      this.#best += (rate - this.#best) / 64
    }
    this.#secondAt = now
    this.#inSecond = 0
  }

  #turnSent(now: number): void {
    const elapsed = now - this.#sentFrom
    if (elapsed < BUFFER_MS) return
    this.#sentBefore = elapsed < 2 * BUFFER_MS ? this.#sent : 0
    this.#sent = 0
    this.#sentFrom = now
  }
}
