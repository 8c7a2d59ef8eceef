/** Sections 3 and 4: what single acts of admins do, and what not: quarantine and release, revoking, expiry, rules. */
import type { EntryId, NodeId } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { grantsOf, isMadeBy } from './check-members.ts'
import { type Evidence, idIn, nameOf, targetOf } from './evidence.ts'

const EXPIRY_TOLERANCE_MS = 10 * 60_000

export function checkStanding(evidence: Evidence): void {
  checkQuarantines(evidence)
  checkInvites(evidence)
  checkDepartures(evidence)
  checkOpenFeeds(evidence)
  checkOpenInvites(evidence)
  checkLeaving(evidence)
  checkNewcomers(evidence)
  checkRoles(evidence)
  checkReplaced(evidence)
  checkContested(evidence)
}

function effective({ control, membership }: Evidence, ...kinds: string[]): Entry[] {
  return control.filter(({ id, kind }) => kinds.includes(kind) && membership.verdicts.get(id) === null)
}

/** A release lifts what it had seen, and no more; the recovery key lifts all that came before. */
function checkQuarantines(evidence: Evidence): void {
  const { membership, ancestors } = evidence
  const place = new Map([...membership.verdicts.keys()].map((id, at) => [id, at]))
  const at = (entry: Entry) => place.get(entry.id) ?? 0
  const strikes = effective(evidence, 'quarantine', 'expel')
  const pardons = effective(evidence, 'release', 'role').filter(
    ({ body }) => (body as { role?: string }).role !== 'member',
  )
  for (const { node, state } of membership.members.values()) {
    if (state !== 'member' && state !== 'quarantined') continue
    const own = pardons.filter((entry) => targetOf(entry) === node)
    const standing = strikes.filter(
      (strike) =>
        targetOf(strike) === node &&
        !own.some((pardon) =>
          pardon.cosigned
            ? at(pardon) > at(strike)
            : pardon.kind === 'release' && ancestors(pardon.id)?.has(strike.id) === true && at(pardon) > at(strike),
        ),
    )
    const name = nameOf(evidence, node)
    // a voice without power votes to expel and quarantines nobody
    if (state === 'member' && standing.some(({ kind }) => kind === 'quarantine'))
      evidence.problem(`quarantine: ${name} was released from what the release had not seen`)
    const power = standing.filter((entry) => entry.cosigned || !isStruckFor(evidence, entry, entry.author))
    if (state === 'quarantined' && power.length === 0)
      evidence.problem(`quarantine: ${name} is quarantined, and all that did it was lifted or had no power`)
  }
}

function checkInvites(evidence: Evidence): void {
  const { byId, ancestors, membership } = evidence
  const admits = effective(evidence, 'admit')
  const releases = effective(evidence, 'release', 'role')
  for (const admit of admits) {
    const invite = byId.get(idIn(admit, 'invite') ?? ('' as EntryId))
    const expires = (invite?.body as { expires?: number } | undefined)?.expires ?? 0
    const name = `admit ${admit.id.slice(0, 8)} of ${nameOf(evidence, admit.author)}`
    if (admit.ms > expires + EXPIRY_TOLERANCE_MS)
      evidence.problem(`no-strangers: ${name} used an invite that had expired`)
    const seen = ancestors(admit.id) ?? new Set<EntryId>()
    const isPardoned = releases.some((entry) => targetOf(entry) === admit.author)
    const struck = effective(evidence, 'quarantine').some(
      (each) => targetOf(each) === admit.author && seen.has(each.id),
    )
    if (struck && !isPardoned) evidence.problem(`no-strangers: ${name} had seen its author's quarantine`)
    if (invite === undefined) continue
    const late = effective(evidence, 'revoke').some(
      (revoke) => idIn(revoke, 'invite') === invite.id && !seen.has(revoke.id),
    )
    const member = membership.members.get(targetOf(admit) ?? ('' as NodeId))
    if (late && member?.marks.includes('invite-revoked-late') === false)
      evidence.problem(`single-use: ${name} used an invite that was revoked, and nobody is told`)
    if (!seen.has(invite.id)) evidence.problem(`no-strangers: ${name} had not seen the invite`)
    if (isStruckFor(evidence, admit, invite.author))
      evidence.problem(`no-strangers: ${name} had seen the quarantine of who invited`)
  }
  for (const revoke of effective(evidence, 'revoke')) {
    const seen = ancestors(revoke.id) ?? new Set<EntryId>()
    const used = admits.find((admit) => idIn(admit, 'invite') === idIn(revoke, 'invite') && seen.has(admit.id))
    if (used !== undefined)
      evidence.problem(`single-use: ${nameOf(evidence, revoke.author)} revoked what it had seen used`)
  }
}

