import { describe, expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import type { Nat, NetworkHost, PeerConnection } from '../network/index.ts'
import { pathChecks, pathsInUse, unreachableWarnings } from './path-report.ts'
import type { Session } from './session.ts'

const REACH = { tcp: 'private', udp: 'private', relay: 'none', nat: 'behind' }
const NAMES = ['Rio', 'Recife', 'Natal', 'Belém']

function connection(peer: string, more: Partial<PeerConnection>): PeerConnection {
  return { peer: peer as NodeId, path: 'tcp', kind: 'tcp', rttMs: 10, bytesPerSecond: null, address: '/sim', ...more }
}

function session(reach: Partial<typeof REACH>, connections: PeerConnection[] = [], outOfReach: string[] = []): Session {
  const upnp = () => ({ state: 'off', address: null, detail: null })
  const host = { reachability: () => ({ ...REACH, ...reach }), connections: () => connections, upnp }
  return {
    host,
    members: {
      isMember: (node: string) => NAMES.includes(node),
      get: (node: string) => (NAMES.includes(node) ? { branch: node } : undefined),
      branchLabel: (branch: string) => branch,
    },
    presence: { unreachable: () => outOfReach },
  } as unknown as Session
}

const check = (of: Session, name: string, nat: Nat | null = null) =>
  pathChecks(of.host as NetworkHost, of, nat).find((each) => each.name === name)

describe('what is said about paths', () => {
  it('is how many there are of each kind, with the middle round trip and the best rate', () => {
    const some = [
      connection('Rio', { rttMs: 30 }),
      connection('Recife', { rttMs: 10, bytesPerSecond: 5 }),
      connection('Natal', { rttMs: 20, bytesPerSecond: 9 }),
      connection('Belém', { path: 'relay', kind: 'relay', rttMs: null }),
      connection('a stranger', {}),
    ]
    expect(pathsInUse(session({}, some))).toEqual([
      { kind: 'tcp', count: 3, rttMs: 20, bytesPerSecond: 9 },
      { kind: 'relay', count: 1, rttMs: null, bytesPerSecond: null },
    ])
    expect(check(session({}, some), 'paths')).toMatchObject({
      state: 'warning',
      message: '3 tcp (20 ms), 1 relay',
      advice: expect.stringContaining('Belém'),
    })
    expect(check(session({}, some.slice(0, 3)), 'paths')).toMatchObject({ state: 'ok', advice: null })
    expect(check(session({}), 'paths')).toBeUndefined()
  })

  it('names whom there is no way to, when it is not only that they are off', () => {
    const warned = (reach: Partial<typeof REACH>) => unreachableWarnings(session(reach, [], ['Rio']))
    expect(warned({})).toEqual([
      { code: 'unreachable', message: 'cannot reach Rio: no relay', advice: expect.stringContaining('--relay') },
    ])
    for (const fine of [
      { relay: '1 reserved' },
      { udp: 'public' },
      { tcp: 'announced' },
      { tcp: 'loopback', udp: 'none' },
    ])
      expect(warned(fine)).toEqual([])
  })

  it.each([
    ['none', 'ok', /own address \(198\.51\.100\.7\)/],
    ['one', 'ok', /one port for all/],
    ['each', 'warning', /symmetric/],
    ['some', 'ok', /it takes two/],
    ['unknown', 'ok', /could be asked/],
  ] as const)('explains a NAT of the kind %s', (kind, state, message) => {
    const seenAt = kind === 'unknown' ? [] : ['198.51.100.7']
    const found = check(session({}), 'nat', { kind, seenAt, keepsPort: false })
    expect(found?.state).toBe(state)
    expect(found?.message).toMatch(message)
  })

  it.each([
    [{ tcp: 'public' }, 'ok', /directly/, /^$/],
    [{ udp: 'announced' }, 'ok', /by hand/, /^$/],
    [{ relay: 'server' }, 'ok', /serves as relay/, /^$/],
    [{ tcp: 'unverified', udp: 'unverified' }, 'warning', /nobody came in/, /firewall/],
    [{ relay: '2 reserved' }, 'ok', /behind a NAT/, /4373.*UPnP/],
    [{}, 'warning', /only the same LAN/, /4373.*--relay/],
    [{ tcp: 'mapped', udp: 'mapped' }, 'ok', /UPnP/, /^$/],
    [{ tcp: 'loopback', udp: 'loopback' }, 'ok', /this machine alone/, /^$/],
  ])('explains that this node is %o', (reach, state, message, advice) => {
    const found = check(session(reach), 'reachability')
    expect(found?.state).toBe(state)
    expect(found?.message).toMatch(message)
    expect(found?.advice ?? '').toMatch(advice)
  })

  it.each([
    ['off', null, null, null],
    ['not-needed', null, null, null],
    ['mapped', '177.0.0.5:4373', null, /^ok mapped 177\.0\.0\.5:4373 null$/],
    ['no-router', null, null, /^ok no router answered .*Forward/],
    ['no-public-address', null, '100.64.0.2', /^ok .*\(100\.64\.0\.2\).*--relay/],
    ['refused', null, 'refused (606)', /^warning .*606.*Forward/],
    ['failed', null, 'timeout', /^warning .*timeout.*Forward/],
  ] as const)('says what became of the port at the router: %s', (state, address, detail, said) => {
    const of = session({})
    const host = { ...of.host, upnp: () => ({ state, address, detail }) } as NetworkHost
    const found = pathChecks(host, of, null).find(({ name }) => name === 'upnp')
    if (said === null) expect(found).toBeUndefined()
    else expect(`${found?.state} ${found?.message} ${found?.advice}`).toMatch(said)
  })
})
