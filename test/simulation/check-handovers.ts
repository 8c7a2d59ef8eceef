/** Sections 4 and 8: one owner after the other, by what lets a file change hands, and what is told of contradictions. */
import { OFFER_OPEN_MS } from '../../packages/core/src/catalogue/index.ts'
import type { BranchId, EntryId } from '../../packages/core/src/ids.ts'
import { type Act, actsOn } from './check-files.ts'
import { grantsOf } from './check-members.ts'
import type { Evidence } from './evidence.ts'

type Row = Evidence['files'][number]

export function checkHandovers(evidence: Evidence): void {
  for (const row of evidence.files) {
    const acts = actsOn(evidence, row.file)
    checkEndings(evidence, row)
    checkRestores(evidence, row)
    if (acts.length === 0) continue
    checkSuccession(evidence, row, acts)
    checkClosers(evidence, acts)
    checkAssignments(evidence, row, acts)
    checkMarks(evidence, row, acts)
    checkFormerOwners(evidence, row, acts)
  }
}

/** Each that took the file took it from the one before: nobody from a branch that had given it away. */
function checkSuccession(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const { membership } = evidence
  const { departures } = membership
  const seeds = new Map([...departures.values()].map(({ seed, branch }) => [seed, branch]))
  const byEntry = new Map(acts.map((act) => [act.entry.id, act]))
  const first = [...membership.members.values()].find(({ key }) => Buffer.compare(key, row.author) === 0)
  // of a draw the first acceptance in order decides, whoever wins
  const placeOf = (act: Act, at: number) =>
    act.of !== undefined && seeds.has(act.of)
      ? acts.findIndex(({ kind, of }) => kind === 'accept' && of === act.of)
      : at
  const taken = acts
    .map((act, at) => ({ act, at: placeOf(act, at) }))
    .filter(({ act }) => act.refusal === null && (act.kind === 'accept' || act.kind === 'adopt'))
    .sort((a, b) => a.at - b.at)
  const name = row.file.slice(0, 8)
  const answered = new Set<EntryId>()
  let owner = first?.branch
  for (const { act } of taken) {
    if (act.kind === 'adopt') {
      const isOrphan = owner !== undefined && departures.get(owner)?.left != null
      const isBornOrphan = owner === first?.branch && first?.replacedBy !== null
      if (!isOrphan && !isBornOrphan) evidence.problem(`one-owner: ${name} was adopted and is no orphan`)
    } else if (act.of !== undefined) {
      if (answered.has(act.of)) evidence.problem(`one-owner: ${name} was given away twice by one entry`)
      answered.add(act.of)
      const offer = byEntry.get(act.of)
      const from = offer?.kind === 'offer' ? offer.branch : seeds.get(act.of)
      if (from !== undefined && from !== owner) evidence.problem(`one-owner: ${name} was taken from who did not own it`)
      if (from === undefined && offer?.kind !== 'assign') evidence.problem(`one-owner: ${name} was taken by no offer`)
      if (offer !== undefined && offer.refusal !== null)
        evidence.problem(`one-owner: ${name} was taken by an offer without effect`)
    }
    owner = act.branch
  }
  if (owner !== row.owner) evidence.problem(`one-owner: ${name} belongs to another than who took it last`)
}

/** An offer is taken back by its branch, declined by its receiver, an assignment taken back by an admin. */
function checkClosers(evidence: Evidence, acts: readonly Act[]): void {
  const { ancestors, problem } = evidence
  const { departures } = evidence.membership
  const grants = grantsOf(evidence)
  const byEntry = new Map(acts.map((act) => [act.entry.id, act]))
  for (const { kind, of, branch, entry, refusal } of acts) {
    const offer = of === undefined ? undefined : byEntry.get(of)
    if (refusal !== null || offer === undefined) continue
    const seed = departures.get(offer.branch)?.seed
    if (kind === 'accept' && offer.kind === 'offer' && seed !== undefined && ancestors(entry.id)?.has(seed) === true)
      problem(`own-offers: accept ${entry.id.slice(0, 8)} of who had left, which it knew`)
    if (kind !== 'cancel' && kind !== 'decline') continue
    const to = (offer.entry.body as { to?: Uint8Array }).to
    const isReceiver = to !== undefined && Buffer.from(to).toString('hex') === branch
    const isAdmin = entry.cosigned || grants.has(entry.author)
    const mayEnd = kind === 'decline' ? isReceiver : offer.kind === 'assign' ? isAdmin : offer.branch === branch
    if (!mayEnd) problem(`own-offers: ${kind} ${entry.id.slice(0, 8)} of somebody else ended an offer`)
  }
}

