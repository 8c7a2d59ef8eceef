/** Which of the files that this branch can read it is shown: what another branch has put into its trash is hidden. */
import { FileNotFoundError, type VisibleFile } from '../catalogue/index.ts'
import type { BranchId } from '../ids.ts'
import type { Session } from './session.ts'

/** @throws {FileNotFoundError} @throws {FileAmbiguousError} */
export function resolveFile(session: Pick<Session, 'sharing' | 'state' | 'ownBranch'>, ref: string): VisibleFile {
  const view = session.sharing.views.resolve(ref)
  if (view.state === 'deleted' && !mayRestore(session, view.owner)) throw new FileNotFoundError(ref)
  return view
}

/** Whose trash is shown here: this branch's, and that of branches which are gone and can restore nothing. */
export function trashOwners(session: Pick<Session, 'state' | 'ownBranch'>): BranchId[] {
  const gone = [...session.state.membership().branches.values()].filter(({ state }) => state !== 'member')
  return [session.ownBranch(), ...gone.map(({ id }) => id)]
}

function mayRestore({ state, ownBranch }: Pick<Session, 'state' | 'ownBranch'>, owner: BranchId): boolean {
  return owner === ownBranch() || state.membership().branches.get(owner)?.state !== 'member'
}
