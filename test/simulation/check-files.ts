/** Sections 4, 5 and 8: one writer per file, nothing lost, offers, acceptances, draws, and who can never own. */
import { CONFLICT_NUMBERS, entitled } from '../../packages/core/src/catalogue/index.ts'
import { domain, sha256, verifyKeyProof } from '../../packages/core/src/crypto/index.ts'
import {
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  publicKeyFromNodeId,
} from '../../packages/core/src/ids.ts'
import type { Entry } from '../../packages/core/src/ledger/index.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import { type Evidence, fieldOf, idIn, nameOf } from './evidence.ts'

export interface Act {
  readonly entry: Entry
  readonly kind: string
  readonly branch: BranchId
  /** the offer, assignment or seed that it is about */
  readonly of: EntryId | undefined
  readonly proof: Uint8Array | undefined
  /** null when it has effect on this file */
  readonly refusal: string | null
}

/** Ownership entries about one file, in the order of the fold, as they stand in the entries themselves. */
export function actsOn(evidence: Evidence, file: FileId): Act[] {
  const acts: Act[] = []
  for (const [id, verdict] of evidence.membership.verdicts) {
    const entry = evidence.byId.get(id)
    const branch = entry === undefined ? undefined : evidence.membership.members.get(entry.author)?.branch
    if (entry === undefined || branch === undefined) continue
    const about = entry.kind === 'accept' ? refIn(entry, file) : entry.body
    const named = (about as { file?: unknown } | undefined)?.file
    if (!(named instanceof Uint8Array) || idFrom<FileId>(named) !== file) continue
    if (!['offer', 'accept', 'decline', 'cancel', 'assign', 'adopt'].includes(entry.kind)) continue
    const proof = (about as { proof?: unknown }).proof
    acts.push({
      entry,
      kind: entry.kind,
      branch,
      of: idIn(entry, 'of'),
      proof: proof instanceof Uint8Array ? proof : undefined,
      refusal: verdict?.code ?? evidence.refusalOn(file, id),
    })
  }
  return acts
}

function refIn(entry: Entry, file: FileId): unknown {
  const { files } = entry.body as { files?: unknown }
  return Array.isArray(files)
    ? files.find((each) => each?.file instanceof Uint8Array && idFrom<FileId>(each.file) === file)
    : undefined
}

export function checkFiles(evidence: Evidence): void {
  for (const row of evidence.files) {
    const acts = actsOn(evidence, row.file)
    checkWriters(evidence, row, acts)
    checkChain(evidence, row, acts)
    checkProofs(evidence, row, acts)
    checkOffers(evidence, row, acts)
    checkDraws(evidence, row, acts)
  }
}

type Row = Evidence['files'][number]

function checkWriters(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const { membership, state, world, byId } = evidence
  const name = row.file.slice(0, 8)
  if (fileIdFor(world.networkId, row.author, row.salt) !== row.file)
    evidence.problem(`one-writer: ${name} is not of its first author`)
  const first = [...membership.members.values()].find(({ key }) => Buffer.compare(key, row.author) === 0)?.branch
  const taken = acts.filter(({ kind, refusal }) => (kind === 'accept' || kind === 'adopt') && refusal === null)
  const rightful = new Set([first, ...taken.map(({ branch }) => branch)])
  const claimed = new Set([
    ...rightful,
    ...acts.filter(({ kind }) => kind === 'accept' || kind === 'adopt').map(({ branch }) => branch),
  ])
  if (!rightful.has(row.owner)) evidence.problem(`one-writer: ${name} has an owner that never took it`)
  for (const version of state.versions(row.file)) {
    if (!(version.conflict ? claimed : rightful).has(version.branch)) {
      evidence.problem(
        `one-writer: ${nameOf(evidence, version.author)} never owned ${name} and wrote version ${version.version}`,
      )
    }
  }
  for (const entry of evidence.changes.get(row.file) ?? []) {
    const member = membership.members.get(entry.author)
    if (member === undefined || rightful.has(member.branch) || evidence.refusalOn(row.file, entry.id) !== null) continue
    const isConflict = state.versions(row.file).some((version) => version.conflict && version.entry === entry.id)
    const mayPurge = entry.kind === 'purge' && membership.departures.has(row.owner) && member.role === 'admin'
    if (!isConflict && !mayPurge) {
      evidence.problem(`one-writer: ${entry.kind} of ${nameOf(evidence, entry.author)} on ${name} has effect`)
    }
  }
  if (byId.get(row.head) === undefined) evidence.problem(`one-writer: ${name} stands on an entry that is not here`)
}

