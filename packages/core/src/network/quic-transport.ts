/**
 * QUIC for libp2p, on the compiled part of @chainsafe/libp2p-quic. Its own JavaScript reads 4 KiB at a time, does not stop
 * reading when a stream is paused, takes a reset for a clean end, and does one handshake at a time. Why not a patch: decision 0043.
 */
import { lookup } from 'node:dns/promises'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import {
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type Logger,
  type Transport,
  transportSymbol,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { peersIn, udpTarget } from './addresses.ts'
import { StreamBrokenError, UnreachableError } from './errors.ts'
import type { Components } from './guard.ts'
import { MAX_STREAMS, QuicConnection } from './quic-connection.ts'
import { provenPeer, QuicListener } from './quic-listener.ts'
import type { NativeClient, NativeConfig, NativeConnection, QuicNative } from './quic-native.ts'
import { CONNECTION_WINDOW, STREAM_WINDOW } from './quic-stream.ts'

/** Silence after which a connection is gone, also one whose handshake is under way (ms). */
export const QUIC_IDLE_MS = 10_000
/** A packet after so much silence, well below what NATs forget a UDP mapping after, 30 s (ms). */
export const QUIC_KEEP_ALIVE_MS = 4_000
/** Asked of the system for sockets that dial; it gives at most `net.core.rmem_max`. Those that listen have its default. */
const SOCKET_BUFFER = 4 * 1024 * 1024

type Clients = Partial<Record<4 | 6, NativeClient>>

export function quicTransport(native: QuicNative): (components: Components) => Transport {
  return (components) => new QuicTransport(native, components)
}

class QuicTransport implements Transport {
  readonly [Symbol.toStringTag] = 'quic'
  readonly [transportSymbol] = true
  readonly #native: QuicNative
  readonly #config: NativeConfig
  readonly #log: Logger
  #clients: Clients = {}

  constructor(native: QuicNative, components: Components) {
    this.#native = native
    this.#log = components.logger.forComponent('libp2p:quic')
    this.#config = new native.QuinnConfig({
      privateKeyProto: privateKeyToProtobuf(components.privateKey),
      handshakeTimeout: QUIC_IDLE_MS,
      maxIdleTimeout: QUIC_IDLE_MS,
      keepAliveInterval: QUIC_KEEP_ALIVE_MS,
      maxConcurrentStreamLimit: MAX_STREAMS,
      maxStreamData: STREAM_WINDOW,
      maxConnectionData: CONNECTION_WINDOW,
      receiveBufferSize: SOCKET_BUFFER,
      sendBufferSize: SOCKET_BUFFER,
    })
  }

  listenFilter = (addresses: Multiaddr[]): Multiaddr[] =>
    addresses.filter((address) => (udpTarget(address)?.family ?? 0) !== 0)

  dialFilter = (addresses: Multiaddr[]): Multiaddr[] => addresses.filter((address) => udpTarget(address) !== null)

  async start(): Promise<void> {
    const { Client, SocketFamily } = this.#native
    // a machine without IPv6 (or IPv4) has one client less
    for (const [family, value] of [[4, SocketFamily.Ipv4] as const, [6, SocketFamily.Ipv6] as const]) {
      try {
        this.#clients[family] = new Client(this.#config, value)
      } catch (error) {
        this.#log('no QUIC over IPv%d: %e', family, error)
      }
    }
  }

  async stop(): Promise<void> {
    const clients = Object.values(this.#clients)
    this.#clients = {}
    for (const client of clients) client.abort()
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return new QuicListener({ native: this.#native, config: this.#config, upgrader, log: this.#log })
  }

  async dial(address: Multiaddr, { signal, upgrader }: DialTransportOptions): Promise<Connection> {
    signal.throwIfAborted()
    const native = await this.#connect(address, signal)
    const connection = connectionOf(native, this.#log)
    try {
      const remotePeer = provenPeer(connection)
      const wanted = peersIn(address).at(-1)
      if (wanted !== undefined && wanted !== remotePeer.toString())
        throw new UnreachableError(`${wanted}: ${remotePeer} answered`)
      return await upgrader.upgradeOutbound(connection, {
        skipEncryption: true,
        skipProtection: true,
        remotePeer,
        muxerFactory: connection.muxerFactory,
        signal,
      })
    } catch (error) {
      connection.abort(error instanceof Error ? error : new StreamBrokenError('refused', error))
      throw error
    }
  }

  async #connect(address: Multiaddr, signal: AbortSignal): Promise<NativeConnection> {
    const target = udpTarget(address)
    if (target === null) throw new UnreachableError(address.toString())
    const found =
      target.family === 0
        ? await orAborted(lookup(target.host, { family: target.dnsFamily }), signal, () => undefined)
        : { address: target.host, family: target.family }
    const client = this.#clients[found.family === 6 ? 6 : 4]
    if (client === undefined) throw new UnreachableError(`${address.toString()}: no IPv${found.family} here`)
    return await orAborted(client.outboundConnection(found.address, target.port), signal, (late) => late.abort())
  }
}

function connectionOf(native: NativeConnection, log: Logger): QuicConnection {
  try {
    return new QuicConnection({ native, direction: 'outbound', log })
  } catch (error) {
    native.abort()
    throw error
  }
}

/** For what cannot be recalled: when it comes too late it is undone. */
function orAborted<T>(coming: Promise<T>, signal: AbortSignal, undo: (late: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason)
      coming.then(undo, () => undefined)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    coming.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, (error: unknown) => reject(error))
  })
}
