/** One change of a file by its owner, executed. Spec: docs/specs/files.md, "Changes". Pure but for its own draft. */
import { type AudienceId, type BoxHash, type EntryId, idFrom, type KeyId, type Root } from '../ids.ts'
import type { Refusal } from '../membership/index.ts'
import { type EntryOf, type FileEntry, refuse } from './fold-entry.ts'
import { MAX_CHUNK_BYTES, MAX_CHUNKS, MIN_CHUNK_BYTES, type OrdinaryBody } from './kinds.ts'
import type { SharedEpoch, SharedVersion } from './types.ts'

const FIRST_EPOCH = 1
/**
 * Conflict versions are numbered from here by their entry's id, not by their order: a number that someone restores
 * names the same content also after others have arrived.
 */
export const CONFLICT_NUMBERS = 1_000_000
/** What one file may come to, so that its record stays some tens of megabytes whatever its owner writes. */
export const VERSIONS_MAX = 65_536
export const EPOCHS_MAX = 4096
export const RESEALS_MAX = 4096

export interface Draft {
  head: EntryId | null
  state: 'live' | 'deleted' | 'purged'
  version: number
  epoch: number
  meta: BoxHash
  preview: BoxHash | null
  created: number
  updated: number
  deleted: number | null
  versions: SharedVersion[]
  conflicts: SharedVersion[]
  epochs: Omit<SharedEpoch, 'closed'>[]
}

/** A draft that goes on from another and leaves it as it is. */
export function draftFrom(base: Draft | null): Draft {
  if (base !== null) {
    return { ...base, versions: [...base.versions], conflicts: [...base.conflicts], epochs: [...base.epochs] }
  }
  const none = '' as BoxHash // replaced by the upload, without which no file is made of the draft
  return {
    head: null,
    state: 'live',
    version: 0,
    epoch: 0,
    meta: none,
    preview: null,
    created: 0,
    updated: 0,
    deleted: null,
    versions: [],
    conflicts: [],
    epochs: [],
  }
}

/** Executes the entry at its place. @returns why it has no effect; null when it has, also as a conflict version */
export function step(draft: Draft, entry: FileEntry): Refusal | null {
  if (entry.kind === 'upload') return upload(draft, entry)
  if (draft.head === null) return refuse('unknown-file', 'no upload of the file stands before it')
  if (draft.state === 'purged') return refuse('purged', 'the file is gone for good')
  if (idFrom<EntryId>(entry.body.builds) !== draft.head) {
    return entry.kind === 'update' ? keepConflict(draft, entry) : refuse('conflict', 'it builds on another entry')
  }
  const refusal = change(draft, entry)
  if (refusal !== null) return refusal
  draft.head = entry.id
  draft.updated = entry.ms
  return null
}

function change(draft: Draft, entry: Exclude<FileEntry, EntryOf<'upload'>>): Refusal | null {
  if (draft.state === 'deleted' && entry.kind !== 'restore' && entry.kind !== 'purge') {
    return refuse('deleted', 'the file is in the trash')
  }
  switch (entry.kind) {
    case 'update':
      return update(draft, entry)
    case 'share':
      return share(draft, entry)
    case 'reseal':
      return reseal(draft, entry)
    case 'describe':
      return describe(draft, entry)
    case 'trash':
      draft.state = 'deleted'
      draft.deleted = entry.ms
      return null
    case 'restore':
      return restore(draft, entry)
    case 'purge':
      draft.state = 'purged'
      return null
  }
}

const WRONG_EPOCH = refuse('wrong-epoch', 'not the access epoch that is current, or the next where one is opened')

/** Whether a first upload may have this body. */
export function isInitial({ opens, content }: OrdinaryBody<'upload'>): boolean {
  return opens.epoch === FIRST_EPOCH && checkContent(content) === null
}