/** Of two changes that build on one, one counts; an update that does not is kept beside; nothing honest is lost. */
function checkChain(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const { state, world, membership } = evidence
  const versions = state.versions(row.file)
  const conflicts = new Map(versions.filter(({ conflict }) => conflict).map((version) => [version.entry, version]))
  const followers = new Map<EntryId, Entry>()
  for (const entry of evidence.changes.get(row.file) ?? []) {
    const builds = idIn(entry, 'builds')
    const refusal = evidence.refusalOn(row.file, entry.id)
    const isBeside = conflicts.has(entry.id)
    const name = `${entry.kind} ${entry.id.slice(0, 8)}`
    if (builds !== undefined && refusal === null && !isBeside) {
      if (followers.has(builds)) evidence.problem(`conflicts-kept: two changes count that build on one: ${name}`)
      followers.set(builds, entry)
    }
    const isPlain = entry.kind === 'update' && (entry.body as { opens?: unknown }).opens === undefined
    if (isPlain && refusal === 'conflict')
      evidence.problem(`conflicts-kept: ${name} builds on another and stands nowhere`)
    if (entry.kind !== 'update' || world.written.get(entry.id)?.isAcknowledged !== true) continue
    const stands = versions.some((version) => version.entry === entry.id)
    const opens = (entry.body as { opens?: unknown }).opens !== undefined
    if (refusal === null && !stands) evidence.problem(`nothing-acknowledged-lost: ${name} has effect and no version`)
    if (refusal === null || LOSSES.has(refusal)) continue
    const isGone =
      membership.departures.has(membership.members.get(entry.author)?.branch ?? ('' as BranchId)) ||
      membership.closed.has(entry.author)
    if (refusal === 'not-owner' && (isGone || opens)) continue
    if (refusal === 'not-owner' && tookWhatWasVoid(evidence, acts, entry)) continue
    if (refusal === 'conflict' && opens) continue
    if (refusal === 'wrong-epoch') continue
    // its author came in by a machine that was gone by then
    if (refusal === 'not-a-member' && !membership.members.has(entry.author)) continue
    evidence.problem(`nothing-acknowledged-lost: honest ${name} on ${row.file.slice(0, 8)} was refused: ${refusal}`)
  }
  for (const version of conflicts.values()) {
    if (version.version < CONFLICT_NUMBERS) evidence.problem('conflicts-kept: a conflict version with a plain number')
    const loser = evidence.byId.get(version.entry)
    const builds = loser === undefined ? undefined : idIn(loser, 'builds')
    const winner = builds === undefined ? undefined : followers.get(builds)
    if (acts.length > 0 || loser === undefined || winner === undefined || winner.author !== loser.author) continue
    if (loser.ms < winner.ms) evidence.problem(`conflicts-kept: the later of two counts on ${row.file.slice(0, 8)}`)
  }
}

/**
 * It owned by what turned out not to have been: an offer of a machine that was gone by then, a departure or replacement
 * that was contested. Nobody but it had reason to believe so; such a claim would let anyone write beside anybody's file.
 */
function tookWhatWasVoid({ membership, world }: Evidence, acts: readonly Act[], { author }: Entry): boolean {
  const member = membership.members.get(author)
  const branch = member?.branch
  if (member?.marks.includes('replacement-lost') === true) return true
  return acts.some(
    (act) =>
      (act.kind === 'accept' || act.kind === 'adopt') &&
      act.branch === branch &&
      act.refusal !== null &&
      act.refusal !== 'contradicted' &&
      act.refusal !== 'draw-lost' &&
      world.written.get(act.entry.id)?.isAcknowledged === true,
  )
}

