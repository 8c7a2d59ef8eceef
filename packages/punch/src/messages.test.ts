/** What is read is what was written; what was not written by us is refused, and costs no more than its bytes. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Candidate, candidateOf, type Endpoint, eligible, endpointOf, isPrivate, isPublic } from './endpoints.ts'
import { PunchMessageError } from './errors.ts'
import { MAX_CANDIDATES, MAX_DIALS, MAX_MESSAGE_BYTES, STATEMENT_MS } from './limits.ts'
import { decodeMessage, decodeObservation, encodeMessage, encodeObservation, type Message } from './messages.ts'
import { isTrue, makeStatement, type Statement } from './statements.ts'

const ip4 = fc.ipV4().map((ip) => endpointOf(ip, 1)?.ip ?? '')
const ip6 = fc.ipV6().map((ip) => endpointOf(ip, 1)?.ip ?? '')
const port = fc.integer({ min: 1, max: 65_535 })
const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.record({ family: fc.constant(4 as const), ip: ip4, port }),
  fc.record({ family: fc.constant(6 as const), ip: ip6, port }).filter(({ ip }) => ip.includes(':')),
)
const candidate: fc.Arbitrary<Candidate> = fc
  .tuple(endpoint, fc.constantFrom('tcp' as const, 'udp' as const))
  .map(([place, transport]) => ({ ...place, transport }))

let key: PrivateKey
let observer: string
beforeAll(async () => {
  key = await generateKeyPair('Ed25519')
  observer = peerIdFromPrivateKey(key).toString()
})

const statementAt = (place: Endpoint): Statement => ({
  endpoint: place,
  at: 1_700_000_000_000,
  observer,
  signature: new Uint8Array(64).fill(7),
})

describe('messages', () => {
  it('are read as they were written', () => {
    const connect = fc.record({
      way: fc.constantFrom('dial' as const, 'tcp' as const, 'udp' as const, 'socket' as const),
      waited: fc.integer({ min: 0, max: 0xffff }),
      place: fc.option(endpoint),
      candidates: fc.array(candidate, { maxLength: MAX_CANDIDATES }),
    })
    fc.assert(
      fc.property(connect, ({ way, waited, place, candidates }) => {
        const statement = place === null ? null : statementAt(place)
        const message: Message = { type: 'connect', way, waited, statement, candidates }
        const bytes = encodeMessage(message)
        expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
        expect(decodeMessage(bytes)).toEqual(message)
        expect(() => decodeMessage(bytes.subarray(0, -1))).toThrow(PunchMessageError)
        expect(() => decodeMessage(Uint8Array.from([...bytes, 0]))).toThrow(PunchMessageError)
      }),
    )
    for (const type of ['sync', 'swap', 'done', 'no'] as const) {
      expect(decodeMessage(encodeMessage({ type }))).toEqual({ type })
    }
  })

  it('are nothing else than read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [decodeMessage, decodeObservation]) {
          try {
            decode(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(PunchMessageError)
          }
        }
      }),
    )
  })

  it('name no more than may be named', () => {
    const many = Array.from({ length: 20 }, (_, at): Candidate => {
      return { family: 4, ip: `11.22.33.${at}`, port: 1, transport: 'tcp' }
    })
    const bytes = encodeMessage({ type: 'connect', way: 'dial', waited: 0, statement: null, candidates: many })
    expect(decodeMessage(bytes)).toMatchObject({ candidates: many.slice(0, MAX_CANDIDATES) })
    const count = bytes.length - MAX_CANDIDATES * 8 - 1
    bytes[count] = MAX_CANDIDATES + 1
    expect(() => decodeMessage(bytes)).toThrow('too many')
  })

  it('answers of observers are read as they were written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean(), port, (token, isShared, tcp) => {
        const observation = { token, isShared, tcp, udp: 0, quic: 3, seen: isShared ? null : statementAt(place) }
        expect(decodeObservation(encodeObservation(observation))).toEqual(observation)
      }),
    )
  })
})

const place: Endpoint = { family: 4, ip: '11.22.33.44', port: 5555 }

describe('statements', () => {
  it('hold for whom, what and when they were made', async () => {
    const subject = { prefix: '/here', peer: 'somebody', transport: 'tcp' } as const
    const now = 1_700_000_000_000
    const statement = await makeStatement(subject, place, { id: observer, key, now })
    await expect(isTrue(statement, subject, now + STATEMENT_MS)).resolves.toBe(true)
    const others = [
      isTrue(statement, { ...subject, peer: 'else' }, now),
      isTrue(statement, { ...subject, prefix: '/there' }, now),
      isTrue(statement, { ...subject, transport: 'udp' }, now),
      isTrue(statement, subject, now + STATEMENT_MS + 1),
      isTrue(statement, subject, now - STATEMENT_MS - 1),
      isTrue({ ...statement, endpoint: { ...place, port: 5556 } }, subject, now),
      isTrue({ ...statement, at: now + 1 }, subject, now),
      isTrue(
        { ...statement, observer: peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString() },
        subject,
        now,
      ),
      isTrue({ ...statement, signature: new Uint8Array(3) }, subject, now),
    ]
    expect(await Promise.all(others)).toEqual(others.map(() => false))
  })
})

describe('addresses', () => {
  const at = (ip: string): Endpoint => ({ family: ip.includes(':') ? 6 : 4, ip, port: 1 })

  it.each([
    ['8.8.8.8', true, false],
    ['11.22.33.44', true, false],
    ['2606:4700::1111', true, false],
    ['10.1.2.3', false, true],
    ['192.168.0.1', false, true],
    ['172.31.255.255', false, true],
    ['100.64.0.1', false, true],
    ['fd00::1', false, true],
    ['127.0.0.1', false, false],
    ['169.254.169.254', false, false],
    ['0.0.0.0', false, false],
    ['224.0.0.1', false, false],
    ['255.255.255.255', false, false],
    ['240.0.0.1', false, false],
    ['::1', false, false],
    ['::', false, false],
    ['fe80::1', false, false],
    ['ff02::1', false, false],
    ['2001:db8::1', false, false],
    ['64:ff9b::a00:1', false, false],
  ])('%s: public %s, private %s', (ip, isGlobal, isLocal) => {
    expect([isPublic(at(ip)), isPrivate(at(ip))]).toEqual([isGlobal, isLocal])
  })

  it('are dialled only where their owner was seen, or in a LAN that both are in', () => {
    const candidates = ['11.22.33.44', '11.22.33.45', '192.168.1.2', '127.0.0.1', '169.254.169.254', '10.0.0.1'].map(
      (ip): Candidate => ({ ...at(ip), transport: 'tcp' }),
    )
    const theirs = { seen: place, candidates }
    const ips = (own: Endpoint | null) => eligible({ seen: own, candidates: [] }, theirs).map(({ ip }) => ip)
    expect(ips(at('11.22.33.99'))).toEqual(['11.22.33.44'])
    expect(ips(null)).toEqual(['11.22.33.44'])
    expect(ips(at('11.22.33.44'))).toEqual(['192.168.1.2', '10.0.0.1', '11.22.33.44'])
    expect(eligible({ seen: place, candidates: [] }, { seen: null, candidates })).toEqual([])
    const many = { seen: place, candidates: Array.from({ length: 8 }, () => ({ ...place, transport: 'tcp' as const })) }
    expect(eligible({ seen: null, candidates: [] }, many)).toHaveLength(MAX_DIALS)
  })

  it.each([
    ['/ip4/11.22.33.44/tcp/1', '11.22.33.44'],
    ['/ip6/2606:4700:0:0:0:0:0:1/tcp/1', '2606:4700::1'],
    ['/ip4/11.22.33.44/udp/1/quic-v1', '11.22.33.44'],
    ['/ip4/11.22.33.44/udp/1', undefined],
    ['/ip4/11.22.33.44/tcp/1/ws', undefined],
    ['/dns4/a.example/tcp/1', undefined],
    ['/ip4/1.2.3.4/tcp/1/p2p/12D3KooWJTiteMZXFmPNyuJuMZtBjx1unwwkCTjMdqwMciWFdVos/p2p-circuit', undefined],
  ])('%s is read as %s', (text, ip) => {
    expect(candidateOf(multiaddr(text))?.ip).toBe(ip)
  })
})
