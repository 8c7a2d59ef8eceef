/** Hosts on loopback for the tests of this room. */
import net, { connect, createServer, Socket } from 'node:net'
import { type Clock, systemClock } from '../clock.ts'
import { generateSigningKey, type SigningKey } from '../crypto/index.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import { createHost } from './host.ts'
import type { HostInit, NetworkHost } from './host-types.ts'
import type { TransportName } from './transports.ts'
import type { Gate } from './types.ts'

/** Where to listen, for what must hold over either. */
export const LISTEN = {
  tcp: ['/ip4/127.0.0.1/tcp/0'],
  udp: ['/ip4/127.0.0.1/udp/0/quic-v1'],
} as const satisfies Record<TransportName, readonly string[]>

export const TEST_NETWORK = 'ab'.repeat(32) as NetworkId

/** Who belongs, to be changed while a test runs. */
export class TestGate implements Gate {
  readonly members = new Set<NodeId>()
  readonly quarantined = new Set<NodeId>()
  readonly unwanted = new Set<NodeId>()
  isMember(node: NodeId): boolean {
    return this.members.has(node)
  }
  isQuarantined(node: NodeId): boolean {
    return this.quarantined.has(node)
  }
  mayConnect(node: NodeId): boolean {
    return !this.unwanted.has(node)
  }
}

export interface TestHost {
  host: NetworkHost
  gate: TestGate
  key: SigningKey
}

export async function startTestHost(
  options: Partial<HostInit> & { members?: TestHost[]; network?: NetworkId | null; clock?: Clock } = {},
): Promise<TestHost> {
  const { members = [], network = TEST_NETWORK, ...init } = options
  const key = init.signingKey ?? generateSigningKey()
  const gate = new TestGate()
  const host = await createHost({
    listen: [...LISTEN.tcp],
    mdns: false,
    upnp: false,
    clock: systemClock,
    ...init,
    signingKey: key,
  })
  gate.members.add(host.id)
  for (const other of members) {
    for (const node of other.gate.members) gate.members.add(node)
    other.gate.members.add(host.id)
  }
  if (network !== null) await host.useNetwork(network, gate)
  return { host, gate, key }
}

/** Resolves when `host` sees `peer` come or go. */
export function peerEvent(host: NetworkHost, type: 'connected' | 'disconnected', peer?: NodeId): Promise<NodeId> {
  return new Promise((resolve) => {
    const off = host.onPeer((event) => {
      if (event.type !== type || (peer !== undefined && event.peer !== peer)) return
      off()
      resolve(event.peer)
    })
  })
}

/** Time that stands still until a test moves it. Network waits stay real; only what asks this clock is moved. */
export class ManualClock implements Clock {
  #now = Date.now()
  #timers = new Set<{ at: number; callback: () => void }>()
  now(): number {
    return this.#now
  }
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }
  /** Time passes, and no timer with it until the next advance: as in a machine that sleeps. */
  sleep(ms: number): void {
    this.#now += ms
  }
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
    this.#now = end
  }
}

/** The line between two nodes, to be cut (as by a killed process) or frozen (as by a pulled cable). */
export interface TestLine {
  /** multiaddr of this end, with the peer id of the far end */
  address: string
  /** that have passed, both ways */
  readonly bytes: number
  cut(): void
  freeze(): void
  stop(): Promise<void>
}

export async function startLine(to: NetworkHost): Promise<TestLine> {
  const port = portOf(to.addresses()[0])
  const sockets = new Set<Socket>()
  let frozen = false
  let bytes = 0
  const pass = (data: Buffer, end: Socket) => {
    if (frozen) return
    bytes += data.length
    end.write(data)
  }
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
    }
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    near.on('data', (data) => pass(data, far))
    far.on('data', (data) => pass(data, near))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const own = server.address()
  if (own === null || typeof own === 'string') throw new TypeError('no port')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    address: `/ip4/127.0.0.1/tcp/${own.port}/p2p/${to.id}`,
    get bytes() {
      return bytes
    },
    cut,
    freeze: () => {
      frozen = true
    },
    stop: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/**
 * Decides for the rest of the process where libp2p's connections to these ports end up: at a line instead, or refused.
 * Lanes are not asked.
 */
export function holdWay(ports: readonly number[]): { line: TestLine | null; restore(): void } {
  const way: ReturnType<typeof holdWay> = { line: null, restore: () => {} }
  const real = net.connect as (options: net.NetConnectOpts) => Socket
  const held = (options: net.NetConnectOpts): Socket => {
    if (!('port' in options) || !ports.includes(options.port)) return real(options)
    if (way.line !== null) return real({ ...options, port: portOf(way.line.address) })
    const socket = new Socket()
    queueMicrotask(() => socket.destroy(new Error('refused')))
    return socket
  }
  Reflect.set(net, 'connect', held)
  way.restore = () => void Reflect.set(net, 'connect', real)
  return way
}

export function portOf(address: string | undefined): number {
  return Number(/\/tcp\/(\d+)/.exec(address ?? '')?.[1])
}
