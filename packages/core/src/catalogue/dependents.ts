/**
 * What has to be folded again when the control entries come to mean something else. Ordinary entries depend on their
 * author's standing, files on their ownership acts and on who is on the way out; nothing else. Spec:
 * docs/specs/state-digest.md, "Late entries".
 */
import {
  type BranchId,
  type FileId,
  feedAuthor,
  idBytes,
  idFrom,
  type NodeId,
  nodeIdFromPublicKey,
  toHex,
} from '../ids.ts'
import type { Departure, FeedEnd, Member, MembershipState, OwnershipAct } from '../membership/index.ts'

export interface DependentsInit {
  readonly before: MembershipState
  readonly after: MembershipState
  /** entries were sorted in before others: places in control order have moved */
  readonly isRefold: boolean
  subjectsOf(author: NodeId): Iterable<Uint8Array>
  /** files with this owner, in whatever state */
  ownedBy(branch: BranchId): Iterable<FileId>
  /** key of the file's first author, and its present owner; undefined when it has no row */
  originOf(file: FileId): { readonly author: Uint8Array; readonly owner: BranchId } | undefined
}

/** Subjects by their hex names. */
export type Subjects = Map<string, Uint8Array>

export function addSubject(subjects: Subjects, subject: Uint8Array): void {
  subjects.set(toHex(subject), subject)
}

export function dependents(init: DependentsInit): Subjects {
  const { before, after } = init
  const subjects: Subjects = new Map()
  for (const author of changedAuthors(before, after)) {
    for (const subject of init.subjectsOf(author)) addSubject(subjects, subject)
  }
  for (const author of changedPowers(before, after)) {
    // an admin's power matters for what nobody owns: purges of orphans
    for (const subject of init.subjectsOf(author)) {
      const origin = subject.length === 16 ? init.originOf(idFrom<FileId>(subject)) : undefined
      if (origin !== undefined && (after.departures.has(origin.owner) || before.departures.has(origin.owner))) {
        addSubject(subjects, subject)
      }
    }
  }
  const departed = changedDepartures(before, after)
  for (const branch of departed) {
    for (const file of init.ownedBy(branch)) addSubject(subjects, idBytes(file))
    // what it wrote after its leave does not count, also on files of others
    for (const node of new Set([before.departures.get(branch)?.node, after.departures.get(branch)?.node])) {
      if (node !== undefined) for (const subject of init.subjectsOf(node)) addSubject(subjects, subject)
    }
  }
  for (const file of changedActs(init, departed)) addSubject(subjects, idBytes(file))
  return subjects
}

/** Members whose entries may count otherwise than before. */
function changedAuthors(before: MembershipState, after: MembershipState): Set<NodeId> {
  const changed = new Set<NodeId>()
  const standing = (member: Member | undefined, state: MembershipState) =>
    member === undefined ? '' : `${member.branch} ${member.replacedBy} ${state.closed.has(member.node)}`
  for (const node of union(before.members, after.members)) {
    const [old, now] = [before.members.get(node), after.members.get(node)]
    if (old === now && before.closed.has(node) === after.closed.has(node)) continue
    if (standing(old, before) !== standing(now, after)) changed.add(node)
  }
  for (const feed of union(before.cuts, after.cuts)) {
    if (endsText(before.cuts.get(feed)) !== endsText(after.cuts.get(feed)))
      changed.add(nodeIdFromPublicKey(feedAuthor(feed)))
  }
  return changed
}

function changedPowers(before: MembershipState, after: MembershipState): NodeId[] {
  if (before.departures.size === 0 && after.departures.size === 0) return []
  const power = (member: Member | undefined) => member?.state === 'member' && member.role === 'admin'
  return [...union(before.members, after.members)].filter(
    (node) => power(before.members.get(node)) !== power(after.members.get(node)),
  )
}

function changedDepartures(before: MembershipState, after: MembershipState): Set<BranchId> {
  const text = (departure: Departure | undefined) =>
    departure === undefined
      ? ''
      : `${departure.seed} ${departure.node} ${departure.candidates.join()} ${departure.left?.orphans.join() ?? '-'}`
  return new Set(
    [...union(before.departures, after.departures)].filter(
      (branch) => text(before.departures.get(branch)) !== text(after.departures.get(branch)),
    ),
  )
}

function changedActs(init: DependentsInit, departed: ReadonlySet<BranchId>): Set<FileId> {
  const { before, after } = init
  const files = new Set<FileId>()
  if (before.acts === after.acts && departed.size === 0 && !init.isRefold) return files
  for (const file of union(before.acts, after.acts)) {
    const [old, now] = [before.acts.get(file) ?? [], after.acts.get(file) ?? []]
    if (old !== now && actsText(old) !== actsText(now)) files.add(file)
    else if (init.isRefold && placesText(old, before) !== placesText(now, after)) files.add(file)
    else if (departed.size > 0 && involves(init, file, now, departed)) files.add(file)
  }
  return files
}

function actsText(acts: readonly OwnershipAct[]): string {
  return acts.map(({ entry, node, branch, isAdmin }) => `${entry} ${node} ${branch} ${isAdmin}`).join()
}

function endsText(ends: readonly FeedEnd[] = []): string {
  return ends.map(({ id, seq }) => `${id} ${seq}`).join()
}

/** Where the acts stand among the departures; their absolute places say nothing. */
function placesText(acts: readonly OwnershipAct[], { departures }: MembershipState): string {
  const places: string[] = []
  for (const { branch, index, left } of departures.values()) {
    const begun = acts.filter((act) => act.index > index).length
    const ended = left === null ? '-' : acts.filter((act) => act.index > left.index).length
    places.push(`${branch} ${begun} ${ended}`)
  }
  return places.sort().join()
}

function involves(
  { after, originOf }: DependentsInit,
  file: FileId,
  acts: readonly OwnershipAct[],
  departed: ReadonlySet<BranchId>,
): boolean {
  if (acts.some((act) => departed.has(act.branch))) return true
  const origin = originOf(file)
  if (origin === undefined) return false
  const first = after.members.get(nodeIdFromPublicKey(origin.author))?.branch
  return departed.has(origin.owner) || (first !== undefined && departed.has(first))
}

function* union<K>(a: ReadonlyMap<K, unknown>, b: ReadonlyMap<K, unknown>): Generator<K> {
  yield* a.keys()
  if (a !== b) for (const key of b.keys()) if (!a.has(key)) yield key
}
