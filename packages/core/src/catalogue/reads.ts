/** What the key half of this room needs from its surroundings; wired in `node/components.ts`. */
import type { CborValue } from '../codec/index.ts'
import type { AudienceId, BoxHash, BranchId, EntryId, FileId, NodeId, Root } from '../ids.ts'
import type { MembershipState, Refusal } from '../membership/index.ts'
import type { SharedAudience, SharedEpoch, SharedFile, SharedVersion } from './types.ts'

/** Reads of the shared rows. */
export interface SharedReads {
  file(file: FileId): SharedFile | null | undefined
  versions(file: FileId): readonly SharedVersion[]
  epochs(file: FileId): readonly SharedEpoch[]
  /** files that this branch owns now, also in the trash */
  filesOwnedBy(branch: BranchId): Iterable<FileId>
  audience(audience: AudienceId): SharedAudience | null | undefined
  membership(): MembershipState
  /** the file that a box belongs to: of several that name it, the one that named it first here */
  boxOwner(hash: BoxHash): { readonly file: FileId } | null
  /** the version that has this root now */
  versionOfRoot(root: Root): SharedVersion | null
  /** why an entry had no effect at its place; null = it had */
  refusalOf(entry: EntryId): Refusal | null
}

/** The box store of the content room. */
export interface Boxes {
  put(bytes: Uint8Array): BoxHash
  local(hash: BoxHash): Uint8Array | null
  get(hash: BoxHash, sources: readonly string[], options?: { signal?: AbortSignal }): Promise<Uint8Array | null>
  remove(hash: BoxHash): void
}

/** Whose box it is: a file's boxes lie with its placement list, an audience's with everybody, its writer first. */
export type BoxSubject = { readonly file: FileId } | { readonly audience: AudienceId; readonly author: NodeId }

/** Members that may have the box, best first. */
export type BoxSources = (subject: BoxSubject) => readonly NodeId[]

/** `ledger.append`: durable and applied when it returns. */
export type AppendEntry = (kind: string, body: CborValue) => { readonly id: EntryId }
