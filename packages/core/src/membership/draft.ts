/**
 * The state while it is being folded. Every table is copied on the first write after it was handed out, so that a
 * `MembershipState` never changes and a fold of many entries copies nothing in between.
 */
import type { BranchId, EntryId, FeedId, FileId, NodeId } from '../ids.ts'
import { feedIdFrom, idFrom } from '../ids.ts'
import type { Causality } from './causality.ts'
import type {
  Branch,
  ControlEntry,
  Departure,
  FeedEnd,
  Invite,
  Member,
  MembershipState,
  NetworkFacts,
  OwnershipAct,
  Refusal,
  Standing,
  Voice,
  Vote,
} from './types.ts'
import { areIndependent, NO_STANDING } from './voices.ts'

export class Table<K, V> {
  #map: Map<K, V>
  #shared: boolean

  constructor(source?: ReadonlyMap<K, V>) {
    this.#map = new Map(source)
    this.#shared = false
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  has(key: K): boolean {
    return this.#map.has(key)
  }

  values(): Iterable<V> {
    return this.#map.values()
  }

  set(key: K, value: V): void {
    if (this.#shared) {
      this.#map = new Map(this.#map)
      this.#shared = false
    }
    this.#map.set(key, value)
  }

  /** One of its own; what both have is copied when either is written to. */
  copy(): Table<K, V> {
    const copy = new Table<K, V>()
    copy.#map = this.#map
    copy.#shared = true
    this.#shared = true
    return copy
  }

  /** For a look within the fold, not to be kept. */
  peek(): ReadonlyMap<K, V> {
    return this.#map
  }

  /** What was handed out is not written to again. */
  handOut(): ReadonlyMap<K, V> {
    this.#shared = true
    return this.#map
  }
}

/** As the bodies carry them: incarnation, place, id. */
export type Cuts = readonly (readonly [Uint8Array, number, Uint8Array])[]

/** What the rules remember of an invite beside its public row. */
export interface InviteRecord {
  /** of the admin role that it grants; null for a member */
  readonly voice: Voice | null
  /** its issuer replaces its own machine, or the recovery key signed it: no admin is in another's hands */
  readonly isOwn: boolean
  readonly revocations: readonly EntryId[]
  readonly uses: readonly { readonly admit: EntryId; readonly node: NodeId }[]
  readonly cuts: Cuts
}

/**
 * The end of a member's feeds. It reaches back: control entries that the seed had not seen count for nothing, also
 * those that sort before it. A cut names a sequence number, which a fork can reuse; what was seen cannot be forged.
 */
export interface Closure {
  readonly seed: EntryId
  readonly node: NodeId
  /** quarantines by those who agreed: of an admin's acts only what these had seen as well */
  readonly quarantines: readonly EntryId[]
  /** by the recovery key: of control entries only this one counts and what it had seen */
  readonly last: EntryId | null
}

/** Kinds that take an admin's power. */
const POWER: ReadonlySet<string> = new Set([
  ...['invite', 'revoke', 'role', 'quarantine', 'release', 'expel', 'upgrade', 'assign'],
])

export function isBeyond(closure: Closure, entry: ControlEntry, hasSeen: MembershipState['hasSeen']): boolean {
  if (entry.id === closure.seed || entry.cosigned) return false
  if (closure.last !== null) return entry.id !== closure.last && !hasSeen(closure.last, entry.id)
  if (!hasSeen(closure.seed, entry.id)) return true
  return POWER.has(entry.kind) && closure.quarantines.some((id) => !hasSeen(id, entry.id))
}

export class Draft {
  network: NetworkFacts | null
  readonly members: Table<NodeId, Member>
  readonly standings: Table<NodeId, Standing>
  readonly branches: Table<BranchId, Branch>
  readonly invites: Table<EntryId, Invite>
  readonly inviteRecords: Table<EntryId, InviteRecord>
  readonly cuts: Table<FeedId, readonly FeedEnd[]>
  readonly closed: Table<NodeId, Closure>
  readonly departures: Table<BranchId, Departure>
  readonly acts: Table<FileId, readonly OwnershipAct[]>
  readonly verdicts: Table<EntryId, Refusal | null>
  readonly causality: Causality
  /** admits and departures, for the question who was a member at the heads that an entry names */
  readonly admissions: { readonly node: NodeId; readonly admit: EntryId }[]
  readonly removals: { readonly node: NodeId; readonly entry: EntryId }[]
  /** who wrote that a rules version shall be active */
  readonly upgrades: Map<number, readonly Vote[]>
  /** what one admin did alone, and whose machine it took the place of, if any */
  readonly alone: { readonly entry: EntryId; readonly replaced: NodeId | null }[]
  /** entries by which one member alone ended its own say or another's */
  readonly #ends: { readonly entry: EntryId; readonly node: NodeId; readonly by: NodeId }[]
  /** what admins did or tried: whether it had effect may hang on the very end that it speaks against */
  readonly #adminActs: ControlEntry[]
  /** made by the entry being folded; taken by the fold */
  closures: Closure[] = []
  /** acts of one alone that turned out not to be the only admin's */
  contests: EntryId[] = []
  readonly #contested: ReadonlySet<EntryId>

