/** Whole nodes on loopback: two that know each other over a relay only, which also says what it sees. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { quic } from '@chainsafe/libp2p-quic'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { CODE_P2P_CIRCUIT, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { candidateOf, type Transport } from './endpoints.ts'
import { PunchFailedError, PunchUnavailableError } from './errors.ts'
import { Frames } from './frames.ts'
import { type PunchComponents, type PunchInit, punch, QUESTION } from './index.ts'
import { BEGUN_BY_PEER, MAX_MESSAGE_BYTES, MAX_MESSAGES, QUESTION_BYTES, SOCKETS_BY_PEER } from './limits.ts'
import { decodeMessage, decodeObservation, encodeMessage, type Message, TOKEN_BYTES } from './messages.ts'
import type { Punch } from './punch.ts'
import { decodeStatement, makeStatement, type Statement } from './statements.ts'
import { bindUdp, openHole } from './udp-hole.ts'

type Node = Libp2p<{ punch: Punch }>

const running: Node[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

async function start(listen: string[], init: PunchInit, serves = false, own = [tcp(), quic()]): Promise<Node> {
  const node = (await createLibp2p({
    addresses: { listen },
    connectionGater: { denyDialMultiaddr: () => false },
    transports: [...own, circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      punch: punch({ auto: false, isPublic: () => true, ...init }) as (components: PunchComponents) => Punch,
      ...(serves ? { relay: circuitRelayServer() } : {}),
    },
  })) as Node
  running.push(node)
  return node
}

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1']
const startRelay = (...transports: Transport[]) =>
  start(LOOPBACK, { observe: { port: 0, host: '127.0.0.1', transports } }, true)

/** Reached over the relay only. */
async function startBehind(relay: Node, init: PunchInit = {}): Promise<Node> {
  return await start([`${relay.getMultiaddrs()[0]}/p2p-circuit`], init)
}

const isRelayed = ({ remoteAddr }: Connection) =>
  remoteAddr.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT)

async function meet(from: Node, to: Node): Promise<Connection> {
  const [address] = to.getMultiaddrs()
  if (address === undefined) throw new TypeError('nobody could be reached')
  return await from.dial(address)
}

async function threeNodes(
  init: PunchInit = {},
  ...transports: Transport[]
): Promise<{ relay: Node; a: Node; b: Node; relayed: Connection }> {
  const relay = await startRelay(...(transports.length === 0 ? (['tcp'] as const) : transports))
  const [a, b] = await Promise.all([startBehind(relay, init), startBehind(relay, init)])
  return { relay, a, b, relayed: await meet(a, b) }
}

const directOf = (node: Node, peer: Node) => node.getConnections(peer.peerId).filter((each) => !isRelayed(each))

/** The next direct connection between the two. */
function directWith(node: Node, peer: Node): Promise<Connection> {
  return new Promise((resolve) => {
    node.addEventListener('connection:open', ({ detail }) => {
      if (!isRelayed(detail) && detail.remotePeer.equals(peer.peerId)) resolve(detail)
    })
  })
}

