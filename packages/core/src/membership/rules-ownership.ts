/**
 * Ownership entries: only who wrote them and of which file they can be. Whether one takes effect is decided in the
 * fold of the file. Spec: docs/specs/control.md, "Ownership". Pure.
 */
import { type FileId, idFrom } from '../ids.ts'
import { type Act, refuse } from './draft.ts'
import { fileIdFor } from './file-id.ts'
import type { ControlBody } from './kinds.ts'
import type { OwnershipAct, OwnershipKind, Refusal } from './types.ts'

interface Ref {
  readonly file: Uint8Array
  readonly author: Uint8Array
  readonly salt: Uint8Array
}

type OwnershipBody<K extends OwnershipKind> = Act<ControlBody<K>>

export function judgeOwnership<K extends Exclude<OwnershipKind, 'accept'>>(
  kind: K,
  act: OwnershipBody<K>,
): Refusal | null {
  const refusal = refuseAuthor(kind, act)
  if (refusal !== null) return refusal
  const body: ControlBody<Exclude<OwnershipKind, 'accept'>> = act.body
  if ('salt' in body && !isBound(act, body)) return refuse('bad-file', 'the file id is not of this author')
  record(act, body.file, { kind, body: act.body } as Pick<OwnershipAct, 'kind' | 'body'>)
  return null
}

/** An accept of many files becomes one act per file, each with that file alone. */
export function judgeAccept(act: OwnershipBody<'accept'>): Refusal | null {
  const refusal = refuseAuthor('accept', act)
  if (refusal !== null) return refusal
  if (!act.body.files.every((ref) => isBound(act, ref))) return refuse('bad-file', 'a file id is not of its author')
  const done = new Set<FileId>()
  for (const ref of act.body.files) {
    const file = idFrom<FileId>(ref.file)
    if (done.has(file)) continue
    done.add(file)
    record(act, ref.file, { kind: 'accept', body: { of: act.body.of, files: [ref] } })
  }
  return null
}

function refuseAuthor(kind: OwnershipKind, act: OwnershipBody<OwnershipKind>): Refusal | null {
  const { draft, entry, author, hasAuthority } = act
  if (kind === 'assign') return hasAuthority ? null : refuse('not-admin', 'only an admin may assign a file')
  const isQuarantined = !entry.cosigned && draft.isQuarantinedFor(entry.id, author.node)
  return !isQuarantined ? null : refuse('quarantined', 'a quarantined member gives and takes nothing')
}

function isBound({ draft }: OwnershipBody<OwnershipKind>, ref: Ref): boolean {
  const network = draft.network?.id
  return network !== undefined && fileIdFor(network, ref.author, ref.salt) === idFrom<FileId>(ref.file)
}

function record(
  { draft, entry, author, index, hasAuthority }: OwnershipBody<OwnershipKind>,
  fileBytes: Uint8Array,
  what: Pick<OwnershipAct, 'kind' | 'body'>,
): void {
  const file = idFrom<FileId>(fileBytes)
  const act = {
    ...what,
    entry: entry.id,
    index,
    feed: entry.feed,
    seq: entry.seq,
    ms: entry.ms,
    node: author.node,
    branch: author.branch,
    isAdmin: hasAuthority,
  } as OwnershipAct
  draft.acts.set(file, [...(draft.acts.get(file) ?? []), act])
}
