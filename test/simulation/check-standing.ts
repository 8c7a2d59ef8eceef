/** Sections 3 and 4: what single acts of admins do, and what not: quarantine and release, revoking, expiry, rules. */
import { type EntryId, type NodeId, nodeIdFromPublicKey } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { agree, grantsOf, isSteadyAdmin, seenGrant } from './check-members.ts'
import { type Evidence, fieldOf, idIn, nameOf } from './evidence.ts'

const EXPIRY_TOLERANCE_MS = 10 * 60_000

export function checkStanding(evidence: Evidence): void {
  checkQuarantines(evidence)
  checkInvites(evidence)
  checkRules(evidence)
  checkDepartures(evidence)
  checkOpenFeeds(evidence)
}

function targetOf(entry: Entry): NodeId | undefined {
  const node = fieldOf(entry, 'node')
  return node?.length === 32 ? nodeIdFromPublicKey(node) : undefined
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
  const pardons = effective(evidence, 'release', 'role')
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
    if (state === 'quarantined' && standing.length === 0)
      evidence.problem(`quarantine: ${name} is quarantined, and all that did it was lifted`)
  }
}

function checkInvites(evidence: Evidence): void {
  const { byId, ancestors } = evidence
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
  }
  for (const revoke of effective(evidence, 'revoke')) {
    const seen = ancestors(revoke.id) ?? new Set<EntryId>()
    const used = admits.find((admit) => idIn(admit, 'invite') === idIn(revoke, 'invite') && seen.has(admit.id))
    if (used !== undefined)
      evidence.problem(`single-use: ${nameOf(evidence, revoke.author)} revoked what it had seen used`)
  }
}

/** Newer rules are active by the recovery key, by two who agree, or by the only admin. */
function checkRules(evidence: Evidence): void {
  const { membership, world, byId } = evidence
  const founding = byId.get(world.networkId as string as EntryId)
  const active = membership.network?.rules ?? 0
  if (active === (founding?.body as { rules?: number } | undefined)?.rules) return
  const votes = effective(evidence, 'upgrade').filter(({ body }) => (body as { rules?: number }).rules === active)
  const grants = grantsOf(evidence)
  const isAgreed = votes.some((one) => one.cosigned || votes.some((other) => agree(grants, one.author, other.author)))
  const isAlone = votes.some((vote) =>
    [...grants.keys()].every(
      (node) => node === vote.author || !isSteadyAdmin(evidence, node) || !seenGrant(evidence, node, vote),
    ),
  )
  if (!isAgreed && !isAlone) evidence.problem(`two-votes: rules ${active} are active by the word of one`)
}

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
