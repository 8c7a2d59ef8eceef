/**
 * One file's shared rows from its entries: a pure function of the set of entries, whatever arrived when.
 * Spec: docs/specs/files.md.
 */
import type { BranchId, EntryId, FileId, NetworkId } from '../ids.ts'
import { fileIdFor, type MembershipState, type OwnershipAct, type Refusal } from '../membership/index.ts'
import type { IsBeyondEnd } from './closed-feeds.ts'
import { type ContentFold, foldContent } from './fold-content.ts'
import {
  type EntryOf,
  type FileEntry,
  inOrder,
  isAfter,
  type OrdinaryEntry,
  type OwnershipEpoch,
  type Place,
  readFileEntry,
  refuse,
  type Verdicts,
} from './fold-entry.ts'
import { foldOwnership, type OwnershipFold } from './fold-ownership.ts'
import type { FileFold, SharedFile } from './types.ts'

export interface FileFoldInit {
  readonly file: FileId
  readonly network: NetworkId
  readonly membership: MembershipState
  /** ordinary entries that name the file, in any order */
  readonly entries: readonly OrdinaryEntry[]
  /** its ownership acts in control order */
  readonly acts: readonly OwnershipAct[]
  /** place of the `leave` of a branch that leaves by itself; null for others */
  leaveOf(branch: BranchId): Place | null
  readonly isBeyondEnd: IsBeyondEnd
}

export function foldFile(init: FileFoldInit): FileFold {
  const { file, network, membership, acts } = init
  const verdicts: Verdicts = new Map()
  const entries = inOrder(init.entries).flatMap((entry) => readFileEntry(membership, entry, verdicts) ?? [])
  /** uploads whose author this file's id is bound to */
  const bound = new Set<EntryId>()
  for (const entry of entries) {
    if (entry.kind === 'upload' && fileIdFor(network, entry.authorKey, entry.body.salt) === file) bound.add(entry.id)
  }
  const excluded = new Map<EntryId, Refusal>()
  for (const entry of entries) {
    const refusal = refusePlace(entry, bound, init)
    if (refusal !== null) excluded.set(entry.id, refusal)
  }
  const { upload, isOrphan } = findUpload(entries, excluded, bound)
  if (isOrphan && upload !== null) excluded.delete(upload.id)

  const fold = (epochs: readonly OwnershipEpoch[], done?: OwnershipFold): ContentFold =>
    foldContent({
      entries,
      epochs,
      excluded,
      claimants: done?.claimants ?? new Map(),
      orphan: done?.orphan ?? false,
    })
  const ownership = foldOwnership({
    network,
    file,
    membership,
    acts,
    first: upload?.member.branch ?? null,
    bornOrphan: isOrphan,
    content: (epochs) => fold(epochs),
  })
  const content = fold(ownership.epochs, ownership)
  for (const part of [content.verdicts, ownership.verdicts]) for (const [id, verdict] of part) verdicts.set(id, verdict)

  // versions and epochs are those of a file: without one there are none
  const row = content.draft === null || upload === null ? null : rowOf(file, upload, content.draft, ownership)
  const draft = row === null ? null : content.draft
  const epochs = draft?.epochs.map((epoch) => ({ ...epoch, closed: epoch.epoch < draft.epoch })) ?? []
  return {
    file: row,
    versions: draft === null ? [] : [...draft.versions, ...draft.conflicts],
    epochs,
    verdicts,
    marks: draft === null ? [] : ownership.marks,
  }
}

function rowOf(
  file: FileId,
  upload: EntryOf<'upload'>,
  draft: NonNullable<ContentFold['draft']>,
  { epochs, orphan, offer }: OwnershipFold,
): SharedFile | null {
  const owned = epochs.at(-1)
  const audience = draft.epochs.at(-1)?.audience
  if (draft.head === null || owned === undefined || audience === undefined) return null
  return {
    file,
    state: draft.state === 'live' && orphan ? 'orphaned' : draft.state,
    owner: owned.branch,
    ownership: owned.begin?.entry ?? upload.id,
    author: upload.authorKey,
    salt: upload.body.salt,
    head: draft.head,
    version: draft.version,
    epoch: draft.epoch,
    audience,
    meta: draft.meta,
    preview: draft.preview,
    created: draft.created,
    updated: draft.updated,
    deleted: draft.deleted,
    offer: draft.state === 'purged' ? null : offer,
  }
}

/** Judged by the place in the author's feed, not by time. */
function refusePlace(
  entry: FileEntry,
  bound: ReadonlySet<EntryId>,
  { membership, leaveOf, isBeyondEnd }: FileFoldInit,
): Refusal | null {
  if (entry.kind === 'upload' && !bound.has(entry.id)) {
    return refuse('bad-file', 'the file id is not of its author')
  }
  if (isBeyondEnd(membership, entry)) return refuse('feed-closed', 'beyond the end of its author’s feed')
  const { branch, node } = entry.member
  const leave = membership.departures.get(branch)?.node === node ? leaveOf(branch) : null
  if (leave !== null && isAfter(entry, leave)) return refuse('leaving', 'its author’s branch is on its way out')
  return null
}

/**
 * The upload that made the file. One that its author wrote on a machine that had been replaced, and that came after
 * the cut, is kept as an orphan of the branch.
 */
function findUpload(
  entries: readonly FileEntry[],
  excluded: ReadonlyMap<EntryId, Refusal>,
  bound: ReadonlySet<EntryId>,
): { upload: EntryOf<'upload'> | null; isOrphan: boolean } {
  const uploads = entries.filter((entry): entry is EntryOf<'upload'> => entry.kind === 'upload' && bound.has(entry.id))
  const counting = uploads.find((entry) => !excluded.has(entry.id))
  if (counting !== undefined) return { upload: counting, isOrphan: false }
  const late = uploads.find(
    (entry) => excluded.get(entry.id)?.code === 'feed-closed' && entry.member.replacedBy !== null,
  )
  return { upload: late ?? null, isOrphan: late !== undefined }
}