  /**
   * @param contested acts that may not take effect by one admin alone
   * @param from between two entries: where this one begins @default before all entries
   */
  constructor(causality: Causality, contested: ReadonlySet<EntryId>, from?: Draft) {
    this.causality = causality
    this.#contested = contested
    this.network = from?.network ?? null
    this.members = from?.members.copy() ?? new Table()
    this.standings = from?.standings.copy() ?? new Table()
    this.branches = from?.branches.copy() ?? new Table()
    this.invites = from?.invites.copy() ?? new Table()
    this.inviteRecords = from?.inviteRecords.copy() ?? new Table()
    this.cuts = from?.cuts.copy() ?? new Table()
    this.closed = from?.closed.copy() ?? new Table()
    this.departures = from?.departures.copy() ?? new Table()
    this.acts = from?.acts.copy() ?? new Table()
    this.verdicts = from?.verdicts.copy() ?? new Table()
    this.admissions = [...(from?.admissions ?? [])]
    this.removals = [...(from?.removals ?? [])]
    this.upgrades = new Map(from?.upgrades)
    this.alone = [...(from?.alone ?? [])]
    this.#ends = [...(from === undefined ? [] : from.#ends)]
    this.#adminActs = [...(from === undefined ? [] : from.#adminActs)]
  }

  standing(node: NodeId): Standing {
    return this.standings.get(node) ?? NO_STANDING
  }

  updateStanding(node: NodeId, change: Partial<Standing>): void {
    this.standings.set(node, { ...this.standing(node), ...change })
  }

  updateMember(member: Member, change: Partial<Member>): Member {
    const next = { ...member, ...change }
    this.members.set(member.node, next)
    return next
  }

  /** Marks are kept sorted, so that the row does not tell in which order they came. */
  mark(node: NodeId, mark: string): void {
    const member = this.members.get(node)
    if (member === undefined || member.marks.includes(mark)) return
    this.updateMember(member, { marks: [...member.marks, mark].sort() })
  }

  hasSeen(later: EntryId, earlier: EntryId): boolean {
    return this.causality.hasSeen(later, earlier)
  }

  /** A member that is still in: quarantined ones too. */
  present(node: NodeId): Member | undefined {
    const member = this.members.get(node)
    return member?.state === 'member' || member?.state === 'quarantined' ? member : undefined
  }

  /** An admin's power as it stands now. */
  hasPower(node: NodeId): boolean {
    const member = this.members.get(node)
    return member?.state === 'member' && member.role === 'admin'
  }

  /**
   * An admin's power as far as the act could know: what takes it, by one admin alone, takes it from the acts that had
   * seen that. Otherwise whoever pretends to have seen nothing could undo what others have long relied on.
   */
  mayAct({ id, author }: ControlEntry): boolean {
    const { voice, demotions } = this.standing(author)
    if (voice === null || this.isQuarantinedFor(id, author)) return false
    return !demotions.some(({ entry }) => this.hasSeen(id, entry))
  }

  /** Whether an entry had seen a standing quarantine of its author, or of another member. */
  isQuarantinedFor(entry: EntryId, node: NodeId): boolean {
    return this.standing(node).quarantines.some((id) => this.hasSeen(entry, id))
  }

  /** Admins, and those who lost the role to one other admin alone; also quarantined ones. */
  hasVoice(node: NodeId): boolean {
    return this.present(node) !== undefined && this.standing(node).voice !== null
  }

  independent(a: NodeId, b: NodeId): boolean {
    return areIndependent((node) => this.standing(node), a, b)
  }

  /** Quarantines that stand against a member, by one of these authors. */
  quarantinesBy(node: NodeId, authors: ReadonlySet<NodeId>): EntryId[] {
    return this.standing(node).quarantines.filter((id) => {
      const author = this.causality.get(id)?.author
      return author !== undefined && authors.has(author)
    })
  }

