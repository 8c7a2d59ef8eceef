/** Section 4, authority: order by causality, rank and id, never by a clock; who may let in, throw out, decide. */
import { equalBytes, verify } from '../../packages/core/src/crypto/index.ts'
import {
  type EntryId,
  type FeedId,
  feedIdFrom,
  idBytes,
  idFrom,
  type NodeId,
  nodeIdFromPublicKey,
} from '../../packages/core/src/ids.ts'
import { type Entry, foldControl } from '../../packages/core/src/ledger/index.ts'
import { createFold, isControlKind, type MembershipState } from '../../packages/core/src/membership/index.ts'
import { type Evidence, fieldOf, idIn, nameOf } from './evidence.ts'

/** Among those whose ancestors are folded the lowest (rank, id) goes next. Rank is worked out here once more. */
export function checkControlOrder(evidence: Evidence): void {
  const { control, membership, byId } = evidence
  const complete = control.filter(({ id }) => evidence.ancestors(id) !== undefined)
  const order = [...membership.verdicts.keys()]
  if (order.length !== complete.length) {
    return void evidence.problem(`control-order: ${order.length} entries were folded, ${complete.length} are complete`)
  }
  const parents = new Map(complete.map((entry) => [entry.id, entry.seen]))
  const left = new Map(complete.map((entry) => [entry.id, entry]))
  const folded = new Set<EntryId>()
  const fold = createFold(evidence.world.rules)
  for (const id of order) {
    const entry = byId.get(id)
    const isReady = (each: EntryId) => (parents.get(each) ?? []).every((parent) => folded.has(parent))
    if (entry === undefined || !isReady(id))
      return void evidence.problem(`control-order: ${id.slice(0, 8)} came before what it had seen`)
    const ready = [...left.values()].filter((each) => isReady(each.id))
    if (ready.length > 1) {
      const state = fold.state()
      const sorted = ready
        .map((each) => ({ id: each.id, rank: rankAt(state, each) }))
        .sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
      if (sorted[0]?.id !== id)
        return void evidence.problem(`control-order: ${id.slice(0, 8)} came before ${sorted[0]?.id.slice(0, 8)}`)
    }
    fold.apply(entry)
    folded.add(id)
    left.delete(id)
  }
}

function rankAt(state: MembershipState, entry: Entry): number {
  if (entry.cosigned || state.network === null) return 0
  const member = state.members.get(entry.author)
  const isPresent = member?.state === 'member' || member?.state === 'quarantined'
  if (member === undefined || !isPresent || member.role !== 'admin') return 1e9
  return entry.author === state.network.founder ? 1 : 2 + (member.steps ?? 0)
}

/** Other times on all control entries but admissions, whose invites end by the clock: nothing about authority changes. */
export function checkClockFree(evidence: Evidence): void {
  const times = evidence.world.random.shuffle(evidence.control.map(({ ms }) => ms))
  const changed = evidence.control.map((entry, at) =>
    entry.kind === 'admit' ? entry : { ...entry, ms: times[at] ?? 0 },
  )
  const { state } = foldControl({
    entries: changed,
    initial: createFold(evidence.world.rules),
    apply: (fold, entry) => fold.apply(entry),
    rank: (fold, entry) => fold.rank(entry),
  })
  const before = authorityOf(evidence.membership)
  if (authorityOf(state.state()) !== before) evidence.problem('clock-free-authority: other clocks, other members')
}

function authorityOf({ members, verdicts, cuts, departures }: MembershipState): string {
  const rows = [...members.values()].map(({ node, role, state, steps, branch, marks, replacedBy }) => [
    node,
    role,
    state,
    steps,
    branch,
    marks,
    replacedBy,
  ])
  const seeds = [...departures.values()].map(({ branch, seed }) => [branch, seed])
  return JSON.stringify([rows, [...verdicts].map(([id, verdict]) => [id, verdict?.code ?? null]), [...cuts], seeds])
}

