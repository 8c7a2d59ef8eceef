/** What the operator should know of the soundness of ledger and state. */
import type { RebuildLeft } from './rebuild-files.ts'
import type { Session } from './session.ts'
import type { StatusView } from './types.ts'
import { unsentTexts } from './unsent.ts'

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
      message: `${left.entries} entries out of the damaged database (${left.own} of this node) wait for others that no member has shown yet${namesOf(session, left)}`,
      advice:
        left.own === 0
          ? 'They are taken when a member comes online that has what lies before them.'
          : 'They are taken when a member comes online that has what lies before them. If what was lost had never been sent, nobody has it: then share these files, or change them, once more.',
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

/** What of this node's own is at stake. */
function namesOf(session: Session, { own, named }: RebuildLeft): string {
  if (named.length === 0) return ''
  const more = own > named.length ? `, and ${own - named.length} more` : ''
  return `; of this node: ${unsentTexts(session, named).join(', ')}${more}`
}
