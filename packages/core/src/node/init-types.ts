/** What a node is made with. */
import type { Clock } from '../clock.ts'
import type { TransportName } from '../network/index.ts'
import type { NodeRef } from './view-types.ts'

/** Which offered files this branch accepts by itself; the others wait for `acceptOffer` or `declineOffer`. */
export interface HandoffPolicy {
  /** `ask`: none. `fits`: what it holds already or has room for */
  accept: 'ask' | 'fits'
  /** largest file, bytes; null = whatever fits */
  maxBytes: number | null
  /** from these branches only; null = from all */
  from: NodeRef[] | null
}

/** What a node is made with. */
export interface NodeInit {
  /** made when absent, mode 0700 */
  dataDir: string
  /** swarm port, TCP and UDP; 0 = any that is free for both @default 4373 */
  port?: number
  /** multiaddrs to listen on, instead of `port` @default every interface */
  listen?: string[]
  /** others are neither listened for nor dialled @default `['tcp', 'udp']` */
  transports?: readonly TransportName[]
  /** addresses under which others reach this node (port forward), bare IP, `IP:port`, DNS name or multiaddr @default none */
  announce?: string[]
  /** serve as relay for other members: once others have been seen to reach this node, always, or never @default 'auto' */
  relay?: 'auto' | 'always' | 'never'
  /** bytes per second of everything that it passes on as relay; null: no bound @default 10 MiB */
  relayLimit?: number | null
  /** find members on the LAN by multicast DNS @default true */
  mdns?: boolean
  /** have the router lead a port here, where this machine has no public address (spec: upnp.md) @default true */
  upnp?: boolean
  /** carry bulk over sockets of their own (spec: lane.md); false: all of it over libp2p, either way @default true */
  lanes?: boolean
  /** bytes that this node offers to the network; null = what the disk has, less the free-space floor @default null */
  capacity?: number | null
  /** told of what went wrong without anybody having asked; names and keys are never part of it @default nobody */
  log?: (message: string, error?: unknown) => void
  /** which offered files this branch takes by itself @default what it has room for, from anybody */
  handoffs?: Partial<HandoffPolicy>
  /**
   * Makes the databases anew: damaged ones are set aside, what proves itself in them is kept, the rest is fetched from
   * the other members. @default false
   */
  rebuild?: boolean
  /** ends a start that waits for other members, as a rebuild may */
  signal?: AbortSignal
  /** time, as a parameter @default the system's */
  clock?: Clock
  /** times that tests and policies may want to change @default `DEFAULT_TUNING` */
  tuning?: Partial<Tuning>
}

/** Times in milliseconds; see docs/LIMITS.md for every default and why. */
export interface Tuning {
  /** between two signs of life to each member */
  heartbeatMs: number
  /** between two comparisons of what each has */
  headsIntervalMs: number
  /** after which a member that is away counts as gone for the copies */
  repairGraceMs: number
  /** between two looks at all files */
  repairIntervalMs: number
  /** how long the trash and replaced versions are kept */
  retentionMs: number
  /** how long a branch that is to have a file by lot may say nothing */
  drawSilenceMs: number
  /** after the start, until the store is looked through for damage */
  storeCheckMs: number
  /** newest rules version that this node executes: for trying out an upgrade @default what the software knows */
  rulesVersion: number
}
