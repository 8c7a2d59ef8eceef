/** Section 4, authority: what takes an admin's power and from which acts, whose votes count, and that somebody is left. */
import { type EntryId, type FileId, idFrom, type NodeId } from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import {
  agree,
  closingOf,
  decidingExpulsions,
  expelsOn,
  type Grant,
  grantsOf,
  isMadeBy,
  NEEDS_AUTHORITY,
} from './check-members.ts'
import { type Evidence, idIn, nameOf, targetOf } from './evidence.ts'

/** What the checks below have in common: control entries by their place in the order, as far as they had effect. */
interface History {
  readonly evidence: Evidence
  readonly everyGrant: ReadonlyMap<NodeId, readonly Grant[]>
  /** those that surely made an admin: who comes in marked may have been refused the role */
  readonly grants: ReadonlyMap<NodeId, readonly Grant[]>
  /** with effect, in order */
  readonly effective: readonly Entry[]
  placeOf(entry: Entry): number
  hasSeen(later: Entry, earlier: EntryId): boolean
}

function historyOf(evidence: Evidence): History {
  const { membership, byId } = evidence
  const places = new Map([...membership.verdicts.keys()].map((id, at) => [id, at + 1]))
  const effective = [...membership.verdicts].flatMap(([id, verdict]) => (verdict === null ? (byId.get(id) ?? []) : []))
  const everyGrant = grantsOf(evidence)
  const grants = new Map(
    [...everyGrant].map(([node, all]) => [
      node,
      all.filter(({ entry }) => byId.get(entry)?.kind !== 'admit' || membership.members.get(node)?.marks.length === 0),
    ]),
  )
  return {
    evidence,
    everyGrant,
    grants,
    effective,
    placeOf: ({ id }) => places.get(id) ?? 0,
    hasSeen: (later, earlier) => evidence.ancestors(later.id)?.has(earlier) === true,
  }
}

export function checkPower(evidence: Evidence): void {
  const history = historyOf(evidence)
  checkKnowing(history)
  checkUnknowing(history)
  checkLastAdmin(history)
  checkOvertaken(history)
  checkExpulsions(history)
  checkRules(history)
  checkAgreed(history)
  checkSecretActs(history)
  checkDepartures(history)
  checkBound(history)
  checkWithheld(history)
  checkGivenUp(history)
}

function isTaking(entry: Entry, node: NodeId): boolean {
  return entry.kind === 'role' && targetOf(entry) === node && (entry.body as { role?: string }).role === 'member'
}

function isGiving(entry: Entry, node: NodeId): boolean {
  return entry.kind === 'role' && targetOf(entry) === node && (entry.body as { role?: string }).role === 'admin'
}

/** Made admin before this place, and neither gone nor without the role by then. */
function isAdminAt({ evidence, grants, effective, placeOf }: History, node: NodeId, place: number): boolean {
  if (!(grants.get(node) ?? []).some((grant) => grant.place < place)) return false
  const closing = closingOf(evidence, node)
  if (closing !== null && placeOf(closing.entry) < place) return false
  return !effective.some((entry) => isTaking(entry, node) && placeOf(entry) < place)
}

/**
 * Whether this entry may have been the only admin's: nobody else was one, and whoever became one later, did so by an
 * entry that had seen it.
 */
function mayBeAlone(history: History, deciding: Entry): boolean {
  const at = history.placeOf(deciding)
  return [...history.grants].every(([node, grants]) => {
    const [first] = grants
    if (node === deciding.author || first === undefined) return true
    const grant = history.evidence.byId.get(first.entry)
    if (first.place < at || grant === undefined) return !isAdminAt(history, node, at)
    return history.hasSeen(grant, deciding.id)
  })
}

/** Whether this vote was neither taken back nor lost its voice before that place. */
function isStanding({ effective, placeOf }: History, vote: Entry, place: number): boolean {
  const target = targetOf(vote)
  return !effective.some((entry) => {
    const isBetween = placeOf(entry) > placeOf(vote) && placeOf(entry) < place
    if (!isBetween || target === undefined) return false
    if (entry.kind === 'release' && targetOf(entry) === target) return entry.cosigned || entry.author === vote.author
    return entry.cosigned && (isGiving(entry, target) || isTaking(entry, vote.author))
  })
}