describe('two nodes that a relay joins', () => {
  it('get a direct connection by TCP, whose parts in the handshake are fixed', async () => {
    const punched: Connection[] = []
    const { a, b } = await threeNodes({ onPunched: (connection) => void punched.push(connection) })
    const opened = directWith(b, a)
    const { connection, way } = await a.services.punch.upgrade(b.peerId)
    const theirs = await opened
    expect(way).toBe('tcp')
    expect(isRelayed(connection)).toBe(false)
    expect(connection.limits).toBeUndefined()
    expect([connection.direction, theirs.direction]).toEqual(['outbound', 'inbound'])
    expect(connection.remotePeer.equals(b.peerId)).toBe(true)
    expect(punched).toContain(connection)
    expect(a.services.punch.wayOf(connection)).toBe('tcp')
    await b.handle('/echo', (stream) => stream.addEventListener('message', ({ data }) => void stream.send(data)))
    const stream = await connection.newStream('/echo')
    stream.send(Uint8Array.of(1, 2, 3))
    const [{ data }] = (await once(stream, 'message')) as [{ data: { subarray(): Uint8Array } }]
    expect([...data.subarray()]).toEqual([1, 2, 3])
    // the one that stands is enough
    await expect(a.services.punch.upgrade(b.peerId)).resolves.toMatchObject({ connection })
  })

  it('get it by UDP, over a listener that goes with it', async () => {
    const { a, b, relay } = await threeNodes({}, 'udp')
    const { localPort, seen } = await a.services.punch.onePort()
    expect(seen).toEqual([{ family: 4, ip: '127.0.0.1', port: localPort }])
    const opened = directWith(b, a)
    const { connection, way } = await a.services.punch.upgrade(b.peerId)
    const theirs = await opened
    expect([way, connection.direction, theirs.direction]).toEqual(['udp', 'outbound', 'inbound'])
    const port = candidateOf(connection.remoteAddr)?.port ?? 0
    expect(await isFree(port)).toBe(false)
    // nobody is told of it, and nobody else is let in
    const [own] = b.getMultiaddrs()
    expect(b.getMultiaddrs().filter((each) => each.toString().includes(`/${port}/`))).toEqual([])
    expect(own?.toString()).toContain(relay.peerId.toString())
    const stranger = await start([], {})
    const [address] = connection.remoteAddr.toString().split('/p2p/')
    // QUIC's handshake has been done by the time that we are asked
    const refused = await stranger.dial(multiaddr(address)).catch(() => null)
    if (refused?.status === 'open') await once(refused, 'close')
    expect(b.getConnections(stranger.peerId).map(String)).toEqual([])
    const ended = once(theirs, 'close')
    await connection.close()
    await ended
    await untilFree(port)
  })

  it('get it by the transport that both have, whoever begins', async () => {
    const relay = await startRelay('tcp', 'udp')
    const [overTcp, overQuic] = relay.getMultiaddrs() as [Multiaddr, Multiaddr]
    const [all, udpOnly, tcpOnly] = await Promise.all([
      start([`${overTcp}/p2p-circuit`], {}),
      start([`${overQuic}/p2p-circuit`], {}, false, [quic()]),
      start([`${overTcp}/p2p-circuit`], {}, false, [tcp()]),
    ])
    for (const [from, to, way] of [
      [udpOnly, all, 'udp'],
      [all, tcpOnly, 'tcp'],
    ] as const) {
      await meet(from, to)
      expect((await from.services.punch.upgrade(to.peerId)).way).toBe(way)
    }
    // nothing is common to these
    await meet(tcpOnly, udpOnly)
    await expect(tcpOnly.services.punch.upgrade(udpOnly.peerId)).rejects.toThrow(PunchFailedError)
  })

  it('leave no UDP port bound to which nobody came', async () => {
    const node = await start([], {})
    const { upgrader, transportManager, connectionManager } = (node as unknown as { components: PunchComponents })
      .components
    const socket = await bindUdp(4, 0)
    const { port } = socket.address()
    const towards = { family: 4, ip: '127.0.0.1', port: 9 } as const
    const parts = { upgrader, transportManager, connectionManager, onConnection: () => {} }
    const hole = await openHole(socket, { peer: node.peerId, towards, ...parts })
    expect(await isFree(port)).toBe(false)
    hole.release(false)
    await untilFree(port)
  })

  it('get it by themselves', async () => {
    const relay = await startRelay('tcp')
    const [a, b] = await Promise.all([startBehind(relay), startBehind(relay, { auto: true })])
    const direct = directWith(a, b)
    await meet(a, b)
    expect((await direct).direction).toBe('inbound')
  })

  it('get none where nobody says what he sees, and nothing is left', async () => {
    const relay = await start(['/ip4/127.0.0.1/tcp/0'], { prefix: null }, true)
    const [a, b] = await Promise.all([startBehind(relay), startBehind(relay)])
    const relayed = await meet(a, b)
    await expect(a.services.punch.upgrade(b.peerId)).rejects.toBeInstanceOf(PunchFailedError)
    expect(relayed.streams.filter(({ protocol }) => protocol.includes('punch'))).toEqual([])
    expect(directOf(a, b)).toEqual([])
  })

  it('get none when it is called off, without a relayed connection, or in two languages', async () => {
    const { a, b, relay } = await threeNodes()
    const controller = new AbortController()
    const upgrade = a.services.punch.upgrade(b.peerId, { signal: controller.signal })
    const reason = new Error('called off')
    controller.abort(reason)
    await expect(upgrade).rejects.toBe(reason)
    await a.hangUp(b.peerId)
    await expect(a.services.punch.upgrade(b.peerId)).rejects.toBeInstanceOf(PunchUnavailableError)
    // a direct one is there
    await expect(a.services.punch.upgrade(relay.peerId)).resolves.toMatchObject({ way: 'dial' })
    // nor under different prefixes, or under none
    await meet(a, b)
    await b.services.punch.speak('/other')
    await expect(a.services.punch.upgrade(b.peerId)).rejects.toBeInstanceOf(PunchFailedError)
    await a.services.punch.speak(null)
    await expect(a.services.punch.upgrade(b.peerId)).rejects.toBeInstanceOf(PunchUnavailableError)
  })
})

