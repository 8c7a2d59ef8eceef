import { describe, expect, it } from 'vitest'
import { DecodeError } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { ProtocolUnsupportedError, StreamBrokenError } from './errors.ts'
import { createPatience } from './patience.ts'
import { ManualClock } from './testing.ts'

const notYet = new ProtocolUnsupportedError('newcomer' as NodeId, 'facts')

describe('createPatience', () => {
  it('ends once, when a passing failure has persisted', () => {
    const clock = new ManualClock()
    const patience = createPatience(clock)
    const told: boolean[] = []
    for (let second = 0; second < 60; second += 10) {
      told.push(patience.isOver(second % 20 === 0 ? notYet : new StreamBrokenError('reset')))
      clock.advance(10_000)
    }
    expect(told).toEqual([false, false, false, true, false, false])
  })

  it('does not end for two failures, however far apart', () => {
    const clock = new ManualClock()
    const patience = createPatience(clock)
    expect(patience.isOver(notYet)).toBe(false)
    clock.advance(3_600_000)
    expect(patience.isOver(notYet)).toBe(false)
  })

  it('begins anew when it has worked', () => {
    const clock = new ManualClock()
    const patience = createPatience(clock)
    for (let tries = 0; tries < 3; tries++) {
      patience.isOver(notYet)
      clock.advance(15_000)
    }
    patience.worked()
    expect([1, 2, 3].map(() => patience.isOver(notYet))).toEqual([false, false, false])
  })

  it('has none with nonsense', () => {
    expect(createPatience(new ManualClock()).isOver(new DecodeError('no map'))).toBe(true)
  })
})
