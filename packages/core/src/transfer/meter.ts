/** Smoothed rate of one transfer and what is left of it. Pure. */

/** A change of rate shows after about this (ms). */
const MEMORY_MS = 3_000

export class Meter {
  #bytes: number
  #at: number
  #perMs = 0

  constructor(bytes: number, now: number) {
    this.#bytes = bytes
    this.#at = now
  }

  /** @param bytes in all until now @returns true when it has changed */
  observe(bytes: number, now: number): boolean {
    const elapsed = now - this.#at
    if (elapsed <= 0) return false
    const rate = Math.max(0, bytes - this.#bytes) / elapsed
    const weight = this.#perMs === 0 ? 1 : 1 - Math.exp(-elapsed / MEMORY_MS)
    this.#perMs += (rate - this.#perMs) * weight
    const changed = bytes !== this.#bytes
    this.#bytes = bytes
    this.#at = now
    return changed
  }

  get bytesPerSecond(): number {
    return Math.round(this.#perMs * 1000)
  }

  etaSeconds(left: number): number | null {
    if (left <= 0) return 0
    return this.#perMs < 0.001 ? null : Math.ceil(left / this.#perMs / 1000)
  }
}