describe('two nodes with a direct connection', () => {
  const sockets: Socket[] = []
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
  })

  async function joined(): Promise<{ a: Node; b: Node; relayed: Connection; direct: Connection; theirs: Connection }> {
    const onSocket = (_: string, socket: Socket) => void sockets.push(socket)
    const { a, b, relayed } = await threeNodes({ onSocket })
    const opened = directWith(b, a)
    const { connection: direct } = await a.services.punch.upgrade(b.peerId)
    return { a, b, relayed, direct, theirs: await opened }
  }

  it('open bare sockets beside it, whoever asks', async () => {
    const { a, b, direct, theirs } = await joined()
    for (const [from, beside] of [
      [a, direct],
      [b, theirs],
    ] as const) {
      const socket = await from.services.punch.openSocket(beside)
      socket.write('hello')
      await expect.poll(() => sockets.length).toBe(1)
      const other = sockets.splice(0)[0] as Socket
      const [heard] = (await once(other, 'data')) as [Buffer]
      expect(heard.toString()).toBe('hello')
      expect([other.remotePort, other.localPort]).toEqual([socket.localPort, socket.remotePort])
      other.destroy()
      socket.destroy()
    }
  })

  it('open none over a relay, nor where nobody takes them, nor to anybody else', async () => {
    const { a, b, relayed, direct } = await joined()
    await expect(a.services.punch.openSocket(relayed)).rejects.toBeInstanceOf(PunchUnavailableError)
    const said = (over: Connection, way: 'socket' | 'tcp', seen: Statement) =>
      say(over, encodeMessage({ type: 'connect', way, waited: 0, statement: seen, candidates: [] }))
    const seen = (await a.services.punch.seen()) as Statement
    // each way has its kind of connection
    await expect(said(relayed, 'socket', seen)).resolves.toBe('ended')
    await expect(said(direct, 'tcp', seen)).resolves.toBe('ended')
    await expect(said(direct, 'socket', seen)).resolves.toBe('connect')
    // an observer has seen it, but not where this connection comes from
    const { relay: other, a: stranger } = await threeNodes()
    const { privateKey } = (other as unknown as { components: PunchComponents }).components
    const subject = { prefix: '/libp2p-punch', peer: a.peerId.toString(), transport: 'tcp' } as const
    const elsewhere = { family: 4, ip: '127.0.0.2', port: 9 } as const
    const by = { id: other.peerId.toString(), key: privateKey, now: Date.now() }
    await b.dial(other.getMultiaddrs()[0] ?? multiaddr('/ip4/127.0.0.1/tcp/1'))
    const here = await makeStatement(subject, { ...elsewhere, ip: '127.0.0.1' }, by)
    await expect(said(direct, 'socket', here)).resolves.toBe('connect')
    await expect(said(direct, 'socket', await makeStatement(subject, elsewhere, by))).resolves.toBe('no')
    const met = await stranger.dial(other.getMultiaddrs()[0] ?? multiaddr('/ip4/127.0.0.1/tcp/1'))
    await expect(stranger.services.punch.openSocket(met)).rejects.toBeInstanceOf(PunchFailedError)
  })

  it('open so many in a minute', async () => {
    const { a, direct } = await joined()
    const over = new AbortController()
    over.abort(new Error('called off'))
    for (let asked = 0; asked < SOCKETS_BY_PEER; asked++) await say(direct, encodeMessage({ type: 'done' }))
    await expect(say(direct, encodeMessage({ type: 'done' }))).resolves.toBe('reset')
    await expect(a.services.punch.openSocket(direct, { signal: over.signal })).rejects.toThrow('called off')
    await expect(a.services.punch.openSocket(direct)).rejects.toBeInstanceOf(PunchFailedError)
  })
})

