import { describe, expect, it } from 'vitest'
import { AddressInvalidError } from './errors.ts'
import { announcedAt } from './transports.ts'

const BOTH = { tcp: true, udp: 'on' } as const
const at = (text: string, listen: string[], transports: Parameters<typeof announcedAt>[2] = BOTH) =>
  announcedAt([text], listen, transports)

describe('what a person announces', () => {
  const listen = ['/ip4/0.0.0.0/tcp/5000', '/ip6/::/udp/5000/quic-v1']
  it.each([
    ['200.1.2.3', ['/ip4/200.1.2.3/tcp/5000', '/ip4/200.1.2.3/udp/5000/quic-v1']],
    ['[2001:db8::7]', ['/ip6/2001:db8::7/tcp/5000', '/ip6/2001:db8::7/udp/5000/quic-v1']],
    ['rio.example.com:443', ['/dns/rio.example.com/tcp/443', '/dns/rio.example.com/udp/443/quic-v1']],
    ['/dns4/rio.example.com/udp/443/quic-v1', ['/dns4/rio.example.com/udp/443/quic-v1']],
  ])('is at the port where this node listens, unless it says otherwise: %s', (text, expected) => {
    expect(at(text, listen)).toEqual(expected)
  })

  it('is what this node has', () => {
    expect(at('200.1.2.3', listen, { tcp: true, udp: 'off' })).toEqual(['/ip4/200.1.2.3/tcp/5000'])
    expect(at('200.1.2.3', listen, { tcp: false, udp: 'on' })).toEqual(['/ip4/200.1.2.3/udp/5000/quic-v1'])
    expect(at('200.1.2.3', ['/ip4/0.0.0.0/tcp/0'])[0]).toBe('/ip4/200.1.2.3/tcp/4373')
    expect(announcedAt(undefined, listen, BOTH)).toEqual([])
    expect(() => at('0.0.0.0', listen)).toThrow(AddressInvalidError)
  })
})
