import { describe, expect, it } from 'vitest'
import { createHybridClock, type Timestamp } from './clock.ts'
import { ManualClock } from './testing.ts'

describe('hybrid clock', () => {
  it('passes a time that was too far ahead once that time has come', () => {
    const clock = new ManualClock()
    const start = clock.now()
    const seen: Timestamp[] = []
    const hybrid = createHybridClock(clock, () => seen)
    // written while our clock was 100 s ahead; then somebody set it right
    seen.push({ ms: start + 100_000, counter: 4 })
    hybrid.observe({ ms: start + 100_000, counter: 4 })
    expect(hybrid.next()).toEqual({ ms: start, counter: 0 })
    clock.set(start + 50_000)
    expect(hybrid.next()).toEqual({ ms: start + 100_000, counter: 5 })
  })

  it('does the same for what it had seen before it was set back', () => {
    const clock = new ManualClock()
    const start = clock.now()
    const seen: Timestamp[] = []
    const hybrid = createHybridClock(clock, () => seen)
    clock.set(start + 100_000)
    seen.push(hybrid.next())
    clock.set(start)
    expect(hybrid.next()).toEqual({ ms: start, counter: 0 })
    clock.set(start + 45_000)
    expect(hybrid.next()).toEqual({ ms: start + 100_000, counter: 1 })
  })
})
