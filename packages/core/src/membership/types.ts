import type { BranchId, EntryId, FeedId, FileId, NetworkId, NodeId } from '../ids.ts'
import type { ControlBody, ControlKind } from './kinds.ts'

export type Role = 'member' | 'admin'
export type MemberState = 'member' | 'quarantined' | 'left' | 'expelled'

/** What the rules need of a control entry. The ledger's `Entry` fits; this room does not know the ledger. */
export interface ControlEntry {
  readonly id: EntryId
  readonly author: NodeId
  /** 32 bytes */
  readonly authorKey: Uint8Array
  readonly feed: FeedId
  readonly seq: number
  readonly ms: number
  readonly kind: string
  /** control entries that the author had seen and that no other one it had seen had seen */
  readonly seen: readonly EntryId[]
  /** checked against `controlBodies` by whoever decoded the entry */
  readonly body: unknown
  /** signed by the recovery key as well */
  readonly cosigned: boolean
}

/** Why an entry has no effect at its place. Part of the state digest, so the codes are fixed by the rules version. */
export interface Refusal {
  readonly code: string
  readonly reason: string
}

export interface Member {
  readonly node: NodeId
  readonly key: Uint8Array
  readonly sealing: Uint8Array
  readonly branch: BranchId
  readonly role: Role
  /** steps from the founding entry to the entry that made it admin; null while it is not admin */
  readonly steps: number | null
  readonly state: MemberState
  readonly admit: EntryId
  readonly invite: EntryId | null
  /** the machine that took its place */
  readonly replacedBy: NodeId | null
  readonly marks: readonly string[]
}

/** A right to vote: what an admin has, and keeps when one other admin alone took its role away. */
export interface Voice {
  /** steps from the founding entry to the grant */
  readonly steps: number
  /** each of these could have made this voice alone; empty for the founder and for grants by the recovery key */
  readonly under: readonly NodeId[]
}

export interface Vote {
  readonly voter: NodeId
  readonly entry: EntryId
}

/** What the rules remember of a member beside its row. */
export interface Standing {
  readonly voice: Voice | null
  /** the founder, or made admin by the recovery key: others' voices are not weighed by who of these made them */
  readonly isRoot: boolean
  /** `quarantine` and `expel` entries that no release has lifted */
  readonly quarantines: readonly EntryId[]
  /** who wrote that it shall no longer be admin */
  readonly demotions: readonly Vote[]
  /** who wrote that it shall be expelled */
  readonly votes: readonly Vote[]
}

export interface Branch {
  readonly id: BranchId
  readonly name: string
  /** its current machine, or its last one when it has left */
  readonly node: NodeId
  readonly state: 'member' | 'left' | 'expelled'
}

export interface Invite {
  readonly id: EntryId
  readonly key: Uint8Array
  readonly branch: string
  readonly role: Role
  readonly expires: number
  readonly replaces: NodeId | null
  readonly issuer: NodeId
  readonly revoked: boolean
  readonly usedBy: readonly NodeId[]
}

/** A branch that is on its way out, or gone: the seed of a draw. */
export interface Departure {
  /** the `leave`, or the `expel` that made it final */
  readonly seed: EntryId
  readonly branch: BranchId
  readonly node: NodeId
  /** place of the seed in control order */
  readonly index: number
  /** members at the heads that the seed names, without the leaver */
  readonly candidates: readonly NodeId[]
  /** set when `left` stands */
  readonly left: { readonly index: number; readonly orphans: readonly FileId[] } | null
}

/**
 * An ownership entry whose author was a member at its place. Whether it takes effect is decided where the file's
 * other entries are known: in the catalogue's fold of that one file.
 */
export type OwnershipAct = {
  [K in OwnershipKind]: {
    readonly kind: K
    readonly entry: EntryId
    /** place in control order */
    readonly index: number
    readonly feed: FeedId
    readonly seq: number
    readonly ms: number
    readonly node: NodeId
    readonly branch: BranchId
    readonly isAdmin: boolean
    readonly body: ControlBody<K>
  }
}[OwnershipKind]
export type OwnershipKind = Extract<ControlKind, 'offer' | 'accept' | 'decline' | 'cancel' | 'assign' | 'adopt'>

/** The last entry that counts in a closed feed: what it descends from counts as well. */
export interface FeedEnd {
  readonly seq: number
  readonly id: EntryId
}

export interface NetworkFacts {
  readonly id: NetworkId
  readonly name: string
  readonly founder: NodeId
  readonly recovery: Uint8Array
  /** follows from the id, as all that the founding entry says: the state has no row for it */
  readonly minCopies: number | null
  readonly maxCopies: number | null
  /** active rules version */
  readonly rules: number
}

/** Everything that follows from the control entries alone. Never changed in place once it has been handed out. */
export interface MembershipState {
  readonly network: NetworkFacts | null
  readonly members: ReadonlyMap<NodeId, Member>
  readonly branches: ReadonlyMap<BranchId, Branch>
  readonly invites: ReadonlyMap<EntryId, Invite>
  /** where closed feeds end; an author in `closed` has all its other feeds closed from 0 */
  readonly cuts: ReadonlyMap<FeedId, readonly FeedEnd[]>
  readonly closed: ReadonlySet<NodeId>
  readonly departures: ReadonlyMap<BranchId, Departure>
  readonly standings: ReadonlyMap<NodeId, Standing>
  /** ownership acts per file, in control order */
  readonly acts: ReadonlyMap<FileId, readonly OwnershipAct[]>
  /** every control entry in the order in which it was folded, with its verdict (null = applied) */
  readonly verdicts: ReadonlyMap<EntryId, Refusal | null>
  /** true when `later` had seen `earlier`, directly or through others */
  hasSeen(later: EntryId, earlier: EntryId): boolean
}
