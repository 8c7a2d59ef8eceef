import { describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { RegisterLimit, TRIES_PER_SECOND } from './register-limit.ts'

const peer = (number: number) => `12D3KooW${number}` as NodeId

describe('tries to register', () => {
  const setup = () => {
    const clock = { ...systemClock, time: 1_000_000, now: () => clock.time }
    return { clock, limit: new RegisterLimit(clock) }
  }

  it('are one per second and address, whoever comes from there', () => {
    const { clock, limit } = setup()
    const address = '/ip4/198.51.100.7/tcp/4373'
    expect(limit.allows(peer(1), address)).toBe(true)
    expect(limit.allows(peer(2), address)).toBe(false)
    expect(limit.allows(peer(2), '/ip4/198.51.100.8/tcp/4373')).toBe(true)
    clock.time += 1000
    expect(limit.allows(peer(2), address)).toBe(true)
  })

  it('are counted by peer over a relay and on this machine', () => {
    const { limit } = setup()
    for (const address of [
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/::1/tcp/1',
      '/ip4/198.51.100.7/tcp/1/p2p/x/p2p-circuit',
      undefined,
    ]) {
      const base = address?.length ?? 0
      expect(limit.allows(peer(base), address)).toBe(true)
      expect(limit.allows(peer(base), address)).toBe(false)
      expect(limit.allows(peer(base + 1000), address)).toBe(true)
    }
  })

  it('are bounded for all together', () => {
    const { clock, limit } = setup()
    const allowed = () => Array.from({ length: 100 }, (_, i) => limit.allows(peer(i), undefined)).filter(Boolean).length
    expect(allowed()).toBe(TRIES_PER_SECOND)
    clock.time += 500
    expect(allowed()).toBe(TRIES_PER_SECOND / 2)
    clock.time += 60_000
    expect(allowed()).toBe(TRIES_PER_SECOND)
  })

  it('go on when the clock was set back', () => {
    const { clock, limit } = setup()
    expect(limit.allows(peer(1), undefined)).toBe(true)
    clock.time -= 3_600_000
    expect(limit.allows(peer(1), undefined)).toBe(true)
  })
})
