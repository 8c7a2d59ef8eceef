import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { generateSigningKey } from '../crypto/index.ts'
import { codeOf } from '../errors.ts'
import { type NetworkId, nodeIdFromPublicKey } from '../ids.ts'
import {
  DisconnectedError,
  ListenError,
  NoNetworkError,
  ProtocolUnsupportedError,
  TimeoutError,
  UnreachableError,
} from './errors.ts'
import type { Components } from './guard.ts'
import { startLibp2p } from './libp2p-node.ts'
import { RelayReservations } from './relay-reservations.ts'
import { MAX_STRANGER_BYTES, MAX_STRANGERS, STRANGER_GRACE_MS } from './strangers.ts'
import { LISTEN, ManualClock, peerEvent, startTestHost, type TestHost } from './testing.ts'
import { TRANSPORTS } from './transports.ts'
import type { HandlerInit, ProtocolName } from './types.ts'
import { AFTER_END_BYTES, END_MS } from './until-ended.ts'

const ALL: ProtocolName[] = ['register', 'presence', 'facts', 'ledger', 'boxes', 'keys', 'transfer']
const IDENTIFY = '/ipfs/id/1.0.0'
const HANDLER: HandlerInit = { maxFrameBytes: 1000, timeoutMs: 5_000 }
const OPTIONS = { maxFrameBytes: 1000, timeoutMs: 3_000 }

/** libp2p without our rules, as a stranger may bring it. */
const BARE = {
  listen: [],
  announce: [],
  reservations: new RelayReservations(),
  gater: {},
  lanes: { clock: systemClock, takers: new Map() },
  onComponents: () => {},
}

const running: TestHost[] = []
async function startAny(...args: Parameters<typeof startTestHost>): Promise<TestHost> {
  const one = await startTestHost(...args)
  running.push(one)
  return one
}
const start = startAny
afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(running.splice(0).map(({ host }) => host.stop()))
})

/** Answers every protocol with its name's length. */
function serveAll({ host }: TestHost): void {
  for (const protocol of ALL) {
    host.handle(protocol, { ...HANDLER, strangers: protocol === 'register' }, async (stream) => {
      await stream.read()
      await stream.write(new Uint8Array([protocol.length]))
    })
  }
}

/** Asks who they are; libp2p itself does too, and one at a time is answered. The answer stays unread. */
async function identifyStream(connection: Connection): Promise<Stream> {
  for (;;) {
    const stream = await connection.newStream(IDENTIFY).catch(() => undefined)
    if (connection.status !== 'open') throw new Error('closed')
    if (stream === undefined) continue
    const settled = new Promise((resolve) => {
      for (const event of ['remoteCloseWrite', 'close'] as const) stream.addEventListener(event, resolve)
    })
    if (stream.status === 'open' && stream.remoteWriteStatus === 'writable') await settled
    if (stream.status === 'open') return stream
  }
}

/** Says something, if it can: of a stream that the other side has ended QUIC tells when something is sent. */
function say(stream: Stream, bytes = 1): void {
  try {
    stream.send(new Uint8Array(bytes))
  } catch {
    // it is over
  }
}

async function answered(from: TestHost, to: TestHost): Promise<ProtocolName[]> {
  const result: ProtocolName[] = []
  for (const protocol of ALL) {
    const answer = await from.host.request(to.host.id, protocol, new Uint8Array(1), OPTIONS).catch(() => undefined)
    if (answer !== undefined) result.push(protocol)
  }
  return result
}

describe('addresses', () => {
  it('that were learnt are not forgotten when a peer says of itself where it listens', async () => {
    const before = await start()
    const [address = ''] = before.host.addresses()
    const elsewhere = await start()
    const [next = ''] = elsewhere.host.addresses()
    await elsewhere.host.stop()
    const client = await start({ members: [before] })
    client.host.learn(before.host.id, [address, next.replace(elsewhere.host.id, before.host.id)])
    const told = peerEvent(client.host, 'connected', before.host.id)
    await client.host.connect(before.host.id, OPTIONS)
    await told
    const gone = peerEvent(client.host, 'disconnected', before.host.id)
    await before.host.stop()
    await gone
    const after = await start({ signingKey: before.key, listen: [next.replace(/\/p2p\/.*/, '')], members: [client] })
    await client.host.connect(after.host.id, OPTIONS)
    expect(client.host.connections().map(({ peer }) => peer)).toEqual([after.host.id])
  })

  it('serve for good: also after an outage, or a jump of the clock, of more than hours', async () => {
    const server = await start()
    const client = await start({ members: [server] })
    client.host.learn(server.host.id, server.host.addresses())
    await client.host.connect(server.host.id, OPTIONS)
    await client.host.setOpen(false)
    await client.host.setOpen(true)
    expect(client.host.connections()).toEqual([])
    const now = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => now() + 30 * 86_400_000)
    await client.host.connect(server.host.id, OPTIONS)
    expect(client.host.connections().map(({ peer }) => peer)).toEqual([server.host.id])
  })
})

