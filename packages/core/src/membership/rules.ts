/**
 * The rules of control entries: who belongs, who may decide, who is on the way out. Spec: docs/specs/control.md.
 * Pure: a fold is fed entries in control order (ledger/order.ts sorts them, asking `rank` among concurrent ones) and
 * yields states that never change.
 *
 * A closure of feeds reaches back: what the closed member wrote without having been seen by the closing entry counts for
 * nothing, although it may sort before. In the same way an act that took effect because its author was the only admin
 * loses that effect when somebody had become one unseen. Then all entries are gone through once more, in the same order.
 * What the recovery key excludes only grows; between two of that contests only grow, and between two of these all other
 * exclusions: so this ends.
 */
import { type CborValue, DecodeError } from '../codec/index.ts'
import type { EntryId, NodeId } from '../ids.ts'
import { Causality } from './causality.ts'
import { type Act, type Closure, Draft, isBeyond, refuse } from './draft.ts'
import { type ControlBody, type ControlKind, controlBodies, isControlKind, RULES_VERSION } from './kinds.ts'
import { judgeAdmit, judgeFound, judgeInvite, judgeRevoke } from './rules-admission.ts'
import { judgeQuarantine, judgeRelease, judgeRole, judgeUpgrade, rankOf } from './rules-authority.ts'
import { judgeExpel, judgeLeave, judgeLeft } from './rules-departure.ts'
import { judgeAccept, judgeOwnership } from './rules-ownership.ts'
import type { ControlEntry, MembershipState, Refusal } from './types.ts'

/** A running fold. Fed in control order. */
export interface MembershipFold {
  /** @returns this, so that it fits a fold's `apply` */
  apply(entry: ControlEntry): MembershipFold
  /** among concurrent entries the smallest comes first */
  rank(entry: ControlEntry): number[]
  /** the state after all that was applied; never changes afterwards */
  state(): MembershipState
}

/** Where the fold of a state stands, so that `applyControl` can go on from it. */
const origins = new WeakMap<MembershipState, { readonly fold: Fold; readonly length: number }>()

class Fold implements MembershipFold {
  /** newest rules version that is executed */
  readonly rules: number
  readonly #history: ControlEntry[]
  readonly #causality: Causality
  readonly #exclusions: Map<NodeId, Closure[]>
  readonly #contested: Set<EntryId>
  #draft: Draft
  #state: MembershipState | undefined

  /** @param from where it begins @default before all entries */
  constructor(rules: number, from?: Fold) {
    this.rules = rules
    this.#history = from === undefined ? [] : [...from.#history]
    this.#causality = from === undefined ? new Causality() : from.#causality.copy()
    this.#exclusions = new Map(from === undefined ? [] : from.#exclusions)
    this.#contested = new Set(from === undefined ? [] : from.#contested)
    this.#draft = new Draft(this.#causality, this.#contested, from === undefined ? undefined : from.#draft)
  }

  get length(): number {
    return this.#history.length
  }

  history(length: number): readonly ControlEntry[] {
    return this.#history.slice(0, length)
  }

