/** Founding, invites, admissions. Spec: docs/specs/control.md, "Admission". Pure. */
import { verify } from '../crypto/index.ts'
import { type BranchId, type EntryId, idBytes, idFrom, type NetworkId, nodeIdFromPublicKey } from '../ids.ts'
import { type Act, type Cuts, type Draft, type Judge, NO_STANDING, refuse } from './draft.ts'
import type { ControlBody } from './kinds.ts'
import type { Branch, ControlEntry, Invite, Member, Refusal } from './types.ts'

/**
 * How far an `admit` may be dated after the invite's end. The admitting node judges by its own clock; an entry's clock
 * may be ahead of that by the minute that the ledger tolerates, and some on top for the exchange itself.
 */
const EXPIRY_TOLERANCE_MS = 10 * 60_000

export function judgeFound(draft: Draft, entry: ControlEntry, body: ControlBody<'found'>): Refusal | null {
  if (draft.network !== null) return refuse('already-founded', 'the network has its founding entry')
  if (entry.seen.length > 0) return refuse('malformed', 'a founding entry has seen nothing')
  const branch = idFrom<BranchId>(idBytes(entry.id))
  draft.network = {
    id: idFrom<NetworkId>(idBytes(entry.id)),
    name: body.name,
    founder: entry.author,
    recovery: body.recovery,
    maxCopies: body.policy.maxCopies ?? null,
    rules: body.rules,
  }
  draft.members.set(entry.author, {
    node: entry.author,
    key: entry.authorKey,
    sealing: body.sealing,
    branch,
    role: 'admin',
    steps: 0,
    state: 'member',
    admit: entry.id,
    invite: null,
    replacedBy: null,
    marks: [],
  })
  draft.standings.set(entry.author, { ...NO_STANDING, voice: { steps: 0, appointer: null } })
  draft.branches.set(branch, { id: branch, name: body.branch, node: entry.author, state: 'member' })
  draft.admissions.push({ node: entry.author, admit: entry.id })
  return null
}

export const judgeInvite: Judge<ControlBody<'invite'>> = ({ draft, entry, body, author, hasAuthority }) => {
  if (!hasAuthority) return refuse('not-admin', 'only an admin may invite')
  const replaces = body.replaces === undefined ? null : nodeIdFromPublicKey(body.replaces)
  if (replaces !== null && draft.present(replaces) === undefined) {
    return refuse('not-a-member', 'the machine to be replaced is no member')
  }
  draft.invites.set(entry.id, {
    id: entry.id,
    key: body.key,
    branch: body.branch,
    role: body.role,
    expires: body.expires,
    replaces,
    issuer: entry.author,
    revoked: false,
    usedBy: [],
  })
  const appointer = entry.cosigned ? null : author.node
  const steps = entry.cosigned ? 0 : (author.steps ?? 0) + 1
  draft.inviteRecords.set(entry.id, {
    voice: body.role === 'admin' ? { steps, appointer } : null,
    revocations: [],
    uses: [],
    cuts: body.cuts ?? [],
  })
  return null
}

export const judgeRevoke: Judge<ControlBody<'revoke'>> = ({ draft, entry, body, hasAuthority }) => {
  if (!hasAuthority) return refuse('not-admin', 'only an admin may revoke an invite')
  const id = idFrom<EntryId>(body.invite)
  const record = draft.inviteRecords.get(id)
  if (record === undefined) return refuse('unknown-invite', 'no such invite')
  if (record.uses.some(({ admit }) => draft.hasSeen(entry.id, admit)))
    return refuse('invite-used', 'it was used before')
  revokeInvite(draft, id, entry.id)
  return null
}

/** Revokes; whoever came in by it without having seen that stays, marked. */
export function revokeInvite(draft: Draft, id: EntryId, by: EntryId): void {
  const invite = draft.invites.get(id)
  const record = draft.inviteRecords.get(id)
  if (invite === undefined || record === undefined) return
  draft.invites.set(id, { ...invite, revoked: true })
  draft.inviteRecords.set(id, { ...record, revocations: [...record.revocations, by] })
  for (const use of record.uses) if (!draft.hasSeen(by, use.admit)) draft.mark(use.node, 'invite-revoked-late')
}

