import { createSocket } from 'node:dgram'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Logger, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../clock.ts'
import { generateSigningKey } from '../crypto/index.ts'
import { nodeIdFromPublicKey } from '../ids.ts'
import { race } from './dial-race.ts'
import { UdpUnavailableError, UnreachableError } from './errors.ts'
import type { Components } from './guard.ts'
import { startLibp2p } from './libp2p-node.ts'
import { MAX_QUIC_HANDSHAKES } from './quic-listener.ts'
import { load, loadQuic, type NativeStream } from './quic-native.ts'
import { QuicStream, RESET_MS } from './quic-stream.ts'
import { describeReachability } from './reachability.ts'
import { RelayReservations } from './relay-reservations.ts'
import { LISTEN, ManualClock, peerEvent, startTestHost, type TestHost } from './testing.ts'
import { atPort, chooseTransports } from './transports.ts'

const running: TestHost[] = []
async function start(init: Parameters<typeof startTestHost>[0] = {}): Promise<TestHost> {
  const one = await startTestHost(init)
  running.push(one)
  return one
}
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ host }) => host.stop()))
})

const pathsOf = ({ host }: TestHost) => host.connections().map(({ path }) => path)
const UDP = { listen: [...LISTEN.udp] }

describe('QUIC', () => {
  it('does not take another for the one that was dialled', async () => {
    const a = await start(UDP)
    const b = await start(UDP)
    const other = nodeIdFromPublicKey(generateSigningKey().publicKey)
    const [address] = a.host.addresses()
    const wrong = String(address).replace(a.host.id, other)
    await expect(b.host.dial([wrong])).rejects.toBeInstanceOf(UnreachableError)
    await expect.poll(() => a.host.connections()).toEqual([])
    await expect(b.host.dial([String(address)])).resolves.toBe(a.host.id)
  })

  it('tells at once when the other side goes', async () => {
    const a = await start(UDP)
    const b = await start({ ...UDP, members: [a] })
    const met = Promise.all([peerEvent(a.host, 'connected', b.host.id), peerEvent(b.host, 'connected', a.host.id)])
    await b.host.dial(a.host.addresses())
    await met
    const gone = peerEvent(a.host, 'disconnected', b.host.id)
    await b.host.stop()
    await gone
  })

  it('delivers what was sent just before a connection was closed', async () => {
    const a = await start(UDP)
    const b = await start({ ...UDP, members: [a] })
    const arrived = Promise.withResolvers<number>()
    a.host.handle('transfer', { maxFrameBytes: 1_000_000, timeoutMs: 0 }, async (stream) => {
      arrived.resolve((await stream.read())?.length ?? 0)
    })
    await b.host.dial(a.host.addresses())
    const stream = await b.host.open(a.host.id, 'transfer', { maxFrameBytes: 10 })
    await stream.write(new Uint8Array(500_000))
    await b.host.hangUp(a.host.id)
    expect(await arrived.promise).toBe(500_000)
  })

  it('listens at a port of its own for a while, as for a single punched connection', async () => {
    const parts: Components[] = []
    const own = await startLibp2p({
      signingKey: generateSigningKey(),
      ...{ listen: [], announce: [], gater: {} },
      reservations: new RelayReservations(),
      lanes: { clock: systemClock, takers: new Map() },
      onComponents: (all) => void parts.push(all),
    })
    const [components] = parts
    if (components === undefined) throw new TypeError('no components')
    const { transportManager } = components
    await transportManager.listen([multiaddr('/ip4/127.0.0.1/udp/0/quic-v1')])
    const [listener] = transportManager.getListeners().filter((each) => each.getAddrs().length > 0)
    const [address] = listener?.getAddrs() ?? []
    const b = await start()
    b.gate.members.add(nodeIdFromPublicKey(own.peerId.publicKey?.raw ?? new Uint8Array(32)))
    const met = peerEvent(b.host, 'connected')
    await b.host.dial([String(address)])
    await met
    expect(pathsOf(b)).toEqual(['udp'])
    const gone = peerEvent(b.host, 'disconnected')
    await listener?.close()
    await gone
    // the port is free again
    const socket = createSocket('udp4')
    const port = Number(/\/udp\/(\d+)/.exec(String(address))?.[1])
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(port, '127.0.0.1', resolve)
    })
    socket.close()
    expect(transportManager.getAddrs()).toEqual([])
    await own.stop()
  })

  it('is not there on a platform that it was not made for, and the node is', async () => {
    expect(loadQuic()).not.toBeNull()
    expect(load('sunos-x64', () => expect.unreachable())).toBeNull()
    const tried: string[] = []
    const absent = (name: string) => {
      tried.push(name)
      throw new Error(`Cannot find module '${name}'`)
    }
    expect(load('linux-x64', absent)).toBeNull()
    expect(tried).toEqual(['@chainsafe/libp2p-quic-linux-x64-gnu', '@chainsafe/libp2p-quic-linux-x64-musl'])
    const none = { tcp: true, udp: 'unavailable', quic: null } as const
    const own = { announced: [], servesAsRelay: false, relays: 0, reachedBy: new Set<never>(), transports: none }
    expect(describeReachability([], own).udp).toBe('unavailable')
    expect(new UdpUnavailableError()).toMatchObject({ code: 'usage' })
  })
})