/** What who is expelled had invited and nobody had used admits nobody. */
function checkOpenInvites({ membership, problem, world, byId }: Evidence): void {
  for (const { id, issuer, revoked, usedBy } of membership.invites.values()) {
    // the recovery key speaks through whoever was a member once
    if (byId.get(id)?.cosigned === true) continue
    if (membership.members.get(issuer)?.state === 'expelled' && usedBy.length === 0 && !revoked)
      problem(`departures: an invite ${id.slice(0, 8)} of ${world.named(issuer)}, who was expelled, is open`)
  }
}

/** It had seen a quarantine of that member, whom nobody ever released. */
function isStruckFor(evidence: Evidence, { id }: Entry, node: NodeId): boolean {
  const seen = evidence.ancestors(id) ?? new Set<EntryId>()
  const pardons = effective(evidence, 'release', 'role').filter(({ kind, cosigned }) => kind === 'release' || cosigned)
  const isPardoned = pardons.some((entry) => targetOf(entry) === node)
  return !isPardoned && effective(evidence, 'quarantine').some((each) => targetOf(each) === node && seen.has(each.id))
}

/** One identity comes in once; who comes in by a used invite begins as a plain member; in quarantine nobody gives or takes. */
function checkNewcomers(evidence: Evidence): void {
  const { membership, control, ancestors, problem } = evidence
  const admitted = new Set<NodeId>()
  const used = new Map<EntryId, Entry[]>()
  for (const id of membership.verdicts.keys()) {
    const admit = evidence.byId.get(id)
    const node = admit?.kind === 'admit' && membership.verdicts.get(id) === null ? targetOf(admit) : undefined
    const invite = admit === undefined ? undefined : idIn(admit, 'invite')
    if (admit === undefined || node === undefined || invite === undefined) continue
    const name = nameOf(evidence, node)
    if (admitted.has(node)) problem(`no-strangers: ${name} was let in twice`)
    admitted.add(node)
    const isGranted = effective(evidence, 'role').some((entry) => targetOf(entry) === node)
    const isLater = (used.get(invite) ?? []).length > 0
    if (isLater && !isGranted && membership.members.get(node)?.role === 'admin')
      problem(`single-use: ${name} has a role by an invite that was used before`)
    used.set(invite, [...(used.get(invite) ?? []), admit])
  }
  for (const act of control) {
    if (!GIVES.has(act.kind) || act.cosigned || membership.verdicts.get(act.id) !== null) continue
    if (ancestors(act.id) !== undefined && isStruckFor(evidence, act, act.author))
      problem(`quarantine: ${act.kind} ${act.id.slice(0, 8)} of ${nameOf(evidence, act.author)}, which knew of its own`)
  }
}

const GIVES = new Set(['offer', 'accept', 'decline', 'cancel', 'adopt'])

/** Whose role one other admin took has it no more until somebody who knows of that gives it back, and has its voice. */
function checkRoles(evidence: Evidence): void {
  const { membership, ancestors, control, problem } = evidence
  const grants = grantsOf(evidence)
  const roles = effective(evidence, 'role')
  for (const { node, role } of membership.members.values()) {
    const about = roles.filter((entry) => targetOf(entry) === node)
    const taken = about.filter(({ body }) => (body as { role?: string }).role === 'member')
    const given = about.filter((entry) => !taken.includes(entry))
    const takers = new Set(taken.map(({ author, cosigned }) => (cosigned ? node : author)))
    if (takers.size !== 1 || takers.has(node) || !grants.has(node)) continue
    const name = nameOf(evidence, node)
    const isGivenBack = (taking: Entry) =>
      given.some((entry) => entry.cosigned || ancestors(entry.id)?.has(taking.id) === true)
    if (role === 'admin' && !taken.every(isGivenBack)) problem(`authority: ${name} got its role back by chance`)
    for (const { id, kind, author } of control) {
      if (kind === 'expel' && author === node && membership.verdicts.get(id)?.code === 'not-admin')
        problem(`authority: ${name} lost its voice by the word of one`)
    }
  }
}

