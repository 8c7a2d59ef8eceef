import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  inTurns,
  isPrivateIp,
  parseAddress,
  parseAddresses,
  parseMultiaddr,
  pathOf,
  peersIn,
  udpTarget,
} from './addresses.ts'
import { AddressInvalidError } from './errors.ts'

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const RELAY = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'

describe('inTurns', () => {
  it('tells of each place before it tells more of the same', () => {
    const relay = '12D3KooWDMNxMvNssKYwdQRN3b7BxLqZMtMjXrqsckxxBHQtmkfs'
    const given = [
      '/ip4/10.0.0.1/tcp/4373',
      '/ip4/172.17.0.1/tcp/4373',
      '/ip6/2a0b::1/tcp/4373',
      '/ip4/10.0.0.1/udp/4373/quic-v1',
      '/ip4/172.17.0.1/udp/4373/quic-v1',
      `/ip4/8.8.8.8/tcp/1/p2p/${relay}/p2p-circuit`,
      '/ip6/2a0b::1/udp/4373/quic-v1',
      '/dns/sp.example/udp/4373/quic-v1',
      '/dns/sp.example/tcp/4373',
    ]
    expect(inTurns(given.map((each) => multiaddr(each))).map(String)).toEqual([
      '/ip6/2a0b::1/tcp/4373',
      '/ip6/2a0b::1/udp/4373/quic-v1',
      '/ip4/10.0.0.1/tcp/4373',
      '/ip4/10.0.0.1/udp/4373/quic-v1',
      `/ip4/8.8.8.8/tcp/1/p2p/${relay}/p2p-circuit`,
      '/dns/sp.example/tcp/4373',
      '/dns/sp.example/udp/4373/quic-v1',
      '/ip4/172.17.0.1/tcp/4373',
      '/ip4/172.17.0.1/udp/4373/quic-v1',
    ])
    expect(inTurns([])).toEqual([])
  })
})

describe('what a person types without a transport', () => {
  it.each([
    ['192.0.2.7', ['/ip4/192.0.2.7/tcp/4373', '/ip4/192.0.2.7/udp/4373/quic-v1']],
    ['[2001:db8::1]:99', ['/ip6/2001:db8::1/tcp/99', '/ip6/2001:db8::1/udp/99/quic-v1']],
    ['sp.example:99', ['/dns/sp.example/tcp/99', '/dns/sp.example/udp/99/quic-v1']],
    ['/ip4/192.0.2.7/tcp/99', ['/ip4/192.0.2.7/tcp/99']],
    ['/ip4/192.0.2.7/udp/99/quic-v1', ['/ip4/192.0.2.7/udp/99/quic-v1']],
    ['fe80::1%eth0', ['/ip6zone/eth0/ip6/fe80::1/tcp/4373']],
  ])('%s', (text, expected) => {
    expect(parseAddresses(text)).toEqual(expected)
  })
  it('is no UDP address without QUIC', () => {
    expect(() => parseMultiaddr('/ip4/192.0.2.7/udp/99')).toThrow(AddressInvalidError)
    expect(udpTarget(parseMultiaddr('/dns6/sp.example/udp/99/quic-v1'))).toMatchObject({
      family: 0,
      dnsFamily: 6,
      port: 99,
    })
    expect(udpTarget(multiaddr('/ip4/192.0.2.7/udp/99/quic-v1/webtransport'))).toBeNull()
    expect(udpTarget(multiaddr('/ip4/192.0.2.7/tcp/99'))).toBeNull()
  })
})