function upload(draft: Draft, entry: EntryOf<'upload'>): Refusal | null {
  const { body } = entry
  if (draft.head !== null) return refuse('already-exists', 'the file was uploaded before')
  if (body.opens.epoch !== FIRST_EPOCH) return WRONG_EPOCH
  const refusal = checkContent(body.content)
  if (refusal !== null) return refusal
  openEpoch(draft, entry, body.opens)
  setBoxes(draft, body)
  addVersion(draft, entry, contentOf(body.content), draft)
  draft.head = entry.id
  draft.created = entry.ms
  draft.updated = entry.ms
  return null
}

function share(draft: Draft, entry: EntryOf<'share'>): Refusal | null {
  const { opens } = entry.body
  const refusal = checkNext(draft, opens.epoch)
  if (refusal !== null) return refusal
  openEpoch(draft, entry, opens)
  setBoxes(draft, entry.body)
  return null
}

function update(draft: Draft, entry: EntryOf<'update'>): Refusal | null {
  const { body } = entry
  const refusal = checkContent(body.content) ?? checkRoom(draft)
  if (refusal !== null) return refusal
  if (body.opens === undefined) {
    if (body.epoch !== draft.epoch) return WRONG_EPOCH
  } else {
    const unopened = body.epoch === body.opens.epoch ? checkNext(draft, body.epoch) : WRONG_EPOCH
    if (unopened !== null) return unopened
    openEpoch(draft, entry, body.opens)
  }
  setBoxes(draft, body)
  addVersion(draft, entry, contentOf(body.content), draft)
  return null
}

function reseal(draft: Draft, { body }: EntryOf<'reseal'>): Refusal | null {
  const current = draft.versions.at(-1)
  if (current === undefined || body.version !== draft.version) return refuse('conflict', 'not the current version')
  if (body.epoch !== draft.epoch) return WRONG_EPOCH
  const refusal = checkContent(body.content)
  if (refusal !== null) return refusal
  if (body.content.size !== current.size) return refuse('bad-content', 'not the size of the version that it seals anew')
  const content = contentOf(body.content)
  if (content.root === current.root) return refuse('bad-content', 'the root is the one that stands')
  if (current.formerRoots.length >= RESEALS_MAX) {
    return refuse('too-many-versions', `it was sealed anew ${RESEALS_MAX} times`)
  }
  replaceCurrent(draft, {
    ...current,
    ...content,
    epoch: draft.epoch,
    meta: draft.meta,
    preview: draft.preview,
    formerRoots: [...current.formerRoots, current.root],
  })
  return null
}

function describe(draft: Draft, { body }: EntryOf<'describe'>): Refusal | null {
  if (body.epoch !== draft.epoch) return WRONG_EPOCH
  setBoxes(draft, body)
  const current = draft.versions.at(-1)
  // the version's own box stays readable with the version's own epoch
  if (current?.epoch === draft.epoch) replaceCurrent(draft, { ...current, meta: draft.meta, preview: draft.preview })
  return null
}

function restore(draft: Draft, entry: EntryOf<'restore'>): Refusal | null {
  const { version: wanted } = entry.body
  if (wanted === undefined) {
    if (draft.state !== 'deleted') return refuse('not-deleted', 'the file is not in the trash')
  } else {
    const former = [...draft.versions, ...draft.conflicts].find((each) => each.version === wanted)
    if (former === undefined || former.epoch > draft.epoch) return refuse('unknown-version', 'no such version')
    const refusal = checkRoom(draft)
    if (refusal !== null) return refusal
    addVersion(draft, entry, former, former)
    // the file's boxes are sealed in its current epoch: a name of an older one may not come back to who was denied
    if (former.epoch === draft.epoch) {
      draft.meta = former.meta
      draft.preview = former.preview
    }
  }
  draft.state = 'live'
  draft.deleted = null
  return null
}

