/** What the operator should know of the soundness of ledger and state. */
import type { Session } from './session.ts'
import type { StatusView } from './types.ts'

export function integrityWarnings(session: Session): StatusView['warnings'] {
  const { members, sync, integrity, state } = session
  const found: StatusView['warnings'] = []
  const damage = integrity.damage()
  if (damage !== null) found.push({ code: 'damaged', message: damage.problem, advice: damage.advice })
  if (state.isBehind()) {
    const active = state.membership().network?.rules ?? 0
    found.push({
      code: 'software-too-old',
      message: `an admin has activated rules version ${active}, which this software lacks: entries are stored and passed on, not executed, and nothing can be written`,
      advice: 'Install a newer Malote; what was missed meanwhile is executed at its first start.',
    })
  }
  const left = integrity.rebuildLeft()
  if (left !== null && left.entries > 0) {
    found.push({
      code: 'rebuild-unfinished',
      message: `${left.entries} entries out of the damaged database (${left.own} of this node) wait for others that no member has shown yet`,
      advice: 'They are taken when a member comes online that has what lies before them.',
    })
  }
  const diverged = sync.divergedFrom()
  if (diverged.length > 0) {
    const names = diverged.map((node) => {
      const branch = members.get(node)?.branch
      return branch === undefined ? node : members.branchLabel(branch)
    })
    const advice =
      damage?.advice ??
      'This node has found nothing wrong with itself so far: run `malote ledger verify` here and there; the one that is wrong says what mends it.'
    found.push({
      code: 'ledger-diverged',
      message: `same entries, but another state than ${names.join(', ')}`,
      advice,
    })
  }
  return found
}
