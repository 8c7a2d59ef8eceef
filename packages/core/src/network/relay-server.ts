/**
 * This node as a relay of others: libp2p's circuit relay, with what it lacks put around it by stand-ins for the parts
 * that it is given. It may begin and end while the node runs. Spec: docs/specs/relay.md.
 *
 * - Every circuit is handed to `Circuits`, which joins its two streams and bounds it: libp2p 3.3 itself counts bytes only
 *   to end a circuit, keeps in memory what the other side does not take, and whatever the opener has ever sent besides:
 *   it listens to its stream twice and reads one of the two queues. Which streams belong together is known by the
 *   asynchronous context of the request.
 * - The target is asked over a direct connection, the newest: libp2p would take the oldest, which may be dead or relayed.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { type Connection, type Stream, start, stop } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isRelayed } from './addresses.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'
import type { CircuitEnd, Circuits } from './relay-circuits.ts'
import { standIn } from './stand-in.ts'

/** How many members may keep a reservation at this relay. */
const MAX_RESERVATIONS = 1_024
/** Circuits through one connection, in and out. */
export const CIRCUITS_PER_CONNECTION = 1_024
/** From a request for a circuit until it stands, milliseconds. */
const HOP_MS = 10_000

export interface RelayServer {
  stop(): Promise<void>
}

export interface RelayServerInit {
  components: Components
  circuits: Circuits
  /** where others reach this node directly */
  addresses(): Multiaddr[]
}

export async function startRelayServer({ components, circuits, addresses }: RelayServerInit): Promise<RelayServer> {
  const { registrar, connectionManager, addressManager, peerStore, peerId, privateKey, connectionGater, logger } =
    components
  const asking = new AsyncLocalStorage<{ readonly source: CircuitEnd; join: () => void }>()

  const watched = (connection: Connection) =>
    standIn(connection, {
      newStream: async (protocols, options) => {
        const stream = await connection.newStream(protocols, options)
        const request = asking.getStore()
        if (request === undefined) return stream
        const join = circuits.watch(request.source, { peer: nodeIdOf(connection.remotePeer), stream })
        request.join = join
        return untilJoined(stream, join)
      },
    })
  const server = circuitRelayServer({
    hopTimeout: HOP_MS,
    maxInboundHopStreams: CIRCUITS_PER_CONNECTION,
    maxOutboundStopStreams: CIRCUITS_PER_CONNECTION,
    // its limits end a circuit; ours slow it down
    reservations: { maxReservations: MAX_RESERVATIONS, applyDefaultLimit: false },
  })({
    peerStore,
    peerId,
    privateKey,
    connectionGater,
    logger,
    registrar: standIn(registrar, {
      handle: (protocol, handler, options) =>
        registrar.handle(
          protocol,
          (stream, connection) => {
            const request = { source: { peer: nodeIdOf(connection.remotePeer), stream }, join: () => {} }
            return asking.run(request, () =>
              handler(
                untilJoined(stream, () => request.join()),
                connection,
              ),
            )
          },
          options,
        ),
    }),
    connectionManager: standIn(connectionManager, {
      getConnections: (target) => {
        const source = asking.getStore()?.source
        if (target === undefined || source === undefined) return connectionManager.getConnections(target)
        if (!circuits.mayOpen(source.peer, nodeIdOf(target))) return []
        return connectionManager
          .getConnections(target)
          .filter(({ status, remoteAddr }) => status === 'open' && !isRelayed(remoteAddr))
          .sort((a, b) => b.timeline.open - a.timeline.open)
          .map(watched)
      },
    }),
    addressManager: standIn(addressManager, { getAddresses: addresses }),
  })
  await start(server)
  return {
    async stop() {
      await stop(server)
      circuits.stop()
    },
  }
}

/**
 * A stream as libp2p may have it: it hears what comes until its handshake is over, when it stops to listen; when it begins
 * again it is about to join two streams, and `join` does it in its place.
 */
function untilJoined(stream: Stream, join: () => void): Stream {
  let isOver = false
  return standIn(stream, {
    addEventListener: (...args: Parameters<Stream['addEventListener']>) => {
      if (args[0] === 'message' && isOver) join()
      else stream.addEventListener(...args)
    },
    removeEventListener: (...args: Parameters<Stream['removeEventListener']>) => {
      if (args[0] === 'message') isOver = true
      stream.removeEventListener(...args)
    },
  })
}
