import { describe, expect, it } from 'vitest'
import { DecodeError } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { ProtocolUnsupportedError } from './errors.ts'
import { createRetry } from './retry.ts'
import { ManualClock } from './testing.ts'

const notYet = new ProtocolUnsupportedError('newcomer' as NodeId, 'facts')

function setUp() {
  const clock = new ManualClock()
  const retry = createRetry({ clock, firstMs: 100, lastMs: 1000 })
  const never = new AbortController()
  /** how long the pause takes, in steps of 50 ms */
  const paused = async (signal = never.signal, during: (ms: number) => void = () => {}) => {
    let isOver = false
    const pause = retry.pause(signal).then(() => {
      isOver = true
    })
    let ms = 0
    for (; !isOver; ms += 50) {
      during(ms)
      clock.advance(50)
      await new Promise(setImmediate)
    }
    await pause
    return ms
  }
  return { clock, retry, never, paused }
}

describe('createRetry', () => {
  it('pauses twice as long each time, up to a limit, and begins anew when it has worked', async () => {
    const { retry, paused } = setUp()
    const pauses: number[] = []
    for (let tries = 0; tries < 6; tries++) {
      retry.failed(notYet)
      pauses.push(await paused())
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000])
    retry.worked()
    expect(await paused()).toBe(100)
  })

  it('hurries when the other side speaks, but keeps the shortest pause', async () => {
    const { retry, paused } = setUp()
    for (let tries = 0; tries < 4; tries++) await paused()
    retry.failed(notYet)
    expect(await paused(undefined, (ms) => ms === 300 && retry.hurry())).toBe(350)
    retry.failed(notYet)
    expect(await paused(undefined, (ms) => ms === 0 && retry.hurry())).toBe(100)
  })

  it('does not hurry after nonsense', async () => {
    const { retry, paused } = setUp()
    for (let tries = 0; tries < 4; tries++) await paused()
    expect(retry.failed(new DecodeError('no map'))).toBe(true)
    expect(await paused(undefined, () => retry.hurry())).toBe(1000)
  })

  it('ends with its signal', async () => {
    const { paused } = setUp()
    for (let tries = 0; tries < 4; tries++) await paused()
    const end = new AbortController()
    expect(await paused(end.signal, (ms) => ms === 200 && end.abort())).toBe(250)
  })
})