/** What a hostile member names that does not exist makes nobody else's entries wait. */
export function checkNotBlocked({ control, membership, world, problem }: Evidence): void {
  for (const { id, kind } of control) {
    if (world.written.has(id) && !membership.verdicts.has(id))
      problem(`honest-not-blocked: ${kind} ${id.slice(0, 8)} waits`)
  }
}

export interface Grant {
  /** null: the recovery key, the founding */
  readonly by: NodeId | null
  readonly place: number
  readonly entry: EntryId
}

/** Who made whom admin, by entries that have effect. */
export function grantsOf({ membership, byId }: Evidence): Map<NodeId, Grant[]> {
  const grants = new Map<NodeId, Grant[]>()
  const add = (node: NodeId, grant: Grant) => grants.set(node, [...(grants.get(node) ?? []), grant])
  let place = 0
  for (const [id, verdict] of membership.verdicts) {
    place += 1
    const entry = byId.get(id)
    if (verdict !== null || entry === undefined) continue
    const node = fieldOf(entry, 'node')
    if (entry.kind === 'found') add(entry.author, { by: null, place, entry: id })
    if (node === undefined) continue
    const by = entry.cosigned ? null : entry.author
    if (entry.kind === 'role' && (entry.body as { role?: string }).role === 'admin')
      add(nodeIdFromPublicKey(node), { by, place, entry: id })
    const invite = entry.kind === 'admit' ? byId.get(idIn(entry, 'invite') ?? ('' as EntryId)) : undefined
    if (invite !== undefined && (invite.body as { role?: string }).role === 'admin') {
      add(nodeIdFromPublicKey(node), { by: invite.cosigned ? null : invite.author, place, entry: id })
    }
  }
  return grants
}

export const NEEDS_AUTHORITY = new Set([
  'invite',
  'revoke',
  'role',
  'quarantine',
  'release',
  'expel',
  'upgrade',
  'assign',
])

/** Nothing that needs an admin was done by somebody whom no grant had made one. */
export function checkAuthority(evidence: Evidence): void {
  const grants = grantsOf(evidence)
  let place = 0
  for (const [id, verdict] of evidence.membership.verdicts) {
    place += 1
    const entry = evidence.byId.get(id)
    if (entry === undefined || verdict !== null || entry.cosigned || !NEEDS_AUTHORITY.has(entry.kind)) continue
    const at = place
    if (!(grants.get(entry.author) ?? []).some((grant) => grant.place < at)) {
      evidence.problem(
        `authority: ${entry.kind} ${id.slice(0, 8)} of ${nameOf(evidence, entry.author)}, whom nobody made admin, has effect`,
      )
    }
  }
}

/** Everybody came in by an invite of an admin that it showed the key of, and no invite was used twice knowingly. */
export function checkAdmissions(evidence: Evidence): void {
  const { membership, byId, world } = evidence
  const uses = new Map<EntryId, Entry[]>()
  for (const member of membership.members.values()) {
    const admit = byId.get(member.admit)
    if (admit?.kind === 'found') continue
    const name = nameOf(evidence, member.node)
    const invite = admit === undefined ? undefined : byId.get(idIn(admit, 'invite') ?? ('' as EntryId))
    if (admit === undefined || invite === undefined || membership.verdicts.get(invite.id) !== null) {
      evidence.problem(`no-strangers: ${name} is a member without an invite that stands`)
      continue
    }
    const [node, sealing, proof, accepts, key] = [
      fieldOf(admit, 'node'),
      fieldOf(admit, 'sealing'),
      fieldOf(admit, 'proof'),
      fieldOf(admit, 'accepts'),
      fieldOf(invite, 'key'),
    ]
    const isProven =
      node !== undefined &&
      sealing !== undefined &&
      proof !== undefined &&
      accepts !== undefined &&
      key !== undefined &&
      equalBytes(node, member.key) &&
      verify(key, proof, 'invite', world.networkId, node, sealing) &&
      verify(node, accepts, 'join', world.networkId, idBytes(invite.id), sealing)
    if (!isProven) evidence.problem(`no-strangers: ${name} did not show the key of its invite`)
    const seen = evidence.ancestors(admit.id) ?? new Set()
    for (const earlier of uses.get(invite.id) ?? []) {
      if (seen.has(earlier.id) || evidence.ancestors(earlier.id)?.has(admit.id)) {
        evidence.problem(`single-use: ${name} came in by an invite that was known to be used`)
      } else if (!member.marks.includes('invite-reused')) evidence.problem(`single-use: ${name} bears no mark`)
    }
    uses.set(invite.id, [...(uses.get(invite.id) ?? []), admit])
    for (const revoke of evidence.control) {
      if (
        revoke.kind !== 'revoke' ||
        idIn(revoke, 'invite') !== invite.id ||
        membership.verdicts.get(revoke.id) !== null
      )
        continue
      if (seen.has(revoke.id))
        evidence.problem(`no-strangers: ${name} came in by an invite that was known to be revoked`)
    }
  }
}

