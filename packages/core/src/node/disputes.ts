/** Files that one member offered twice, and two branches accepted: until an assignment of them has been accepted. */
import type { SharedMark } from '../catalogue/index.ts'
import { type EntryId, type FileId, idFrom } from '../ids.ts'
import { showText } from '../show-text.ts'
import type { Session } from './session.ts'
import type { StatusView } from './types.ts'

export function isDisputed(session: Session, file: FileId): boolean {
  return session.state.marksOfFile(file).some((mark) => !isSettled(session, mark))
}

/**
 * Each names who offered, whom the file belongs to, and what ends it.
 * @param options.named false for what is kept: the file may be hidden from this branch by the time it is read
 */
export function disputeWarnings(
  session: Session,
  marks: readonly SharedMark[],
  { named = true }: { named?: boolean } = {},
): StatusView['warnings'] {
  return marks.filter((mark) => !isSettled(session, mark)).map((mark) => warningOf(session, mark, named))
}

function warningOf(
  { members, state, sharing }: Session,
  { mark, node, file }: SharedMark,
  named: boolean,
): StatusView['warnings'][number] {
  const branch = members.get(node)?.branch
  const author = branch === undefined ? node : `${members.branchLabel(branch)} (${node})`
  const name = named ? sharing.views.get(file)?.name : undefined
  const owner = state.file(file)?.owner
  const belongs = owner === undefined ? '' : `; it belongs to ${members.branchLabel(owner)}`
  return {
    code: mark,
    message: `${author} has offered ${name === undefined ? `file ${file}` : `${showText(name)} (${file})`} twice, and both were accepted${belongs}`,
    advice:
      'What another branch wrote on it meanwhile is kept as conflict versions. An admin may settle it: `malote assign <file> <node>`.',
  }
}

/** By an admin's assignment, written after the offers, that was accepted. */
function isSettled({ state }: Session, { file, entry }: SharedMark): boolean {
  const acts = state.membership().acts.get(file) ?? []
  const from = acts.findIndex((act) => act.entry === entry)
  const assigned = new Set<EntryId>(acts.slice(from + 1).flatMap((act) => (act.kind === 'assign' ? [act.entry] : [])))
  return acts.some(
    (act) => act.kind === 'accept' && assigned.has(idFrom<EntryId>(act.body.of)) && state.refusalOf(act.entry) === null,
  )
}
