import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { nearestOf } from './relay-wiring.ts'

const order = (...addresses: string[]) => nearestOf(addresses.map((each) => multiaddr(each))).map(String)

describe('addresses of a relay', () => {
  it('begin with the best of each family, public before private', () => {
    expect(
      order(
        '/ip4/10.0.0.1/tcp/1',
        '/ip4/8.0.0.1/tcp/1',
        '/ip4/8.0.0.2/tcp/1',
        '/ip6/fd00::1/tcp/1',
        '/ip6/2a00::1/tcp/1',
      ),
    ).toEqual([
      '/ip4/8.0.0.1/tcp/1',
      '/ip6/2a00::1/tcp/1',
      '/ip4/8.0.0.2/tcp/1',
      '/ip4/10.0.0.1/tcp/1',
      '/ip6/fd00::1/tcp/1',
    ])
  })

  it('are as before where there is only one family', () => {
    expect(order('/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/8.0.0.1/tcp/1')).toEqual([
      '/ip4/8.0.0.1/tcp/1',
      '/ip4/10.0.0.1/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
    ])
  })
})