describe.each(TRANSPORTS)('who gets in over %s', (transport) => {
  const start = (init: Parameters<typeof startTestHost>[0] = {}) =>
    startAny({ listen: [...LISTEN[transport]], ...init })

  it('members get every protocol', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    serveAll(b)
    a.host.learn(b.host.id, b.host.addresses())
    expect(await answered(a, b)).toEqual(ALL)
  })

  it('a stranger gets register and nothing else, of ours or of libp2p', async () => {
    const member = await start({ relay: 'always' })
    serveAll(member)
    const stranger = await start()
    stranger.gate.members.add(member.host.id)
    await stranger.host.dial(member.host.addresses())
    expect(await answered(stranger, member)).toEqual(['register'])
    // the routing table and the relay are the network's as well
    const read = stranger.host.open(member.host.id, 'dht', OPTIONS).then((dht) => dht.read({ timeoutMs: 2_000 }))
    await expect(read).rejects.toMatchObject({ code: 'protocol' })
  })

  it('a quarantined member keeps ledger and presence', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    serveAll(b)
    b.gate.quarantined.add(a.host.id)
    a.host.learn(b.host.id, b.host.addresses())
    expect(await answered(a, b)).toEqual(['presence', 'ledger'])
  })

  it('does not even connect whom it does not want', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    serveAll(b)
    b.gate.unwanted.add(a.host.id)
    a.host.learn(b.host.id, b.host.addresses())
    expect(await answered(a, b)).toEqual([])
    expect(b.host.connections()).toEqual([])
  })

  it('counts what a stranger sends, until it is admitted', async () => {
    const member = await start()
    const bounds = { ...HANDLER, strangers: true, maxBytes: 3_000 }
    let admit = false
    member.host.handle('register', bounds, async (stream) => {
      for (;;) {
        const frame = await stream.read()
        if (frame === null) return
        if (admit) member.gate.members.add(stream.peer)
        await stream.write(new Uint8Array(1))
      }
    })
    const stranger = await start()
    await stranger.host.dial(member.host.addresses())
    const send = async () => {
      const stream = await stranger.host.open(member.host.id, 'register', OPTIONS)
      try {
        for (let i = 0; i < 5; i++) {
          await stream.write(new Uint8Array(900))
          await stream.read()
        }
      } finally {
        stream.abort()
      }
    }
    await expect(send()).rejects.toMatchObject({ code: 'protocol' })
    admit = true
    // the former exchange ended in a reset, after which a stranger is let go
    await stranger.host.dial(member.host.addresses())
    await expect(send()).resolves.toBeUndefined()
  })

  it('closes a stranger that does not register in time', async () => {
    const clock = new ManualClock()
    const member = await start({ clock })
    const stranger = await start()
    const connected = [
      peerEvent(member.host, 'connected', stranger.host.id),
      peerEvent(stranger.host, 'connected', member.host.id),
    ]
    await stranger.host.dial(member.host.addresses())
    await Promise.all(connected)
    const gone = peerEvent(stranger.host, 'disconnected', member.host.id)
    clock.advance(STRANGER_GRACE_MS - 1)
    expect(member.host.connections()).toHaveLength(1)
    clock.advance(1)
    await gone
    expect(member.host.connections()).toHaveLength(0)
  })

  it('closes a stranger that has sent too much, of whatever', async () => {
    const member = await start({ clock: new ManualClock() })
    const [address] = member.host.addresses()
    const stranger = await startLibp2p({ ...BARE, signingKey: generateSigningKey() })
    const connection = await stranger.dial(multiaddr(address as string))
    const closed = new Promise((resolve) => connection.addEventListener('close', resolve))
    while (connection.status === 'open') {
      const stream = await identifyStream(connection).catch(() => undefined)
      // more than is heard after the end; then there is room for the next
      while (stream?.status === 'open' && connection.status === 'open') {
        say(stream, AFTER_END_BYTES / 8)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await closed
    await expect.poll(() => member.host.connections()).toEqual([])
    await stranger.stop()
  })

  it('ends what a member leaves open of libp2p’s own, and does not keep what it says there', async () => {
    const clock = new ManualClock()
    const { host, gate } = await start({ clock })
    const key = generateSigningKey()
    gate.members.add(nodeIdFromPublicKey(key.publicKey))
    const peer = await startLibp2p({ ...BARE, signingKey: key })
    const connection = await peer.dial(multiaddr(host.addresses()[0] as string))
    const open = async () => {
      const stream = await identifyStream(connection)
      return { stream, closed: new Promise((resolve) => stream.addEventListener('close', resolve)) }
    }
    const first = await open()
    await expect
      .poll(() => {
        clock.advance(END_MS)
        say(first.stream)
        return first.stream.status
      })
      .toBe('reset')
    await first.closed
    const second = await open()
    say(second.stream, 2 * MAX_STRANGER_BYTES)
    await expect
      .poll(() => {
        say(second.stream)
        return second.stream.status
      })
      .toBe('reset')
    await second.closed
    expect(second.stream.status).toBe('reset')
    expect(connection.status).toBe('open')
    await peer.stop()
  })

  it('keeps a stranger that has become a member', async () => {
    const clock = new ManualClock()
    const member = await start({ clock })
    const stranger = await start()
    const connected = peerEvent(member.host, 'connected', stranger.host.id)
    await stranger.host.dial(member.host.addresses())
    await connected
    member.gate.members.add(stranger.host.id)
    clock.advance(STRANGER_GRACE_MS * 2)
    expect(member.host.connections()).toHaveLength(1)
  })

  it(`has room for ${MAX_STRANGERS} strangers`, async () => {
    const clock = new ManualClock()
    const member = await start({ clock })
    const [address] = member.host.addresses()
    if (address === undefined) throw new TypeError('no address')
    const crowd = await Promise.all(
      Array.from({ length: MAX_STRANGERS + 4 }, () => startLibp2p({ ...BARE, signingKey: generateSigningKey() })),
    )
    // one after the other: many handshakes at once would measure the machine
    for (const node of crowd.slice(0, MAX_STRANGERS)) await node.dial(multiaddr(address))
    await expect.poll(() => member.host.connections().length, { timeout: 5000 }).toBe(MAX_STRANGERS)
    for (const node of crowd.slice(MAX_STRANGERS)) {
      await node.dial(multiaddr(address)).catch(() => {})
      await expect.poll(() => node.getConnections().length, { timeout: 5000 }).toBe(0)
    }
    expect(member.host.connections().length).toBe(MAX_STRANGERS)
    await Promise.all(crowd.map((node) => node.stop()))
  })

  it('does not hear a peer that keeps sending nonsense', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    b.host.handle('keys', HANDLER, async (stream) => {
      await stream.read()
      throw new DecodeError('nonsense')
    })
    a.host.learn(b.host.id, b.host.addresses())
    const gone = peerEvent(a.host, 'disconnected', b.host.id)
    for (let i = 0; i < 5; i++) await a.host.request(b.host.id, 'keys', new Uint8Array(1), OPTIONS).catch(() => {})
    await gone
    await expect(a.host.request(b.host.id, 'keys', new Uint8Array(1), OPTIONS)).rejects.toBeDefined()
    expect(b.host.connections()).toEqual([])
  })
})

