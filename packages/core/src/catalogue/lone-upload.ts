/**
 * Files of which nothing but the upload has had effect, which most files are: their state follows from that entry and its
 * author's branch, so no more is stored of them. Why: decision 0027. Pure.
 */
import { type AudienceId, type BoxHash, type BranchId, type FileId, idFrom, type KeyId, type Root } from '../ids.ts'
import { fileIdFor } from '../membership/index.ts'
import type { OrdinaryEntry } from './fold-entry.ts'
import type { FileFoldInit } from './fold-file.ts'
import { isInitial } from './fold-step.ts'
import { type OrdinaryBody, ordinaryBodies } from './kinds.ts'
import type { FileRecord } from './types.ts'

/** Whether all of the record follows from its upload: each effective change moves the head, each new owner `ownership`. */
export function isUploadAlone({ file, versions }: FileRecord): boolean {
  const [only] = versions
  return (
    file.state === 'live' &&
    file.offer === null &&
    file.head === file.ownership &&
    versions.length === 1 &&
    only?.entry === file.head &&
    only.branch === file.owner
  )
}

/** What an upload makes of its file. @param branch of its author @throws {DecodeError} when the body is not an upload's */
export function recordOfUpload(entry: OrdinaryEntry, branch: BranchId): FileRecord {
  return recordOf(entry, ordinaryBodies.upload(entry.body), branch)
}

/**
 * The same as `foldFile`, for a file of which one upload is all there is, by an author with whom nothing is unusual.
 * @returns null when it takes the fold to tell
 */
export function foldUploadAlone(init: {
  readonly file: FileId
  readonly network: FileFoldInit['network']
  readonly membership: FileFoldInit['membership']
  /** whose subject the file is: its body has the form of its kind */
  readonly entry: OrdinaryEntry
  readonly isBeyondEnd: FileFoldInit['isBeyondEnd']
}): FileRecord | null {
  const { file, membership, entry } = init
  const member = membership.members.get(entry.author)
  if (entry.kind !== 'upload' || member === undefined) return null
  if (membership.departures.has(member.branch) || init.isBeyondEnd(membership, entry)) return null
  const body = entry.body as unknown as OrdinaryBody<'upload'> // it has a subject, so it has the form
  if (!isInitial(body) || fileIdFor(init.network, entry.authorKey, body.salt) !== file) return null
  return recordOf(entry, body, member.branch)
}

function recordOf(entry: OrdinaryEntry, body: OrdinaryBody<'upload'>, branch: BranchId): FileRecord {
  const { id, ms } = entry
  const { content, opens } = body
  const file = idFrom<FileId>(body.file)
  const audience = idFrom<AudienceId>(opens.audience)
  const meta = idFrom<BoxHash>(body.meta)
  const preview = body.preview === undefined ? null : idFrom<BoxHash>(body.preview)
  const { epoch } = opens
  return {
    file: {
      file,
      state: 'live',
      owner: branch,
      ownership: id,
      author: entry.authorKey,
      salt: body.salt,
      head: id,
      version: 1,
      epoch,
      audience,
      meta,
      preview,
      created: ms,
      updated: ms,
      deleted: null,
      offer: null,
    },
    versions: [
      {
        file,
        version: 1,
        root: idFrom<Root>(content.root),
        size: content.size,
        chunk: content.chunk,
        epoch,
        meta,
        preview,
        entry: id,
        author: entry.author,
        branch,
        ms,
        conflict: false,
        formerRoots: [],
      },
    ],
    epochs: [
      {
        file,
        epoch,
        audience,
        key: idFrom<KeyId>(opens.key),
        wrap: opens.wrap,
        proof: opens.proof,
        older: opens.older ?? null,
        entry: id,
        closed: false,
      },
    ],
  }
}
