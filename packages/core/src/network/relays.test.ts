import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import type { RelayCandidate, RelayServing } from './relay-types.ts'
import { byCost, RELAYS_WANTED, Relays } from './relays.ts'
import { ManualClock } from './testing.ts'

const candidate = (name: string, rttMs: number | null = 20): RelayCandidate => ({
  relay: name as NodeId,
  rttMs,
  load: null,
})

/** Lets go of everything that waits for nothing but its turn. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

function start(options: { serving?: RelayServing; candidates?: RelayCandidate[] } = {}) {
  const clock = new ManualClock()
  const state = {
    candidates: options.candidates ?? [],
    granted: new Set<NodeId>(),
    asked: [] as string[],
    refusing: new Set<string>(),
    isReachable: false,
    serving: 0,
  }
  const relays = new Relays({
    clock,
    serving: options.serving ?? 'never',
    candidates: () => state.candidates,
    isReachable: () => state.isReachable,
    has: (relay) => state.granted.has(relay),
    async reserve(relay) {
      state.asked.push(relay)
      if (state.refusing.has(relay)) throw new Error('refused')
      state.granted.add(relay)
    },
    async serve() {
      state.serving += 1
      return {
        async stop() {
          state.serving -= 1
        },
      }
    },
    log() {},
  })
  const wait = async (ms: number) => {
    clock.advance(ms)
    await settled()
  }
  return { relays, state, wait }
}

describe('relays of a node', () => {
  it('asks the nearest at once, and the nearest others when they have had time to connect', async () => {
    const { relays, state, wait } = start({ candidates: [candidate('far', 200), candidate('near', 5)] })
    await relays.start()
    await settled()
    expect(state.asked).toEqual(['near'])
    state.candidates.push(candidate('mid', 50), candidate('moon', 900))
    await wait(2_000)
    await wait(2_000)
    expect(state.asked).toEqual(['near', 'mid', 'far'])
    expect(relays.held()).toHaveLength(RELAYS_WANTED)
  })

  it('replaces one that dies at once, and asks it again when it is back', async () => {
    const { relays, state, wait } = start({ candidates: ['a', 'b', 'c', 'd'].map((name) => candidate(name)) })
    await relays.start()
    await settled()
    await wait(4_000)
    expect(relays.held()).toEqual(['a', 'b', 'c'])
    state.candidates = state.candidates.filter(({ relay }) => relay !== 'b')
    state.granted.delete('b' as NodeId)
    relays.lost('b' as NodeId)
    await settled()
    expect(relays.held()).toEqual(['a', 'c', 'd'])
    state.candidates = ['b', 'c'].map((name) => candidate(name))
    state.granted.delete('a' as NodeId)
    relays.lost('a' as NodeId)
    await settled()
    expect(relays.held()).toEqual(['c', 'd', 'b'])
  })

  it('does not keep asking one that refuses, unless it has connected anew', async () => {
    const { relays, state, wait } = start({ candidates: [candidate('a')] })
    state.refusing.add('a')
    await relays.start()
    await settled()
    expect(state.asked).toEqual(['a'])
    await wait(4_000)
    expect(state.asked).toEqual(['a'])
    await wait(2_000)
    expect(state.asked).toEqual(['a', 'a'])
    state.refusing.clear()
    relays.forget('a' as NodeId)
    relays.look()
    await settled()
    expect(relays.held()).toEqual(['a'])
  })

  it('needs none where others reach it', async () => {
    const { relays, state } = start({ candidates: [candidate('a')] })
    state.isReachable = true
    await relays.start()
    await settled()
    expect(state.asked).toEqual([])
  })

  it('prefers one with little to do to a busy one that is nearer', () => {
    const busy: RelayCandidate = { ...candidate('busy', 5), load: { circuits: 100, share: 1 } }
    expect(byCost([busy, candidate('idle', 80)]).map(({ relay }) => relay)).toEqual(['idle', 'busy'])
    expect(byCost([candidate('unknown', null), busy, candidate('slow', 290)]).map(({ relay }) => relay)).toEqual([
      'slow',
      'unknown',
      'busy',
    ])
  })
})

describe('serving', () => {
  it('begins when others have reached this node, and ends when that has been over for a minute', async () => {
    const { relays, state, wait } = start({ serving: 'auto' })
    await relays.start()
    expect(state.serving).toBe(0)
    state.isReachable = true
    relays.look()
    await settled()
    expect([state.serving, relays.isServing]).toEqual([1, true])
    state.isReachable = false
    await wait(50_000)
    expect(state.serving).toBe(1)
    await wait(12_000)
    expect([state.serving, relays.isServing]).toEqual([0, false])
  })

  it.each([
    ['always', 1],
    ['never', 0],
  ] as const)('%s', async (serving, expected) => {
    const { relays, state, wait } = start({ serving })
    await relays.start()
    state.isReachable = true
    relays.look()
    await wait(100_000)
    expect(state.serving).toBe(expected)
    await relays.stop()
    expect(state.serving).toBe(0)
  })
})
