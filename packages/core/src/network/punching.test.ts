/** When a direct connection is tried for, on a clock of the test's own. */
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { LAST_PAUSE_MS, Punching } from './punching.ts'
import { ManualClock } from './testing.ts'

const SELF = 'm' as NodeId
const SMALLER = 'a' as NodeId
const LARGER = ['p', 'q', 'r', 's', 't', 'u'] as NodeId[]
/** the middle of what chance may add */
const random = { bytes: (length: number) => new Uint8Array(length), below: (bound: number) => Math.floor(bound / 2) }

function scene(relayed: NodeId[], upgrade: (peer: NodeId) => Promise<void>) {
  const clock = new ManualClock()
  const tried: NodeId[] = []
  const state = { open: true, relayed }
  const punching = new Punching({
    self: SELF,
    clock,
    random,
    relayed: () => state.relayed,
    upgrade: (peer) => {
      tried.push(peer)
      return upgrade(peer)
    },
    isOpen: () => state.open,
    log: () => {},
  })
  punching.start()
  /** in steps, so that what has failed is heard of */
  const wait = async (ms: number) => {
    const settled = () => new Promise((resolve) => setImmediate(resolve))
    await settled()
    for (let passed = 0; passed < ms; passed += 1_000) {
      clock.advance(1_000)
      await settled()
    }
  }
  return { punching, tried, state, wait }
}

const fail = () => Promise.reject(new Error('no direct path'))

describe('punching', () => {
  it('is begun by the smaller id, and by nobody while presence is off', async () => {
    const { punching, tried, state, wait } = scene([SMALLER, 'p' as NodeId], fail)
    expect(tried).toEqual(['p'])
    state.open = false
    await wait(60_000)
    expect(tried).toEqual(['p'])
    await punching.stop()
  })

  it('pauses longer after each failure, and never for good', async () => {
    const { punching, tried, wait } = scene(['p' as NodeId], fail)
    const gaps: number[] = []
    for (let each = 0; each < 10; each++) {
      const before = tried.length
      let waited = 0
      for (; tried.length === before && waited < 2 * LAST_PAUSE_MS; waited += 1_000) await wait(1_000)
      gaps.push(waited)
    }
    expect(gaps.slice(0, 3)).toEqual([5_000, 10_000, 20_000])
    expect(gaps.at(-1)).toBe(LAST_PAUSE_MS)
    await punching.stop()
  })

  it('is tried at once by whoever has moved, whosever turn it is', async () => {
    const { punching, tried, wait } = scene([SMALLER, 'p' as NodeId], fail)
    await wait(20_000)
    const before = tried.length
    punching.moved()
    await wait(1_000)
    expect(tried.slice(before).sort()).toEqual([SMALLER, 'p'])
    // an interface that flaps changes nothing for a while
    punching.moved()
    await wait(1_000)
    expect(tried.slice(before)).toHaveLength(2)
    await punching.stop()
  })

  it('is tried with a few at a time, and with nobody who is reached directly', async () => {
    const ends: (() => void)[] = []
    const { punching, tried, state, wait } = scene(LARGER, () => new Promise((resolve) => ends.push(resolve)))
    expect(tried).toHaveLength(4)
    state.relayed = LARGER.slice(4)
    for (const end of ends.splice(0)) end()
    await wait(2_000)
    expect(tried).toEqual(LARGER)
    for (const end of ends) end()
    await punching.stop()
  })
})