/** Expelled means: by the recovery key, by the only voice, or by two whose voices no single admin could have made. */
function checkExpulsions(history: History): void {
  const { evidence, everyGrant, placeOf } = history
  for (const [target, deciding] of decidingExpulsions(evidence)) {
    if (deciding.cosigned) continue
    const votes = expelsOn(evidence, target).filter((vote) => isStanding(history, vote, placeOf(deciding)))
    const isBacked = votes.some((vote) => agree(everyGrant, vote.author, deciding.author))
    if (!isBacked && !mayBeAlone(history, deciding)) {
      evidence.problem(
        `two-votes: ${nameOf(evidence, target)} was expelled by ${nameOf(evidence, deciding.author)} without a second independent vote`,
      )
    }
  }
}

/** Newer rules are active by the recovery key, by two who agree, or by the only admin. */
function checkRules(history: History): void {
  const { evidence, everyGrant, effective } = history
  const founding = evidence.byId.get(evidence.world.networkId as string as EntryId)
  const active = evidence.membership.network?.rules ?? 0
  if (active === (founding?.body as { rules?: number } | undefined)?.rules) return
  const votes = effective.filter(
    ({ kind, body }) => kind === 'upgrade' && (body as { rules?: number }).rules === active,
  )
  const isAgreed = votes.some(
    (one) => one.cosigned || votes.some((other) => agree(everyGrant, one.author, other.author)),
  )
  if (!isAgreed && !votes.some((vote) => mayBeAlone(history, vote)))
    evidence.problem(`two-votes: rules ${active} are active by the word of one`)
}

/** What it did knowing that it is in quarantine, or that its role was taken, has no effect. */
function checkKnowing({ evidence, effective, placeOf, hasSeen }: History): void {
  for (const act of effective) {
    const { author, kind, cosigned } = act
    // to vote a voice is enough, and to give up what one has
    if (cosigned || !NEEDS_AUTHORITY.has(kind) || kind === 'expel' || isTaking(act, author)) continue
    const name = `${kind} ${act.id.slice(0, 8)} of ${nameOf(evidence, author)}`
    const struck = effective.find(
      (each) => each.kind === 'quarantine' && targetOf(each) === author && hasSeen(act, each.id),
    )
    const isPardoned = effective.some(
      (each) => targetOf(each) === author && (each.kind === 'release' || (each.cosigned && isGiving(each, author))),
    )
    if (struck !== undefined && !isPardoned)
      evidence.problem(`authority: ${name} has effect, and knew of its quarantine`)
    const taken = effective.find((each) => isTaking(each, author) && hasSeen(act, each.id))
    const isGivenBack = effective.some(
      (each) => isGiving(each, author) && taken !== undefined && placeOf(each) > placeOf(taken),
    )
    if (taken !== undefined && !isGivenBack)
      evidence.problem(`authority: ${name} has effect, and knew that it had no role`)
  }
}

/** What an admin did without having seen what takes its power stands, wherever that sorts. */
function checkUnknowing(history: History): void {
  const { evidence, placeOf, hasSeen } = history
  for (const act of evidence.control) {
    if (evidence.membership.verdicts.get(act.id)?.code !== 'not-admin') continue
    const { author } = act
    const isGranted = (history.grants.get(author) ?? []).some((grant) => grant.place < placeOf(act))
    if (!isGranted || closingOf(evidence, author) !== null) continue
    const against = evidence.control.filter(
      (each) =>
        isTaking(each, author) || (targetOf(each) === author && (each.kind === 'quarantine' || each.kind === 'expel')),
    )
    // what comes after it took the voice from later acts only
    const taken = against.filter((each) => isTaking(each, author) && placeOf(each) < placeOf(act))
    const takers = new Set(taken.map((each) => (each.cosigned ? author : each.author)))
    const isEnded = takers.size > 1 || takers.has(author)
    if (isEnded || against.some(({ id }) => hasSeen(act, id))) continue
    evidence.problem(
      `nothing-undone: ${act.kind} ${act.id.slice(0, 8)} of ${nameOf(evidence, author)} fell by what it had not seen`,
    )
  }
}

/** Nobody gives up the role who is the last to have it. */
function checkLastAdmin(history: History): void {
  const { evidence, effective, grants, placeOf } = history
  for (const act of effective) {
    if (act.cosigned || !isTaking(act, act.author) || !isAdminAt(history, act.author, placeOf(act))) continue
    const others = [...grants.keys()].filter((node) => node !== act.author && hasPowerAt(history, node, placeOf(act)))
    if (others.length === 0)
      evidence.problem(`authority: ${nameOf(evidence, act.author)} was the last admin, and gave it up`)
  }
}

