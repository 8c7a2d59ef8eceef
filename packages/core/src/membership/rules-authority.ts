/** Roles, quarantine, rules version. Spec: docs/specs/control.md, "Authority". Pure. */
import { nodeIdFromPublicKey } from '../ids.ts'
import { type Act, type Draft, type Judge, refuse } from './draft.ts'
import type { ControlBody } from './kinds.ts'
import type { ControlEntry, Member, MembershipState, Refusal } from './types.ts'
import { grantedVoice } from './voices.ts'

/**
 * Rank of an entry's author among concurrent entries, smaller first: recovery key, founder, admins by fewest steps
 * from the founding entry, everyone else. Ties are broken by entry id, by whoever sorts.
 */
export function rankOf(state: Pick<MembershipState, 'network' | 'members'>, entry: ControlEntry): number[] {
  if (entry.cosigned || state.network === null) return [0, 0]
  const member = state.members.get(entry.author)
  const isPresent = member?.state === 'member' || member?.state === 'quarantined'
  if (member === undefined || !isPresent || member.role !== 'admin') return [3, 0]
  return entry.author === state.network.founder ? [1, 0] : [2, member.steps ?? 0]
}

export const judgeRole: Judge<ControlBody<'role'>> = (act) => {
  const node = nodeIdFromPublicKey(act.body.node)
  const target = act.draft.present(node)
  if (target === undefined) {
    if (act.hasAuthority && act.body.role === 'admin') act.draft.contestReplacement(act.entry.id, node)
    return refuse('not-a-member', 'no such member')
  }
  return act.body.role === 'admin' ? appoint(act, target) : demote(act, target)
}

function appoint({ draft, entry, author, hasAuthority }: Act<ControlBody<'role'>>, target: Member): Refusal | null {
  if (!hasAuthority) return refuse('not-admin', 'only an admin may appoint admins')
  const { voice, demotions } = draft.standing(target.node)
  if (entry.cosigned) {
    // the recovery key outranks everyone: what stood against its bearer is lifted
    draft.updateMember(target, { role: 'admin', steps: 0, state: 'member' })
    draft.updateStanding(target.node, {
      voice: { steps: 0, under: [] },
      isRoot: true,
      quarantines: [],
      demotions: [],
      votes: [],
    })
    draft.contestAlone(entry.id)
    return null
  }
  if (draft.isQuarantinedFor(entry.id, target.node)) {
    return refuse('quarantined', 'a quarantined member cannot be made admin')
  }
  // what the author had not seen taken away, it cannot have meant to give back
  const left = voice === null ? [] : demotions.filter((by) => !draft.hasSeen(entry.id, by.entry))
  const granted = grantedVoice(voice, author.node, draft.standing(author.node).voice)
  if (left.length === 0) draft.updateMember(target, { role: 'admin', steps: granted.steps })
  draft.updateStanding(target.node, { voice: granted, demotions: left })
  if (voice === null) draft.contestAlone(entry.id)
  return null
}

/** Takes the role at once; the voice goes by the member itself, the recovery key, or two admins who agree. */
function demote({ draft, entry, author, hasAuthority }: Act<ControlBody<'role'>>, target: Member): Refusal | null {
  const isSelf = target.node === author.node && draft.hasVoice(author.node)
  if (!hasAuthority && !isSelf) return refuse('not-admin', 'only an admin may take a role away')
  if (isSelf && !entry.cosigned && target.role === 'admin' && !hasOtherAdmin(draft, target.node)) {
    return refuse('last-admin', 'the network would be without an admin')
  }
  const { demotions, voice } = draft.standing(target.node)
  const isFinal =
    entry.cosigned ||
    (isSelf && draft.endsAlone(entry.id, author.node, author.node)) ||
    demotions.some((by) => draft.hasVoice(by.voter) && draft.independent(by.voter, author.node))
  draft.updateMember(target, { role: 'member', steps: null })
  const taken = voice === null || isFinal ? [] : [...demotions, { voter: author.node, entry: entry.id }]
  draft.updateStanding(target.node, { voice: isFinal ? null : voice, demotions: taken })
  return null
}

function hasOtherAdmin(draft: Draft, node: Member['node']): boolean {
  for (const member of draft.members.values()) {
    if (member.node !== node && draft.hasPower(member.node)) return true
  }
  return false
}

export const judgeQuarantine: Judge<ControlBody<'quarantine'>> = ({ draft, entry, author, body, hasAuthority }) => {
  const target = draft.present(nodeIdFromPublicKey(body.node))
  if (target === undefined) return refuse('not-a-member', 'no such member')
  if (target.node === author.node) return refuse('self', 'a member does not quarantine itself')
  if (!hasAuthority) return refuse('not-admin', 'only an admin may quarantine')
  quarantine(draft, target, entry)
  return null
}

export function quarantine(draft: Draft, target: Member, entry: ControlEntry): void {
  draft.updateMember(target, { state: 'quarantined' })
  draft.updateStanding(target.node, { quarantines: [...draft.standing(target.node).quarantines, entry.id] })
}

export const judgeRelease: Judge<ControlBody<'release'>> = ({ draft, entry, author, body, hasAuthority }) => {
  if (!hasAuthority) return refuse('not-admin', 'only an admin may release')
  const target = draft.present(nodeIdFromPublicKey(body.node))
  if (target === undefined) return refuse('not-a-member', 'no such member')
  const { quarantines, votes } = draft.standing(target.node)
  // what the author had not seen, it cannot have meant
  const left = entry.cosigned ? [] : quarantines.filter((id) => !draft.hasSeen(entry.id, id))
  if (left.length === quarantines.length)
    return refuse('not-quarantined', 'it was not quarantined as far as the author knew')
  if (left.length === 0) draft.updateMember(target, { state: 'member' })
  draft.updateStanding(target.node, {
    quarantines: left,
    votes: entry.cosigned ? [] : votes.filter((vote) => vote.voter !== author.node),
  })
  return null
}

/** Rules that nobody's software has would stop every fold for good, so one stolen machine must not activate any. */
export const judgeUpgrade: Judge<ControlBody<'upgrade'>> = ({ draft, entry, author, body, hasAuthority }) => {
  if (!hasAuthority) return refuse('not-admin', 'only an admin may change the rules version')
  if (draft.network === null || body.rules <= draft.network.rules) return refuse('not-newer', 'these rules are active')
  const votes = draft.upgrades.get(body.rules) ?? []
  const agrees = votes.some(({ voter }) => draft.hasVoice(voter) && draft.independent(voter, author.node))
  draft.upgrades.set(body.rules, [...votes, { voter: author.node, entry: entry.id }])
  if (entry.cosigned || agrees || draft.decidesAlone(entry)) draft.network = { ...draft.network, rules: body.rules }
  return null
}
