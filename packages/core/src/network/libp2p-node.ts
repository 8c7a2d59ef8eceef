/** The libp2p node itself: transports, encryption, muxing, services and every limit of theirs. Why: decision 0002. */
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import type { ConnectionGater, Libp2p } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import type { Punch } from '@malote/punch'
import { createLibp2p } from 'libp2p'
import type { SigningKey } from '../crypto/index.ts'
import { memberAutoNat } from './autonat.ts'
import { ListenError } from './errors.ts'
import type { Components } from './guard.ts'
import { type LaneListenerInit, tcpWithLanes } from './lane-listener.ts'
import { quicTransport } from './quic-transport.ts'
import type { RelayReservations } from './relay-reservations.ts'
import { steadyNoise } from './steady-noise.ts'
import { steadyYamux } from './steady-yamux.ts'
import { type ChosenTransports, chooseTransports } from './transports.ts'

/**
 * Receive window of a stream at its start. The yamux spec says 256 KiB; every node of ours starts higher, since on a
 * fast path the window grows too late. Both ends must use the same number.
 */
export const INITIAL_WINDOW = 1024 * 1024
/** It grows up to this where the round trip is long: 80 MB/s at 50 ms. */
export const MAX_WINDOW = 4 * 1024 * 1024
/** A paused stream must hold a full window, or it is reset. */
const MAX_READ_BUFFER = MAX_WINDOW + INITIAL_WINDOW

/** Members and strangers together; 1,000 members with two connections each while duplicates are pruned. */
const MAX_CONNECTIONS = 2_200
/** Half-open handshakes, and new connections per second and address: a branch behind one NAT restarts all at once. */
const MAX_PENDING = 640
const CONNECTIONS_PER_SECOND = 100
/** One address that swallows packets must not use up the whole dial, milliseconds. */
const ADDRESS_DIAL_TIMEOUT_MS = 4_000

export interface Libp2pNodeInit {
  signingKey: SigningKey
  listen: readonly string[]
  announce: readonly string[]
  reservations: RelayReservations
  /** @default all that there are here */
  transports?: ChosenTransports
  gater: ConnectionGater
  /** what comes to a port of ours and is not for libp2p */
  lanes: LaneListenerInit
  punch?: (components: Components) => Punch
  /** sees the parts before any of them starts */
  onComponents(components: Components): void
}

/** @throws {ListenError} when none, or not all, of the addresses can be listened on */
export async function startLibp2p(init: Libp2pNodeInit): Promise<Libp2p> {
  const { signingKey, transports = chooseTransports() } = init
  const node = await createLibp2p({
    start: false,
    // the raw form of an Ed25519 private key is seed, then public key (libp2p peer-ids spec)
    privateKey: privateKeyFromRaw(new Uint8Array(Buffer.concat([signingKey.seed, signingKey.publicKey]))),
    nodeInfo: { name: 'malote', version: '1', userAgent: 'malote' },
    addresses: {
      listen: [...init.listen],
      appendAnnounce: [...init.announce],
    },
    connectionGater: init.gater,
    // an address is as good as it was, however long the line or the other machine was down, and however far the clock has
    // jumped; how many are kept is bounded by the address book
    peerStore: { maxAddressAge: Number.MAX_SAFE_INTEGER, maxPeerAge: Number.MAX_SAFE_INTEGER },
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      maxIncomingPendingConnections: MAX_PENDING,
      inboundConnectionThreshold: CONNECTIONS_PER_SECOND,
      addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
      dialTimeout: 12_000,
      inboundUpgradeTimeout: 10_000,
      connectionCloseTimeout: 300,
      // presence redials with back-off of its own; dnsaddr would ask name servers about peers
      reconnectRetries: 0,
      resolvers: {},
    },
    // presence has the heartbeat; the monitor would cut connections that are only busy
    connectionMonitor: { enabled: false },
    transports: [
      ...(transports.tcp
        ? [
            tcpWithLanes(
              { inboundSocketInactivityTimeout: 120_000, outboundSocketInactivityTimeout: 120_000 },
              init.lanes,
            ),
          ]
        : []),
      ...(transports.quic === null ? [] : [quicTransport(transports.quic)]),
      init.reservations.transport(),
    ],
    connectionEncrypters: [steadyNoise()],
    streamMuxers: [
      steadyYamux({
        maxInboundStreams: 256,
        maxOutboundStreams: 256,
        streamOptions: {
          initialStreamWindowSize: INITIAL_WINDOW,
          maxStreamWindowSize: MAX_WINDOW,
          maxReadBufferLength: MAX_READ_BUFFER,
        },
      }),
    ],
    services: {
      guard: (components: Components) => {
        init.onComponents(components)
        return {}
      },
      identify: identify({ timeout: 5_000, maxMessageSize: 8 * 1024, runOnLimitedConnection: true }),
      identifyPush: identifyPush({ timeout: 5_000, maxMessageSize: 8 * 1024, runOnLimitedConnection: true }),
      ping: ping({ runOnLimitedConnection: true }),
      autonat: memberAutoNat(),
      ...(init.punch === undefined ? {} : { punch: init.punch }),
    },
  })
  try {
    await node.start()
  } catch (error) {
    throw new ListenError(init.listen, error)
  }
  return node
}

/**
 * Ends it, and with it what libp2p 3.3 would do afterwards: a listener that closes has the own addresses written down a
 * second later, and that is pushed to peers another second later, by timers that keep the process alive meanwhile.
 */
export async function stopLibp2p(node: Libp2p, { addressManager }: Pick<Components, 'addressManager'>): Promise<void> {
  silence(addressManager, '_updatePeerStoreAddresses')
  const push: unknown = Reflect.get(node.services, 'identifyPush')
  if (typeof push === 'object' && push !== null) silence(push, '_push')
  await node.stop()
}

/** Ends what a debounced method has planned, and plans no more. */
function silence(service: object, method: string): void {
  const debounced: unknown = Reflect.get(service, method)
  if (typeof debounced !== 'function') return
  const stop: unknown = Reflect.get(debounced, 'stop')
  if (typeof stop === 'function') stop()
  Reflect.set(service, method, () => undefined)
}
