import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import {
  COURTESY_BYTES,
  createRelayBudget,
  MIN_RELAY_LIMIT,
  PAIR_BYTES_PER_DAY,
  pairOf,
  STRANGER_CIRCUIT_BYTES,
} from './relay-budget.ts'
import { ManualClock } from './testing.ts'

const MIB = 1024 * 1024
const PAIR = 'a b'

describe('the budget of a relay', () => {
  it('passes on at its rate: after a burst of a second there is a debt to be waited for', () => {
    const clock = new ManualClock()
    const budget = createRelayBudget(clock, 10 * MIB)
    budget.spend(PAIR, 15 * MIB)
    const wait = budget.waitMs(PAIR, false) ?? 0
    expect(wait).toBeGreaterThan(450)
    expect(wait).toBeLessThan(550)
    clock.advance(wait)
    expect(budget.waitMs(PAIR, false)).toBe(0)
  })

  it('lets a pair through that passes little while others wait', () => {
    const budget = createRelayBudget(new ManualClock(), 10 * MIB)
    budget.spend(PAIR, 100 * MIB)
    expect(budget.waitMs(PAIR, false)).toBeGreaterThan(0)
    expect(budget.waitMs('c d', false)).toBe(0)
    budget.spend('c d', COURTESY_BYTES)
    expect(budget.waitMs('c d', false)).toBeGreaterThan(0)
  })

  it('slows a pair down that has passed its share of the day, without any rate', () => {
    const clock = new ManualClock()
    const budget = createRelayBudget(clock, null)
    budget.spend(PAIR, PAIR_BYTES_PER_DAY - 1)
    expect(budget.waitMs(PAIR, false)).toBe(0)
    budget.spend(PAIR, 8 * MIB)
    const wait = budget.waitMs(PAIR, false) ?? 0
    expect(wait).toBeGreaterThan(5_000)
    expect(wait).toBeLessThan(20_000)
    expect(budget.waitMs('c d', false)).toBe(0)
    clock.advance(wait)
    expect(budget.waitMs(PAIR, false)).toBe(0)
  })

  it('gives a newcomer a small circuit, until it is a member or has waited', () => {
    const clock = new ManualClock()
    const budget = createRelayBudget(clock, null)
    expect(budget.waitMs(PAIR, true)).toBe(0)
    budget.spend(PAIR, STRANGER_CIRCUIT_BYTES)
    expect(budget.waitMs(PAIR, true)).toBeNull()
    expect(budget.waitMs(PAIR, false)).toBe(0)
    clock.advance(60_000)
    expect(budget.waitMs(PAIR, true)).toBe(0)
  })

  it('cannot be set so low that ledgers stand still', () => {
    const clock = new ManualClock()
    const budget = createRelayBudget(clock, 1)
    budget.spend(PAIR, COURTESY_BYTES + MIN_RELAY_LIMIT)
    clock.advance(10_000)
    expect(budget.waitMs(PAIR, false)).toBe(0)
  })

  it('knows how busy it has been lately', () => {
    const clock = new ManualClock()
    const budget = createRelayBudget(clock, MIB)
    expect(budget.load()).toBe(0)
    for (let second = 0; second < 60; second++) {
      budget.spend(PAIR, MIB / 2)
      clock.advance(1_000)
    }
    expect(budget.load()).toBeGreaterThan(0.4)
    expect(budget.load()).toBeLessThan(0.6)
    clock.advance(600_000)
    expect(budget.load()).toBeLessThan(0.01)
  })

  it('keeps one account for both directions', () => {
    expect(pairOf('x' as NodeId, 'y' as NodeId)).toBe(pairOf('y' as NodeId, 'x' as NodeId))
  })
})
