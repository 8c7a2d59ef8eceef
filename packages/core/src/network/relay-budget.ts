/**
 * How much may pass through this node between others (docs/specs/relay.md): at a rate in all, and so many bytes a day for
 * each pair. Pure but for the clock. Spending may leave a debt, since what has arrived cannot be sent back; who is in
 * debt waits.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'

/** Bytes per second of everything that is relayed, where the setting names none. */
export const DEFAULT_RELAY_LIMIT = 10 * 1024 * 1024
/** At least: less would stop members' ledgers rather than slow their files. */
export const MIN_RELAY_LIMIT = 64 * 1024
/** What one pair of members may pass in a day; used up, it goes on at the rate at which it is refilled, about 800 KB/s. */
export const PAIR_BYTES_PER_DAY = 64 * 1024 ** 3
/** A pair that passes less than this per second does not wait for those that pass much: its talk is small and urgent. */
export const COURTESY_PER_SECOND = 64 * 1024
/** and may save up so much of it */
export const COURTESY_BYTES = 512 * 1024
/** What a newcomer and the member that it registers with may pass before the newcomer is a member, both ways. */
export const STRANGER_CIRCUIT_BYTES = 1024 * 1024
/** after which it may try again */
const STRANGER_REFILL_MS = 600_000
const DAY_MS = 86_400_000
/** What was spent so long ago counts for a third. */
const LOAD_MS = 10_000
/** Pairs remembered; a pair that has gone idle is forgotten once it is refilled. */
const MAX_PAIRS = 16_384

/** Bytes that may be spent now, refilled with time up to a bound. */
class Bucket {
  readonly #clock: Clock
  readonly #perMs: number
  readonly #most: number
  #left: number
  #at: number

  constructor(clock: Clock, perSecond: number, most: number) {
    this.#clock = clock
    this.#perMs = perSecond / 1000
    this.#most = most
    this.#left = most
    this.#at = timeOf(clock)
  }

  spend(bytes: number): void {
    this.#refill()
    this.#left -= bytes
  }

  /** Milliseconds until something may be spent again; 0: now. */
  waitMs(): number {
    this.#refill()
    return this.#left > 0 ? 0 : Math.ceil((1 - this.#left) / this.#perMs)
  }

  get isFull(): boolean {
    this.#refill()
    return this.#left >= this.#most
  }

  #refill(): void {
    const now = timeOf(this.#clock)
    this.#left = Math.min(this.#most, this.#left + Math.max(0, now - this.#at) * this.#perMs)
    this.#at = now
  }
}

export interface RelayBudget {
  /** @param isStranger one of the two is not a member yet */
  spend(pair: string, bytes: number): void
  /** Milliseconds until this pair may go on; 0: now; null: not before it is a pair of members. */
  waitMs(pair: string, isStranger: boolean): number | null
  /** Share of the rate that was used lately, 0 to 1. */
  load(): number
}

/** @param perSecond bytes of everything, or null for no bound */
export function createRelayBudget(clock: Clock, perSecond: number | null): RelayBudget {
  const rate = perSecond === null ? null : Math.max(perSecond, MIN_RELAY_LIMIT)
  const all = rate === null ? null : new Bucket(clock, rate, rate)
  const pairs = new Map<string, { day: Bucket; courtesy: Bucket; first: Bucket }>()
  let lately = 0
  let latelyAt = timeOf(clock)

  const decay = () => {
    const now = timeOf(clock)
    lately *= Math.exp(-Math.max(0, now - latelyAt) / LOAD_MS)
    latelyAt = now
  }
  const accountOf = (pair: string) => {
    const known = pairs.get(pair)
    if (known !== undefined) return known
    if (pairs.size >= MAX_PAIRS) for (const [other, { day }] of pairs) if (day.isFull) pairs.delete(other)
    const account = {
      day: new Bucket(clock, (PAIR_BYTES_PER_DAY * 1000) / DAY_MS, PAIR_BYTES_PER_DAY),
      courtesy: new Bucket(clock, COURTESY_PER_SECOND, COURTESY_BYTES),
      first: new Bucket(clock, (STRANGER_CIRCUIT_BYTES * 1000) / STRANGER_REFILL_MS, STRANGER_CIRCUIT_BYTES),
    }
    pairs.set(pair, account)
    return account
  }
  return {
    spend(pair, bytes) {
      const account = accountOf(pair)
      account.day.spend(bytes)
      account.courtesy.spend(bytes)
      account.first.spend(bytes)
      all?.spend(bytes)
      decay()
      lately += bytes
    },
    waitMs(pair, isStranger) {
      const { day, courtesy, first } = accountOf(pair)
      if (isStranger && first.waitMs() > 0) return null
      const byDay = day.waitMs()
      if (byDay > 0) return byDay
      return Math.min(courtesy.waitMs(), all?.waitMs() ?? 0)
    },
    load() {
      decay()
      return rate === null ? 0 : Math.min(1, (lately * 1000) / LOAD_MS / rate)
    },
  }
}

/** One name for both directions. */
export function pairOf(one: NodeId, other: NodeId): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

function timeOf(clock: Clock): number {
  return clock.monotonic?.() ?? clock.now()
}
