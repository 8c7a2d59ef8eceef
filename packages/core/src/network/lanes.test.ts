import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { Connection } from '@libp2p/interface'
import { PunchBusyError } from '@malote/punch'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { decodeCbor, encodeCbor } from '../codec/index.ts'
import { type NodeId, toHex } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { StreamBrokenError, TimeoutError } from './errors.ts'
import type { NetworkHost } from './host-types.ts'
import { LaneStream } from './lane-stream.ts'
import { Lanes } from './lanes.ts'
import { punched } from './path-kinds.ts'
import { ManualClock, peerEvent, startLine, startTestHost, type TestHost, type TestLine } from './testing.ts'
import type { FrameStream, HandlerInit } from './types.ts'

const HANDLER: HandlerInit = { maxFrameBytes: 4 << 20, timeoutMs: 20_000, lane: true }
const OPTIONS = { maxFrameBytes: 4 << 20, timeoutMs: 8_000, bulk: true }

/** Self-signed, of P-256: protects nothing. */
const THIEF_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1xe2YoJiTOeOGxys
qwCAnq2dBEZB/q5Ht/2WbMQ3Xj+hRANCAASysTKiAurwvneQwE+RvJmEHyzlWjid
JKx6gIru+WDefiFGoInP4rismfZbNuaYxwN3werNKggvAEYXCFVzx3UX
-----END PRIVATE KEY-----
`
const THIEF_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUcAatBd5PMGsVSC1GdJ7+9rUJnicwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzA3MTkzMloYDzIxMjYxMDMw
MDcxOTMyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASysTKiAurwvneQwE+RvJmEHyzlWjidJKx6gIru+WDefiFGoInP4ris
mfZbNuaYxwN3werNKggvAEYXCFVzx3UXo1MwUTAdBgNVHQ4EFgQUi3AuOspD3/dX
ldzQPUjnWPTUgBcwHwYDVR0jBBgwFoAUi3AuOspD3/dXldzQPUjnWPTUgBcwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBQIaBQAqmHazFFEeanX+gb
erLAj/Px8Pc21wAx2ow6FQIgVYik6wvjSu1GLgVbKzby1M1gnmtsoSd/pPqExyqg
rX4=
-----END CERTIFICATE-----
`

const running: TestHost[] = []
const lines: TestLine[] = []
async function start(...args: Parameters<typeof startTestHost>): Promise<TestHost> {
  const host = await startTestHost(...args)
  running.push(host)
  return host
}
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ host }) => host.stop()))
  await Promise.all(lines.splice(0).map((line) => line.stop()))
})

const echo = async (stream: FrameStream) => {
  for (let frame = await stream.read(); frame !== null; frame = await stream.read()) {
    await stream.writeParts([Uint8Array.of(7), frame])
  }
}

/** The second has dialled the first. */
async function pair(init: Partial<HandlerInit> = {}): Promise<{ first: TestHost; second: TestHost }> {
  const first = await start()
  const second = await start({ members: [first] })
  for (const { host } of [first, second]) host.handle('transfer', { ...HANDLER, ...init }, echo)
  await meet(second.host, first.host)
  return { first, second }
}

async function meet(from: NetworkHost, to: NetworkHost, addresses = to.addresses()): Promise<void> {
  const both = Promise.all([peerEvent(from, 'connected', to.id), peerEvent(to, 'connected', from.id)])
  await from.dial(addresses)
  await both
}

const lanesOf = (host: NetworkHost) => host.connections().reduce((sum, { lanes = 0 }) => sum + lanes, 0)
const portOf = (host: NetworkHost) => Number(/\/tcp\/(\d+)/.exec(host.addresses()[0] ?? '')?.[1])