/** At least it may have: what takes the role and what gives it back may come in any number. */
function hasPowerAt({ evidence, grants, effective, placeOf }: History, node: NodeId, place: number): boolean {
  const granted = Math.max(0, ...(grants.get(node) ?? []).map((grant) => grant.place).filter((each) => each < place))
  const closing = closingOf(evidence, node)
  if (granted === 0 || (closing !== null && placeOf(closing.entry) < place)) return false
  const about = effective.filter((entry) => targetOf(entry) === node && placeOf(entry) < place)
  if (about.some((entry) => isTaking(entry, node) && placeOf(entry) > granted)) return false
  const struck = Math.max(0, ...about.flatMap((entry) => (entry.kind === 'quarantine' ? [placeOf(entry)] : [])))
  const freed = about.some((entry) => placeOf(entry) > struck && (entry.kind === 'release' || entry.cosigned))
  return struck === 0 || freed
}

/** A machine that somebody made an admin, not knowing that another took its place, keeps its place. */
function checkOvertaken(history: History): void {
  const { evidence, placeOf, hasSeen } = history
  for (const { node, replacedBy } of evidence.membership.members.values()) {
    const closing = replacedBy === null ? null : closingOf(evidence, node)
    if (closing === null) continue
    const grant = evidence.control.find(
      (entry) =>
        isGiving(entry, node) &&
        placeOf(entry) > placeOf(closing.entry) &&
        !hasSeen(entry, closing.entry.id) &&
        isAdminAt(history, entry.author, placeOf(entry)) &&
        !evidence.control.some(
          (each) => targetOf(each) === entry.author && each.kind !== 'admit' && hasSeen(entry, each.id),
        ),
    )
    if (grant !== undefined)
      evidence.problem(`nothing-undone: ${nameOf(evidence, node)} was made an admin, and another machine has its place`)
  }
}

interface Say {
  readonly isRoot: boolean
  /** who could have made it alone */
  readonly above: ReadonlySet<NodeId>
}

/** Whose voice surely was how at that place; nobody's whose role was ever taken. */
function saysAt({ grants, effective, placeOf, evidence }: History, place: number): Map<NodeId, Say> {
  const says = new Map<NodeId, Say>()
  const unsure = new Set<NodeId>()
  const all = [...grants].flatMap(([node, own]) => own.map((grant) => ({ node, ...grant })))
  for (const { node, by, place: at } of all.sort((a, b) => a.place - b.place)) {
    if (at >= place) break
    const appointer = by === null ? undefined : says.get(by)
    const chain = new Set(by === null ? [] : [by, ...(appointer?.above ?? [])])
    if (by !== null && (appointer === undefined || unsure.has(by))) unsure.add(node)
    const known = says.get(node)
    if (known === undefined || by === null) says.set(node, { isRoot: by === null, above: chain })
    else says.set(node, { ...known, above: new Set([...known.above].filter((each) => chain.has(each))) })
  }
  for (const entry of effective) {
    const node = entry.kind === 'role' ? targetOf(entry) : undefined
    if (node !== undefined && isTaking(entry, node) && placeOf(entry) < place) unsure.add(node)
  }
  for (const node of says.keys()) {
    const closing = closingOf(evidence, node)
    if (unsure.has(node) || (closing !== null && placeOf(closing.entry) < place)) says.delete(node)
  }
  return says
}

/** Two votes that agree throw out, whoever else is of another mind. */
function checkAgreed(history: History): void {
  const { evidence, placeOf } = history
  for (const { node, state } of evidence.membership.members.values()) {
    if (state !== 'member' && state !== 'quarantined') continue
    const votes = expelsOn(evidence, node)
    for (const [at, vote] of votes.entries()) {
      const says = saysAt(history, placeOf(vote))
      const agrees = votes
        .slice(0, at)
        .some((earlier) => isStanding(history, earlier, placeOf(vote)) && areApart(says, earlier.author, vote.author))
      if (agrees) evidence.problem(`two-votes: two who agree threw out ${nameOf(evidence, node)}, and it is in`)
    }
  }
}