describe('opening', () => {
  it('says which kind of failure it is', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    await expect(a.host.open(b.host.id, 'keys', OPTIONS)).rejects.toBeInstanceOf(UnreachableError)
    a.host.learn(b.host.id, b.host.addresses())
    await expect(a.host.open(b.host.id, 'keys', { ...OPTIONS, connectedOnly: true })).rejects.toBeInstanceOf(
      UnreachableError,
    )
    await expect(a.host.open(b.host.id, 'keys', OPTIONS)).rejects.toBeInstanceOf(ProtocolUnsupportedError)
    b.host.handle('keys', HANDLER, async (stream) => void (await stream.read({ timeoutMs: 0 })))
    const silent = a.host.request(b.host.id, 'keys', new Uint8Array(1), { maxFrameBytes: 10, timeoutMs: 5_000 })
    await expect(silent).rejects.toMatchObject({ code: 'protocol' })
  })

  it('ends a request at its deadline', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    b.host.handle(
      'keys',
      HANDLER,
      (stream) => new Promise((resolve) => void stream.read().then(() => setTimeout(resolve, 300))),
    )
    await a.host.dial(b.host.addresses())
    const request = a.host.request(b.host.id, 'keys', new Uint8Array(1), { maxFrameBytes: 10, timeoutMs: 100 })
    await expect(request).rejects.toBeInstanceOf(TimeoutError)
  })

  it('ends an exchange at the handler’s deadline', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    const outcome = Promise.withResolvers<unknown>()
    b.host.handle('keys', { maxFrameBytes: 10, timeoutMs: 100 }, async (stream) => {
      await stream.read().catch(outcome.resolve)
    })
    await a.host.dial(b.host.addresses())
    await a.host.open(b.host.id, 'keys', OPTIONS)
    expect(await outcome.promise).toBeInstanceOf(TimeoutError)
  })

  it('bounds the streams of one peer', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    b.host.handle('keys', { ...HANDLER, maxStreamsPerPeer: 2 }, async (stream) => {
      await stream.write(new Uint8Array(1))
      await stream.read()
    })
    await a.host.dial(b.host.addresses())
    const first = await a.host.open(b.host.id, 'keys', OPTIONS)
    const second = await a.host.open(b.host.id, 'keys', OPTIONS)
    await first.read()
    await second.read()
    const third = await a.host
      .open(b.host.id, 'keys', OPTIONS)
      .then((stream) => stream.read())
      .catch(codeOf)
    expect(third).toBe('protocol')
    first.abort()
    second.abort()
  })

  it('needs a network', async () => {
    const a = await start({ network: null })
    await expect(a.host.open(a.host.id, 'keys', OPTIONS)).rejects.toBeInstanceOf(NoNetworkError)
  })

  it('does not speak with another network', async () => {
    const a = await start()
    const b = await start({ network: 'cd'.repeat(32) as NetworkId })
    serveAll(b)
    await a.host.dial(b.host.addresses())
    await expect(a.host.open(b.host.id, 'register', OPTIONS)).rejects.toBeInstanceOf(ProtocolUnsupportedError)
  })
})

