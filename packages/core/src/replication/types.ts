import type { VersionShape } from '../content/index.ts'
import type { BoxHash, FileId, NodeId, Root } from '../ids.ts'

/** What replication needs to know of one file's current version; the same on every node that has the same ledger. */
export interface LiveVersion {
  readonly file: FileId
  readonly version: number
  readonly shape: VersionShape
  /** current machine of the owning branch; null for an orphan */
  readonly owner: NodeId | null
  /** boxes that its holders keep beside the chunks */
  readonly boxes: readonly BoxHash[]
}

export type HoldState = 'all' | 'partial' | 'none'

/** Who says to hold what: soft facts of the members, the newest of each. */
export interface Holdings {
  /** every member that says it has some or all of it, this node not among them */
  holders(root: Root): ReadonlyMap<NodeId, 'all' | 'partial'>
  /** members that said that they will not hold it, or that they hold nothing new because they are leaving */
  declines(root: Root): ReadonlySet<NodeId>
  /** what this node says of itself */
  say(root: Root, state: HoldState): void
  decline(root: Root, declined: boolean): void
}

export interface Copies {
  readonly held: number
  readonly target: number
}
