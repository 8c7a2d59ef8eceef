/** Ordinary entries as the folds take them: checked, and judged by their place in their author's feed. Pure. */
import { DecodeError } from '../codec/index.ts'
import type { BranchId, EntryId, FeedId } from '../ids.ts'
import { compareOrdinary, type Entry } from '../ledger/index.ts'
import type { Member, MembershipState, Refusal } from '../membership/index.ts'
import { type FileKind, isOrdinaryKind, type OrdinaryBody, ordinaryBodies } from './kinds.ts'

/** What the folds need of an ordinary entry. */
export type OrdinaryEntry = Pick<
  Entry,
  'id' | 'author' | 'authorKey' | 'feed' | 'seq' | 'ms' | 'counter' | 'kind' | 'body'
>

/** Where an entry stands, as far as entries without causal references can be compared. */
export interface Place {
  readonly feed: FeedId
  readonly seq: number
  readonly ms: number
}

export type FileEntry = {
  [K in FileKind]: OrdinaryEntry & { readonly kind: K; readonly body: OrdinaryBody<K>; readonly member: Member }
}[FileKind]

export type EntryOf<K extends FileKind> = Extract<FileEntry, { kind: K }>

export type Verdicts = Map<EntryId, Refusal | null>

export function refuse(code: string, reason: string): Refusal {
  return { code, reason }
}

/** In one feed the place decides; between feeds only the clocks can. */
export function isAfter(entry: Place, other: Place): boolean {
  return entry.feed === other.feed ? entry.seq > other.seq : entry.ms > other.ms
}

/**
 * Like `isAfter`, for what frees an author: between feeds an equal time is enough, since whoever answers at once may
 * do so in the same millisecond.
 */
export function isFreedBy(entry: Place, other: Place): boolean {
  return entry.feed === other.feed ? entry.seq > other.seq : entry.ms >= other.ms
}

/** Each entry once, in the order of execution. */
export function inOrder<E extends OrdinaryEntry>(entries: readonly E[]): E[] {
  const unique = new Map(entries.map((entry) => [entry.id, entry]))
  return [...unique.values()].sort(compareOrdinary)
}

export function isFileKind(kind: string): kind is FileKind {
  return isOrdinaryKind(kind) && kind !== 'audience' && kind !== 'capacity'
}

/** Checks the body and the author. @returns null when refused, with the verdict noted */
export function readFileEntry(membership: MembershipState, entry: OrdinaryEntry, verdicts: Verdicts): FileEntry | null {
  const { kind } = entry
  if (!isFileKind(kind)) return note(verdicts, entry, 'unknown-kind', 'not a kind of the active rules')
  const member = membership.members.get(entry.author)
  if (member === undefined) return note(verdicts, entry, 'not-a-member', 'its author was never admitted')
  try {
    return { ...entry, kind, body: ordinaryBodies[kind](entry.body), member } as FileEntry
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return note(verdicts, entry, 'malformed', 'the body has not the form of its kind')
  }
}

function note(verdicts: Verdicts, entry: OrdinaryEntry, code: string, reason: string): null {
  verdicts.set(entry.id, refuse(code, reason))
  return null
}

/** One time with one owner. Spec: docs/specs/files.md, "Ownership epochs". */
export interface OwnershipEpoch {
  readonly branch: BranchId
  /** the act that began it; null for the upload */
  readonly begin: (Place & { readonly entry: EntryId }) | null
  /** how it ended; null for the present one */
  readonly end: EpochEnd | null
  /** offers made in it, each of which froze the file until it was released */
  readonly freezes: readonly Freeze[]
}

export type EpochEnd =
  /** at the offer: what its author wrote before it counts, up to the entry that the offer builds on */
  | { readonly by: 'offer'; readonly offer: Place; readonly builds: EntryId }
  /** the owner is gone: its closed feeds end it */
  | { readonly by: 'departure' }
  /** an assignment of a file whose owner is still there: only clocks can tell before from after */
  | { readonly by: 'assignment'; readonly ms: number }

export interface Freeze {
  readonly offer: Place
  readonly builds: EntryId
  readonly releases: readonly Place[]
}