/** A version beside the one that came first. It must be readable with the keys of an epoch that the file has. */
export function keepConflict(draft: Draft, entry: EntryOf<'update'>): Refusal | null {
  const { body } = entry
  if (body.opens !== undefined) return refuse('conflict', 'it opens an access epoch beside the one that came first')
  const refusal = checkContent(body.content) ?? checkRoom(draft)
  if (refusal !== null) return refusal
  draft.conflicts.push({
    ...versionOf(draft, entry, contentOf(body.content), {
      epoch: body.epoch,
      meta: idFrom<BoxHash>(body.meta),
      preview: body.preview === undefined ? null : idFrom<BoxHash>(body.preview),
    }),
    version: conflictNumber(draft, entry.id),
    conflict: true,
  })
  return null
}

function conflictNumber(draft: Draft, entry: EntryId): number {
  let number = CONFLICT_NUMBERS + Number.parseInt(entry.slice(0, 6), 16)
  while (draft.conflicts.some((each) => each.version === number)) number += 1
  return number
}

type Content = Pick<SharedVersion, 'root' | 'size' | 'chunk'>
type Sealing = Pick<SharedVersion, 'epoch' | 'meta' | 'preview'>

function contentOf(content: OrdinaryBody<'upload'>['content']): Content {
  return { root: idFrom<Root>(content.root), size: content.size, chunk: content.chunk }
}

function checkContent({ size, chunk }: OrdinaryBody<'upload'>['content']): Refusal | null {
  const isPowerOfTwo = Number.isInteger(Math.log2(chunk)) // exact for the powers of two of this range
  if (chunk < MIN_CHUNK_BYTES || chunk > MAX_CHUNK_BYTES || !isPowerOfTwo)
    return refuse('bad-content', 'not a chunk size')
  return Math.ceil(size / chunk) > MAX_CHUNKS ? refuse('bad-content', 'too many chunks') : null
}

function checkRoom({ versions, conflicts }: Draft): Refusal | null {
  if (versions.length + conflicts.length < VERSIONS_MAX) return null
  return refuse('too-many-versions', `a file has at most ${VERSIONS_MAX} versions`)
}

function checkNext(draft: Draft, epoch: number): Refusal | null {
  if (epoch !== draft.epoch + 1) return WRONG_EPOCH
  return epoch <= EPOCHS_MAX ? null : refuse('too-many-epochs', `a file has at most ${EPOCHS_MAX} access epochs`)
}

function openEpoch(draft: Draft, entry: FileEntry, opens: OrdinaryBody<'upload'>['opens']): void {
  draft.epoch = opens.epoch
  draft.epochs.push({
    file: idFrom(entry.body.file),
    epoch: opens.epoch,
    audience: idFrom<AudienceId>(opens.audience),
    key: idFrom<KeyId>(opens.key),
    wrap: opens.wrap,
    proof: opens.proof,
    older: opens.older ?? null,
    entry: entry.id,
  })
}

function setBoxes(draft: Draft, boxes: { meta: Uint8Array; preview?: Uint8Array }): void {
  draft.meta = idFrom<BoxHash>(boxes.meta)
  draft.preview = boxes.preview === undefined ? null : idFrom<BoxHash>(boxes.preview)
}

function addVersion(draft: Draft, entry: FileEntry, content: Content, sealing: Sealing): void {
  draft.version += 1
  draft.versions.push(versionOf(draft, entry, content, sealing))
}

function replaceCurrent(draft: Draft, version: SharedVersion): void {
  draft.versions[draft.versions.length - 1] = version
}

function versionOf(draft: Draft, entry: FileEntry, content: Content, { epoch, meta, preview }: Sealing): SharedVersion {
  return {
    file: idFrom(entry.body.file),
    version: draft.version,
    root: content.root,
    size: content.size,
    chunk: content.chunk,
    epoch,
    meta,
    preview,
    entry: entry.id,
    author: entry.author,
    branch: entry.member.branch,
    ms: entry.ms,
    conflict: false,
    formerRoots: [],
  }
}
