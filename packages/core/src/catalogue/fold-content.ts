/**
 * What a file's ordinary entries make of it, given who owned it when. Spec: docs/specs/files.md. Pure.
 * Every ownership epoch has its segment of entries, those of the owning branch's machines between its begin and its
 * end, folded one after the other on what the epoch before left. What a former owner wrote beside that can only become
 * a conflict version.
 */
import type { BranchId, EntryId } from '../ids.ts'
import {
  type EntryOf,
  type Place as FeedPlace,
  type FileEntry,
  isAfter,
  isFreedBy,
  type OwnershipEpoch,
  refuse,
  type Verdicts,
} from './fold-entry.ts'
import { type Draft, draftFrom, keepConflict, step } from './fold-step.ts'

export interface ContentFold {
  /** null when no upload took effect */
  readonly draft: Draft | null
  readonly verdicts: Verdicts
  /** head at the begin of the last epoch, and the entries that took effect in it */
  readonly last: { readonly baseHead: EntryId | null; readonly applied: ReadonlySet<EntryId> }
}

export interface ContentInit {
  readonly entries: readonly FileEntry[]
  readonly epochs: readonly OwnershipEpoch[]
  /** per branch, acts by which it had reason to believe that it took the file: what it wrote since is kept beside */
  readonly claimants: ReadonlyMap<BranchId, readonly FeedPlace[]>
  /** entries that do not count where they stand in their feeds, with the reason */
  readonly excluded: ReadonlyMap<EntryId, { code: string; reason: string }>
  /** of an orphan, an admin may purge what nobody owns */
  readonly orphan: boolean
}

type Place = { readonly in: number } | { readonly in: 'beside' } | { readonly in: 'frozen' } | null

export function foldContent(init: ContentInit): ContentFold {
  const { entries, epochs } = init
  const verdicts: Verdicts = new Map(init.excluded)
  const segments: FileEntry[][] = epochs.map(() => [])
  const strangers: FileEntry[] = []
  let draft = draftFrom(null)
  for (const entry of entries) {
    if (init.excluded.has(entry.id)) continue
    const place = placeOf(entry, init)
    if (place === null) strangers.push(entry)
    else if (place.in === 'frozen') verdicts.set(entry.id, refuse('handoff-pending', 'an offer of the file was open'))
    else if (place.in === 'beside') verdicts.set(entry.id, keepBeside(draft, entry))
    else segments[place.in]?.push(entry)
  }

  let last: ContentFold['last'] = { baseHead: null, applied: new Set() }
  for (const [index, epoch] of epochs.entries()) {
    const segment = segments[index] ?? []
    const base = draft
    let run = runSegment(base, segment, epoch.end?.by === 'offer' ? epoch.end.builds : null)
    const next = epochs[index + 1]
    if (next !== undefined && epoch.end?.by !== 'offer' && run.draft.state !== 'purged') {
      // the new owner may not have known the last entries of the old: its first change says where it went on
      const anchor = segments[index + 1]?.find(hasBase)?.body.builds ?? next.freezes[0]?.builds
      const id = anchor === undefined ? null : idOf(anchor)
      if (id !== null && id !== run.draft.head && (id === base.head || run.applied.has(id))) {
        run = runSegment(base, segment, id)
      }
    }
    for (const [id, verdict] of run.verdicts) verdicts.set(id, verdict)
    draft = run.draft
    last = { baseHead: base.head, applied: run.applied }
  }

  for (const entry of strangers) {
    const mayPurge =
      init.orphan && entry.kind === 'purge' && entry.member.role === 'admin' && entry.member.state === 'member'
    verdicts.set(
      entry.id,
      mayPurge ? step(draft, entry) : refuse('not-owner', 'its author’s branch does not own the file'),
    )
  }
  for (const version of draft.conflicts) {
    if (version.epoch <= draft.epoch) continue
    draft.conflicts = draft.conflicts.filter((each) => each !== version)
    verdicts.set(version.entry, refuse('wrong-epoch', 'an access epoch that the file never had'))
  }
  return { draft: draft.head === null ? null : draft, verdicts, last }
}

interface Run {
  readonly draft: Draft
  readonly applied: Set<EntryId>
  readonly verdicts: Verdicts
}

/** @param stop the last entry that counts; what comes after it is kept beside. Null: all of them */
function runSegment(base: Draft, segment: readonly FileEntry[], stop: EntryId | null): Run {
  const draft = draftFrom(base)
  const applied = new Set<EntryId>()
  const verdicts: Verdicts = new Map()
  let stopped = stop !== null && stop === base.head
  for (const entry of segment) {
    if (stopped) {
      verdicts.set(entry.id, keepBeside(draft, entry))
      continue
    }
    const before = draft.head
    verdicts.set(entry.id, step(draft, entry))
    if (draft.head !== before) applied.add(entry.id)
    if (stop !== null && draft.head === stop) stopped = true
  }
  return { draft, applied, verdicts }
}

function keepBeside(draft: Draft, entry: FileEntry) {
  if (entry.kind === 'update') return keepConflict(draft, entry)
  return refuse('not-owner', 'its author’s branch did not own the file any more')
}

/** In which epoch's segment an entry stands: the newest one of its branch that began before it. */
function placeOf(entry: FileEntry, { epochs, claimants }: ContentInit): Place {
  const { branch } = entry.member
  for (let index = epochs.length - 1; index >= 0; index--) {
    const epoch = epochs[index]
    if (epoch === undefined || epoch.branch !== branch) continue
    if (epoch.begin !== null && !isFreedBy(entry, epoch.begin)) continue
    if (isBeyondEnd(entry, epoch)) return { in: 'beside' }
    return isFrozen(entry, epoch) ? { in: 'frozen' } : { in: index }
  }
  // before its first acceptance a branch has no say at all
  return claimants.get(branch)?.some((claim) => isFreedBy(entry, claim)) === true ? { in: 'beside' } : null
}

function isBeyondEnd(entry: FileEntry, { end }: OwnershipEpoch): boolean {
  if (end === null || end.by === 'departure') return false
  return end.by === 'offer' ? isAfter(entry, end.offer) : entry.ms > end.ms
}

function isFrozen(entry: FileEntry, epoch: OwnershipEpoch): boolean {
  return epoch.freezes.some(
    ({ offer, releases }) => isAfter(entry, offer) && !releases.some((release) => isFreedBy(entry, release)),
  )
}

function hasBase(entry: FileEntry): entry is Exclude<FileEntry, EntryOf<'upload'>> {
  return entry.kind !== 'upload'
}

function idOf(id: Uint8Array | EntryId): EntryId {
  return typeof id === 'string' ? id : (Buffer.from(id).toString('hex') as EntryId)
}
