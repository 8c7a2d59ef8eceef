import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { ManualClock } from './testing.ts'
import { createThrottle, LIVE_BURST, LIVE_PER_SECOND } from './throttle.ts'

const by = (author: string, count: number) => Array.from({ length: count }, () => ({ author: author as NodeId }))

describe('the throttle', () => {
  it('lets a burst pass, then makes its bringer wait at the rate of its author', () => {
    const clock = new ManualClock()
    const throttle = createThrottle(clock)
    expect(throttle(by('a', LIVE_BURST))).toBe(0)
    expect(throttle(by('a', 50))).toBe((50 / LIVE_PER_SECOND) * 1000)
    expect(throttle(by('b', 1))).toBe(0)
    clock.advance(500)
    expect(throttle(by('a', 10))).toBe(100)
    clock.advance(10_000)
    expect(throttle(by('a', LIVE_BURST))).toBe(0)
  })

  it('gains nothing from a clock that is set back', () => {
    const clock = new ManualClock()
    const throttle = createThrottle(clock)
    throttle(by('a', LIVE_BURST))
    clock.set(clock.now() - 60_000)
    expect(throttle(by('a', 100))).toBe(1000)
  })
})