async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    const free = new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(port, () => resolve(true))
    })
    return await free
  } finally {
    socket.close()
  }
}

async function untilFree(port: number): Promise<void> {
  while (!(await isFree(port))) await new Promise((resolve) => setImmediate(resolve))
}

/** A peer that says what it likes. */
async function say(relayed: Connection, ...payloads: Uint8Array[]): Promise<Message['type'] | 'reset' | 'ended'> {
  const frames = new Frames(await relayed.newStream('/libp2p-punch/punch/1', { runOnLimitedConnection: true }))
  try {
    for (const payload of payloads) frames.write(payload)
    const answer = await frames.read(AbortSignal.timeout(10_000))
    return answer === null ? 'ended' : decodeMessage(answer).type
  } catch {
    return 'reset'
  } finally {
    frames.abort(new Error('heard enough'))
  }
}

describe('a hostile peer', () => {
  it('gets no further than its first word', async () => {
    const { relayed } = await threeNodes()
    await expect(say(relayed, Uint8Array.of(9))).resolves.toBe('reset')
    await expect(say(relayed, new Uint8Array(MAX_MESSAGE_BYTES + 1))).resolves.toBe('reset')
    await expect(say(relayed, encodeMessage({ type: 'sync' }))).resolves.toBe('no')
    await expect(say(relayed, encodeMessage({ type: 'done' }))).resolves.toBe('no')
    // a punch needs an address that somebody vouches for
    const unproven = encodeMessage({ type: 'connect', way: 'tcp', waited: 0, statement: null, candidates: [] })
    await expect(say(relayed, unproven)).resolves.toBe('no')
    const many = Array.from({ length: 2 * MAX_MESSAGES }, () => new Uint8Array(MAX_MESSAGE_BYTES))
    await expect(say(relayed, ...many)).resolves.toBe('reset')
  })

  it('cannot have packets sent to an address at which nobody has seen it', async () => {
    const { relay, a, b, relayed } = await threeNodes()
    const victim = { family: 4, ip: '127.0.0.1', port: 9 } as const
    const subject = { prefix: '/libp2p-punch', transport: 'tcp' } as const
    const own = (a as unknown as { components: PunchComponents }).components
    const key = own.privateKey
    const now = Date.now()
    const send = async (peer: string, observer: string) => {
      const statement = await makeStatement({ ...subject, peer }, victim, { id: observer, key, now })
      return await say(relayed, encodeMessage({ type: 'connect', way: 'tcp', waited: 0, statement, candidates: [] }))
    }
    // its own word, and a signature in another's name
    await expect(send(a.peerId.toString(), a.peerId.toString())).resolves.toBe('no')
    await expect(send(a.peerId.toString(), relay.peerId.toString())).resolves.toBe('no')
    // a true one, about somebody else
    const seen = await b.services.punch.seen()
    const stolen = encodeMessage({ type: 'connect', way: 'tcp', waited: 0, statement: seen, candidates: [] })
    expect(seen?.observer).toBe(relay.peerId.toString())
    await expect(say(relayed, stolen)).resolves.toBe('no')
    // so many conversations in a minute, and no more
    const outcomes: string[] = []
    for (let begun = 3; begun < BEGUN_BY_PEER; begun++)
      outcomes.push(await say(relayed, encodeMessage({ type: 'done' })))
    expect(new Set(outcomes)).toEqual(new Set(['no']))
    await expect(say(relayed, encodeMessage({ type: 'done' }))).resolves.toBe('reset')
  })
})

