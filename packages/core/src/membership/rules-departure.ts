/** Leaving and expulsion. Spec: docs/specs/control.md, "Departure". Pure. */
import type { EntryId, FileId, NodeId } from '../ids.ts'
import { feedIncarnation, idBytes, idFrom, nodeIdFromPublicKey } from '../ids.ts'
import { type Act, type Draft, type Judge, refuse } from './draft.ts'
import type { ControlBody } from './kinds.ts'
import { revokeInvite } from './rules-admission.ts'
import { quarantine } from './rules-authority.ts'
import type { Member } from './types.ts'

export const judgeLeave: Judge<ControlBody<'leave'>> = ({ draft, entry, author, index }) => {
  if (draft.departures.has(author.branch)) return refuse('already-leaving', 'it is on its way out')
  openDeparture(draft, author, entry.id, index)
  return null
}

const CONTESTED = 'an admin has relied on what its author did and does not know of here'

export const judgeLeft: Judge<ControlBody<'left'>> = ({ draft, entry, author, body, index }) => {
  const departure = draft.departures.get(author.branch)
  const leave = idFrom<EntryId>(body.leave)
  // unseen by what closes the feed, the leave would lose its effect by its own end
  if (departure === undefined || departure.seed !== leave || !draft.hasSeen(entry.id, leave)) {
    return refuse('not-leaving', 'there is no such leave of this member, or it has not seen it')
  }
  if (body.orphans.length > 0 && !body.force) return refuse('orphans-left', 'files without a new owner need force')
  if (!draft.endsAlone(entry.id, author.node, author.node)) return refuse('contested', CONTESTED)
  draft.departures.set(author.branch, {
    ...departure,
    left: { index, orphans: body.orphans.map((file) => idFrom<FileId>(file)) },
  })
  // its own feed ends with this entry, the others where it says
  const cuts = [body.cuts ?? [], [[feedIncarnation(entry.feed), entry.seq, idBytes(entry.id)] as const]]
  draft.close(author, entry.id, { quarantines: [], last: null, cuts })
  end(draft, author, 'left')
  return null
}

export const judgeExpel: Judge<ControlBody<'expel'>> = (act) => {
  const { draft, entry, author, body, hasAuthority, index } = act
  const node = nodeIdFromPublicKey(body.node)
  // the recovery key also undoes what a machine did before it left
  const target = draft.present(node) ?? (entry.cosigned ? draft.members.get(node) : undefined)
  if (target === undefined) return refuse('not-a-member', 'no such member')
  if (target.node === author.node && !entry.cosigned) return refuse('self', 'a member leaves, it does not expel itself')
  if (!hasAuthority && !draft.hasVoice(author.node)) return refuse('not-admin', 'only an admin may expel')
  // a voice without power counts in the vote, but does not quarantine anyone by itself
  if (hasAuthority) quarantine(draft, target, entry)
  const others = draft.standing(target.node).votes.filter((vote) => vote.voter !== author.node)
  draft.updateStanding(target.node, { votes: [...others, { voter: author.node, entry: entry.id }] })
  const agreed = whoAgreed(act, target)
  if (agreed === null) return null

  draft.close(draft.members.get(target.node) ?? target, entry.id, {
    quarantines: draft.quarantinesBy(target.node, agreed),
    last: entry.cosigned && body.last !== undefined ? idFrom<EntryId>(body.last) : null,
    cuts: [body.cuts],
  })
  for (const invite of draft.invites.values()) {
    if (invite.issuer === target.node && !invite.revoked) {
      const isUsed = draft.inviteRecords.get(invite.id)?.uses.some(({ admit }) => draft.hasSeen(entry.id, admit))
      if (isUsed !== true) revokeInvite(draft, invite.id, entry.id)
    }
  }
  // a machine that was replaced takes nothing with it: its branch goes on with another
  if (isCurrent(draft, target) && !draft.departures.has(target.branch)) openDeparture(draft, target, entry.id, index)
  end(draft, target, 'expelled')
  return null
}

/**
 * Who stands for a final expulsion: nobody beside the recovery key, the network's only admin, or two whose votes agree.
 * Null while it is not final.
 */
function whoAgreed({ draft, entry, author }: Act<ControlBody<'expel'>>, target: Member): Set<NodeId> | null {
  if (entry.cosigned) return new Set()
  const { votes } = draft.standing(target.node)
  const second = votes.find(({ voter }) => draft.hasVoice(voter) && draft.independent(voter, author.node))
  if (second !== undefined) return new Set([author.node, second.voter])
  return draft.mayAct(entry) && draft.decidesAlone(entry) ? new Set([author.node]) : null
}

function openDeparture(draft: Draft, member: Member, seed: EntryId, index: number): void {
  draft.departures.set(member.branch, {
    seed,
    branch: member.branch,
    node: member.node,
    index,
    candidates: draft.membersSeenBy(seed).filter((node) => node !== member.node),
    left: null,
  })
}

function isCurrent(draft: Draft, { branch, node }: Member): boolean {
  return draft.branches.get(branch)?.node === node
}

function end(draft: Draft, { node }: Member, state: 'left' | 'expelled'): void {
  const member = draft.members.get(node)
  if (member === undefined) return
  draft.updateMember(member, { state })
  const branch = draft.branches.get(member.branch)
  if (branch !== undefined && isCurrent(draft, member)) draft.branches.set(branch.id, { ...branch, state })
}