/** What may happen to an honest update besides standing as a version: somebody's later decision about the file. */
const LOSSES = new Set(['feed-closed', 'leaving', 'purged', 'deleted', 'handoff-pending'])

export function checkUploads(evidence: Evidence): void {
  const { world, byId, membership, state } = evidence
  for (const { entry, node, isAcknowledged } of world.written.values()) {
    if (!isAcknowledged || entry.kind !== 'upload' || !byId.has(entry.id)) continue
    const file = idFrom<FileId>(fieldOf(entry, 'file') ?? new Uint8Array(16))
    if (state.file(file) !== null) continue
    const isGone =
      !membership.members.has(node.id) ||
      membership.closed.has(node.id) ||
      membership.departures.has(membership.members.get(node.id)?.branch ?? ('' as BranchId))
    if (!isGone)
      evidence.problem(`nothing-acknowledged-lost: ${node.name}'s upload ${entry.id.slice(0, 8)} made no file`)
  }
}

/** Whoever took a file proved the newest key that stood where it took it, and its branch was entitled to that key. */
function checkProofs(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const { state, world, byId } = evidence
  const epochs = state.epochs(row.file)
  for (const act of acts) {
    if (act.refusal !== null || (act.kind !== 'accept' && act.kind !== 'adopt') || act.proof === undefined) continue
    const { proof, branch, of } = act
    const parts = act.kind === 'adopt' || of === undefined ? [idBytes(branch)] : [idBytes(of), idBytes(branch)]
    const used = epochs.find((epoch) => verifyKeyProof(world.networkId, epoch.proof, row.file, proof, ...parts))
    const secret = used === undefined ? undefined : world.vault.epoch(used.proof)
    const who = nameOf(evidence, act.entry.author)
    if (used === undefined) {
      evidence.problem(`denied-never-owner: ${who} took ${row.file.slice(0, 8)} without the key`)
      continue
    }
    // a hostile owner may hand its own keys to whom it likes
    if (secret !== undefined && !entitled(secret.list, branch) && !isHostile(evidence, act.entry)) {
      evidence.problem(`denied-never-owner: ${who} is denied ${row.file.slice(0, 8)} and took it`)
    }
    const offer = of === undefined ? undefined : byId.get(of)
    const builds = offer?.kind === 'offer' ? byId.get(idIn(offer, 'builds') ?? ('' as EntryId)) : undefined
    const newer = epochs.find((epoch) => {
      const opened = byId.get(epoch.entry)
      return (
        builds !== undefined &&
        opened !== undefined &&
        epoch.epoch > used.epoch &&
        opened.feed === builds.feed &&
        opened.seq <= builds.seq
      )
    })
    if (newer !== undefined)
      evidence.problem(`denied-never-owner: ${who} took ${row.file.slice(0, 8)} with the key of a closed epoch`)
  }
}

function isHostile({ world }: Evidence, entry: Entry): boolean {
  return world.nodes.find(({ id }) => id === entry.author)?.hostile !== false
}

function checkOffers(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  const seenBy = (act: Act) => evidence.ancestors(act.entry.id) ?? new Set<EntryId>()
  const place = new Map(acts.map((act, at) => [act.entry.id, at]))
  for (const offer of acts) {
    if (offer.kind !== 'offer' || offer.refusal !== null) continue
    const about = acts.filter(({ of }) => of === offer.entry.id)
    const endings = about.filter(({ kind }) => kind === 'cancel' || kind === 'decline')
    const accepts = about.filter(({ kind }) => kind === 'accept')
    const to = fieldOf(offer.entry, 'to')
    for (const accept of accepts) {
      const knew = endings.filter(
        ({ entry, refusal }) => seenBy(accept).has(entry.id) && (refusal === null || refusal === 'too-late'),
      )
      const seed = evidence.membership.departures.get(offer.branch)?.seed
      const lapsed = seed !== undefined && seenBy(accept).has(seed)
      const isTo = to !== undefined && idFrom<BranchId>(to) === accept.branch
      const name = `accept ${accept.entry.id.slice(0, 8)} of ${nameOf(evidence, accept.entry.author)}`
      if (
        accept.refusal === 'handoff-over' &&
        isTo &&
        !lapsed &&
        !endings.some(({ entry }) => seenBy(accept).has(entry.id))
      ) {
        evidence.problem(`acceptance-beats-unseen-cancel: ${name} was stopped by what it had not seen`)
      }
      if (accept.refusal !== null) continue
      if (!isTo) evidence.problem(`one-writer: ${name} took what was offered to another`)
      for (const ending of knew) {
        const mayEnd = ending.kind === 'cancel' ? ending.branch === offer.branch : ending.branch === accept.branch
        if (mayEnd) evidence.problem(`acceptance-beats-unseen-cancel: ${name} had seen that the offer was over`)
      }
      for (const ending of endings) {
        if (ending.refusal === null)
          evidence.problem(`acceptance-beats-unseen-cancel: a ${ending.kind} counts beside ${name}`)
      }
    }
    checkFreeze(evidence, row, offer, endings, acts.slice((place.get(offer.entry.id) ?? 0) + 1))
  }
}

