/** What a node tells. The list for people: docs/sdk.md. */
import type { LedgerEntryView, MemberState, Role, TransferView } from './view-types.ts'

/** Everything that happens, after it is durable. A reader who must miss nothing uses `events.since`. */
export interface EventMap {
  /** Founded or joined: `network` is its id. */
  'network:joined': { network: string; name: string }
  /** This node belongs to no network any more. */
  'network:left': { network: string }
  /** Somebody was let in. */
  'member:joined': { node: string; branch: string }
  /** Another state or role. */
  'member:changed': { node: string; branch: string; state: MemberState; role: Role }
  /** A path to it stands: after there was none. */
  'member:connected': { node: string; branch: string }
  /** No path to it stands any more. */
  'member:disconnected': { node: string; branch: string }
  /** This branch may see a file that it could not see before: a new one, or one that it was let in to. */
  'file:published': { fileId: string; name: string; version: number }
  /** Another version, name, type, campaign, tags, list of readers or state. */
  'file:updated': { fileId: string; name: string; version: number }
  /** This branch may not see it any more. */
  'file:hidden': { fileId: string }
  /** Into the trash. */
  'file:deleted': { fileId: string }
  /** Out of the trash, or back to an older version. */
  'file:restored': { fileId: string; version: number }
  /** Gone for good. */
  'file:purged': { fileId: string }
  /** `owner` is the node, `branch` the name of who owns it now. */
  'file:owner': { fileId: string; owner: string; branch: string }
  /** How many members hold it all, of how many that should. */
  'file:copies': { fileId: string; held: number; target: number }
  /** Enough others have proved that they hold this version. */
  'file:durable': { fileId: string; version: number }
  /** Nodes, by PeerId. */
  'handoff:offered': { fileId: string; from: string; to: string }
  /** An offer is open no more. */
  'handoff:ended': { fileId: string; outcome: 'accepted' | 'declined' | 'cancelled' }
  /** Not more often than a few times a second. */
  'transfer:progress': TransferView
  /** Done, failed or cancelled: `state` says which. */
  'transfer:ended': TransferView
  /** Of `unregister`: files done, of all. */
  'leave:progress': { phase: 'drain' | 'draw' | 'farewell' | 'done'; done: number; total: number; message: string }
  /** An entry came, or was written here. */
  'ledger:entry': LedgerEntryView
  /** A member has the same entries and another state: one of both is damaged. */
  'ledger:diverged': { node: string }
  /** Catching up with other members goes on; at its end `have` is `expected`. */
  'ledger:progress': { have: number; expected: number }
  /** What an operator should know; `code` is stable. */
  warning: { code: string; message: string }
}
/** Names of all events. */
export type EventName = keyof EventMap
/** An event as a reader of `since` gets it. `id` grows by one; `time` is ISO 8601. */
export type NodeEvent = { [K in EventName]: { id: number; time: string; type: K; data: EventMap[K] } }[EventName]

/** Told after what they tell of is durable. */
export interface NodeEvents {
  /** Calls back for what happens from now on, in order. @returns ends it */
  on<K extends EventName>(type: K, listener: (data: EventMap[K]) => void): () => void
  /**
   * Every event after `lastId` (a bounded buffer: the oldest may be gone; all that is kept for an id of another run that
   * is ahead of this one's), then the live ones, until the signal ends it.
   */
  since(lastId: number | undefined, options: { signal: AbortSignal }): AsyncIterable<NodeEvent>
}
