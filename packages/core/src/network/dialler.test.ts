import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { Dialler, type DiallerInit } from './dialler.ts'
import { ManualClock } from './testing.ts'

/** what is dialled under 'a' */
const PEER = 'b' as NodeId
const STEP_MS = 100

interface Dial {
  readonly node: NodeId
  readonly at: number
  readonly anew: boolean
  /** ends it; in vain unless said otherwise */
  end(reached?: boolean): void
}

/** A dialler whose dials end when the test says so. */
function dialler(init: { wanted?: readonly NodeId[]; alone?: boolean; fails?: boolean; self?: string } = {}) {
  const clock = new ManualClock()
  const dials: Dial[] = []
  const finds: (() => void)[] = []
  const state = { wanted: init.wanted ?? [PEER], alone: init.alone ?? false, fails: init.fails ?? true }
  const host: DiallerInit['host'] = {
    id: (init.self ?? 'a') as NodeId,
    isOpen: () => true,
    connect: (node, wait) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const end = (reached = false) => (reached ? resolve() : reject(new Error('no answer')))
      dials.push({ node, at: clock.now(), anew: wait?.anew === true, end })
      if (state.fails) end()
      return promise
    },
    find: () => new Promise((resolve) => finds.push(() => resolve([]))),
  }
  const made = new Dialler({
    host,
    clock,
    // the longest of what chance may bring
    random: { bytes: (count) => new Uint8Array(count), below: (limit) => limit - 1 },
    wanted: () => state.wanted,
    isAlone: () => state.alone,
  })
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      clock.advance(STEP_MS)
      await new Promise(setImmediate)
    }
  }
  made.start()
  const stop = async () => {
    state.fails = true
    for (const dial of dials) dial.end()
    for (const end of finds) end()
    await made.stop()
  }
  return { clock, dials, finds, state, dialler: made, pass, stop }
}

const pauses = (dials: readonly Dial[]) => dials.slice(1).map(({ at }, index) => at - (dials[index]?.at ?? at))

describe('a member that does not answer', () => {
  it('is dialled less and less often', async () => {
    const { dials, pass, stop } = dialler()
    await pass(600_000)
    expect(Math.max(...pauses(dials))).toBeGreaterThan(60_000)
    await stop()
  })

  it('is dialled at once on news of it, also when others are still asked where it is', async () => {
    const { clock, dials, finds, dialler: one, pass, stop } = dialler()
    await pass(10_000)
    expect(finds.length).toBeGreaterThan(0)
    const before = dials.length
    one.tryNow(PEER)
    expect(dials.length).toBe(before + 1)
    expect(dials.at(-1)?.at).toBe(clock.now())
    await stop()
  })

  it('is asked for once at a time', async () => {
    const { finds, pass, stop } = dialler()
    await pass(300_000)
    expect(finds.length).toBe(1)
    await stop()
  })

  it('is dialled anew on news while a dial waits in vain, and no third time', async () => {
    const { dials, dialler: one, pass, stop } = dialler({ fails: false })
    await pass(2_000)
    expect(dials.length).toBe(1)
    for (let news = 0; news < 10; news++) {
      one.tryNow(PEER)
      await pass(1_000)
    }
    expect(dials.map(({ anew }) => anew)).toEqual([false, true])
    await stop()
  })

  it('is dialled soon after a dial that failed once there was news', async () => {
    const { dials, dialler: one, pass, stop } = dialler({ fails: false })
    await pass(500)
    one.tryNow(PEER)
    dials[0]?.end()
    await pass(1_000)
    expect(dials.length).toBe(2)
    await stop()
  })

  it('is not put off by a clock that is set back', async () => {
    const { clock, dials, pass, stop } = dialler()
    let now = clock.now()
    Object.assign(clock, { monotonic: () => now })
    const steady = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        now += STEP_MS
        await pass(STEP_MS)
      }
    }
    await steady(5_000)
    const before = dials.length
    Object.assign(clock, { now: () => now - 3_600_000 })
    await steady(90_000)
    expect(dials.length).toBeGreaterThan(before)
    await stop()
  })
})

describe('a member that has said farewell', () => {
  it('is dialled rarely, also when nobody else is there, or comes back', async () => {
    const { dials, dialler: one, pass, stop } = dialler({ alone: true })
    await pass(1_000)
    const before = dials.length
    one.rest(PEER)
    await pass(30_000)
    one.lineIsBack()
    await pass(30_000)
    expect(dials.length).toBe(before)
    await pass(60_000)
    expect(dials.length).toBeGreaterThan(before)
    await stop()
  })

  it('is dialled at once when a person says so', async () => {
    const { dials, dialler: one, pass, stop } = dialler()
    await pass(1_000)
    one.rest(PEER)
    const before = dials.length
    one.tryAllNow()
    await pass(1_000)
    expect(dials.length).toBeGreaterThan(before)
    await stop()
  })
})

describe('with nobody connected', () => {
  const many = Array.from({ length: 100 }, (_, at) => `n${at}` as NodeId)

  it('a member is dialled every few seconds: the own line may be back', async () => {
    const { dials, pass, stop } = dialler({ alone: true })
    await pass(600_000)
    expect(Math.max(...pauses(dials))).toBeLessThan(9_000)
    await stop()
  })

  it('of many only a few are, each in its turn, and nobody is asked where they are', async () => {
    const { dials, finds, pass, stop } = dialler({ alone: true, wanted: many })
    await pass(600_000)
    dials.splice(0)
    await pass(600_000)
    // 8 every 2.5 to 7.5 s, and each by itself every 30 to 90 s
    expect(dials.length).toBeLessThan(8 * (600 / 7.5 + 1) + many.length * (600 / 90 + 1) + many.length)
    expect(new Set(dials.map(({ node }) => node)).size).toBe(many.length)
    expect(finds).toEqual([])
    await stop()
  })

  it('all are dialled as soon as the first is back, but not each time that one comes and goes', async () => {
    const [first = PEER, ...others] = many.slice(0, 8)
    const { dials, state, dialler: one, pass, stop } = dialler({ alone: true, wanted: [first, ...others] })
    await pass(600_000)
    state.alone = false
    state.wanted = others
    await pass(10_000)
    dials.splice(0)
    one.reached(first)
    one.lineIsBack()
    await pass(500)
    expect(dials.map(({ node }) => node).sort()).toEqual(others)
    // the pause after the first failure is over once meanwhile
    for (let at = 0; at < 4; at++) {
      one.lineIsBack()
      await pass(500)
    }
    expect(dials.length).toBeLessThanOrEqual(2 * others.length)
    await stop()
  })
})