  rank(entry: ControlEntry): number[] {
    return rankOf({ network: this.#draft.network, members: this.#draft.members.peek() }, entry)
  }

  apply(entry: ControlEntry): this {
    if (this.#causality.has(entry.id)) return this
    this.#state = undefined
    const index = this.#causality.add(entry)
    this.#history.push(entry)
    this.#step(entry, index)
    if (this.#mustReplay()) this.#replay()
    return this
  }

  state(): MembershipState {
    if (this.#state === undefined) {
      this.#state = this.#draft.handOut()
      origins.set(this.#state, { fold: this, length: this.#history.length })
    }
    return this.#state
  }

  #step(entry: ControlEntry, index: number): void {
    const draft = this.#draft
    // the rest belongs to rules that this software does not have: it is neither applied nor refused
    if (draft.network !== null && draft.network.rules > this.rules) return
    const verdict = this.#isExcluded(entry) ? CLOSED : judge(draft, entry, index)
    draft.verdicts.set(entry.id, verdict)
    if (verdict !== CLOSED) draft.recordAdminAct(entry)
  }

  #isExcluded(entry: ControlEntry): boolean {
    return (this.#exclusions.get(entry.author) ?? []).some((closure) => this.#isBeyond(closure, entry))
  }

  #isBeyond(closure: Closure, entry: ControlEntry): boolean {
    return isBeyond(closure, entry, (later, earlier) => this.#causality.hasSeen(later, earlier))
  }

  /** @returns whether what was just folded takes the effect from entries before it */
  #mustReplay(): boolean {
    const { closures, contests } = this.#draft
    this.#draft.closures = []
    this.#draft.contests = []
    const undoing = closures.filter((closure) => closure.last !== null && this.#reachesBack(closure))
    if (undoing.length > 0) {
      // the recovery key: what had been excluded or contested because of the undone is asked again
      this.#contested.clear()
      this.#forgetExclusions()
      for (const closure of undoing) this.#exclude(closure)
      return true
    }
    const before = this.#contested.size
    for (const entry of contests) this.#contested.add(entry)
    if (this.#contested.size > before) {
      // what was excluded because of a contested act may stand after all
      this.#forgetExclusions()
      return true
    }
    const reaching = closures.filter((closure) => this.#reachesBack(closure))
    for (const closure of reaching) this.#exclude(closure)
    return reaching.length > 0
  }

  #reachesBack(closure: Closure): boolean {
    const hadEffect = (id: EntryId) => this.#draft.verdicts.get(id) === null
    return this.#causality.entriesBy(closure.node).some((each) => hadEffect(each.id) && this.#isBeyond(closure, each))
  }

  #exclude(closure: Closure): void {
    this.#exclusions.set(closure.node, [...(this.#exclusions.get(closure.node) ?? []), closure])
  }

  /** All but those by the recovery key. */
  #forgetExclusions(): void {
    for (const [node, closures] of this.#exclusions) {
      const kept = closures.filter(({ last }) => last !== null)
      if (kept.length > 0) this.#exclusions.set(node, kept)
      else this.#exclusions.delete(node)
    }
  }

  #replay(): void {
    for (let again = true; again; ) {
      again = false
      this.#draft = new Draft(this.#causality, this.#contested)
      for (const [index, entry] of this.#history.entries()) {
        this.#step(entry, index)
        again = this.#mustReplay()
        if (again) break
      }
    }
  }
}

const CLOSED = refuse('feed-closed', 'beyond the end of its author’s feed')

function judge(draft: Draft, entry: ControlEntry, index: number): Refusal | null {
  if (!isControlKind(entry.kind)) return refuse('unknown-kind', 'not a kind of the active rules')
  let body: ControlBody<ControlKind>
  try {
    body = controlBodies[entry.kind](entry.body as CborValue)
  } catch (error) {
    if (error instanceof DecodeError) return refuse('malformed', 'the body has not the form of its kind')
    throw error
  }
  if (entry.kind === 'found') return judgeFound(draft, entry, body as ControlBody<'found'>)
  const author = draft.members.get(entry.author)
  if (author === undefined) return refuse('not-a-member', 'its author is no member at this place')
  // the recovery key needs no more than a feed to stand in
  if (draft.closed.has(entry.author) && !entry.cosigned) return CLOSED
  const hasAuthority = entry.cosigned || draft.mayAct(entry)
  return execute(entry.kind, { draft, entry, author, body, index, hasAuthority })
}

function execute(kind: Exclude<ControlKind, 'found'>, act: Act<ControlBody<ControlKind>>): Refusal | null {
  const as = <K extends ControlKind>() => act as Act<ControlBody<K>>
  switch (kind) {
    case 'invite':
      return judgeInvite(as<'invite'>())
    case 'revoke':
      return judgeRevoke(as<'revoke'>())
    case 'admit':
      return judgeAdmit(as<'admit'>())
    case 'role':
      return judgeRole(as<'role'>())
    case 'quarantine':
      return judgeQuarantine(as<'quarantine'>())
    case 'release':
      return judgeRelease(as<'release'>())
    case 'expel':
      return judgeExpel(as<'expel'>())
    case 'leave':
      return judgeLeave(as<'leave'>())
    case 'left':
      return judgeLeft(as<'left'>())
    case 'upgrade':
      return judgeUpgrade(as<'upgrade'>())
    case 'accept':
      return judgeAccept(as<'accept'>())
    case 'offer':
    case 'decline':
    case 'cancel':
    case 'assign':
    case 'adopt':
      return judgeOwnership(kind, as<typeof kind>())
  }
}

/** @param rules newest rules version that it executes */
export function createFold(rules: number = RULES_VERSION): MembershipFold {
  return new Fold(rules)
}

export function emptyMembership(): MembershipState {
  return createFold().state()
}

/**
 * The state after one more entry, which must sort after all that the state was made from. The given state stays as it is.
 * One after the other costs what each entry touches; from a state that was already gone on from, a whole fold.
 */
export function applyControl(state: MembershipState, entry: ControlEntry): MembershipState {
  const { fold, length } = originOf(state)
  return (fold.length === length ? fold : again(fold, length)).apply(entry).state()
}

/** A fold of its own that stands where this state does. Costs what tables there are, unless it was gone on from: then a whole fold. */
export function foldFrom(state: MembershipState): MembershipFold {
  const { fold, length } = originOf(state)
  return fold.length === length ? new Fold(fold.rules, fold) : again(fold, length)
}

function originOf(state: MembershipState): { readonly fold: Fold; readonly length: number } {
  const origin = origins.get(state)
  if (origin === undefined) throw new TypeError('not a state made by this fold')
  return origin
}

function again(before: Fold, length: number): Fold {
  const fold = new Fold(before.rules)
  for (const each of before.history(length)) fold.apply(each)
  return fold
}

/** False when an `upgrade` activated rules that this software does not have: it stores and passes on, but folds no more. */
export function understandsRules(state: MembershipState): boolean {
  return state.network === null || state.network.rules <= (origins.get(state)?.fold.rules ?? RULES_VERSION)
}