describe('a lane', () => {
  it.each(['who dialled', 'who was dialled'])('carries frames of any size both ways, for %s', async (who) => {
    const { first, second } = await pair()
    const [from, to] = who === 'who dialled' ? [second, first] : [first, second]
    const stream = await from.host.open(to.host.id, 'transfer', OPTIONS)
    expect(lanesOf(from.host)).toBe(1)
    await expect.poll(() => lanesOf(to.host)).toBe(1)
    expect(stream).toMatchObject({ peer: to.host.id, path: 'tcp' })
    for (const size of [0, 1, 3, 70_000, 3_000_000, 5]) {
      const frame = new Uint8Array(size).fill(size % 251)
      await stream.write(frame)
      const back = await stream.read()
      expect(Buffer.compare(back ?? Buffer.alloc(0), Buffer.concat([Buffer.of(7), frame]))).toBe(0)
    }
    await stream.close()
    await expect.poll(() => [lanesOf(from.host), lanesOf(to.host)]).toEqual([0, 0])
  })

  it('gives way to a stream where the other takes none, and to any other protocol', async () => {
    const { first, second } = await pair({ lane: false })
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      const stream = await from.host.open(to.host.id, 'transfer', OPTIONS)
      expect(lanesOf(from.host)).toBe(0)
      await stream.write(Uint8Array.of(1))
      expect([...((await stream.read()) ?? [])]).toEqual([7, 1])
      await stream.close()
    }
  })

  it('gives way to a stream where either of the two wants none', async () => {
    const first = await start({ lanes: false })
    const second = await start({ members: [first] })
    for (const { host } of [first, second]) host.handle('transfer', HANDLER, echo)
    await meet(second.host, first.host)
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      const stream = await from.host.open(to.host.id, 'transfer', OPTIONS)
      expect(stream).not.toBeInstanceOf(LaneStream)
      expect([lanesOf(from.host), lanesOf(to.host)]).toEqual([0, 0])
      const none = from.host.open(to.host.id, 'transfer', { ...OPTIONS, laneOnly: true })
      await expect(none).rejects.toMatchObject({ code: 'unreachable' })
      await stream.write(Uint8Array.of(1))
      expect([...((await stream.read()) ?? [])]).toEqual([7, 1])
      await stream.close()
    }
  })

  it('gives way to a stream where a relay is between them', async () => {
    const relay = await start({ relay: 'always' })
    const inside = await start({ members: [relay], listen: [] })
    const outside = await start({ members: [relay, inside], listen: [] })
    inside.gate.members.add(outside.host.id)
    relay.gate.members.add(outside.host.id)
    inside.host.handle('transfer', HANDLER, echo)
    await meet(inside.host, relay.host)
    await expect
      .poll(() => inside.host.addresses().some((each) => each.includes('p2p-circuit')), { timeout: 8000 })
      .toBe(true)
    await meet(
      outside.host,
      inside.host,
      inside.host.addresses().filter((each) => each.includes('p2p-circuit')),
    )
    const stream = await outside.host.open(inside.host.id, 'transfer', OPTIONS)
    expect(stream.path).toBe('relay')
    expect(lanesOf(outside.host)).toBe(0)
    await stream.write(Uint8Array.of(1))
    expect([...((await stream.read()) ?? [])]).toEqual([7, 1])
    await stream.close()
  })

  it('holds back a sender whose frames nobody reads', async () => {
    const { first, second } = await pair()
    let taken = 0
    const { promise: go, resolve } = Promise.withResolvers<void>()
    first.host.handle('transfer', HANDLER, async (stream) => {
      await go
      for (let frame = await stream.read(); frame !== null; frame = await stream.read()) taken += frame.length
    })
    const stream = await second.host.open(first.host.id, 'transfer', OPTIONS)
    let written = 0
    const fill = async () => {
      for (; written < 64; written++) await stream.write(new Uint8Array(1 << 20), { timeoutMs: 700 })
    }
    await expect(fill()).rejects.toBeInstanceOf(TimeoutError)
    const held = written + 1 // the last was handed on, too
    resolve()
    await stream.close()
    await expect.poll(() => taken).toBe(held * (1 << 20))
  })

  it('refuses a frame over the limit before it takes memory for it', async () => {
    const { first, second } = await pair({ maxFrameBytes: 1000 })
    const stream = await second.host.open(first.host.id, 'transfer', OPTIONS)
    await stream.write(new Uint8Array(1001)).catch(() => undefined)
    await expect(stream.read()).rejects.toBeInstanceOf(StreamBrokenError)
  })

  it('ends with the connection, with a broken line, and with membership', async () => {
    const first = await start()
    const second = await start({ members: [first] })
    const line = await startLine(first.host)
    lines.push(line)
    first.host.handle('transfer', HANDLER, echo)
    const open = async () => {
      await meet(second.host, first.host, [line.address])
      const stream = await second.host.open(first.host.id, 'transfer', OPTIONS)
      expect(lanesOf(second.host)).toBe(1)
      return stream
    }
    for (const end of [
      () => line.cut(),
      () => void second.host.hangUp(first.host.id),
      () => void first.host.hangUp(),
    ]) {
      const stream = await open()
      const gone = Promise.all([peerEvent(second.host, 'disconnected'), peerEvent(first.host, 'disconnected')])
      end()
      await expect(stream.read()).rejects.toThrow()
      await gone
    }
  })

  it('is for members alone, and the gate is asked when it stands', async () => {
    const { first, second } = await pair()
    first.gate.quarantined.add(second.host.id)
    const refused = await second.host.open(first.host.id, 'transfer', OPTIONS).catch(() => null)
    expect(lanesOf(second.host)).toBe(0)
    if (refused !== null) await expect(refused.read()).rejects.toThrow()
  })
})