function areApart(says: ReadonlyMap<NodeId, Say>, a: NodeId, b: NodeId): boolean {
  const [one, other] = [says.get(a), says.get(b)]
  if (one === undefined || other === undefined || a === b) return false
  const isCommon = (node: NodeId) =>
    (node === b || other.above.has(node)) && (says.get(node)?.isRoot !== true || node === a || node === b)
  return ![a, ...one.above].some(isCommon)
}

/** Of who is expelled no admin's act counts that one of the two votes had not seen: it was in quarantine by then. */
function checkSecretActs({ evidence, effective, hasSeen, placeOf }: History): void {
  const releases = effective.filter(({ kind, cosigned }) => kind === 'release' || cosigned)
  for (const { node, state } of evidence.membership.members.values()) {
    const votes = state === 'expelled' ? expelsOn(evidence, node) : []
    const authors = new Set(votes.map(({ author }) => author))
    if (votes.length !== 2 || authors.size !== 2 || releases.some((entry) => targetOf(entry) === node)) continue
    // an expel of a voice without power quarantines nobody
    const blows = votes.filter(
      (vote) =>
        !effective.some(
          (each) =>
            targetOf(each) === vote.author &&
            each.kind !== 'admit' &&
            placeOf(each) < placeOf(vote) &&
            !isGiving(each, vote.author),
        ),
    )
    for (const act of effective) {
      if (act.author !== node || act.cosigned || !NEEDS_AUTHORITY.has(act.kind)) continue
      const unseen = blows.find((vote) => !hasSeen(vote, act.id))
      if (unseen !== undefined)
        evidence.problem(
          `silent-after-cut: ${act.kind} ${act.id.slice(0, 8)} of ${nameOf(evidence, node)} was written in quarantine`,
        )
    }
  }
}

/** A departure begins with the leave, where there was one; candidates are the members that it knew, as far as it knew. */
function checkDepartures({ evidence, effective, placeOf, hasSeen }: History): void {
  const { membership, byId, problem } = evidence
  for (const { seed, node, candidates } of membership.departures.values()) {
    const begin = byId.get(seed)
    if (begin === undefined) continue
    const name = nameOf(evidence, node)
    const leave = effective.find(
      (each) => each.kind === 'leave' && each.author === node && placeOf(each) < placeOf(begin),
    )
    if (leave !== undefined) problem(`departures: ${name} was leaving, and its draw began with another entry`)
    for (const candidate of candidates) {
      const closing = closingOf(evidence, candidate)
      if (closing !== null && hasSeen(begin, closing.entry.id))
        problem(`departures: ${nameOf(evidence, candidate)} had gone, and may draw what ${name} left`)
    }
    for (const member of membership.members.values()) {
      const isIn = member.state === 'member' || member.state === 'quarantined'
      if (isIn && member.node !== node && hasSeen(begin, member.admit) && !candidates.includes(member.node))
        problem(`departures: ${nameOf(evidence, member.node)} may not draw what ${name} left`)
    }
  }
}

/**
 * Who came in by an invite whose issuer was in quarantine, unseen: without the role that it grants where the recovery
 * key or who could have made the issuer said so, and with it where another did.
 */
function checkWithheld({ evidence, everyGrant, effective, placeOf, hasSeen }: History): void {
  const { byId, membership } = evidence
  for (const admit of effective) {
    const invite = admit.kind === 'admit' ? byId.get(idIn(admit, 'invite') ?? ('' as EntryId)) : undefined
    const node = targetOf(admit)
    const member = node === undefined ? undefined : membership.members.get(node)
    if (invite === undefined || member === undefined || (invite.body as { role?: string }).role !== 'admin') continue
    if (member.marks.join() !== 'invite-revoked-late') continue
    const about = evidence.control.filter(
      (entry) =>
        !hasSeen(admit, entry.id) &&
        ((entry.kind === 'revoke' && idIn(entry, 'invite') === invite.id) ||
          (['quarantine', 'expel'].includes(entry.kind) && targetOf(entry) === invite.author)),
    )
    const isAbove = ({ author, cosigned }: Entry) => cosigned || isMadeBy(everyGrant, author, invite.author)
    const isFirst = (entry: Entry) => entry.kind === 'quarantine' && placeOf(entry) < placeOf(admit)
    const acts = evidence.control.filter(({ author, kind }) => author === member.node && kind === 'invite')
    const name = nameOf(evidence, member.node)
    const isStruck = about.some((entry) => effective.includes(entry) && isFirst(entry) && isAbove(entry))
    const isFreed = effective.some(
      (entry) =>
        targetOf(entry) === invite.author &&
        (entry.kind === 'release' || (entry.cosigned && isGiving(entry, invite.author))),
    )
    const isGranted = effective.some((entry) => isGiving(entry, member.node))
    if (isStruck && !isFreed && !isGranted && acts.some((act) => effective.includes(act)))
      evidence.problem(`single-use: ${name} has a role from who was in quarantine by who made it`)
    const isRefused = acts.some(
      (act) =>
        membership.verdicts.get(act.id)?.code === 'not-admin' &&
        !evidence.control.some(
          (entry) => targetOf(entry) === member.node && entry !== admit && placeOf(entry) < placeOf(act),
        ),
    )
    if (!about.some(isAbove) && isRefused) evidence.problem(`nothing-undone: ${name} lost its role by another's word`)
  }
}

