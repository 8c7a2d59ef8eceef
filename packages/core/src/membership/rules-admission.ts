/** Founding, invites, admissions. Spec: docs/specs/control.md, "Admission". Pure. */
import { verify } from '../crypto/index.ts'
import { type BranchId, type EntryId, idBytes, idFrom, type NetworkId, nodeIdFromPublicKey } from '../ids.ts'
import { type Act, type Cuts, type Draft, type Judge, refuse } from './draft.ts'
import type { ControlBody } from './kinds.ts'
import type { Branch, ControlEntry, Invite, Member, Refusal } from './types.ts'
import { grantedVoice, NO_STANDING } from './voices.ts'

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
    minCopies: body.policy.minCopies ?? null,
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
  draft.standings.set(entry.author, { ...NO_STANDING, voice: { steps: 0, under: [] }, isRoot: true })
  draft.branches.set(branch, { id: branch, name: body.branch, node: entry.author, state: 'member' })
  draft.admissions.push({ node: entry.author, admit: entry.id })
  return null
}

const ADMIN_MACHINE = 'an admin’s machine is replaced by itself, or with the recovery key, or when two took its role'

export const judgeInvite: Judge<ControlBody<'invite'>> = ({ draft, entry, body, author, hasAuthority }) => {
  if (!hasAuthority) return refuse('not-admin', 'only an admin may invite')
  const replaces = body.replaces === undefined ? null : nodeIdFromPublicKey(body.replaces)
  if (replaces !== null) {
    if (draft.present(replaces) === undefined) return refuse('not-a-member', 'the machine to be replaced is no member')
    const isOwn = entry.cosigned || replaces === author.node
    if (!isOwn && draft.hasVoice(replaces)) return refuse('admin-machine', ADMIN_MACHINE)
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
  const voice = entry.cosigned
    ? { steps: 0, under: [] }
    : grantedVoice(null, author.node, draft.standing(author.node).voice)
  draft.inviteRecords.set(entry.id, {
    voice: body.role === 'admin' ? voice : null,
    isOwn: entry.cosigned || replaces === author.node,
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
  if (draft.isQuarantinedFor(entry.id, author.node)) return refuse('quarantined', 'a quarantined member may not admit')
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
    if (draft.hasVoice(old.node) && !record.isOwn) return refuse('admin-machine', ADMIN_MACHINE)
    const isFree = removal === undefined && !draft.departures.has(old.branch)
    if (isFree && draft.replacesAlone(entry.id, old.node, invite.issuer)) inherited = draft.branches.get(old.branch)
    else marks.push('replacement-lost')
  }

  const voice = isWithheld(act, invite) ? null : record.voice
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
  draft.standings.set(node, { ...NO_STANDING, voice, isRoot: voice?.under.length === 0 })
  if (voice !== null) draft.contestAlone(entry.id)
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
  if (draft.isQuarantinedFor(entry.id, invite.issuer)) {
    return refuse('invite-revoked', 'its issuer is quarantined')
  }
  if (entry.ms > invite.expires + EXPIRY_TOLERANCE_MS) return refuse('invite-expired', 'it had expired')
  return null
}

/**
 * An admission that an admin has yet to decide about does not begin with an admin's power. Only those who could have made
 * the issuer have a say in that: else any admin could take the role from all who were invited by another.
 */
function isWithheld({ draft }: Act<ControlBody<'admit'>>, invite: Invite): boolean {
  const record = draft.inviteRecords.get(invite.id)
  if (record === undefined || record.uses.length > 0) return true
  const issuer = draft.standing(invite.issuer)
  const above = [invite.issuer, ...(issuer.voice?.under ?? [])]
  return [...record.revocations, ...issuer.quarantines].some((id) => {
    const act = draft.causality.get(id)
    return act !== undefined && (act.cosigned || above.includes(act.author))
  })
}

function replace({ draft, entry, body }: Act<ControlBody<'admit'>>, old: Member, by: Member['node'], cuts: Cuts): void {
  draft.updateMember(old, { state: 'left', replacedBy: by })
  const end = { quarantines: [], last: null, cuts: [cuts, body.cuts ?? []] }
  draft.close(old, entry.id, end)
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
