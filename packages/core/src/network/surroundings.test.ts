import { describe, expect, it } from 'vitest'
import { watchSurroundings } from './surroundings.ts'
import { ManualClock } from './testing.ts'

function start() {
  const clock = new ManualClock()
  const told: string[] = []
  const state = { addresses: ['192.168.1.5/24', 'fe80::1/64'], reachedAt: ['/ip4/192.168.1.5/tcp/4373'] }
  const stop = watchSurroundings({
    clock,
    read: () => [...state.addresses],
    reachedAt: () => state.reachedAt,
    onChange: (what) => told.push(what),
  })
  return { clock, told, state, stop }
}

describe('surroundings', () => {
  it('says nothing as long as they stay as they are, in whatever order', () => {
    const { clock, told, state } = start()
    clock.advance(10_000)
    state.addresses.reverse()
    clock.advance(10_000)
    expect(told).toEqual([])
  })

  it('tells of another network once it is there, not of the time between', () => {
    const { clock, told, state } = start()
    state.addresses = []
    clock.advance(5_000)
    expect(told).toEqual([])
    state.addresses = ['10.9.8.7/16']
    clock.advance(1_000)
    expect(told).toEqual(['moved'])
    clock.advance(20_000)
    expect(told).toEqual(['moved'])
  })

  it('tells of a network that came back', () => {
    const { clock, told, state } = start()
    const home = state.addresses
    state.addresses = []
    clock.advance(2_000)
    state.addresses = home
    clock.advance(2_000)
    expect(told).toEqual(['moved'])
  })

  it('tells of sleep, by a tick that comes late', () => {
    const { clock, told } = start()
    clock.advance(1_000)
    clock.sleep(60_000)
    clock.advance(1_000)
    expect(told).toEqual(['woken'])
    clock.advance(10_000)
    expect(told).toEqual(['woken'])
  })

  it('tells once when others reach this node elsewhere', () => {
    const { clock, told, state } = start()
    state.reachedAt = ['/ip4/8.8.4.4/tcp/4373/p2p/a/p2p-circuit']
    clock.advance(10_000)
    expect(told).toEqual(['reached'])
  })

  it('ends', () => {
    const { clock, told, state, stop } = start()
    stop()
    state.addresses = ['10.9.8.7/16']
    clock.advance(10_000)
    expect(told).toEqual([])
  })
})
