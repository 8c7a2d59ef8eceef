import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { punched } from './path-kinds.ts'
import { Reached, type ReachedInit } from './reached.ts'

interface Coming {
  /** its own address, unless told otherwise */
  readonly own?: { type: string; at: string }
  /** there is a connection with the member already */
  readonly isBeside?: boolean
  readonly isPunched?: boolean
}

/** A node with a public address to which a member has come from there. */
function reachedFrom(from: string, coming: Coming = {}): boolean {
  const { own = { type: 'transport', at: '/ip4/11.22.33.1/tcp/4373' }, isBeside = false, isPunched = false } = coming
  const events = new EventTarget()
  const components = {
    events,
    connectionManager: { getConnections: () => (isBeside ? [{}] : []) },
    addressManager: {
      getAddressesWithMetadata: () => [{ type: own.type, multiaddr: multiaddr(own.at) }],
    },
  } as unknown as ReachedInit['components']
  const reached = new Reached({ components, announces: false, isTrusted: () => true })
  const connection = { direction: 'inbound', remoteAddr: multiaddr(from), remotePeer: {} } as unknown as Connection
  events.dispatchEvent(new CustomEvent('connection:open', { detail: connection }))
  if (isPunched) punched.add(connection)
  return reached.isReached
}

it('counts who comes from the Internet', () => {
  expect(reachedFrom('/ip4/11.22.44.1/tcp/50000')).toBe(true)
})

it.each(['/ip4/192.168.1.7/tcp/50000', '/ip6zone/eth0/ip6/fe80::1/tcp/50000', '/ip6/fd00::7/tcp/50000'])(
  'does not count who comes from a network of its own: %s',
  (from) => {
    expect(reachedFrom(from)).toBe(false)
  },
)

it('counts who comes by a port that the router leads here, and nobody where there is none', () => {
  const from = '/ip4/11.22.44.1/tcp/50000'
  expect(reachedFrom(from, { own: { type: 'ip-mapping', at: '/ip4/11.22.33.1/tcp/4373' } })).toBe(true)
  expect(reachedFrom(from, { own: { type: 'transport', at: '/ip4/192.168.1.7/tcp/4373' } })).toBe(false)
})

it('counts who comes beside a connection by TCP, whose port has sent nothing; not by UDP, nor whom both have punched', () => {
  const [tcp, udp] = ['/ip4/11.22.44.1/tcp/50000', '/ip4/11.22.44.1/udp/50000/quic-v1']
  expect([tcp, udp].map((from) => reachedFrom(from))).toEqual([true, true])
  expect([tcp, udp].map((from) => reachedFrom(from, { isBeside: true }))).toEqual([true, false])
  expect(reachedFrom(tcp, { isBeside: true, isPunched: true })).toBe(false)
})