/** For orphans, for who departs, for what contradicts itself, and for what nobody answered in seven days. */
function checkAssignments(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const { departures } = evidence.membership
  const marks = evidence.state.marks().filter(({ file }) => file === row.file)
  const handovers = acts.filter(({ kind }) => kind === 'offer' || kind === 'assign')
  const first = [...evidence.membership.members.values()].find(({ key }) => Buffer.compare(key, row.author) === 0)
  const owners = [row.owner, ...acts.map(({ branch }) => branch), ...(first === undefined ? [] : [first.branch])]
  const departed = new Set<BranchId>(owners.filter((each) => departures.has(each)))
  const seenBy = (act: Act) => evidence.ancestors(act.entry.id) ?? new Set<EntryId>()
  const isBornOrphan = first !== undefined && first.replacedBy !== null
  for (const act of acts) {
    if (act.kind !== 'assign') continue
    const old = handovers.filter((each) => act.entry.ms - each.entry.ms >= OFFER_OPEN_MS)
    const name = `assign ${act.entry.id.slice(0, 8)}`
    if (act.refusal === null && old.length === 0 && departed.size === 0 && marks.length === 0 && !isBornOrphan)
      evidence.problem(`assignments: ${name} settles what was not to be settled`)
    if (act.refusal !== 'not-assignable') continue
    const isUnanswered = old.some(
      ({ kind, branch, entry, refusal }) =>
        kind === 'offer' &&
        refusal === null &&
        branch === row.owner &&
        !departures.has(branch) &&
        seenBy(act).has(entry.id) &&
        !acts.some(
          // who is no party to it answers nothing
          (other) => other.of === entry.id && other.refusal !== 'not-party' && seenBy(act).has(other.entry.id),
        ),
    )
    if (isUnanswered) evidence.problem(`assignments: ${name} was refused, and nobody had answered for seven days`)
    const taken = acts.filter(({ kind, refusal }) => kind === 'accept' && refusal === null)
    const isDisputed =
      marks.length > 0 &&
      marks.every(({ entry }) =>
        acts.some(({ kind, of }) => kind === 'accept' && of === entry && seenBy(act).has(entry)),
      ) &&
      acts.every(({ kind, entry }) => kind !== 'accept' || seenBy(act).has(entry.id)) &&
      taken.length === 1
    if (isDisputed) evidence.problem(`assignments: ${name} was refused, and two acceptances contradict each other`)
  }
}

/** Where two answered different offers of one owner, unseen by each other, both offers are marked. */
function checkMarks(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const byEntry = new Map(acts.map((act) => [act.entry.id, act]))
  const marked = new Set(evidence.state.marks().flatMap(({ file, entry }) => (file === row.file ? [entry] : [])))
  const taken = acts.filter(({ kind, refusal }) => kind === 'accept' && refusal === null)
  const [winner] = taken
  const won = winner?.of === undefined ? undefined : byEntry.get(winner.of)
  if (taken.length !== 1 || won?.kind !== 'offer') return
  for (const { refusal, of } of acts) {
    const lost = of === undefined ? undefined : byEntry.get(of)
    if (refusal !== 'contradicted' || lost?.kind !== 'offer' || lost === won) continue
    for (const { entry } of [won, lost]) {
      if (!marked.has(entry.id)) evidence.problem(`marks: ${entry.id.slice(0, 8)} gave a file twice and bears no mark`)
    }
  }
}

/** What it wrote after it had given the file away stands beside: it is not as if the offer were open. */
function checkFormerOwners(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const given = acts.filter(
    ({ kind, entry, refusal }) =>
      kind === 'offer' &&
      refusal === null &&
      acts.some((act) => act.kind === 'accept' && act.refusal === null && act.of === entry.id),
  )
  const owned = new Set(
    acts.filter(({ kind, refusal }) => kind === 'accept' && refusal === null).map(({ branch }) => branch),
  )
  for (const entry of evidence.changes.get(row.file) ?? []) {
    if (entry.kind !== 'update' || evidence.refusalOn(row.file, entry.id) !== 'handoff-pending') continue
    const branch = evidence.membership.members.get(entry.author)?.branch
    const offers = acts.filter((act) => act.kind === 'offer' && act.branch === branch && act.refusal === null)
    const isGiven = offers.every((offer) => given.includes(offer)) && branch !== undefined && !owned.has(branch)
    const isLater = offers.every((offer) => offer.entry.feed === entry.feed && offer.entry.seq < entry.seq)
    if (offers.length > 0 && isGiven && isLater)
      evidence.problem(`conflicts-kept: update ${entry.id.slice(0, 8)} of a former owner stands nowhere`)
  }
}

/** A conflict version is kept so that its owner can take it. */
function checkRestores({ changes, refusalOn, state, problem, world }: Evidence, { file }: Row): void {
  const conflicts = new Set(state.versions(file).flatMap(({ conflict, version }) => (conflict ? [version] : [])))
  for (const { id, kind, body } of changes.get(file) ?? []) {
    const { version } = body as { version?: number }
    const wanted = kind === 'restore' && world.written.has(id) && version !== undefined && conflicts.has(version)
    if (wanted && refusalOn(file, id) === 'unknown-version')
      problem(`conflicts-kept: restore ${id.slice(0, 8)} of a conflict version that is there was refused`)
  }
}

/** No clock ends an offer, the owner's node does: when it had the time to, none is left. */
function checkEndings({ world, membership, ...evidence }: Evidence, { file, owner, offer, state }: Row): void {
  if (offer === null || state === 'purged' || membership.departures.has(owner)) return
  const author = evidence.byId.get(offer.entry)
  const node = world.nodes.find(({ id }) => id === author?.author)
  const member = node === undefined ? undefined : membership.members.get(node.id)
  if (author?.kind !== 'offer' || node === undefined || node.hostile || member?.state !== 'member') return
  const isIdle = world.timeline.now - offer.ms < OFFER_OPEN_MS + 10 * 60_000
  // a key that it has no more, a machine that came late: then it cannot
  if (!isIdle && member.branch === owner && node.on !== null && node.up.standIns.views.get(file) !== null)
    evidence.problem(`offers-end: ${node.name} has not taken back an offer of more than seven days`)
}