describe('a QUIC stream', () => {
  const silent: Logger = Object.assign(() => {}, {
    trace: () => {},
    error: () => {},
    newScope: () => silent,
    enabled: false,
  })
  const never = () => new Promise<never>(() => {})

  function open(native: Partial<NativeStream>) {
    const stuck = vi.fn<() => void>()
    const none = async () => {}
    const stream = new QuicStream({
      id: '1',
      log: silent,
      native: { read: never, write: none, finishWrite: none, resetWrite: none, stopRead: none, ...native },
      onBytes: () => {},
      onWrite: () => {},
      onStuck: stuck,
    })
    return { stream: stream as Stream, stuck }
  }

  it('sends what was waiting when all before it has gone', async () => {
    let sent = 0
    const { stream } = open({
      write: async (data) => {
        sent += data.length
      },
    })
    expect(stream.send(new Uint8Array(256 * 1024))).toBe(false)
    stream.send(new Uint8Array(10))
    await stream.close()
    expect(sent).toBe(256 * 1024 + 10)
  })

  it('does not read for nobody, and reads on for somebody', async () => {
    let read = 0
    const { stream } = open({
      read: async (most) => {
        read += most
        return new Uint8Array(most)
      },
    })
    const until = async (enough: () => boolean) => {
      for (let turn = 0; turn < 1_000 && !enough(); turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => false)
    expect(read).toBeLessThanOrEqual(512 * 1024)
    let taken = 0
    stream.addEventListener('message', ({ data }) => {
      taken += data.byteLength
      if (taken > 2_000_000 && stream.readStatus === 'readable') stream.pause()
    })
    await until(() => taken > 2_000_000)
    expect(taken).toBeGreaterThan(2_000_000)
    await until(() => false)
    expect(read - taken).toBeLessThanOrEqual(256 * 1024)
    stream.abort(new Error('enough'))
  })

  it('ends its connection when its peer cannot be told that it has ended', async () => {
    vi.useFakeTimers()
    try {
      const quiet = open({})
      quiet.stream.abort(new Error('enough'))
      const { stream, stuck } = open({ resetWrite: never })
      stream.abort(new Error('enough'))
      await vi.advanceTimersByTimeAsync(RESET_MS - 1)
      expect(stuck).not.toHaveBeenCalled()
      await vi.advanceTimersByTimeAsync(1)
      expect(stuck).toHaveBeenCalledOnce()
      expect(quiet.stuck).not.toHaveBeenCalled()
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('handshakes that nobody ends', () => {
  /** Passes on what comes, and nothing back. */
  async function startFunnel(to: number): Promise<{ port: number; from: Set<string>; stop(): void }> {
    const [inner, outer] = [createSocket('udp4'), createSocket('udp4')]
    const from = new Set<string>()
    inner.on('message', (data) => {
      // the id of the connection that it would begin (RFC 9000, 17.2)
      from.add(data.subarray(6, 6 + (data[5] ?? 0)).toString('hex'))
      outer.send(data, to, '127.0.0.1')
    })
    await new Promise<void>((resolve) => inner.bind(0, '127.0.0.1', resolve))
    const stop = () => {
      inner.close()
      outer.close()
    }
    return { port: inner.address().port, from, stop }
  }

  it('fill the places of UDP for a while, and disturb neither TCP nor those who are connected', async () => {
    const native = loadQuic()
    if (native === null) throw new TypeError('no QUIC')
    const listen = [...LISTEN.tcp, ...LISTEN.udp]
    const member = await start({ listen })
    const before = await start({ listen, transports: ['udp'], members: [member] })
    member.host.handle('keys', { maxFrameBytes: 10, timeoutMs: 0 }, async (stream) => {
      await stream.write((await stream.read()) ?? new Uint8Array(0))
    })
    await before.host.dial(member.host.addresses())
    const [tcp, udp] = member.host.addresses()
    const funnel = await startFunnel(Number(/\/udp\/(\d+)/.exec(String(udp))?.[1]))
    const config = new native.QuinnConfig({
      privateKeyProto: privateKeyToProtobuf(await generateKeyPair('Ed25519')),
      ...{ handshakeTimeout: 10_000, maxIdleTimeout: 10_000, keepAliveInterval: 4_000, maxConcurrentStreamLimit: 1 },
      ...{ maxStreamData: 1_000, maxConnectionData: 1_000, receiveBufferSize: 1_000_000, sendBufferSize: 1_000_000 },
    })
    const client = new native.Client(config, native.SocketFamily.Ipv4)
    const rss = process.memoryUsage().rss
    const dialled = 3 * MAX_QUIC_HANDSHAKES
    for (let each = 0; each < dialled; each++)
      client.outboundConnection('127.0.0.1', funnel.port).catch(() => undefined)
    // some are lost on the way, as datagrams are
    await expect.poll(() => funnel.from.size, { timeout: 10_000 }).toBeGreaterThan(MAX_QUIC_HANDSHAKES)
    const after = await start({ listen, members: [member] })
    await after.host.dial([String(tcp)])
    expect(pathsOf(after)).toEqual(['tcp'])
    for (const each of [before, after]) {
      const answer = each.host.request(member.host.id, 'keys', Uint8Array.of(7), {
        maxFrameBytes: 10,
        timeoutMs: 3_000,
      })
      await expect(answer).resolves.toEqual(Uint8Array.of(7))
    }
    expect(pathsOf(before)).toEqual(['udp'])
    // about 50 KiB each for both sides, which are in this process
    expect(process.memoryUsage().rss - rss).toBeLessThan(128 * 1024 * 1024)
    client.abort()
    funnel.stop()
  })
})

describe('transports', () => {
  it('listen at one number, any free one', async () => {
    const listens: string[][] = []
    const host = await atPort(0, undefined, async (listen) => {
      listens.push(listen)
      return await start({ listen })
    })
    const ports = new Set(listens.at(-1)?.map((address) => /\/(?:tcp|udp)\/(\d+)/.exec(address)?.[1]))
    expect(ports.size).toBe(1)
    expect(ports.has('0')).toBe(false)
    const names = host.host.addresses().map((address) => /\/(tcp|udp)\//.exec(address)?.[1])
    expect(new Set(names)).toEqual(new Set(['tcp', 'udp']))
  })

  it('that are off are neither listened for nor dialled', async () => {
    const both = await start({ listen: [...LISTEN.tcp, ...LISTEN.udp] })
    const [tcp, udp] = both.host.addresses()
    const onlyTcp = await start({ transports: ['tcp'], members: [both] })
    const onlyUdp = await start({ transports: ['udp'], listen: [...LISTEN.udp], members: [both] })
    expect(onlyTcp.host.reachability()).toMatchObject({ tcp: 'loopback', udp: 'off' })
    expect(onlyUdp.host.reachability()).toMatchObject({ tcp: 'off', udp: 'loopback' })
    await expect(onlyTcp.host.dial([String(udp)])).rejects.toBeInstanceOf(UnreachableError)
    await expect(onlyUdp.host.dial([String(tcp)])).rejects.toBeInstanceOf(UnreachableError)
    await onlyTcp.host.dial(both.host.addresses())
    await onlyUdp.host.dial(both.host.addresses())
    expect([pathsOf(onlyTcp), pathsOf(onlyUdp)]).toEqual([['tcp'], ['udp']])
    expect(chooseTransports(['tcp'])).toMatchObject({ tcp: true, udp: 'off', quic: null })
  })

  it('TCP wins where both are there, also by a bare address; one connection in the end', async () => {
    const both = await atPort(0, undefined, (listen) =>
      start({ listen: listen.filter((address) => address.startsWith('/ip4')) }),
    )
    const port = /\/tcp\/(\d+)/.exec(both.host.addresses()[0] ?? '')?.[1]
    // as long as time stands still, UDP is begun only where TCP has failed, however busy this machine is
    const other = await start({ members: [both], clock: new ManualClock() })
    await other.host.dial([`127.0.0.1:${port}`])
    expect(pathsOf(other)).toEqual(['tcp'])
    const third = await start({ members: [both], clock: new ManualClock() })
    third.host.learn(both.host.id, both.host.addresses().toReversed())
    await Promise.all([third.host.connect(both.host.id), third.host.connect(both.host.id)])
    expect(pathsOf(third)).toEqual(['tcp'])
    expect(third.host.connections()[0]?.paths).toHaveLength(1)
  })

  it('UDP is there where TCP is closed', async () => {
    const a = await start(UDP)
    const port = /\/udp\/(\d+)/.exec(a.host.addresses()[0] ?? '')?.[1]
    const b = await start({ members: [a] })
    await b.host.dial([`127.0.0.1:${port}`])
    expect(pathsOf(b)).toEqual(['udp'])
  })
})

describe('a race', () => {
  const TCP1 = multiaddr('/ip4/8.0.0.1/tcp/1')
  const TCP2 = multiaddr('/ip4/10.0.0.1/tcp/1')
  const QUIC = multiaddr('/ip4/10.0.0.1/udp/1/quic-v1')
  const RELAY = multiaddr('/ip4/10.0.0.2/tcp/1/p2p-circuit')

  function run(addresses = [RELAY, QUIC, TCP1, TCP2]) {
    const clock = new ManualClock()
    const over = new AbortController()
    const asked: { address: string; signal: AbortSignal; won: () => void; lost: () => void }[] = []
    const discarded: string[] = []
    const result = race(addresses, {
      clock,
      signal: over.signal,
      dial: (address, signal) =>
        new Promise<string>((resolve, reject) => {
          const text = address.toString()
          asked.push({ address: text, signal, won: () => resolve(text), lost: () => reject(new Error(text)) })
        }),
      discard: (late) => void discarded.push(late),
    })
    return { clock, over, asked, discarded, result }
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve))

  it('begins with TCP on the LAN, and gives each a little time before the next', async () => {
    const { clock, asked, result } = run()
    const began: number[] = []
    for (let ms = 0; ms <= 700; ms += 100) {
      while (began.length < asked.length) began.push(ms)
      clock.advance(100)
    }
    expect(asked.map(({ address }) => address)).toEqual([TCP2, TCP1, QUIC, RELAY].map(String))
    expect(began).toEqual([0, 100, 400, 500])
    asked[2]?.won()
    expect(await result).toBe(QUIC.toString())
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true, false, true])
  })

  it('goes on at once when all that were tried have failed, and fails with the last', async () => {
    const { asked, result } = run([TCP1, QUIC])
    asked[0]?.lost()
    await settled()
    expect(asked).toHaveLength(2)
    asked[1]?.lost()
    await expect(result).rejects.toBeInstanceOf(AggregateError)
  })

  it('gives back what comes when another has won, and ends with who asked', async () => {
    const first = run([TCP1, TCP2])
    first.clock.advance(100)
    first.asked[1]?.won()
    await first.result
    first.asked[0]?.won()
    await settled()
    expect(first.discarded).toEqual([TCP2.toString()])
    const second = run([TCP1])
    second.over.abort(new Error('enough'))
    await expect(second.result).rejects.toThrow('enough')
    expect(second.asked[0]?.signal.aborted).toBe(true)
  })
})
