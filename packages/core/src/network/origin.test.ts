import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { originOf, originOfAddress } from './origin.ts'

const RELAY = '12D3KooWFzxBEgzvWwc2tuHmvZ8zUfKNgwcpcSBX8dRkocqT3ogg'
const group = fc.integer({ min: 0, max: 0xffff })
const groups = fc.array(group, { minLength: 8, maxLength: 8 })

describe('where somebody comes from', () => {
  it('is an IPv4 address, however it is written', () => {
    expect(originOf('192.0.2.7')).toBe('192.0.2.7')
    expect(originOf('::ffff:192.0.2.7')).toBe('192.0.2.7')
    expect(originOf('192.0.2.8')).not.toBe(originOf('192.0.2.7'))
  })

  it('is a /64 of IPv6, however it is written', () => {
    fc.assert(
      fc.property(groups, groups, (one, other) => {
        const long = one.map((each) => each.toString(16).padStart(4, '0')).join(':')
        const short = new URL(`http://[${long}]`).hostname.slice(1, -1)
        const neighbour = [...one.slice(0, 4), ...other.slice(4)].map((each) => each.toString(16)).join(':')
        expect(originOf(short)).toBe(originOf(long))
        // one that begins with zeros may be an IPv4 address in other words
        if (one.slice(0, 4).some((each) => each !== 0)) expect(originOf(`${neighbour}%eth0`)).toBe(originOf(long))
        const isSame = one.slice(0, 4).join() === other.slice(0, 4).join()
        const theirs = other.map((each) => each.toString(16)).join(':')
        expect(originOf(theirs) === originOf(long)).toBe(isSame)
      }),
    )
  })

  it('is what an address begins with, or the relay', () => {
    expect(originOfAddress(multiaddr('/ip4/192.0.2.7/tcp/1'))).toBe('192.0.2.7')
    expect(originOfAddress(multiaddr('/ip6zone/eth0/ip6/fe80::1/tcp/1'))).toBe(originOf('fe80::1'))
    expect(originOfAddress(multiaddr(`/ip4/192.0.2.7/tcp/1/p2p/${RELAY}/p2p-circuit`))).toBe(RELAY)
    expect(originOfAddress(multiaddr('/dns/example.org/tcp/1'))).toBe('elsewhere')
  })
})