describe('an observer', () => {
  async function asked(): Promise<{ token: Uint8Array; port: number; udp: number }> {
    const relay = await startRelay('tcp', 'udp')
    const a = await start([], {})
    const connection = await a.dial(relay.getMultiaddrs()[0] ?? multiaddr('/ip4/127.0.0.1/tcp/1'))
    const frames = new Frames(await connection.newStream('/libp2p-punch/observe/1'))
    const answer = await frames.read(AbortSignal.timeout(5_000))
    await frames.close(AbortSignal.timeout(1_000))
    const { token, tcp: port, udp } = decodeObservation(answer ?? new Uint8Array())
    return { token, port, udp }
  }

  /** All that comes until it is closed, or until an answer has come. */
  async function ask(port: number, bytes: Uint8Array): Promise<number> {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.write(bytes)
    const length = await Promise.race([
      once(socket, 'data').then(([data]) => (data as Buffer).length),
      once(socket, 'close').then(() => 0),
    ])
    socket.destroy()
    return length
  }

  it('answers a token once, and nobody else', async () => {
    const { token, port } = await asked()
    const strange = Uint8Array.from([QUESTION, ...token.map((byte) => byte ^ 1)])
    await expect(ask(port, strange)).resolves.toBe(0)
    await expect(ask(port, Uint8Array.from([QUESTION ^ 1, ...token]))).resolves.toBe(0)
    await expect(ask(port, Uint8Array.from([QUESTION, ...token]))).resolves.toBeGreaterThan(0)
    await expect(ask(port, Uint8Array.from([QUESTION, ...token]))).resolves.toBe(0)
  })

  it('answers datagrams that are as long as its answer, with a token, to one who asks', async () => {
    const { token, udp } = await asked()
    const question = new Uint8Array(QUESTION_BYTES)
    question.set([QUESTION, ...token])
    const strange = question.map((byte, at) => (at === 3 ? byte ^ 1 : byte))
    const [first, second] = await Promise.all([bindUdp(4, 0), bindUdp(4, 0)])
    try {
      // in this order, and the answer to the last says that the others were heard
      for (const wrong of [strange, question.subarray(0, -1), Uint8Array.of(QUESTION)])
        first.send(wrong, udp, '127.0.0.1')
      first.send(question, udp, '127.0.0.1')
      const [answer] = (await once(first, 'message')) as [Buffer]
      expect(answer.length).toBeLessThanOrEqual(QUESTION_BYTES)
      const { endpoint } = decodeStatement(answer.subarray(1 + TOKEN_BYTES))
      expect(endpoint).toEqual({ family: 4, ip: '127.0.0.1', port: first.address().port })
      let others = 0
      second.on('message', () => {
        others += 1
      })
      second.send(question, udp, '127.0.0.1')
      first.send(question, udp, '127.0.0.1')
      await once(first, 'message')
      expect(others).toBe(0)
    } finally {
      first.close()
      second.close()
    }
  })
})