/** Between an offer and its end the owner's changes do not count. */
function checkFreeze(evidence: Evidence, row: Row, offer: Act, endings: readonly Act[], later: readonly Act[]): void {
  const isBack = later.some(
    ({ kind, branch, refusal }) =>
      (kind === 'accept' || kind === 'adopt') && branch === offer.branch && refusal === null,
  )
  if (isBack) return
  const conflicts = new Set(
    evidence.state
      .versions(row.file)
      .filter(({ conflict }) => conflict)
      .map(({ entry }) => entry),
  )
  for (const entry of evidence.changes.get(row.file) ?? []) {
    if (entry.feed !== offer.entry.feed || entry.seq <= offer.entry.seq || conflicts.has(entry.id)) continue
    if (evidence.refusalOn(row.file, entry.id) !== null) continue
    const isFreed = endings.some(
      ({ entry: end, refusal }) =>
        refusal === null && (end.feed === entry.feed ? end.seq < entry.seq : end.ms <= entry.ms),
    )
    if (!isFreed)
      evidence.problem(
        `offer-freezes: ${entry.kind} ${entry.id.slice(0, 8)} counts while ${row.file.slice(0, 8)} was offered`,
      )
  }
}

const DRAW_WINDOW_MS = 10 * 60_000

/** Of acceptances that had not seen each other the best rank within ten minutes of the earliest has the file. */
function checkDraws(evidence: Evidence, row: Row, acts: readonly Act[]): void {
  for (const { seed, candidates } of evidence.membership.departures.values()) {
    const accepts = acts.filter(({ kind, of }) => kind === 'accept' && of === seed)
    const winners = accepts.filter(({ refusal }) => refusal === null)
    if (winners.length > 1) evidence.problem(`draw: ${row.file.slice(0, 8)} was drawn twice`)
    const [winner] = winners
    if (winner === undefined) continue
    if (!candidates.includes(winner.entry.author))
      evidence.problem(`draw: ${nameOf(evidence, winner.entry.author)} was no candidate`)
    const lost = accepts.filter(({ refusal }) => refusal === 'draw-lost')
    const rivals = [winner, ...lost]
    const earliest = Math.min(...rivals.map(({ entry }) => entry.ms))
    const rank = ({ entry }: Act) =>
      Buffer.from(
        sha256(
          domain('draw', evidence.world.networkId),
          idBytes(seed),
          idBytes(row.file),
          publicKeyFromNodeId(entry.author),
        ),
      ).toString('hex')
    const near = rivals.filter(({ entry }) => entry.ms - earliest <= DRAW_WINDOW_MS)
    const best = near.reduce((a, b) => (rank(b) < rank(a) ? b : a))
    if (best !== winner) evidence.problem(`draw: ${row.file.slice(0, 8)} did not go to the best rank`)
    for (const rival of lost) {
      if (evidence.ancestors(rival.entry.id)?.has(winner.entry.id))
        evidence.problem('draw: who had seen the winner counts as its rival')
      if (evidence.ancestors(winner.entry.id)?.has(rival.entry.id))
        evidence.problem(`draw: ${row.file.slice(0, 8)} went to who had seen it taken`)
    }
  }
}