/** Who gives its role up as if before what an admin apart from it relied on keeps its voice. */
function checkGivenUp({ evidence, everyGrant, grants, effective, hasSeen, placeOf }: History): void {
  const { control, membership } = evidence
  for (const end of effective) {
    const node = end.author
    if (end.cosigned || !isTaking(end, node)) continue
    const unknown = control.filter(({ id, author }) => author === node && id !== end.id && !hasSeen(end, id))
    const isRelied = effective.some(
      (act) =>
        act.kind === 'invite' &&
        !act.cosigned &&
        !hasSeen(act, end.id) &&
        !isMadeBy(everyGrant, node, act.author) &&
        unknown.some(({ id }) => hasSeen(act, id)),
    )
    if (!isRelied || (grants.get(node) ?? []).length === 0) continue
    const taken = effective.filter((each) => isTaking(each, node) && each !== end)
    const lost = control.find(
      (vote) =>
        vote.kind === 'expel' &&
        vote.author === node &&
        membership.verdicts.get(vote.id)?.code === 'not-admin' &&
        hasSeen(vote, end.id) &&
        !taken.some((each) => placeOf(each) < placeOf(vote)),
    )
    if (lost !== undefined)
      evidence.problem(`nothing-undone: ${nameOf(evidence, node)} gave up its voice before what others relied on`)
  }
}

/** Rules only rise; what the recovery key says stands in anybody's feed; a file is named by whom its id is bound to. */
function checkBound({ evidence, effective, hasSeen }: History): void {
  const { world, membership, control, problem } = evidence
  let rules = 0
  for (const entry of effective) {
    const name = `${entry.kind} ${entry.id.slice(0, 8)} of ${nameOf(evidence, entry.author)}`
    const body = entry.body as { rules?: number; files?: unknown; salt?: unknown }
    if (entry.kind === 'upgrade' && (body.rules ?? 0) <= rules) problem(`authority: ${name} takes rules back`)
    const target = targetOf(entry)
    if (!entry.cosigned && target === entry.author && (entry.kind === 'quarantine' || entry.kind === 'expel'))
      problem(`authority: ${name} is about itself`)
    if (!entry.cosigned && target !== undefined && isGiving(entry, target)) {
      const isStruck = effective.some(
        (each) => each.kind === 'quarantine' && targetOf(each) === target && hasSeen(entry, each.id),
      )
      const isFreed = effective.some(
        (each) => targetOf(each) === target && (each.kind === 'release' || (each.cosigned && isGiving(each, target))),
      )
      if (isStruck && !isFreed) problem(`authority: ${name} is about who was known to be in quarantine`)
    }
    if (entry.kind === 'found' || (entry.kind === 'upgrade' && entry.cosigned)) rules = body.rules ?? 0
    for (const ref of Array.isArray(body.files) ? body.files : body.salt === undefined ? [] : [body]) {
      const { file, author, salt } = ref as { file: Uint8Array; author: Uint8Array; salt: Uint8Array }
      if (fileIdFor(world.networkId, author, salt) !== idFrom<FileId>(file))
        problem(`one-writer: ${name} names another as the first author of a file`)
    }
  }
  for (const { id, kind, cosigned, author } of control) {
    if (cosigned && membership.members.has(author) && membership.verdicts.get(id)?.code === 'feed-closed')
      problem(`authority: ${kind} ${id.slice(0, 8)} by the recovery key counts no more`)
  }
}
