/**
 * No entry of A changes a file that A did not own at that place. Looked at from outside of the fold: along the chain of
 * entries that made the file what it is, and by leaving out what others wrote.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BranchId, type EntryId, type FileId, idBytes, idFrom } from '../../ids.ts'
import type { Entry } from '../../ledger/index.ts'
import type { MembershipState, OwnershipAct } from '../../membership/index.ts'
import { PROPERTY_TIMEOUT_MS, tries } from '../../testing.ts'
import { kindInfo } from '../kind-info.ts'
import { foldAllControl } from '../shared-fold.ts'
import { foldKnown, MemoryEntries, type World } from '../testing.ts'
import type { FileFold } from '../types.ts'
import { type Action, DEPARTURES, EVERYTHING, HANDOVERS, play, scripts } from './testing.ts'

interface Look {
  readonly fold: FileFold
  readonly membership: MembershipState
  readonly entries: ReadonlyMap<EntryId, Entry>
  /** ordinary entries about the file */
  readonly ordinary: readonly Entry[]
  readonly branchOf: (entry: Entry) => BranchId | undefined
}

/** One time with one owner, as the acts that took effect tell it. */
interface Epoch {
  readonly branch: BranchId
  readonly begin: OwnershipAct | null
  /** the offer at which it ended */
  readonly offer: OwnershipAct | null
  /** the acceptance of an admin's assignment with which it ended, its owner being there */
  readonly assigned: OwnershipAct | null
}

function look(world: World, file: FileId): Look {
  const all = new MemoryEntries()
  all.add(world.entries)
  const { membership } = foldAllControl(all.control())
  return {
    fold: foldKnown(world.network, all, file),
    membership,
    entries: new Map(world.entries.map((entry) => [entry.id, entry])),
    ordinary: all.bySubject(idBytes(file)).filter(({ kind }) => kind !== 'audience'),
    branchOf: ({ author }) => membership.members.get(author)?.branch,
  }
}

function epochsOf(seen: Look, file: FileId, upload: Entry): Epoch[] {
  const { fold, membership, branchOf } = seen
  const acts = membership.acts.get(file) ?? []
  const takers = acts.filter(
    ({ kind, entry }) => (kind === 'accept' || kind === 'adopt') && fold.verdicts.get(entry) === null,
  )
  const first = branchOf(upload)
  if (first === undefined) throw new Error('an upload by nobody')
  const begins: (OwnershipAct | null)[] = [null, ...takers]
  return begins.map((begin, at) => {
    const next = takers[at]
    const of = next?.kind === 'accept' ? idFrom<EntryId>(next.body.of) : undefined
    const offer = acts.find(({ kind, entry }) => kind === 'offer' && entry === of) ?? null
    const branch = begin?.branch ?? first
    const isAssigned = acts.some(({ kind, entry }) => kind === 'assign' && entry === of)
    const hasDeparted = membership.departures.has(branch)
    return { branch, begin, offer, assigned: isAssigned && !hasDeparted && !isOrphan(seen) ? (next ?? null) : null }
  })
}

/** From the newest entry with effect back to the upload, over what each builds on. */
function chainOf({ fold, entries }: Look): Entry[] {
  const chain: Entry[] = []
  for (let id = fold.file?.head; id !== undefined; ) {
    const entry = entries.get(id)
    if (entry === undefined) throw new Error('the chain leads to an entry that is not here')
    chain.unshift(entry)
    const { builds } = entry.body as { builds?: Uint8Array }
    id = builds === undefined ? undefined : idFrom<EntryId>(builds)
  }
  return chain
}

function isWithin(entry: Entry, { begin, offer, assigned }: Epoch): boolean {
  const [isBegun, isOver] = [
    begin === null || (entry.feed === begin.feed ? entry.seq > begin.seq : entry.ms >= begin.ms),
    (offer !== null && (entry.feed === offer.feed ? entry.seq > offer.seq : entry.ms > offer.ms)) ||
      (assigned !== null && entry.ms > assigned.ms),
  ]
  return isBegun && !isOver
}

/** Beyond the ends of its author's closed feed, or beside them. */
function isBeyondEnd({ membership: { closed, cuts }, entries }: Look, { author, feed, id, seq }: Entry): boolean {
  if (!closed.has(author)) return false
  return !(cuts.get(feed) ?? []).some((end) => {
    let step = entries.get(end.id)
    if (step === undefined) return seq < end.seq
    while (step !== undefined && step.id !== id) step = step.prev === null ? undefined : entries.get(step.prev)
    return step !== undefined
  })
}