export const judgeAdmit: Judge<ControlBody<'admit'>> = (act) => {
  const { draft, entry, body, author } = act
  if (author.state !== 'member') return refuse('quarantined', 'a quarantined member may not admit')
  const inviteId = idFrom<EntryId>(body.invite)
  const invite = draft.invites.get(inviteId)
  const record = draft.inviteRecords.get(inviteId)
  if (invite === undefined || record === undefined) return refuse('unknown-invite', 'no such invite')
  const refusal = refuseByInvite(act, invite)
  if (refusal !== null) return refusal
  const node = nodeIdFromPublicKey(body.node)
  if (draft.present(node) !== undefined) return refuse('already-member', 'this machine is a member')
  if (draft.members.has(node)) return refuse('node-known', 'a machine that was a member needs a new identity')
  if (!proves(act, invite)) return refuse('bad-signature', 'the proofs of invite and newcomer do not verify')

  const marks: string[] = []
  if (record.uses.length > 0) marks.push('invite-reused')
  const issuerQuarantined = draft.present(invite.issuer)?.state === 'quarantined'
  if (invite.revoked || issuerQuarantined) marks.push('invite-revoked-late')
  const old = invite.replaces === null ? undefined : draft.members.get(invite.replaces)
  let inherited: Branch | undefined
  if (old !== undefined) {
    if (body.cuts === undefined) return refuse('malformed', 'a replacement names where the old feeds end')
    const removal = draft.removals.find((each) => each.node === old.node)
    if (removal !== undefined && draft.hasSeen(entry.id, removal.entry)) {
      return refuse('already-replaced', 'the machine to be replaced was no member any more')
    }
    if (removal === undefined && !draft.departures.has(old.branch)) inherited = draft.branches.get(old.branch)
    else marks.push('replacement-lost')
  }

  // an admission that an admin has yet to decide about does not begin with an admin's power
  const voice = marks.length === 0 ? record.voice : null
  const branch: Branch =
    inherited === undefined
      ? { id: idFrom<BranchId>(idBytes(entry.id)), name: invite.branch, node, state: 'member' }
      : { ...inherited, node }
  if (old !== undefined && inherited !== undefined) replace(act, old, node, record.cuts)
  draft.members.set(node, {
    node,
    key: body.node,
    sealing: body.sealing,
    branch: branch.id,
    role: voice === null ? 'member' : 'admin',
    steps: voice?.steps ?? null,
    state: 'member',
    admit: entry.id,
    invite: inviteId,
    replacedBy: null,
    marks: marks.sort(),
  })
  draft.standings.set(node, { ...NO_STANDING, voice })
  draft.branches.set(branch.id, branch)
  draft.admissions.push({ node, admit: entry.id })
  for (const use of record.uses) draft.mark(use.node, 'invite-reused')
  draft.invites.set(inviteId, { ...invite, usedBy: [...invite.usedBy, node] })
  draft.inviteRecords.set(inviteId, { ...record, uses: [...record.uses, { admit: entry.id, node }] })
  return null
}

/** What the author could have known against the invite refuses the admission; what it could not have known marks it. */
function refuseByInvite({ draft, entry }: Act<ControlBody<'admit'>>, invite: Invite): Refusal | null {
  const record = draft.inviteRecords.get(invite.id)
  if (!draft.hasSeen(entry.id, invite.id)) return refuse('unknown-invite', 'the author had not seen the invite')
  if (record?.revocations.some((id) => draft.hasSeen(entry.id, id)))
    return refuse('invite-revoked', 'it was revoked before')
  if (record?.uses.some(({ admit }) => draft.hasSeen(entry.id, admit)))
    return refuse('invite-used', 'it was used before')
  if (draft.standing(invite.issuer).quarantines.some((id) => draft.hasSeen(entry.id, id))) {
    return refuse('invite-revoked', 'its issuer is quarantined')
  }
  if (entry.ms > invite.expires + EXPIRY_TOLERANCE_MS) return refuse('invite-expired', 'it had expired')
  return null
}

function replace({ draft, entry, body }: Act<ControlBody<'admit'>>, old: Member, by: Member['node'], cuts: Cuts): void {
  draft.updateMember(old, { state: 'left', replacedBy: by })
  draft.close(old, entry.id, cuts, body.cuts ?? [])
}

/** Verified signatures of admissions: a refold of all control entries need not check them again. */
const verified = new Map<string, boolean>()
const MAX_VERIFIED = 16_384

function proves({ draft, entry, body }: Act<ControlBody<'admit'>>, invite: Invite): boolean {
  const network = draft.network?.id
  if (network === undefined) return false
  const name = `${entry.id}/${invite.id}/${network}`
  const known = verified.get(name)
  if (known !== undefined) return known
  const result =
    verify(invite.key, body.proof, 'invite', network, body.node, body.sealing) &&
    verify(body.node, body.accepts, 'join', network, body.invite, body.sealing)
  if (verified.size >= MAX_VERIFIED) verified.clear()
  verified.set(name, result)
  return result
}