describe('the port', () => {
  it('ends a TLS handshake that nobody awaits', async () => {
    const { first } = await pair()
    const socket = connectTls({
      port: portOf(first.host),
      host: '127.0.0.1',
      minVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_128_GCM_SHA256',
      pskCallback: () => ({ psk: Buffer.alloc(32, 1), identity: 'ab'.repeat(16) }),
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
    })
    const secured = new Promise((resolve) => {
      socket.once('secureConnect', () => resolve('secured'))
      socket.once('close', () => resolve('closed'))
      socket.on('error', () => undefined)
    })
    expect(await secured).toBe('closed')
  })

  it('lets go of who says nothing', async () => {
    const clock = new ManualClock()
    const { host } = await start({ clock })
    const socket = connect(portOf(host), '127.0.0.1')
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve))
    await expect
      .poll(() => {
        clock.advance(10_000)
        return socket.destroyed || socket.readableEnded
      })
      .toBe(true)
    await closed
  })

  it('stops although some say nothing', async () => {
    const { host } = await startTestHost()
    const socket = connect(portOf(host), '127.0.0.1')
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await host.stop()
    await closed
  })
})

describe('a ticket', () => {
  const peer = 'somebody' as NodeId
  const sockets = new Set<Socket>()
  let served: FrameStream[] = []
  let lanes: Lanes
  let port = 0
  let isOpen = true
  let server: Server

  beforeEach(async () => {
    served = []
    isOpen = true
    lanes = new Lanes({
      clock: systemClock,
      random: systemRandom,
      isOpen: () => isOpen,
      connection: () => undefined,
      connections: () => [],
      request: () => Promise.reject(new Error('not used')),
      punch: () => Promise.reject(new Error('nobody punches here')),
      maxFrameBytes: () => 1000,
      serve: (_protocol, stream) => void served.push(stream),
      onHeard: () => undefined,
      onSent: () => undefined,
      log: () => undefined,
    })
    server = createServer({ pauseOnConnect: true }, (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      lanes.accept(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterEach(async () => {
    lanes.stop()
    await new Promise((resolve) => server.close(resolve))
  })

  async function ask(): Promise<{ identity: string; key: Uint8Array }> {
    const frames = [encodeCbor({ t: 'ask', protocol: 'transfer' })]
    let answer = new Uint8Array(0)
    await lanes.answer({
      peer,
      read: async () => frames.shift() ?? null,
      write: async (frame: Uint8Array) => {
        answer = new Uint8Array(frame)
      },
    } as unknown as FrameStream)
    const { identity, key } = decodeCbor(answer, 256) as { identity: Uint8Array; key: Uint8Array }
    return { identity: toHex(identity), key }
  }

  /** @returns whether the handshake was finished, and how it ended */
  function come(identity: string, key: Uint8Array): Promise<'secured' | 'refused'> {
    return new Promise((resolve) => {
      const socket = connectTls({
        port,
        host: '127.0.0.1',
        minVersion: 'TLSv1.3',
        ciphers: 'TLS_AES_128_GCM_SHA256',
        pskCallback: () => ({ psk: Buffer.from(key), identity }),
        checkServerIdentity: () => undefined,
      })
      socket.on('error', () => undefined)
      socket.once('secureConnect', () => resolve('secured'))
      socket.once('close', () => resolve('refused'))
    })
  }

  it('lets in who has its key, once, and is not used up by who has not', async () => {
    const { identity, key } = await ask()
    expect(await come(identity, systemRandom.bytes(32))).toBe('refused')
    expect(await come(identity, new Uint8Array(32))).toBe('refused')
    expect(await come('00'.repeat(16), key)).toBe('refused')
    expect(served).toHaveLength(0)
    await expect.poll(() => sockets.size).toBe(0)
    expect(await come(identity, key)).toBe('secured')
    await expect.poll(() => served.map((stream) => stream.peer)).toEqual([peer])
    expect(await come(identity, key)).toBe('refused')
    expect(served).toHaveLength(1)
    expect(lanes.count(peer)).toBe(1)
  })

  it('is worth nothing while presence is off', async () => {
    const { identity, key } = await ask()
    isOpen = false
    expect(await come(identity, key)).toBe('refused')
    expect(served).toEqual([])
  })

  it('is not shown to who answers in the place of its maker', async () => {
    // a listener with a certificate of its own, which knows nothing of the key
    const heard: Buffer[] = []
    const thief = createTlsServer({ key: THIEF_KEY, cert: THIEF_CERTIFICATE }, (socket) => {
      socket.on('data', (data) => heard.push(data))
      socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve))
    const target = multiaddr(`/ip4/127.0.0.1/tcp/${(thief.address() as AddressInfo).port}`)
    const asker = new Lanes({
      clock: systemClock,
      random: systemRandom,
      isOpen: () => true,
      connection: () => ({ direction: 'outbound', remoteAddr: target }) as unknown as Connection,
      connections: () => [],
      request: async () => encodeCbor({ t: 'ticket', identity: new Uint8Array(16), key: systemRandom.bytes(32) }),
      punch: () => Promise.reject(new Error('nobody punches here')),
      maxFrameBytes: () => 1000,
      serve: () => undefined,
      onHeard: () => undefined,
      onSent: () => undefined,
      log: () => undefined,
    })
    const { signal } = new AbortController()
    expect(await asker.open(peer, 'transfer', { maxFrameBytes: 1000, signal })).toBe(null)
    expect(asker.count(peer)).toBe(0)
    expect(heard).toEqual([])
    asker.stop()
    await new Promise((resolve) => thief.close(resolve))
  })
})

describe('beside a connection that was punched', () => {
  const [asker, answerer] = ['asker', 'answerer'] as NodeId[] as [NodeId, NodeId]
  const OPTIONS_HERE = { maxFrameBytes: 1000, signal: new AbortController().signal }
  let server: Server
  const made: Lanes[] = []
  beforeEach(async () => {
    server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    for (const lanes of made.splice(0)) lanes.stop()
    await new Promise((resolve) => server.close(resolve))
  })

  /** Two that can only reach each other by `punch`. */
  function scene(clock: ManualClock, punch: (open: () => Promise<Socket>) => Promise<Socket>) {
    const served: FrameStream[] = []
    const asked: string[] = []
    const [ours, theirs] = ['outbound', 'inbound'].map((direction) => {
      const connection = { direction, remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1') } as unknown as Connection
      punched.add(connection)
      return connection
    }) as [Connection, Connection]
    const make = (
      connection: Connection,
      request: (frame: Uint8Array) => Promise<Uint8Array>,
      open: () => Promise<Socket>,
    ) => {
      const lanes = new Lanes({
        clock,
        random: systemRandom,
        isOpen: () => true,
        connection: () => connection,
        connections: () => [connection],
        request: async (_, frame) => {
          asked.push((decodeCbor(frame, 256) as { t: string }).t)
          return await request(frame)
        },
        punch: () => punch(open),
        maxFrameBytes: () => 1000,
        serve: (_, stream) => void served.push(stream),
        onHeard: () => undefined,
        onSent: () => undefined,
        log: () => undefined,
      })
      made.push(lanes)
      return lanes
    }
    const through = async () => {
      const { port } = server.address() as AddressInfo
      return await new Promise<Socket>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket))
      })
    }
    const answering = make(theirs, () => Promise.reject(new Error('nobody is asked')), through)
    server.on('connection', (socket) => answering.accept(socket))
    const asking = make(
      ours,
      async (frame) => {
        const frames = [frame]
        let answer: Uint8Array = new Uint8Array()
        await answering.answer({
          peer: asker,
          read: async () => frames.shift() ?? null,
          write: async (said: Uint8Array) => {
            answer = said
          },
        } as unknown as FrameStream)
        return answer
      },
      through,
    )
    return { asking, asked, served }
  }

  it('the socket is punched, too, and its ticket opened there', async () => {
    const { asking, asked, served } = scene(new ManualClock(), (open) => open())
    const stream = await asking.open(answerer, 'transfer', OPTIONS_HERE)
    expect(asked).toEqual(['ask'])
    await stream?.write(Uint8Array.of(1, 2, 3))
    await expect.poll(() => served.length).toBe(1)
    expect([...((await served[0]?.read()) ?? [])]).toEqual([1, 2, 3])
    expect(served[0]?.peer).toBe(asker)
  })

  it('one is punched after the other', async () => {
    let atOnce = 0
    let most = 0
    const { asking } = scene(new ManualClock(), async (open) => {
      atOnce += 1
      most = Math.max(most, atOnce)
      const socket = await open()
      atOnce -= 1
      return socket
    })
    const all = await Promise.all([1, 2, 3].map(() => asking.open(answerer, 'transfer', OPTIONS_HERE)))
    expect([most, all.includes(null), asking.count(answerer)]).toEqual([1, false, 3])
  })

  it('that there were too many is no failure; that it cannot be punched is one', async () => {
    let error: Error = new PunchBusyError('not now')
    let tried = 0
    const { asking } = scene(new ManualClock(), () => {
      tried += 1
      return Promise.reject(error)
    })
    expect(await asking.open(answerer, 'transfer', OPTIONS_HERE)).toBe(null)
    error = new Error('the NATs do not allow it')
    expect(await asking.open(answerer, 'transfer', OPTIONS_HERE)).toBe(null)
    expect(tried).toBe(2)
    expect(await asking.open(answerer, 'transfer', OPTIONS_HERE)).toBe(null)
    expect(tried).toBe(2)
  })
})
