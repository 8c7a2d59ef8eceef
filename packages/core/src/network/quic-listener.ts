/**
 * A UDP port that takes QUIC connections. QUIC does the handshake itself and shows us who has passed it; the gater and
 * the limits of libp2p are asked then, as for TCP. Handshakes under way are ours to bound: one that is not answered
 * holds its place until QUIC gives up, so there are many places.
 */
import { networkInterfaces } from 'node:os'
import { type Listener, type ListenerEvents, type Logger, TypedEventEmitter, type Upgrader } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { peersIn, udpTarget } from './addresses.ts'
import { StreamBrokenError } from './errors.ts'
import { QuicConnection } from './quic-connection.ts'
import type { NativeConfig, NativeConnection, NativeServer, QuicNative } from './quic-native.ts'

/** Handshakes that one port has under way; others wait in QUIC, which drops them above 65,536. */
export const MAX_QUIC_HANDSHAKES = 256

export interface QuicListenerInit {
  native: QuicNative
  config: NativeConfig
  upgrader: Upgrader
  log: Logger
}

export class QuicListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #init: QuicListenerInit
  readonly #connections = new Set<QuicConnection>()
  readonly #stopped = new AbortController()
  #server: NativeServer | undefined
  #address: { family: 4 | 6; host: string; port: number } | undefined

  constructor(init: QuicListenerInit) {
    super()
    this.#init = init
  }

  async listen(address: Multiaddr): Promise<void> {
    const target = udpTarget(address)
    if (target === null || target.family === 0) throw new TypeError(`${address.toString()} is no address to listen on`)
    const { native, config } = this.#init
    const server = new native.Server(config, target.host, target.port)
    this.#server = server
    this.#address = { family: target.family, host: target.host, port: server.port() }
    for (let place = 0; place < MAX_QUIC_HANDSHAKES; place++) void this.#accept(server)
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    if (this.#address === undefined) return []
    const { family, host, port } = this.#address
    const hosts = host === '0.0.0.0' || host === '::' ? hostsOf(family) : [host]
    return hosts.map((each) => multiaddr(`/ip${family}/${each}/udp/${port}/quic-v1`))
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#address = undefined
    const reason = new StreamBrokenError('the listener has closed')
    this.#stopped.abort(reason)
    for (const connection of [...this.#connections]) connection.abort(reason)
    await server.abort()
    this.safeDispatchEvent('close')
  }

  async #accept(server: NativeServer): Promise<void> {
    while (this.#server === server) {
      try {
        const native = await server.inboundConnection()
        if (this.#server === server) void this.#upgrade(native)
        else native.abort()
      } catch {
        // a handshake that failed is nobody's; that the server has been ended the loop sees
      }
    }
  }

  async #upgrade(native: NativeConnection): Promise<void> {
    const { upgrader, log } = this.#init
    try {
      const connection = new QuicConnection({ native, direction: 'inbound', log })
      this.#connections.add(connection)
      connection.addEventListener('close', () => void this.#connections.delete(connection), { once: true })
      try {
        await upgrader.upgradeInbound(connection, {
          skipEncryption: true,
          skipProtection: true,
          remotePeer: provenPeer(connection),
          muxerFactory: connection.muxerFactory,
          signal: this.#stopped.signal,
        })
      } catch (error) {
        connection.abort(error instanceof Error ? error : new StreamBrokenError('refused', error))
      }
    } catch {
      native.abort()
    }
  }
}

/** Whom the certificate names. */
export function provenPeer({ remoteAddr }: QuicConnection): ReturnType<typeof peerIdFromString> {
  const peer = peersIn(remoteAddr).at(-1)
  if (peer === undefined) throw new StreamBrokenError('a certificate without a peer')
  return peerIdFromString(peer)
}

function hostsOf(family: 4 | 6): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(
      (each) => each.family === `IPv${family}` && !(family === 6 && each.scopeid !== undefined && each.scopeid > 0),
    )
    .map(({ address }) => address)
}
