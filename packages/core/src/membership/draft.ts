/**
 * The state while it is being folded. Every table is copied on the first write after it was handed out, so that a
 * `MembershipState` never changes and a fold of many entries copies nothing in between.
 */
import type { BranchId, EntryId, FeedId, FileId, NodeId } from '../ids.ts'
import { feedIdFrom } from '../ids.ts'
import type { Causality } from './causality.ts'
import type {
  Branch,
  ControlEntry,
  Departure,
  Invite,
  Member,
  MembershipState,
  NetworkFacts,
  OwnershipAct,
  Refusal,
} from './types.ts'

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

/** A right to vote on expulsions: what an admin has, and keeps when one other admin alone took its role away. */
export interface Voice {
  /** steps from the founding entry to the grant */
  readonly steps: number
  /** whose grant it was; null for the founder and for grants by the recovery key */
  readonly appointer: NodeId | null
}

export interface Vote {
  readonly voter: NodeId
  readonly entry: EntryId
}

/** What the rules remember of a member beside its public row. */
export interface Standing {
  readonly voice: Voice | null
  /** `quarantine` and `expel` entries that no release has lifted */
  readonly quarantines: readonly EntryId[]
  /** who wrote that it shall no longer be admin */
  readonly demotions: readonly NodeId[]
  /** who wrote that it shall be expelled */
  readonly votes: readonly Vote[]
}

export const NO_STANDING: Standing = { voice: null, quarantines: [], demotions: [], votes: [] }

export type Cuts = readonly (readonly [Uint8Array, number])[]

/** What the rules remember of an invite beside its public row. */
export interface InviteRecord {
  /** of the admin role that it grants; null for a member */
  readonly voice: Voice | null
  readonly revocations: readonly EntryId[]
  readonly uses: readonly { readonly admit: EntryId; readonly node: NodeId }[]
  readonly cuts: Cuts
}

/** A feed closure that reaches back: entries beyond it count for nothing, also those that sort before it. */
export interface Closure {
  readonly seed: EntryId
  readonly node: NodeId
  readonly last: ReadonlyMap<FeedId, number>
}

export class Draft {
  network: NetworkFacts | null = null
  readonly members = new Table<NodeId, Member>()
  readonly standings = new Table<NodeId, Standing>()
  readonly branches = new Table<BranchId, Branch>()
  readonly invites = new Table<EntryId, Invite>()
  readonly inviteRecords = new Table<EntryId, InviteRecord>()
  readonly cuts = new Table<FeedId, number>()
  readonly closed = new Table<NodeId, true>()
  readonly departures = new Table<BranchId, Departure>()
  readonly acts = new Table<FileId, readonly OwnershipAct[]>()
  readonly verdicts = new Table<EntryId, Refusal | null>()
  readonly causality: Causality
  /** admits and departures, for the question who was a member at the heads that an entry names */
  readonly admissions: { readonly node: NodeId; readonly admit: EntryId }[] = []
  readonly removals: { readonly node: NodeId; readonly entry: EntryId }[] = []
  /** made by the entry being folded; taken by the fold */
  closures: Closure[] = []

  constructor(causality: Causality) {
    this.causality = causality
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

  hasPower(node: NodeId): boolean {
    const member = this.members.get(node)
    return member?.state === 'member' && member.role === 'admin'
  }

  /** Admins, and those who lost the role to one other admin alone; also quarantined ones. */
  hasVoice(node: NodeId): boolean {
    return this.present(node) !== undefined && this.standing(node).voice !== null
  }

  /** True when neither got its admin role from the other, directly or through others. */
  independent(a: NodeId, b: NodeId): boolean {
    return a !== b && !this.#descends(a, b) && !this.#descends(b, a)
  }

  #descends(node: NodeId, from: NodeId): boolean {
    const visited = new Set<NodeId>()
    for (let at: NodeId | null = node; at !== null && !visited.has(at); ) {
      visited.add(at)
      at = this.standing(at).voice?.appointer ?? null
      if (at === from) return true
    }
    return false
  }

  /**
   * Closes all feeds of a member. What the seed had seen counts whatever the cuts say, so that nobody can wipe out what
   * it knew to stand.
   * @param cuts several lists: the furthest counts
   */
  close(member: Member, seed: EntryId, ...cuts: Cuts[]): void {
    const last = new Map<FeedId, number>()
    const reach = (feed: FeedId, seq: number) => last.set(feed, Math.max(seq, last.get(feed) ?? 0))
    for (const [incarnation, seq] of cuts.flat()) reach(feedIdFrom(member.key, incarnation), seq)
    for (const entry of this.causality.entriesBy(member.node)) {
      if (entry.id === seed || this.hasSeen(seed, entry.id)) reach(entry.feed, entry.seq)
    }
    for (const [feed, seq] of last) this.cuts.set(feed, seq)
    this.closed.set(member.node, true)
    this.removals.push({ node: member.node, entry: seed })
    this.closures.push({ seed, node: member.node, last })
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
  /** admin power at this place, or the recovery key's signature */
  readonly hasAuthority: boolean
}

export type Judge<Body> = (act: Act<Body>) => Refusal | null

export function refuse(code: string, reason: string): Refusal {
  return { code, reason }
}