/** No admin has both under itself; a root, who made everybody, weighs only when it votes. */
export function agree(grants: ReadonlyMap<NodeId, readonly Grant[]>, a: NodeId, b: NodeId): boolean {
  if (a === b) return false
  const isRoot = (node: NodeId) => grants.get(node)?.some(({ by }) => by === null) === true
  const makes = (maker: NodeId, node: NodeId) => maker === node || !isMadeWithout(grants, node, maker, new Set())
  return ![...grants.keys()].some(
    (maker) => (!isRoot(maker) || maker === a || maker === b) && makes(maker, a) && makes(maker, b),
  )
}

/** Whether this admin, or one who was made by it alone, is the other. */
export function isMadeBy(grants: ReadonlyMap<NodeId, readonly Grant[]>, maker: NodeId, node: NodeId): boolean {
  return !isMadeWithout(grants, node, maker, new Set())
}

/** Whether some chain of grants leads from a root to this node past the one in question. */
function isMadeWithout(
  grants: ReadonlyMap<NodeId, readonly Grant[]>,
  node: NodeId,
  without: NodeId,
  visited: Set<NodeId>,
): boolean {
  if (node === without || visited.has(node)) return false
  visited.add(node)
  return (grants.get(node) ?? []).some(({ by }) => by === null || isMadeWithout(grants, by, without, visited))
}

export function expelsOn({ control, membership }: Evidence, target: NodeId): Entry[] {
  const order = new Map([...membership.verdicts.keys()].map((id, at) => [id, at]))
  return control
    .filter((entry) => {
      const node = entry.kind === 'expel' ? fieldOf(entry, 'node') : undefined
      return node?.length === 32 && membership.verdicts.get(entry.id) === null && nodeIdFromPublicKey(node) === target
    })
    .sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0))
}

/** For each expelled machine the entry that made it final: after it nobody can expel it again. */
export function decidingExpulsions(evidence: Evidence): Map<NodeId, Entry> {
  const result = new Map<NodeId, Entry>()
  for (const { node, state } of evidence.membership.members.values()) {
    const last = state === 'expelled' ? expelsOn(evidence, node).at(-1) : undefined
    if (last !== undefined) result.set(node, last)
  }
  return result
}

