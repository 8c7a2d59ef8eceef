/** One node in one network: all rooms put together. Made by `components.ts`; the facade's verbs are written against it. */
import type { FileRecord, SharedState, SharedVersion, Sharing } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { ContentStore, StoreCheck } from '../content/index.ts'
import type { BranchId, FileId, NetworkId, NodeId, Root } from '../ids.ts'
import type { Ledger, Sync } from '../ledger/index.ts'
import type { Commands, Members } from '../membership/index.ts'
import type { Facts, NetworkHost, Presence } from '../network/index.ts'
import type { PreviewMaker } from '../previews/index.ts'
import type { Durability, LeaveOptions, LeaveProgress, LiveVersion, Replicator } from '../replication/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { AnewTotals } from './anew-sealer.ts'
import type { Bell } from './bell.ts'
import type { FaultySources } from './faulty-sources.ts'
import type { Healing } from './healing.ts'
import type { Integrity } from './integrity.ts'
import type { Kept } from './local-state.ts'
import type { Readers } from './readers.ts'
import type { Resealing } from './resealing.ts'
import type { SealAnew } from './seal-anew.ts'

export interface Session {
  readonly network: NetworkId
  readonly self: NodeId
  readonly clock: Clock
  readonly host: NetworkHost
  readonly ledger: Ledger
  readonly state: SharedState
  readonly members: Members
  readonly commands: Commands
  readonly sharing: Sharing
  readonly store: ContentStore
  readonly transfers: Transfers
  readonly facts: Facts
  readonly presence: Presence
  readonly sync: Sync
  readonly integrity: Integrity
  readonly replicator: Replicator
  readonly durability: Durability
  readonly healing: Healing
  readonly storeCheck: StoreCheck
  readonly faultySources: FaultySources
  readonly kept: Kept
  readonly readers: Readers
  readonly previews: PreviewMaker
  /** rings after every change that somebody may wait for */
  readonly bell: Bell
  /** aborted when the session closes */
  readonly closing: AbortSignal
  /** bytes this node offers to the network; null = what the disk has */
  readonly capacity: number | null

  /** False while a newcomer has not compared with others what it was given: until then it answers nobody's offers. */
  trusts(): boolean
  trust(): void
  /** who let this node in, while nobody else has told the same; survives a restart */
  admittedBy(): NodeId | null
  setAdmittedBy(node: NodeId | null): void
  ownBranch(): BranchId
  /** branches that are members now */
  livingBranches(): BranchId[]
  /** current machine of a branch, its last one when it has left */
  nodeOf(branch: BranchId): NodeId
  /** the file's current version while it is live; the owner is null for an orphan */
  liveVersion(file: FileId): LiveVersion | null
  /** The same of a record that is at hand. */
  liveVersionOf(record: FileRecord): LiveVersion | null
  asVersion(version: SharedVersion): LiveVersion
  /** chunks of this root are not to be removed: see `stored-roots.ts` */
  isOfUse(root: Root): boolean
  /** current versions that have to go into their files' newest access epochs */
  readonly resealing: Resealing
  readonly sealedAnew: () => AnewTotals
  /** see `seal-anew.ts` */
  readonly olderSeal: SealAnew['older']
  /** Runs what makes many small reads as one reading of each database. */
  reading<T>(work: () => T): T
  /** Switches this node's presence, also for the next start. */
  setConnected(connected: boolean): Promise<void>
  /** Drain, draw, farewell. The session is of no more use when it resolves. */
  leave(options: LeaveOptions & { onProgress: (progress: LeaveProgress) => void }): Promise<void>
  /** Resolves when the condition holds; rejects when the signal or the session ends. */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void>
  close(): Promise<void>
}