describe('parseAddress', () => {
  it.each([
    ['192.0.2.7', '/ip4/192.0.2.7/tcp/4373', 'bare IPv4 gets the default port'],
    [' 192.0.2.7 ', '/ip4/192.0.2.7/tcp/4373', 'pasted with blanks'],
    ['192.0.2.7:80', '/ip4/192.0.2.7/tcp/80', 'IPv4 and port'],
    ['192.0.2.7:65535', '/ip4/192.0.2.7/tcp/65535', 'highest port'],
    ['2001:db8::7', '/ip6/2001:db8::7/tcp/4373', 'bare IPv6 has colons and no port'],
    ['::1', '/ip6/::1/tcp/4373', 'shortest IPv6'],
    ['[2001:db8::7]', '/ip6/2001:db8::7/tcp/4373', 'brackets without a port'],
    ['[2001:db8::7]:80', '/ip6/2001:db8::7/tcp/80', 'brackets and port'],
    ['rio.example.com', '/dns/rio.example.com/tcp/4373', 'DNS name'],
    ['Rio.Example.com:81', '/dns/rio.example.com/tcp/81', 'names have no case'],
    ['localhost', '/dns/localhost/tcp/4373', 'one label'],
    ['/ip4/192.0.2.7/tcp/81', '/ip4/192.0.2.7/tcp/81', 'multiaddr'],
    [`/ip4/192.0.2.7/tcp/81/p2p/${PEER}`, `/ip4/192.0.2.7/tcp/81/p2p/${PEER}`, 'multiaddr with a peer'],
    ['/dns4/rio.example.com/tcp/81', '/dns4/rio.example.com/tcp/81', 'DNS multiaddr'],
    ['/ip6zone/eth0/ip6/fe80::7/tcp/81', '/ip6zone/eth0/ip6/fe80::7/tcp/81', 'multiaddr with a zone'],
    [
      `/ip4/192.0.2.7/udp/81/quic-v1/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`,
      `/ip4/192.0.2.7/udp/81/quic-v1/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`,
      'over a relay, by QUIC',
    ],
    ['ff.example.com', '/dns/ff.example.com/tcp/4373', 'a name that begins as multicast does'],
  ])('%s is %s (%s)', (text, expected) => {
    expect(parseAddress(text)).toBe(expected)
  })

  it.each([
    ['', 'empty'],
    ['   ', 'blank'],
    ['192.0.2', 'three parts'],
    ['256.0.0.1', 'a part too large: never a DNS question'],
    ['192.0.2.7:0', 'port 0'],
    ['192.0.2.7:65536', 'port too large'],
    ['192.0.2.7:', 'port missing'],
    ['192.0.2.7:http', 'port no number'],
    ['2001:db8::7:80:', 'neither IPv6 nor host'],
    ['[2001:db8::7', 'bracket open'],
    ['[rio]:80', 'name in brackets'],
    ['rio_1.example.com', 'underscore'],
    ['-rio.example.com', 'label begins with a hyphen'],
    ['rio example', 'blank inside'],
    ['rio\u202Eexample.com', 'direction override'],
    [`${'a'.repeat(64)}.com`, 'label too long'],
    ['a'.repeat(600), 'text too long'],
    ['/ip4/192.0.2.7', 'no port'],
    ['/ip4/192.0.2.7/udp/4373', 'no TCP'],
    ['/ip4/192.0.2/tcp/1', 'malformed IP inside'],
    ['/ip4/192.0.2.7/tcp/0', 'port 0'],
    ['/ip4/192.0.2.7/udp/0/quic-v1', 'port 0'],
    ['/ip4/192.0.2.7/tcp/99999', 'port too large'],
    ['/dns/rio.example.com/tcp/80/ws', 'a transport that nobody has here'],
    ['/ip4/192.0.2.7/tcp/80/tls/http', 'the same'],
    ['/ip4/192.0.2.7/udp/80/quic-v1/webtransport', 'the same'],
    ['/ip4/192.0.2.7/udp/80/tcp/80', 'two ports'],
    ['/ip6zone/eth0/ip4/192.0.2.7/tcp/80', 'a zone of IPv4'],
    ['/ip4/192.0.2.7/tcp/80/p2p/QmX', 'not a PeerId'],
    [`/ip4/192.0.2.7/tcp/80/p2p/${PEER}/p2p/${RELAY}`, 'two PeerIds and no relay'],
    [`/ip4/192.0.2.7/tcp/80/p2p/${PEER}/tcp/80`, 'something after the PeerId'],
    ['0.0.0.0', 'every address'],
    ['[::]:80', 'every address'],
    ['/ip4/0.0.0.0/tcp/80', 'every address'],
    ['224.0.0.1', 'multicast'],
    ['255.255.255.255:80', 'broadcast'],
    ['ff02::1', 'multicast'],
    ['/unix/tmp/socket', 'not of the network'],
    ['/memory/1', 'not of the network'],
    ['http://192.0.2.7/', 'URL'],
  ])('refuses %j (%s)', (text) => {
    expect(() => parseAddress(text)).toThrow(AddressInvalidError)
  })

  it('never throws anything else', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        try {
          expect(parseAddress(text)).toMatch(/^\/(?:ip4|ip6|ip6zone|dns|dns4|dns6)\/.*\/tcp\/\d+/)
        } catch (error) {
          expect(error).toBeInstanceOf(AddressInvalidError)
        }
      }),
    )
  })
})

it('tells relayed from direct, and who is named', () => {
  const relayed = parseMultiaddr(`/ip4/192.0.2.7/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`)
  expect(pathOf(relayed)).toBe('relay')
  expect(peersIn(relayed)).toEqual([RELAY, PEER])
  expect(pathOf(parseMultiaddr('/ip4/192.0.2.7/tcp/1'))).toBe('tcp')
})

it.each([
  ['10.1.2.3', true],
  ['172.15.0.1', false],
  ['172.16.0.1', true],
  ['172.31.255.255', true],
  ['172.32.0.1', false],
  ['192.168.1.1', true],
  ['100.64.0.1', true],
  ['100.128.0.1', false],
  ['8.8.8.8', false],
  ['fd00::1', true],
  ['fe80::1', true],
  ['2a00::1', false],
])('%s private: %s', (ip, expected) => expect(isPrivateIp(ip)).toBe(expected))
