/**
 * Lanes, and questions about addresses, on the ports that libp2p listens on: a branch forwards one port, or none, and a
 * path that carried the connection carries a lane. The first byte tells them apart.
 */
import { Server, type Socket } from 'node:net'
import type { DialTransportOptions, Listener, Transport } from '@libp2p/interface'
import { type TCPOptions, tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import { tcpTarget } from './addresses.ts'
import { Door } from './door.ts'
import type { Components } from './guard.ts'

/** A TLS record that begins a handshake (RFC 8446, 5.1). A libp2p connection begins with the length of a protocol name, 19. */
export const TLS_HANDSHAKE = 0x16
/** For the first byte (ms); libp2p gives a handshake as long. */
const FIRST_BYTE_MS = 10_000

export interface LaneListenerInit {
  readonly clock: Clock
  /** who owns a socket from now on that begins with this byte; nothing was taken from it */
  readonly takers: ReadonlyMap<number, (socket: Socket) => void>
}

/** As `tcp()`, with the sockets set aside that begin with a byte of others, and link-local IPv6 dialled where it is. */
export function tcpWithLanes(options: TCPOptions, init: LaneListenerInit): (components: Components) => Transport {
  const create = tcp(options)
  return (components) => {
    const transport = create(components)
    const door = new Door(init.clock)
    components.events.addEventListener('connection:open', ({ detail: { direction, remoteAddr } }) => {
      if (direction !== 'inbound') return
      const [host, port] = remoteAddr.getComponents()
      door.known(host?.value, Number(port?.value))
    })
    const dial = transport.dial.bind(transport)
    transport.dial = (address, options) => dial(address, withZoneOf(address, options))
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (listen) => {
      const listener = createListener(listen)
      divert(listener, init, door)
      return listener
    }
    return transport
  }
}

/** @libp2p/tcp has no hook for it. Where its server cannot be found no lane arrives, and streams carry everything. */
function divert(listener: Listener, { clock, takers: others }: LaneListenerInit, door: Door): void {
  const server: unknown = Reflect.get(listener, 'server')
  if (!(server instanceof Server)) return
  const takers = server.listeners('connection')
  const silent = new Set<Socket>()
  const close = listener.close.bind(listener)
  listener.close = async () => {
    // the server would wait for them
    for (const socket of silent) socket.destroy()
    await close()
  }
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    // whoever takes it listens for its errors, too
    const onError = () => socket.destroy()
    withoutZone(socket)
    socket.on('error', onError)
    if (!door.enter(socket)) return
    silent.add(socket)
    const cancel = clock.after(FIRST_BYTE_MS, () => socket.destroy())
    const isOver = () => {
      cancel()
      silent.delete(socket)
    }
    socket.once('close', isOver)
    socket.once('readable', () => {
      isOver()
      socket.off('close', isOver)
      const head: Buffer | null = socket.read()
      if (head === null) {
        socket.destroy()
        return
      }
      socket.unshift(head)
      const other = others.get(head[0] ?? 0)
      if (other !== undefined) {
        door.known(socket.remoteAddress, socket.remotePort)
        other(socket)
      } else for (const take of takers) take.call(server, socket)
      socket.off('error', onError)
    })
  })
}

/**
 * Of `/ip6zone/eth0/ip6/fe80::1/tcp/4373` libp2p dials `fe80::1`, which on a machine with several interfaces is no address.
 * What else is given to its `dial` goes on to `node:net` in the place of its own.
 */
function withZoneOf(address: Multiaddr, options: DialTransportOptions): DialTransportOptions & { host?: string } {
  const host = tcpTarget(address)?.host
  return host?.includes('%') === true ? { ...options, host } : options
}

/** libp2p takes `fe80::1%eth0`, as the system names who comes over link-local IPv6, for no address, and drops the socket. */
function withoutZone(socket: Socket): void {
  const [ip, zone] = socket.remoteAddress?.split('%') ?? []
  if (zone !== undefined) Object.defineProperty(socket, 'remoteAddress', { value: ip })
}
