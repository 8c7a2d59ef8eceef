import { describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { createBudget } from './budget.ts'
import { createLimits, createTokenBucket, MIN_RATE } from './limits.ts'
import { Meter } from './meter.ts'

/** Time that passes only when told to. */
function manualClock() {
  let now = 1_000
  const timers = new Set<{ at: number; callback: () => void }>()
  const clock: Clock = {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  }
  return {
    clock,
    async pass(ms: number) {
      now += ms
      for (const timer of [...timers]) {
        if (timer.at > now || !timers.delete(timer)) continue
        timer.callback()
      }
      await Promise.resolve()
    },
  }
}

describe('token bucket', () => {
  it('keeps the average for chunks larger than the burst', () => {
    const time = manualClock()
    const bucket = createTokenBucket(time.clock, 1_000)
    let taken = 0
    let waited = 0
    while (waited < 60_000) {
      const wait = bucket.tryTake(5_000, true)
      if (wait === 0) taken += 5_000
      else {
        waited += wait
        void time.pass(wait)
      }
    }
    expect(taken / (waited / 1000)).toBeGreaterThan(950)
    expect(taken / (waited / 1000)).toBeLessThan(1_100)
  })

  it('lets a waiter go on when the cap is lifted, and forgets the debt', async () => {
    const time = manualClock()
    const bucket = createTokenBucket(time.clock, 1_000)
    expect(bucket.tryTake(1_000_000, true)).toBe(0)
    const waiting = bucket.take(1, true, new AbortController().signal)
    bucket.setRate(null)
    await waiting
    bucket.setRate(1_000)
    expect(bucket.tryTake(1, true)).toBe(0)
  })

  it('ends a wait with the signal', async () => {
    const bucket = createTokenBucket(manualClock().clock, 1_000)
    bucket.tryTake(1_000_000, true)
    const ending = new AbortController()
    const waiting = bucket.take(1, true, ending.signal)
    ending.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  it('keeps background work clear while a person waits for tokens', async () => {
    const time = manualClock()
    const bucket = createTokenBucket(time.clock, 1_000)
    bucket.tryTake(300, true)
    const wait = bucket.tryTake(300, true)
    expect(wait).toBeGreaterThan(0)
    await time.pass(wait)
    expect(bucket.tryTake(1, false)).toBeGreaterThan(0)
    expect(bucket.tryTake(1, true)).toBe(0)
    await time.pass(1_000)
    expect(bucket.tryTake(1, false)).toBe(0)
  })

  it('refuses rates that would stop transfers', () => {
    expect(createLimits({ clock: manualClock().clock }).set({ up: 1 })).toEqual({ up: MIN_RATE, down: null })
  })
})

describe('budget', () => {
  const ignore = { onFree: () => undefined }

  it('is never exceeded, leaves room for a person, and shares', () => {
    const budget = createBudget(100)
    const background = budget.holder({ urgent: false, ...ignore })
    let granted = 0
    while (background.tryReserve(10)) granted += 10
    expect(granted).toBe(70)
    const person = budget.holder({ urgent: true, ...ignore })
    expect(budget.urgentActive).toBe(true)
    while (person.tryReserve(10)) granted += 10
    expect(granted).toBe(100)
    expect(background.tryReserve(10)).toBe(false)
    background.close()
    expect(budget.used).toBe(30)
    person.close()
    expect([budget.used, budget.urgentActive]).toEqual([0, false])
  })

  it('lets one chunk through that is larger than all of it', () => {
    const budget = createBudget(100)
    const holder = budget.holder({ urgent: true, ...ignore })
    expect(holder.tryReserve(1_000)).toBe(true)
    expect(holder.tryReserve(1)).toBe(false)
  })

  it('wakes a person before background work, and each once', async () => {
    const budget = createBudget(100)
    const woken: string[] = []
    const full = budget.holder({ urgent: true, ...ignore })
    const background = budget.holder({ urgent: false, onFree: () => woken.push('background') })
    const person = budget.holder({ urgent: true, onFree: () => woken.push('person') })
    expect([full.tryReserve(100), background.tryReserve(1), person.tryReserve(1)]).toEqual([true, false, false])
    full.release(50)
    full.release(50)
    await Promise.resolve()
    expect(woken).toEqual(['person', 'background'])
  })
})

describe('meter', () => {
  it('smooths, and says what is left', () => {
    const meter = new Meter(0, 0)
    expect(meter.etaSeconds(100)).toBeNull()
    for (let at = 1; at <= 40; at++) meter.observe(at * 250_000, at * 250)
    expect(meter.bytesPerSecond).toBe(1_000_000)
    expect(meter.etaSeconds(5_000_000)).toBe(5)
    expect(meter.observe(40 * 250_000, 10_250)).toBe(false)
    expect(meter.bytesPerSecond).toBeLessThan(1_000_000)
  })
})