describe('dialling', () => {
  it('takes what a person types, and the first address that answers', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    const port = /\/tcp\/(\d+)/.exec(b.host.addresses()[0] ?? '')?.[1]
    expect(await a.host.dial(['127.0.0.1:1', `localhost:${port}`])).toBe(b.host.id)
    await a.host.hangUp()
    expect(await a.host.dial([`127.0.0.1:${port}`])).toBe(b.host.id)
  })

  it('is unreachable when nobody answers', async () => {
    const a = await start()
    await expect(a.host.dial(['127.0.0.1:1'])).rejects.toBeInstanceOf(UnreachableError)
    await expect(a.host.dial(['nonsense!'])).rejects.toMatchObject({ code: 'usage' })
  })

  it('neither dials nor is dialled while it is switched off', async () => {
    const a = await start()
    const b = await start({ members: [a] })
    const addresses = b.host.addresses()
    await b.host.setOpen(false)
    await expect(a.host.dial(addresses)).rejects.toBeInstanceOf(UnreachableError)
    await expect(b.host.dial(a.host.addresses())).rejects.toBeInstanceOf(DisconnectedError)
    await b.host.setOpen(true)
    expect(await a.host.dial(addresses)).toBe(b.host.id)
  })

  it('says when a port is taken', async () => {
    const a = await start()
    const port = /\/tcp\/(\d+)/.exec(a.host.addresses()[0] ?? '')?.[1]
    await expect(start({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })).rejects.toBeInstanceOf(ListenError)
  })
})

/** The address over a relay, as soon as there is one. libp2p has no event for it that a host passes on. */
function reservedAddress({ host }: TestHost): Promise<string> {
  return new Promise((resolve) => {
    const look = setInterval(() => {
      const circuit = host.addresses().find((address) => address.includes('/p2p-circuit'))
      if (circuit === undefined) return
      clearInterval(look)
      resolve(circuit)
    }, 20)
  })
}

