/**
 * Opens streams to peers: over the path that is best now, over a lane where much will come, dialling where there is no
 * connection. Owns which connection carries which stream.
 */
import type { Connection } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { MaloteError } from '../errors.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import { pathOf } from './addresses.ts'
import { type Connections, closeQuickly } from './connections.ts'
import { withDeadline } from './deadline.ts'
import {
  NoNetworkError,
  NotMemberError,
  ProtocolUnsupportedError,
  StreamBrokenError,
  TimeoutError,
  UnreachableError,
} from './errors.ts'
import { createFrameStream } from './frame-stream.ts'
import type { Lanes } from './lanes.ts'
import { protocolId } from './protocols.ts'
import { OUTBOUND_STREAMS_PER_PROTOCOL } from './spoken-network.ts'
import type { FrameStream, Host, ProtocolName, Wait } from './types.ts'
import { untilEnded } from './until-ended.ts'

/** Reaching a peer: dial, handshake, protocol. Longer than a round trip over any relay, shorter than patience. */
export const OPEN_TIMEOUT_MS = 8_000

export interface OpeningInit {
  readonly clock: Clock
  network(): NetworkId | null
  mayConnect(peer: NodeId): boolean
  connections(): Connections
  /** @throws {UnreachableError} */
  dial(peer: NodeId, signal: AbortSignal): Promise<Connection>
  /** null where lanes are off */
  lanes(): Pick<Lanes, 'open'> | null
}

export class Opening {
  readonly #init: OpeningInit
  readonly #carriers = new WeakMap<FrameStream, Connection>()

  constructor(init: OpeningInit) {
    this.#init = init
  }

  /** Which connection carries a stream that was opened to us. */
  note(stream: FrameStream, carrier: Connection): void {
    this.#carriers.set(stream, carrier)
  }

  carrier(stream: FrameStream): Connection | undefined {
    return this.#carriers.get(stream)
  }

  /** Ends the connection that carries it. */
  cut(stream: FrameStream): void {
    const connection = this.#carriers.get(stream)
    if (connection !== undefined) void closeQuickly(connection)
    else stream.abort()
  }

  async open(peer: NodeId, protocol: ProtocolName, options: Parameters<Host['open']>[2]): Promise<FrameStream> {
    const { clock } = this.#init
    const network = this.#init.network()
    if (network === null) throw new NoNetworkError()
    if (!this.#init.mayConnect(peer)) throw new NotMemberError(peer)
    const id = protocolId(network, protocol)
    const wait = { signal: options.signal, timeoutMs: options.timeoutMs ?? OPEN_TIMEOUT_MS }
    const connections = this.#init.connections()
    const began = connections.now()
    let connection: Connection | undefined
    try {
      return await withDeadline(clock, `opening ${protocol} to ${peer}`, wait, async (signal) => {
        connection = connections.best(peer)
        if (connection === undefined && options.connectedOnly === true) throw new UnreachableError(peer)
        connection ??= await this.#init.dial(peer, signal)
        const lanes = options.bulk === true ? this.#init.lanes() : null
        const lane = await lanes?.open(peer, protocol, { maxFrameBytes: options.maxFrameBytes, signal })
        if (lane) return lane
        if (options.laneOnly === true) throw new UnreachableError(`${peer} by a lane`)
        const newStream = (carrier: Connection) =>
          carrier.newStream(id, {
            signal,
            runOnLimitedConnection: true,
            maxOutboundStreams: OUTBOUND_STREAMS_PER_PROTOCOL,
          })
        let carrier = connection
        const stream = await newStream(carrier).catch((error: unknown) => {
          // nothing was said yet: if the path died meanwhile, over the one that took its place
          const other = connections.best(peer)
          if (signal.aborted || carrier.status === 'open' || other === undefined || other === carrier) throw error
          carrier = other
          connection = other
          return newStream(other)
        })
        const frames = createFrameStream({
          stream,
          peer,
          path: pathOf(carrier.remoteAddr),
          clock,
          maxFrameBytes: options.maxFrameBytes,
          onHeard: (bytes) => connections.noteHeard(carrier, bytes),
          onSent: (bytes) => connections.noteSent(carrier, bytes),
        })
        this.#carriers.set(frames, carrier)
        return frames
      })
    } catch (error) {
      if (error instanceof TimeoutError && connection !== undefined && !connections.heardSince(connection, began)) {
        // nothing at all came over it while we asked: the machine or the line is gone, TCP will notice much later
        connection.abort(error)
      }
      throw asOurs(error, peer, protocol)
    }
  }

  async request(
    peer: NodeId,
    protocol: ProtocolName,
    frame: Uint8Array,
    options: Wait & { maxFrameBytes: number; connectedOnly?: boolean },
  ): Promise<Uint8Array> {
    return await withDeadline(this.#init.clock, `${protocol} with ${peer}`, options, async (signal) => {
      const stream = await this.open(peer, protocol, { ...options, signal })
      try {
        await stream.write(frame, { signal, timeoutMs: 0 })
        await stream.close()
        const answer = await stream.read({ signal, timeoutMs: 0 })
        if (answer === null) throw new StreamBrokenError('no answer')
        void untilEnded(stream)
        return answer
      } catch (error) {
        stream.abort(error instanceof Error ? error : undefined)
        throw error
      }
    })
  }
}

/** What libp2p throws, in our words. */
export function asOurs(error: unknown, peer: NodeId, protocol: ProtocolName): unknown {
  if (error instanceof MaloteError) return error
  if (!(error instanceof Error)) return new UnreachableError(peer, error)
  if (error.name === 'UnsupportedProtocolError') return new ProtocolUnsupportedError(peer, protocol, error)
  // somebody is there, and has refused this
  if (error.name === 'StreamResetError') return new StreamBrokenError('reset', error)
  return new UnreachableError(peer, error)
}
