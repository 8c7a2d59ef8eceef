/** Which of this branch's files hang on this machine alone, or cannot be opened here any more. Spec: docs/specs/repair.md. */
import { deniedAmong } from '../catalogue/index.ts'
import type { Session } from './session.ts'
import type { DoctorCheck } from './types.ts'

export function keyChecks(session: Session): DoctorCheck[] {
  const living = session.livingBranches()
  let onlyHere = 0
  let missing = 0
  for (const file of session.state.filesOwnedBy(session.ownBranch())) {
    const view = session.sharing.views.get(file)
    if (view === null) missing += 1
    else if (living.length > 1 && deniedAmong(view.list, living).length >= living.length - 1) onlyHere += 1
  }
  const checks: DoctorCheck[] = []
  const warn = (name: string, message: string, advice: string) =>
    checks.push({ name, state: 'warning', message, advice })
  if (onlyHere > 0) {
    warn(
      'only-here',
      `${onlyHere} file(s) can be read by this branch only: nobody else could give their keys back`,
      'Keep a backup of the data folder, or let another branch read them.',
    )
  }
  if (missing > 0) {
    warn(
      'keys-missing',
      `${missing} file(s) of this branch cannot be opened here: their keys or descriptions are missing`,
      'Other readers are asked as they come online; what only this branch could read needs a backup.',
    )
  }
  return checks
}
