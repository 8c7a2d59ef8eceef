/**
 * The shared rows that follow from the ledger: the same on every node, whoever may read what. `fold-file.ts` makes
 * them, `apply.ts` writes them, `queries.ts` reads them.
 */
import type { AudienceId, BoxHash, BranchId, EntryId, FeedId, FileId, KeyId, NodeId, Root } from '../ids.ts'

export type SharedFileState = 'live' | 'deleted' | 'purged' | 'orphaned'

export interface SharedFile {
  readonly file: FileId
  readonly state: SharedFileState
  /** current owner; for an orphan its last one */
  readonly owner: BranchId
  /** entry that began the present ownership epoch: the upload, an `accept`, an `adopt` */
  readonly ownership: EntryId
  /** first author's key and salt: what an `OwnershipRef` is made of */
  readonly author: Uint8Array
  readonly salt: Uint8Array
  /** newest entry that had effect: what the next change builds on */
  readonly head: EntryId
  /** current version number, from 1 */
  readonly version: number
  /** current access epoch */
  readonly epoch: number
  readonly audience: AudienceId
  /** boxes of the current version, sealed in the current access epoch */
  readonly meta: BoxHash
  readonly preview: BoxHash | null
  /** clock of the upload, and of `head`, in ms */
  readonly created: number
  readonly updated: number
  /** when it went to the trash, by its entry's clock */
  readonly deleted: number | null
  /** an open offer or assignment */
  readonly offer: { readonly entry: EntryId; readonly to: BranchId; readonly ms: number } | null
}

export interface SharedVersion {
  readonly file: FileId
  readonly version: number
  /** several where the version was sealed anew: the newest is served */
  readonly root: Root
  readonly size: number
  readonly chunk: number
  readonly epoch: number
  readonly meta: BoxHash
  readonly preview: BoxHash | null
  readonly entry: EntryId
  readonly author: NodeId
  readonly branch: BranchId
  readonly ms: number
  /** stands beside the version that came first */
  readonly conflict: boolean
  /** roots of this version number that a `reseal` has replaced */
  readonly formerRoots: readonly Root[]
}

export interface SharedEpoch {
  readonly file: FileId
  readonly epoch: number
  readonly audience: AudienceId
  readonly key: KeyId
  readonly wrap: Uint8Array
  readonly proof: Uint8Array
  readonly older: Uint8Array | null
  readonly entry: EntryId
  readonly closed: boolean
}

export interface SharedAudience {
  readonly audience: AudienceId
  readonly list: BoxHash | null
  /** in order; the last usable one is used for writing */
  readonly keys: readonly SharedAudienceKey[]
}

export interface SharedAudienceKey {
  readonly key: KeyId
  readonly proof: Uint8Array
  readonly grants: BoxHash
  readonly list: BoxHash | null
  readonly author: NodeId
  readonly entry: EntryId
}

/** A file with all that belongs to it. */
export interface FileRecord {
  readonly file: SharedFile
  /** by number, conflict versions last */
  readonly versions: readonly SharedVersion[]
  readonly epochs: readonly SharedEpoch[]
}

/** What one file's fold yields. */
export interface FileFold {
  readonly file: SharedFile | null
  readonly versions: readonly SharedVersion[]
  readonly epochs: readonly SharedEpoch[]
  /** verdicts on the file's ordinary entries and, per (entry, file), on ownership entries; null = has effect */
  readonly verdicts: ReadonlyMap<EntryId, { code: string; reason: string } | null>
  /** what all members should know about how the file was handled */
  readonly marks: readonly SharedMark[]
}

/** A feed with two entries at one place, and which they are. Shown as `feed-forked`; it removes no right. */
export interface SharedFork {
  readonly feed: FeedId
  readonly node: NodeId
  readonly seq: number
  readonly entries: readonly [EntryId, EntryId]
}

/** A shared remark about a member's conduct with a file. It removes no right. */
export interface SharedMark {
  readonly file: FileId
  /** `offer-contradicted`: offers of one author were accepted by two branches that could not know of each other */
  readonly mark: 'offer-contradicted'
  /** the entry it is about: one mark for each of the offers */
  readonly entry: EntryId
  /** who wrote that entry */
  readonly node: NodeId
}

/** What a commit has made of a file. */
export interface FileChange {
  readonly file: FileId
  readonly before: SharedFile | null
  readonly after: SharedFile | null
}