/** Its owner has left it, or its author was replaced before the upload that made it was known. */
function isOrphan(seen: Look): boolean {
  const { membership, fold, ordinary } = seen
  const owner = fold.file?.owner
  const upload = ordinary.find(({ id }) => id === fold.file?.ownership)
  const isBorn = upload !== undefined && isBeyondEnd(seen, upload)
  return isBorn || (owner !== undefined && membership.departures.get(owner)?.left != null)
}

/** An admin may purge what nobody owns. */
function isPurgeOfOrphan(entry: Entry, seen: Look): boolean {
  const member = seen.membership.members.get(entry.author)
  return entry.kind === 'purge' && member?.role === 'admin' && member.state === 'member' && isOrphan(seen)
}

function expectOwned(world: World, file: FileId): void {
  const seen = look(world, file)
  const { fold, membership, branchOf } = seen
  if (fold.file === null) {
    expect(fold.versions).toEqual([])
    for (const { id } of seen.ordinary) expect(fold.verdicts.get(id)).not.toBeNull()
    return
  }
  const chain = chainOf(seen)
  const [upload] = chain
  if (upload?.kind !== 'upload') throw new Error('the chain does not begin with the upload')
  const epochs = epochsOf(seen, file, upload)
  expect(fold.file.owner).toBe(epochs.at(-1)?.branch)
  // in some order of the epochs that never goes back, each entry is by the branch that owned the file then
  let open = new Set(epochs.keys())
  for (const [place, entry] of chain.entries()) {
    expect(fold.verdicts.get(entry.id)).toBeNull()
    if (place === chain.length - 1 && branchOf(entry) !== fold.file.owner && isPurgeOfOrphan(entry, seen)) break
    const [earliest = 0] = [...open].sort((a, b) => a - b)
    const fitting = [...epochs.entries()].filter(
      ([at, epoch]) => at >= earliest && epoch.branch === branchOf(entry) && isWithin(entry, epoch),
    )
    open = new Set(fitting.map(([at]) => at))
    expect(open.size, `${entry.kind} by a branch that did not own the file there`).toBeGreaterThan(0)
    const isOrphanUpload = entry === upload && membership.members.get(entry.author)?.replacedBy != null
    if (!isOrphanUpload) expect(isBeyondEnd(seen, entry)).toBe(false)
  }
  // what else had effect stands beside, and was written by someone who owned the file once or had reason to believe so
  const onChain = new Set(chain.map(({ id }) => id))
  const beside = new Map(fold.versions.filter(({ conflict }) => conflict).map((version) => [version.entry, version]))
  const claimants = new Set([...epochs, ...(membership.acts.get(file) ?? [])].map(({ branch }) => branch))
  for (const entry of seen.ordinary) {
    if (onChain.has(entry.id) || fold.verdicts.get(entry.id) !== null) continue
    expect(beside.has(entry.id), `${entry.kind} has effect beside the chain`).toBe(true)
    expect(claimants).toContain(branchOf(entry))
  }
  expectSameWithout(world, file, seen, new Set(epochs.map(({ branch }) => branch)))
}

/** The file is the same when nobody but its owners, earlier and later ones, had written on it. */
function expectSameWithout(world: World, file: FileId, seen: Look, owners: ReadonlySet<BranchId | undefined>): void {
  const others = new Set(
    seen.ordinary
      .filter((entry) => !owners.has(seen.branchOf(entry)) && !isPurgeOfOrphan(entry, seen))
      .map(({ id }) => id),
  )
  const left = new MemoryEntries()
  left.add(world.entries.filter(({ id, kind }) => kindInfo(kind)?.isControl === true || !others.has(id)))
  const without = foldKnown(world.network, left, file)
  expect(without.file).toEqual(seen.fold.file)
  expect(without.epochs).toEqual(seen.fold.epochs)
  const standing = ({ versions }: FileFold) => versions.filter(({ conflict }) => !conflict)
  expect(standing(without)).toEqual(standing(seen.fold))
}

test.each<[string, readonly Action[], number]>([
  ['everything', EVERYTHING, 25],
  ['departures', DEPARTURES, 25],
  ['handovers', HANDOVERS, 40],
])(
  'what a file is, its owners made it: %s',
  (_name, of, numRuns) => {
    fc.assert(
      fc.property(scripts(of), (script) => {
        const { world, files } = play(script)
        for (const { file } of files) expectOwned(world, file)
      }),
      tries(numRuns),
    )
  },
  PROPERTY_TIMEOUT_MS,
)