describe('relay', () => {
  it('joins two members that cannot reach each other', async () => {
    const relay = await start({ relay: 'always' })
    // both listen nowhere: the relay is the only way
    const hidden = await start({ listen: [], members: [relay] })
    const other = await start({ listen: [], members: [hidden] })
    relay.gate.members.add(other.host.id)
    serveAll(hidden)
    const reserved = reservedAddress(hidden)
    await hidden.host.dial(relay.host.addresses())
    const circuit = await reserved
    expect(hidden.host.reachability().relay).toBe('1 reserved')
    other.host.learn(hidden.host.id, [circuit])
    expect(await other.host.request(hidden.host.id, 'keys', new Uint8Array(1), OPTIONS)).toEqual(new Uint8Array([4]))
    expect(other.host.connections().find(({ peer }) => peer === hidden.host.id)?.path).toBe('relay')
    // more than the 128 KiB that a relay passes on by default
    hidden.host.handle('transfer', { maxFrameBytes: 4_000_000, timeoutMs: 0 }, async (stream) => {
      await stream.read()
      await stream.write(new Uint8Array(3_000_000))
    })
    const large = await other.host.request(hidden.host.id, 'transfer', new Uint8Array(1), { maxFrameBytes: 4_000_000 })
    expect(large.length).toBe(3_000_000)
  })

  it('lets a stranger register over it, one at a time, and nothing else', async () => {
    const relay = await start({ relay: 'always' })
    const hidden = await start({ listen: [], members: [relay] })
    serveAll(hidden)
    const circuit = reservedAddress(hidden)
    await hidden.host.dial(relay.host.addresses())
    const address = await circuit
    const stranger = await start({ listen: [] })
    expect(await stranger.host.dial([address])).toBe(hidden.host.id)
    expect(stranger.host.connections().find(({ peer }) => peer === hidden.host.id)?.path).toBe('relay')
    expect(await answered(stranger, hidden)).toEqual(['register'])
    // its one circuit is used up, as long as its connection to the relay lives
    await stranger.host.hangUp(hidden.host.id)
    await expect(stranger.host.dial([address])).rejects.toBeInstanceOf(UnreachableError)
  })

  it('gives a stranger no reservation', async () => {
    const relay = await start({ relay: 'always' })
    const parts: Components[] = []
    const stranger = await startLibp2p({
      ...BARE,
      signingKey: generateSigningKey(),
      onComponents: (all) => parts.push(all),
    })
    const circuit = multiaddr(`${relay.host.addresses()[0]}/p2p-circuit`)
    await stranger.dial(multiaddr(relay.host.addresses()[0] ?? ''))
    // asked outright, over the connection that is there
    await expect(parts[0]?.transportManager.listen([circuit])).rejects.toThrow(/PERMISSION_DENIED|reservation/)
    expect(stranger.getMultiaddrs()).toEqual([])
    await stranger.stop()
  })
})

it('stops within a second, twice, with connections open', async () => {
  const a = await startTestHost()
  const b = await startTestHost({ members: [a] })
  b.host.handle('keys', HANDLER, async (stream) => void (await stream.read()))
  await a.host.dial(b.host.addresses())
  await a.host.open(b.host.id, 'keys', OPTIONS)
  const began = performance.now()
  await a.host.stop()
  await a.host.stop()
  await b.host.stop()
  expect(performance.now() - began).toBeLessThan(1_500)
})

it('leaves its network', async () => {
  const a = await start()
  const b = await start({ members: [a] })
  serveAll(b)
  await a.host.dial(b.host.addresses())
  await b.host.useNetwork(null, b.gate)
  await a.host.dial(b.host.addresses())
  await expect(a.host.open(b.host.id, 'register', OPTIONS)).rejects.toBeInstanceOf(ProtocolUnsupportedError)
})

describe('stopping', () => {
  it('leaves nothing behind that keeps the process alive', async () => {
    const source = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)
    const program = `
      const { startTestHost } = await import(${source('./testing.ts')})
      const [{ host }, other] = [await startTestHost(), await startTestHost()]
      await host.dial(other.host.addresses())
      await Promise.all([host.stop(), other.host.stop()])
      const stopped = performance.now()
      process.on('exit', () => console.log(performance.now() - stopped))
    `
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    // a few milliseconds; 2,000 when the last timers of libp2p are waited for
    expect(Number(stdout)).toBeLessThan(500)
  })
})
