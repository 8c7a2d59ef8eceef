/** One subject's rows from the stored entries: what `apply` writes and `verify` recomputes. Pure but for its reads. */
import {
  type AudienceId,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type NetworkId,
  nodeIdFromPublicKey,
} from '../ids.ts'
import { type Entry, type EntryReader, type EntryStore, foldControlSteps } from '../ledger/index.ts'
import { createFold, type MembershipState } from '../membership/index.ts'
import { runInOneGo } from '../turns.ts'
import { audienceToRows, markToRow } from './audience-rows.ts'
import type { IsBeyondEnd } from './closed-feeds.ts'
import { foldAudience, foldCapacity } from './fold-audience.ts'
import type { Place, Verdicts } from './fold-entry.ts'
import { isFileKind } from './fold-entry.ts'
import { foldFile } from './fold-file.ts'
import type { AudienceKeyRow, CapacityRow, MarkRow, RefusalRow } from './state-tables.ts'
import type { FileRecord } from './types.ts'

const PAGE = 1000
/** Bytes of an author's key, the subject of its capacity; files and audiences have 16. */
export const AUTHOR_BYTES = 32

/** The ledger, as far as the state needs it. */
export interface SharedEntries extends EntryStore {
  /** Looks anew at entries of kinds that were unknown when they were stored. Inside `db.write`. */
  reclassify?(): void
  /** The entry with this arrival number. */
  entryAt(arrival: number): Entry | undefined
  /** Of these subjects those, as hex, that an entry which arrived no later was about. */
  subjectsBefore(subjects: readonly Uint8Array[], arrival: number): ReadonlySet<string>
  /** Entries by arrival, which counts up from 1. */
  page(after: number, limit: number): readonly { readonly arrival: number; readonly entry: Entry }[]
}

/** All that belongs to one subject. */
export interface SubjectFold {
  /** null for what is no file, or none yet */
  readonly file: FileRecord | null
  readonly marks: readonly MarkRow[]
  readonly audienceKeys: readonly AudienceKeyRow[]
  readonly capacities: readonly CapacityRow[]
  readonly refusals: readonly RefusalRow[]
}

export function foldSubject(init: {
  subject: Uint8Array
  network: NetworkId
  membership: MembershipState
  entries: EntryReader
  /** all ordinary entries about it, for who has them at hand */
  about?: readonly Entry[]
  isBeyondEnd: IsBeyondEnd
}): SubjectFold {
  const { subject, membership, network, isBeyondEnd } = init
  const entries = init.about ?? init.entries.bySubject(subject)
  if (subject.length === AUTHOR_BYTES) return foldAuthor(subject, membership, entries, isBeyondEnd)
  const fileId = idFrom<FileId>(subject)
  const ofFile = entries.filter(({ kind }) => isFileKind(kind))
  const acts = membership.acts.get(fileId) ?? []
  const leaveOf = (branch: BranchId) => findLeave(branch, membership, init.entries)
  const file =
    ofFile.length === 0 && acts.length === 0
      ? null
      : foldFile({ file: fileId, network, membership, entries: ofFile, acts, leaveOf, isBeyondEnd })
  const ofAudience = entries.filter(({ kind }) => kind === 'audience')
  const audienceId = idFrom<AudienceId>(subject)
  const keys =
    ofAudience.length === 0
      ? null
      : foldAudience({ audience: audienceId, network, membership, entries: ofAudience, isBeyondEnd })
  const audience = keys?.audience ?? null
  return {
    file: file?.file == null ? null : { file: file.file, versions: file.versions, epochs: file.epochs },
    marks: (file?.marks ?? []).map(markToRow),
    audienceKeys: audience === null ? [] : audienceToRows(audience),
    capacities: [],
    refusals: [...refusalRows(subject, file?.verdicts), ...refusalRows(subject, keys?.verdicts)],
  }
}

function foldAuthor(
  subject: Uint8Array,
  membership: MembershipState,
  entries: readonly Entry[],
  isBeyondEnd: IsBeyondEnd,
): SubjectFold {
  const { weight, entry, verdicts } = foldCapacity({
    membership,
    entries: entries.filter(({ kind }) => kind === 'capacity'),
    isBeyondEnd,
  })
  const capacities = entry === null ? [] : [{ node: nodeIdFromPublicKey(subject), weight, entry: idBytes(entry) }]
  return { file: null, marks: [], audienceKeys: [], capacities, refusals: refusalRows(subject, verdicts) }
}

function refusalRows(subject: Uint8Array, verdicts: ReadonlyMap<EntryId, Verdict> | undefined): RefusalRow[] {
  const rows: RefusalRow[] = []
  for (const [entry, refusal] of verdicts ?? []) {
    if (refusal !== null) rows.push({ subject, entry: idBytes(entry), code: refusal.code, reason: refusal.reason })
  }
  return rows
}

type Verdict = Verdicts extends Map<EntryId, infer V> ? V : never

/** An `expel` is another's entry: then the cuts say what counts. */
function findLeave(branch: BranchId, { departures }: MembershipState, entries: EntryReader): Place | null {
  const departure = departures.get(branch)
  const seed = departure === undefined ? undefined : entries.get(departure.seed)
  return seed !== undefined && seed.author === departure?.node ? seed : null
}

export interface ControlState {
  readonly membership: MembershipState
  /** entries that name one that is not here */
  readonly waiting: readonly Entry[]
}

/** All control entries from the first on. @param rules newest rules version that is executed */
export function foldAllControl(control: readonly Entry[], rules?: number): ControlState {
  return runInOneGo(foldAllControlSteps(control, rules))
}

/** The same, entry by entry. */
export function* foldAllControlSteps(control: readonly Entry[], rules?: number): Generator<void, ControlState> {
  const { state, waiting } = yield* foldControlSteps({
    entries: control,
    initial: createFold(rules),
    apply: (fold, entry) => fold.apply(entry),
    rank: (fold, entry) => fold.rank(entry),
  })
  return { membership: state.state(), waiting }
}

/** All entries in order of arrival, page by page. */
export function* allEntries(entries: SharedEntries): Generator<Entry> {
  let after = 0
  for (;;) {
    const page = entries.page(after, PAGE)
    for (const { arrival, entry } of page) {
      after = arrival
      yield entry
    }
    if (page.length === 0) return
  }
}
