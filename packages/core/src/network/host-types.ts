/** What a host is made of, and what this room's own parts see of it. */
import type { Clock } from '../clock.ts'
import type { SigningKey } from '../crypto/index.ts'
import type { NodeId } from '../ids.ts'
import type { Nat } from './nat.ts'
import type { RelayLoad, RelayServing } from './relay-types.ts'
import type { Surrounding } from './surroundings.ts'
import type { TransportName } from './transports.ts'
import type { FrameStream, Host, Wait } from './types.ts'
import type { UpnpView } from './upnp-types.ts'

export interface HostInit {
  signingKey: SigningKey
  /** multiaddrs, e.g. `/ip4/0.0.0.0/tcp/4373`, `/ip4/0.0.0.0/udp/4373/quic-v1` */
  listen: string[]
  /** others are neither listened for nor dialled @default both */
  transports?: readonly TransportName[]
  /** addresses under which others reach this node: bare IP, `IP:port`, DNS name or multiaddr @default none */
  announce?: string[]
  /** serve as relay for other members @default 'auto' */
  relay?: RelayServing
  /** bytes per second of everything that it passes on as relay; null: no bound @default 10 MiB */
  relayLimit?: number | null
  /** find members on the LAN by multicast DNS @default true */
  mdns?: boolean
  /** have the router lead a port here, where this machine has no public address (spec: upnp.md) @default true */
  upnp?: boolean
  /** carry bulk over sockets of their own where a path is direct (spec: lane.md) @default true */
  lanes?: boolean
  clock: Clock
  log?: (message: string, error?: unknown) => void
}

/** What this room's own parts (presence, facts) need beside `Host`. */
export interface NetworkHost extends Host {
  isMember(node: NodeId): boolean
  /** True from identify until the last connection has gone. */
  isConnected(peer: NodeId): boolean
  /** How it stands with the port that a router leads here. */
  upnp(): UpnpView
  /** Switches this node's presence: false hangs up, refuses and dials nobody, until true. */
  setOpen(open: boolean): Promise<void>
  isOpen(): boolean
  /**
   * Dials a member under its known addresses, unless connected.
   * @param wait.anew under those known now, beside a dial that may have begun before @default false
   * @throws {UnreachableError} @throws {TimeoutError}
   */
  connect(peer: NodeId, wait?: Wait & { anew?: boolean }): Promise<void>
  /** Asks other members for a member's addresses, and learns them. */
  find(peer: NodeId, wait?: Wait): Promise<string[]>
  /** Asks members with public addresses which NAT is in between. @throws {TimeoutError} */
  nat(wait?: Wait): Promise<Nat>
  onPath(listener: (peer: NodeId) => void): () => void
  /** The round trip over the path of this stream, as the heartbeat measured it, milliseconds. */
  noteRtt(stream: FrameStream, ms: number): void
  /** Ends the connection that carries this stream, and no other to the same peer. */
  cut(stream: FrameStream): void
  /** Fires when this machine has moved or slept, or is reached elsewhere. Its own paths are seen to. */
  onSurroundings(listener: (what: Surrounding) => void): () => void
  /** How busy this node is as relay; null when it is none. */
  relayLoad(): RelayLoad | null
  /** What a member says of itself as relay. */
  noteRelay(peer: NodeId, load: RelayLoad | null): void
  /** Fires when the LAN or another member tells of a member. */
  onFound(listener: (peer: NodeId) => void): () => void
}
