import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { Reached, type ReachedInit } from './reached.ts'

/** A node with a public address, to which a member has come from there. */
function reachedFrom(from: string): boolean {
  const events = new EventTarget()
  const components = {
    events,
    connectionManager: { getConnections: () => [] },
    addressManager: {
      getAddressesWithMetadata: () => [{ type: 'transport', multiaddr: multiaddr('/ip4/11.22.33.1/tcp/4373') }],
    },
  } as unknown as ReachedInit['components']
  const reached = new Reached({ components, announces: false, isTrusted: () => true })
  const connection = { direction: 'inbound', remoteAddr: multiaddr(from), remotePeer: {} } as unknown as Connection
  events.dispatchEvent(new CustomEvent('connection:open', { detail: connection }))
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