/** Who might decide is not replaced by another admin alone, and who is leaving by nobody. */
function checkReplaced(evidence: Evidence): void {
  const { membership, byId, problem } = evidence
  const grants = grantsOf(evidence)
  const order = [...membership.verdicts.keys()]
  for (const { id, author } of evidence.control.filter(({ kind }) => kind === 'leave')) {
    const heir = membership.members.get(membership.members.get(author)?.replacedBy ?? ('' as NodeId))
    if (heir === undefined || !order.includes(id) || order.indexOf(id) > order.indexOf(heir.admit)) continue
    problem(`departures: ${nameOf(evidence, author)} was leaving, and another machine has its branch`)
  }
  for (const { node, replacedBy } of membership.members.values()) {
    const admit =
      replacedBy === null ? undefined : byId.get(membership.members.get(replacedBy)?.admit ?? ('' as EntryId))
    const invite = admit === undefined ? undefined : byId.get(idIn(admit, 'invite') ?? ('' as EntryId))
    if (invite === undefined || invite.cosigned || invite.author === node) continue
    const isTaken = effective(evidence, 'role').some(
      (entry) => targetOf(entry) === node && (entry.body as { role?: string }).role === 'member',
    )
    if (grants.has(node) && !isTaken)
      problem(`two-votes: ${nameOf(evidence, node)} was replaced by the word of one admin`)
  }
}

/** Nobody ends its own feeds before what an admin apart from it relied on, without having seen that end. */
function checkContested(evidence: Evidence): void {
  const { control, ancestors, problem } = evidence
  const grants = grantsOf(evidence)
  const relying = effective(evidence, 'invite', 'revoke', 'quarantine', 'release', 'assign')
  for (const left of effective(evidence, 'left')) {
    const known = ancestors(left.id) ?? new Set<EntryId>()
    const unknown = control.filter(({ id, author }) => author === left.author && id !== left.id && !known.has(id))
    const witness = relying.find(({ id, author, cosigned }) => {
      const seen = ancestors(id)
      if (seen === undefined || cosigned || seen.has(left.id) || isMadeBy(grants, left.author, author)) return false
      return unknown.some((entry) => seen.has(entry.id))
    })
    if (witness !== undefined)
      problem(`nothing-undone: ${nameOf(evidence, left.author)} left before what others relied on`)
  }
}

/** What a leaving machine writes about files after its leave counts for nothing. */
function checkLeaving(evidence: Evidence): void {
  const { membership, byId, entries, state, problem } = evidence
  for (const { seed, node } of membership.departures.values()) {
    const leave = byId.get(seed)
    if (leave?.kind !== 'leave') continue
    for (const { id, kind, feed, seq } of entries) {
      if (feed !== leave.feed || seq <= leave.seq || !CHANGES.has(kind) || state.refusalOf(id) !== null) continue
      problem(`departures: ${kind} ${id.slice(0, 8)} of ${nameOf(evidence, node)} counts, and it was leaving`)
    }
  }
}

const CHANGES = new Set(['upload', 'update', 'share', 'reseal', 'describe', 'trash', 'restore', 'purge'])

/** Files without a new owner are left behind by force only, and only by who is leaving. */
function checkDepartures(evidence: Evidence): void {
  for (const left of effective(evidence, 'left')) {
    const { orphans, force } = left.body as { orphans?: unknown[]; force?: boolean }
    const leave = evidence.byId.get(idIn(left, 'leave') ?? ('' as EntryId))
    const name = nameOf(evidence, left.author)
    if (leave?.author !== left.author) evidence.problem(`departures: ${name} has left by another's leave`)
    else if (evidence.ancestors(left.id)?.has(leave.id) !== true)
      evidence.problem(`departures: ${name} has left by a leave that it had not seen`)
    if ((orphans ?? []).length > 0 && force !== true) evidence.problem(`departures: ${name} left orphans without force`)
  }
  const { branches, departures, members } = evidence.membership
  for (const { id, node, state } of branches.values()) {
    const machine = members.get(node)
    const isHere = machine?.state === 'member' || machine?.state === 'quarantined'
    const named = `branch ${id.slice(0, 8)}`
    if (isHere !== (state === 'member')) evidence.problem(`departures: ${named} is ${state}, and its machine is not`)
    const departure = departures.get(id)
    if (departure !== undefined && departure.node !== node)
      evidence.problem(`departures: ${named} is on its way out, and has another machine`)
  }
}

/** Nothing is beyond the end of its author's feeds where these have no end. */
function checkOpenFeeds(evidence: Evidence): void {
  const { entries, membership, state } = evidence
  for (const { id, kind, author } of entries) {
    if (membership.closed.has(author) || state.refusalOf(id)?.code !== 'feed-closed') continue
    evidence.problem(
      `nothing-undone: ${kind} ${id.slice(0, 8)} of ${nameOf(evidence, author)} counts no more, and its feed is open`,
    )
  }
}
