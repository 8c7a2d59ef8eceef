/** Upload and download caps: token buckets that can be changed while transfers run, and that survive a restart. */

import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { Database } from '../database/index.ts'

/** Bytes per second; null = unlimited. The `RateLimits` of the facade. */
export interface TransferRates {
  readonly up: number | null
  readonly down: number | null
}

/** What may be spent at once after a pause, as a time at full rate (ms). Short, so that a cap is felt as a rate. */
const BURST_MS = 250
/** How long background work keeps clear after a person's transfer had to wait for tokens (ms). */
const YIELD_MS = 500
/** Below this a cap would stop transfers rather than slow them (bytes per second). */
export const MIN_RATE = 1024

/**
 * A token bucket that goes into debt: a chunk larger than the burst still passes, and is paid for afterwards. So the
 * average holds for any chunk size.
 */
export interface TokenBucket {
  readonly rate: number | null
  setRate(rate: number | null): void
  /** @returns 0 when taken, else the milliseconds after which asking again makes sense */
  tryTake(bytes: number, urgent: boolean): number
  /** Waits its turn. Rejects with the signal's reason. */
  take(bytes: number, urgent: boolean, signal: AbortSignal): Promise<void>
}

export function createTokenBucket(clock: Clock, initialRate: number | null): TokenBucket {
  let rate = initialRate
  let balance = rate === null ? 0 : (rate * BURST_MS) / 1000
  let at = clock.now()
  let urgentWaited = Number.NEGATIVE_INFINITY
  const waiters = new Set<() => void>()

  const refill = (now: number, perSecond: number) => {
    balance = Math.min((perSecond * BURST_MS) / 1000, balance + (Math.max(0, now - at) * perSecond) / 1000)
    at = now
  }
  const tryTake = (bytes: number, urgent: boolean): number => {
    if (rate === null) return 0
    const now = clock.now()
    refill(now, rate)
    if (!urgent && now - urgentWaited < YIELD_MS) return YIELD_MS
    if (balance <= 0) {
      if (urgent) urgentWaited = now
      return Math.max(1, Math.ceil((-balance / rate) * 1000) + 1)
    }
    balance -= bytes
    return 0
  }
  return {
    get rate() {
      return rate
    },
    setRate(next) {
      rate = next
      at = clock.now()
      // a debt made at a higher rate, or none, must not be paid off at a lower one
      balance = next === null ? 0 : (next * BURST_MS) / 1000
      for (const wake of [...waiters]) wake()
    },
    tryTake,
    async take(bytes, urgent, signal) {
      for (;;) {
        signal.throwIfAborted()
        const wait = tryTake(bytes, urgent)
        if (wait === 0) return
        await new Promise<void>((resolve) => {
          const done = () => {
            cancel()
            waiters.delete(done)
            signal.removeEventListener('abort', done)
            resolve()
          }
          const cancel = clock.after(wait, done)
          waiters.add(done)
          signal.addEventListener('abort', done, { once: true })
        })
      }
    },
  }
}

export interface TransferLimits {
  readonly up: TokenBucket
  readonly down: TokenBucket
  get(): TransferRates
  /** Takes effect at once, and is kept. Rates below 1 KiB/s are raised to it. */
  set(rates: Partial<TransferRates>): TransferRates
}

const SETTING = 'transfer-limits'
const MAX_SETTING_BYTES = 256
const ratesShape = shape.object({ up: shape.nullable(shape.uint()), down: shape.nullable(shape.uint()) })

/** @param init.db local database; without it limits are not kept */
export function createLimits(init: { clock: Clock; db?: Database }): TransferLimits {
  const { db } = init
  const row = db?.prepare<{ value: Uint8Array }>('SELECT value FROM settings WHERE name = ?').get(SETTING)
  const kept = row === undefined ? { up: null, down: null } : ratesShape(decodeCbor(row.value, MAX_SETTING_BYTES))
  const up = createTokenBucket(init.clock, kept.up)
  const down = createTokenBucket(init.clock, kept.down)
  const clean = (rate: number | null) => (rate === null ? null : Math.max(MIN_RATE, Math.floor(rate)))
  return {
    up,
    down,
    get: () => ({ up: up.rate, down: down.rate }),
    set(rates) {
      const next = {
        up: rates.up === undefined ? up.rate : clean(rates.up),
        down: rates.down === undefined ? down.rate : clean(rates.down),
      }
      db?.write(() => {
        db.prepare('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)').run(SETTING, encodeCbor(next))
      })
      if (next.up !== up.rate) up.setRate(next.up)
      if (next.down !== down.rate) down.setRate(next.down)
      return next
    },
  }
}