  /**
   * Whether one admin may decide this alone because the network has no other. If it then turns out that another was
   * appointed without having seen the act, it may not: an act that is dated back to when its author was alone.
   */
  decidesAlone({ id, author }: ControlEntry): boolean {
    if (this.#contested.has(id)) return false
    for (const { node } of this.members.values()) if (node !== author && this.hasVoice(node)) return false
    this.alone.push({ entry: id, replaced: null })
    return true
  }

  /** Whether one admin alone may put a machine in the place of this one. */
  replacesAlone(entry: EntryId, replaced: NodeId, by: NodeId): boolean {
    if (!this.endsAlone(entry, replaced, by)) return false
    this.alone.push({ entry, replaced })
    return true
  }

  /**
   * Whether a member may be ended by one alone: by itself, or by one admin who replaces its machine. Not when an admin
   * apart from them relied on what the ended one did and this entry knows nothing of: then it is dated back, or the
   * member was in use elsewhere.
   * @param by who ends it
   */
  endsAlone(entry: EntryId, node: NodeId, by: NodeId): boolean {
    if (this.#contested.has(entry)) return false
    const end = { entry, node, by }
    if (this.#adminActs.some((act) => this.#reliedOn(act, end))) return false
    this.#ends.push(end)
    return true
  }

  /** An admin has acted: what it had seen, it relied on. */
  recordAdminAct(act: ControlEntry): void {
    if (!this.mayAct(act)) return
    this.#adminActs.push(act)
    for (const end of this.#ends) {
      if (!this.hasSeen(act.id, end.entry) && this.#reliedOn(act, end)) this.contests.push(end.entry)
    }
  }

  #reliedOn(act: ControlEntry, end: { entry: EntryId; node: NodeId; by: NodeId }): boolean {
    const above = [act.author, ...(this.standing(act.author).voice?.under ?? [])]
    // whom the ending one could have made is no witness against it
    if ([end.node, end.by].some((node) => above.includes(node) && (node === act.author || !this.standing(node).isRoot)))
      return false
    return this.causality
      .entriesBy(end.node)
      .some(({ id }) => id !== end.entry && this.hasSeen(act.id, id) && !this.hasSeen(end.entry, id))
  }

  /** Someone became an admin by this entry: what another did alone, unseen by it, was not the only admin's doing. */
  contestAlone(grant: EntryId): void {
    for (const { entry, replaced } of this.alone) {
      if (replaced === null && !this.hasSeen(grant, entry)) this.contests.push(entry)
    }
  }

  /** Someone should become an admin whose machine was replaced, which nobody had seen: it was not. */
  contestReplacement(grant: EntryId, node: NodeId): boolean {
    const found = this.alone.filter(({ entry, replaced }) => replaced === node && !this.hasSeen(grant, entry))
    this.contests.push(...found.map(({ entry }) => entry))
    return found.length > 0
  }

  /**
   * Closes all feeds of a member. What the seed had seen counts whatever the cuts say, so that nobody can wipe out what
   * it knew to stand; only the recovery key can.
   * @param cuts several lists: all their ends count
   */
  close(
    member: Member,
    seed: EntryId,
    closing: Pick<Closure, 'quarantines' | 'last'> & { cuts: readonly Cuts[] },
  ): void {
    const { quarantines, last, cuts } = closing
    const ends = new Map<FeedId, Map<EntryId, FeedEnd>>()
    const end = (feed: FeedId, { id, seq }: FeedEnd) => {
      const known = ends.get(feed)
      if (known === undefined) ends.set(feed, new Map([[id, { id, seq }]]))
      else if (!known.has(id)) known.set(id, { id, seq })
    }
    for (const [incarnation, seq, id] of cuts.flat()) end(feedIdFrom(member.key, incarnation), { seq, id: idFrom(id) })
    const seen = new Map<FeedId, FeedEnd>()
    for (const entry of last !== null ? [] : this.causality.entriesBy(member.node)) {
      const isFurther = compareEnds(entry, seen.get(entry.feed)) > 0
      if (isFurther && (entry.id === seed || this.hasSeen(seed, entry.id))) seen.set(entry.feed, entry)
    }
    for (const [feed, entry] of seen) end(feed, entry)
    for (const [feed, known] of ends) this.cuts.set(feed, [...known.values()].sort(compareEnds))
    const closure = { seed, node: member.node, quarantines, last }
    this.closed.set(member.node, closure)
    this.removals.push({ node: member.node, entry: seed })
    this.closures.push(closure)
  }

  /** Members at the heads that the seed names. */
  membersSeenBy(seed: EntryId): NodeId[] {
    const seen = (id: EntryId) => this.hasSeen(seed, id)
    const gone = new Set(this.removals.filter(({ entry }) => seen(entry)).map(({ node }) => node))
    return this.admissions.filter(({ node, admit }) => seen(admit) && !gone.has(node)).map(({ node }) => node)
  }

  handOut(): MembershipState {
    const { causality } = this
    return {
      network: this.network,
      members: this.members.handOut(),
      branches: this.branches.handOut(),
      invites: this.invites.handOut(),
      cuts: this.cuts.handOut(),
      closed: new Set(this.closed.handOut().keys()),
      departures: this.departures.handOut(),
      standings: this.standings.handOut(),
      acts: this.acts.handOut(),
      verdicts: this.verdicts.handOut(),
      hasSeen: (later, earlier) => causality.hasSeen(later, earlier),
    }
  }
}

/** How one kind of entry is judged and executed. Everything it needs of the author was checked before. */
export interface Act<Body> {
  readonly draft: Draft
  readonly entry: ControlEntry
  readonly author: Member
  readonly body: Body
  /** place in control order */
  readonly index: number
  /** admin power as far as the entry could know, or the recovery key's signature */
  readonly hasAuthority: boolean
}

export type Judge<Body> = (act: Act<Body>) => Refusal | null

export function refuse(code: string, reason: string): Refusal {
  return { code, reason }
}

/** By place, then by id; none is before all. */
function compareEnds(a: FeedEnd, b: FeedEnd | undefined): number {
  if (b === undefined) return 1
  return a.seq - b.seq || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
