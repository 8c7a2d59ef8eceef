/**
 * The end of a punch by UDP that does not dial: a port whose mapping is known, a few packets towards the one who will
 * dial, so that our NAT takes his for answers, and then a QUIC listener on that same port, for him alone. It is nobody
 * else's business and never announced; it lives as long as the connection that came over it.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Connection, Listener, MultiaddrConnection, PeerId, Upgrader, UpgraderOptions } from '@libp2p/interface'
import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal'
import { CODE_P2P } from '@multiformats/multiaddr'
import { candidateOf, type Endpoint, isSameIp, toMultiaddr } from './endpoints.ts'
import { APPEARS_MS, HOLE_PACKETS } from './limits.ts'

/** Nothing that QUIC could take for its own: the fixed bit is clear (RFC 9000, 17). */
const PACKET = Uint8Array.of(0)

export interface UdpHoleInit {
  readonly peer: PeerId
  /** who will dial, as observers see him */
  readonly towards: Endpoint
  readonly upgrader: Upgrader
  readonly transportManager: TransportManager
  readonly connectionManager: ConnectionManager
  onConnection(connection: Connection): void
}

export async function bindUdp(family: 4 | 6, port: number): Promise<Socket> {
  const socket = createSocket(family === 4 ? { type: 'udp4' } : { type: 'udp6', ipv6Only: true })
  try {
    socket.bind(port)
    await once(socket, 'listening')
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

/** @param socket whose mapping is known; closed here */
export async function openHole(socket: Socket, init: UdpHoleInit): Promise<UdpHole> {
  const { ip, port } = init.towards
  const own = socket.address().port
  // routers that refuse them say so by ICMP, which changes nothing
  socket.on('error', () => {})
  for (let sent = 0; sent < HOLE_PACKETS; sent++) {
    await new Promise<void>((resolve) => socket.send(PACKET, port, ip, () => resolve()))
  }
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  const hole = new UdpHole(init)
  await hole.listen(own)
  return hole
}

export class UdpHole {
  onClose: () => void = () => {}
  readonly #init: UdpHoleInit
  #listener: Listener | undefined
  #connection: Connection | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(init: UdpHoleInit) {
    this.#init = init
  }

  /** @throws where there is no QUIC, or the port has been taken meanwhile */
  async listen(port: number): Promise<void> {
    const { upgrader, transportManager, towards } = this.#init
    const any = { family: towards.family, ip: towards.family === 4 ? '0.0.0.0' : '::', port } as const
    const address = toMultiaddr(any, 'udp')
    const transport = transportManager.dialTransportForMultiaddr(address)
    if (transport === undefined) throw new TypeError('there is no QUIC here')
    const upgradeInbound = (raw: MultiaddrConnection, options: UpgraderOptions) => this.#upgrade(raw, options)
    const own = Object.create(upgrader, { upgradeInbound: { value: upgradeInbound } }) as Upgrader
    const listener = transport.createListener({ upgrader: own })
    this.#listener = listener
    try {
      await listener.listen(address)
    } catch (error) {
      this.#listener = undefined
      throw error
    }
  }

  /** @param isDirect the other side says that it stands: then it may still be on its way here */
  release(isDirect: boolean): void {
    if (this.#connection !== undefined) return
    if (isDirect) this.#timer = setTimeout(() => this.#connection === undefined && this.close(), APPEARS_MS)
    else this.close()
  }

  close(): void {
    clearTimeout(this.#timer)
    const listener = this.#listener
    this.#listener = undefined
    if (listener === undefined) return
    this.onClose()
    listener.close().catch(() => {})
  }

  async #upgrade(raw: MultiaddrConnection, options: UpgraderOptions): Promise<void> {
    const { peer, towards, upgrader, connectionManager, onConnection } = this.#init
    const named = raw.remoteAddr.getComponents().findLast(({ code }) => code === CODE_P2P)?.value
    const isExpected = named === peer.toString() && isSameIp(candidateOf(raw.remoteAddr), towards)
    if (!isExpected || this.#connection !== undefined) throw new Error('this port waits for somebody else')
    const before = new Set(connectionManager.getConnections(peer))
    await upgrader.upgradeInbound(raw, options)
    const made = connectionManager
      .getConnections(peer)
      .find((each) => !before.has(each) && each.remoteAddr.equals(raw.remoteAddr))
    if (made === undefined) throw new Error('it has closed')
    this.#connection = made
    made.addEventListener('close', () => this.close(), { once: true })
    if (made.status !== 'open') this.close()
    onConnection(made)
  }
}
