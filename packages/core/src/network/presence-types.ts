/** What this room tells of the members' presence, and what it needs for that. */
import type { Clock } from '../clock.ts'
import type { SigningKey } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import type { Random } from '../random.ts'
import type { Facts } from './facts.ts'
import type { NetworkHost } from './host-types.ts'
import type { Twin } from './runs.ts'
import type { Skew } from './skew.ts'

export interface MemberPresence {
  readonly node: NodeId
  readonly connected: boolean
  /** ms since the epoch; null when this node has never seen it */
  readonly lastSeen: number | null
  readonly rttMs: number | null
  /** software that it runs; null until it has said so */
  readonly version: string | null
  /** multiaddrs under which it was last known */
  readonly addresses: readonly string[]
}

export interface PresenceEvent {
  /** `changed`: addresses or version */
  readonly type: 'connected' | 'disconnected' | 'changed'
  readonly node: NodeId
}

/** How far this node's clock is ahead of a member's. */
export interface ClockDifference {
  readonly node: NodeId
  readonly ms: number
}

export interface Presence {
  /** False for this node itself, and for whoever is no member. */
  isConnected(node: NodeId): boolean
  get(node: NodeId): MemberPresence
  list(): MemberPresence[]
  /** This node's own presence. */
  isOpen(): boolean
  /** Announces this node to all members, and tries to reach them. */
  connect(): Promise<void>
  /** Says farewell to all, hangs up, refuses; until `connect`. */
  disconnect(): Promise<void>
  /** Told by whoever let this node in; counts, also after a restart, until the member tells its own addresses. */
  learn(node: NodeId, addresses: readonly string[]): void
  /** A request to it failed: it is not connected until it is heard of again. */
  markUnreachable(node: NodeId): void
  /** Members that were dialled more than once in vain, and have not said farewell. */
  unreachable(): NodeId[]
  /** This node's clock against those of its connected peers. Null without a witness. */
  skew(): Skew | null
  /** the same against each connected peer */
  clocks(): ClockDifference[]
  onChange(listener: (event: PresenceEvent) => void): () => void
  /** Another process with this node's identity, as a member has shown and proved it; null when there is none. */
  twin(): Twin | null
  /** That member sees no other process with this node's identity, and nobody else has shown one. */
  isSole(node: NodeId): boolean
  /** Members under whose identity two processes were alive at once, as seen from here in the last minutes. */
  doubled(): NodeId[]
  /** Members may have changed. */
  refresh(): void
  start(): Promise<void>
  /** Says farewell and ends; this node's own presence stays what it was. */
  stop(): Promise<void>
}

export interface PresenceInit {
  host: NetworkHost
  facts: Facts
  /** local.db */
  db: Database
  clock: Clock
  random: Random
  network: NetworkId
  signer: SigningKey
  /** current members, this node among them or not */
  members(): readonly NodeId[]
  /** of this software */
  version: string
  /** begin with the presence switched off @default false */
  disconnected?: boolean
  /** @default 10 s; three missed: offline */
  heartbeatMs?: number
  log?: (message: string, error?: unknown) => void
}
