/** What the rooms to the right see of the network. Only this folder imports libp2p. */
import type { NetworkId, NodeId } from '../ids.ts'

/** Every protocol of Malote. On the wire: `/malote/<first 16 hex digits of the network id>/<name>/1`. */
export type ProtocolName = 'register' | 'presence' | 'facts' | 'ledger' | 'boxes' | 'keys' | 'transfer' | 'lane' | 'dht'

export type PathKind = 'tcp' | 'udp' | 'relay'

/** `lan`: to an address of this machine's own networks or a private one; `punched-…`: both dialled at once, through NATs. */
export type FinePath = 'lan' | 'tcp' | 'udp' | 'punched-tcp' | 'punched-udp' | 'relay'

/** One way to a peer that stands. */
export interface PathView {
  readonly path: PathKind
  readonly kind: FinePath
  readonly address: string
  readonly ageMs: number
  readonly rttMs: number | null
  /** the most that has come in a second of late; null as long as nothing large has */
  readonly bytesPerSecond: number | null
  /** something is owed over it, and nothing comes */
  readonly isSilent: boolean
}

export interface Wait {
  signal?: AbortSignal | undefined
  /** milliseconds until `TimeoutError`; every wait has one */
  timeoutMs?: number
}

/** A stream of length-prefixed frames, bounded both ways, with back-pressure in `write` and by not calling `read`. */
export interface FrameStream {
  readonly peer: NodeId
  readonly path: PathKind
  /** Resolves when the frame was handed on and there is room for more. */
  write(frame: Uint8Array, wait?: Wait): Promise<void>
  /**
   * Several buffers as one frame, without copying them together.
   * @param wait.handsOver nobody needs them afterwards: their memory may be freed as soon as they have gone
   */
  writeParts(parts: Uint8Array[], wait?: Wait & { handsOver?: boolean }): Promise<void>
  /** The next frame, or null when the other side has ended cleanly. @throws {DecodeError} on a frame over the limit */
  read(wait?: Wait): Promise<Uint8Array | null>
  /** Ends our side after what was written. */
  close(): Promise<void>
  /** Ends both sides at once. */
  abort(reason?: Error): void
}

export interface HandlerInit {
  /** largest frame that is accepted */
  maxFrameBytes: number
  /** whole exchange, ms; 0 for streams that stay open (their reads have deadlines of their own) */
  timeoutMs: number
  /** open streams per peer @default 4 */
  maxStreamsPerPeer?: number
  /** also for peers that are no members @default false */
  strangers?: boolean
  /** bytes that a stranger may send in all */
  maxBytes?: number
  /** may come over a lane @default false */
  lane?: boolean
}

/** Returns when the exchange is over; a throw resets the stream, and a `DecodeError` counts against the peer. */
export type StreamHandler = (stream: FrameStream) => Promise<void>

/** Of the path that is used. */
export interface PeerConnection {
  readonly peer: NodeId
  readonly path: PathKind
  readonly rttMs: number | null
  readonly address: string
  readonly kind?: FinePath
  readonly bytesPerSecond?: number | null
  /** all that stand, the one in use first */
  readonly paths?: readonly PathView[]
  /** sockets beside it that carry bulk, see `lanes.ts` */
  readonly lanes?: number
}

/** Who may do what, asked at every stream; wired from membership. */
export interface Gate {
  isMember(node: NodeId): boolean
  isQuarantined(node: NodeId): boolean
  /** false for those whom we do not want to hear from at all (left, expelled, marked offline by ourselves) */
  mayConnect(node: NodeId): boolean
}

export interface Host {
  readonly id: NodeId
  /** multiaddrs with our peer id, as others may dial them */
  addresses(): string[]
  /** Registers the protocols of this network; `null` leaves it. Handlers that were given stay. */
  useNetwork(network: NetworkId | null, gate: Gate): Promise<void>
  handle(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler): void
  /**
   * Opens a stream to a member, dialling it when there is no connection.
   * @param options.bulk much will come: over a lane, where there is a direct path for one
   * @param options.laneOnly and not at all where there is none
   * @throws {UnreachableError}
   */
  open(
    peer: NodeId,
    protocol: ProtocolName,
    options: Wait & { maxFrameBytes: number; connectedOnly?: boolean; bulk?: boolean; laneOnly?: boolean },
  ): Promise<FrameStream>
  /** One frame there, one frame back. @throws {UnreachableError} @throws {TimeoutError} */
  request(
    peer: NodeId,
    protocol: ProtocolName,
    frame: Uint8Array,
    options: Wait & { maxFrameBytes: number; connectedOnly?: boolean },
  ): Promise<Uint8Array>
  /** Dials addresses (bare IP, `IP:port`, DNS name, multiaddr) and returns who answered. */
  dial(addresses: string[], wait?: Wait): Promise<NodeId>
  /** Adds addresses under which a peer may be found. */
  learn(peer: NodeId, addresses: string[]): void
  /** Closes the connections to one peer, or to all. */
  hangUp(peer?: NodeId): Promise<void>
  connections(): PeerConnection[]
  /** `connected` / `disconnected` of any peer, after identify; the return value unsubscribes. */
  onPeer(listener: (event: { type: 'connected' | 'disconnected'; peer: NodeId }) => void): () => void
  /** Another path to a connected peer is used from now on: what goes on for long is better begun anew over it. */
  onPath?(listener: (peer: NodeId) => void): () => void
  reachability(): { tcp: string; udp: string; relay: string; nat: string }
  stop(): Promise<void>
}