/** Of a machine that is gone nothing counts beyond what the closing entry names or had seen. */
export function checkClosedFeeds(evidence: Evidence): void {
  for (const member of evidence.membership.members.values()) {
    const closing = closingOf(evidence, member.node)
    if (closing === null) continue
    // by the recovery key with `last` only that counts and what it had seen, and the cuts are meant literally
    const last = closing.entry.cosigned ? idIn(closing.entry, 'last') : undefined
    const seen = new Set([
      ...(evidence.ancestors(last ?? closing.entry.id) ?? []),
      ...(last === undefined ? [] : [last]),
    ])
    /** entries that count, and places below ends that nobody has */
    const counting = new Set<EntryId>()
    const open = new Map<FeedId, number>()
    for (const [incarnation, seq, id] of closing.cuts) {
      const feed = feedIdFrom(member.key, incarnation)
      const end = evidence.byId.get(idFrom<EntryId>(id))
      if (end?.feed === feed && end.seq === seq) addBranch(evidence, end.id, counting)
      else open.set(feed, Math.max(seq, open.get(feed) ?? 0))
    }
    const furthest = new Map<FeedId, Entry>()
    for (const id of last === undefined ? [...seen, closing.entry.id] : []) {
      const entry = evidence.byId.get(id)
      if (entry?.author !== member.node) continue
      const known = furthest.get(entry.feed)
      if (known === undefined || entry.seq > known.seq || (entry.seq === known.seq && entry.id > known.id))
        furthest.set(entry.feed, entry)
    }
    for (const { id } of furthest.values()) addBranch(evidence, id, counting)
    for (const entry of evidence.entries) {
      if (entry.author !== member.node || entry.id === closing.entry.id) continue
      const name = `${entry.kind} ${entry.id.slice(0, 8)} of ${nameOf(evidence, member.node)}`
      const isControl = isControlKind(entry.kind)
      const isOpen = counting.has(entry.id) || entry.seq < (open.get(entry.feed) ?? 0)
      const isBeyond = isControl ? !seen.has(entry.id) && !entry.cosigned : !isOpen
      if (isBeyond) {
        // uploads that come late from a machine that was replaced are kept as orphans of the branch
        const isOrphan = entry.kind === 'upload' && member.replacedBy !== null
        if (!isOrphan && takesEffect(evidence, entry)) {
          evidence.problem(`silent-after-cut: ${name}, which is gone, has effect`)
        }
      } else if (!isControl && evidence.state.refusalOf(entry.id)?.code === 'feed-closed') {
        evidence.problem(`nothing-undone: ${name} stood when its feed was closed, and counts no more`)
      }
    }
  }
}

/** An entry and all before it in its branch of its feed. */
function addBranch({ byId }: Evidence, end: EntryId, to: Set<EntryId>): void {
  for (let entry = byId.get(end); entry !== undefined && !to.has(entry.id); ) {
    to.add(entry.id)
    entry = entry.prev === null ? undefined : byId.get(entry.prev)
  }
}

function takesEffect({ membership, state }: Evidence, entry: Entry): boolean {
  if (membership.verdicts.has(entry.id)) return membership.verdicts.get(entry.id) === null
  return !isControlKind(entry.kind) && state.refusalOf(entry.id) === null
}

type Cut = [Uint8Array, number, Uint8Array]

export function closingOf(evidence: Evidence, node: NodeId): { entry: Entry; cuts: Cut[] } | null {
  const { membership, byId, control } = evidence
  const member = membership.members.get(node)
  const cutsIn = (entry: Entry | undefined) => (entry?.body as { cuts?: Cut[] } | undefined)?.cuts ?? []
  if (member?.state === 'expelled') {
    const entry = decidingExpulsions(evidence).get(node)
    return entry === undefined ? null : { entry, cuts: cutsIn(entry) }
  }
  if (member?.state !== 'left') return null
  const admit =
    member.replacedBy === null
      ? undefined
      : byId.get(membership.members.get(member.replacedBy)?.admit ?? ('' as EntryId))
  if (admit !== undefined) {
    const invite = byId.get(idFrom<EntryId>(fieldOf(admit, 'invite') ?? new Uint8Array(32)))
    return { entry: admit, cuts: [...cutsIn(invite), ...cutsIn(admit)] }
  }
  const left = control.find(
    (entry) => entry.kind === 'left' && entry.author === node && membership.verdicts.get(entry.id) === null,
  )
  return left === undefined ? null : { entry: left, cuts: cutsIn(left) }
}
