/**
 * Who owned a file when: its ownership acts in control order. Spec: docs/specs/files.md, "Ownership epochs". Pure.
 * Whether an act takes effect depends on the keys that the file had, so the walk asks for the file's content as far as
 * the epochs reached so far make it.
 */
import { verifyKeyProof } from '../crypto/index.ts'
import { type BranchId, type EntryId, type FileId, idBytes, idFrom, type NetworkId } from '../ids.ts'
import type { Departure, MembershipState, OwnershipAct, OwnershipKind, Refusal } from '../membership/index.ts'
import { drawWinner } from './draw-rank.ts'
import type { ContentFold } from './fold-content.ts'
import { type EpochEnd, type Freeze, type OwnershipEpoch, type Place, refuse, type Verdicts } from './fold-entry.ts'
import type { SharedFile, SharedMark } from './types.ts'

/** An offer unanswered for so long may be settled by an admin. */
export const OFFER_OPEN_MS = 7 * 24 * 60 * 60_000

type ActOf<K extends OwnershipKind> = Extract<OwnershipAct, { kind: K }>

interface Epoch extends OwnershipEpoch {
  end: EpochEnd | null
  /** the act that ended it */
  endedBy: OwnershipAct | null
  readonly freezes: (Freeze & { readonly releases: Place[] })[]
}

interface Handover {
  readonly act: ActOf<'offer'> | ActOf<'assign'>
  readonly to: BranchId
  readonly epoch: Epoch
  readonly freeze: (Freeze & { readonly releases: Place[] }) | null
  readonly closings: (ActOf<'cancel'> | ActOf<'decline'>)[]
}

export interface OwnershipInit {
  readonly network: NetworkId
  readonly file: FileId
  readonly membership: MembershipState
  readonly acts: readonly OwnershipAct[]
  /** branch of the author to whom the file id is bound; null while no upload of it is here */
  readonly first: BranchId | null
  /** the upload itself came after its author's machine had been replaced */
  readonly bornOrphan: boolean
  /** the content as these epochs make it */
  content(epochs: readonly OwnershipEpoch[]): ContentFold
}

export interface OwnershipFold {
  readonly epochs: readonly OwnershipEpoch[]
  /** per branch, acts by which it had reason to believe that it took the file */
  readonly claimants: ReadonlyMap<BranchId, readonly Place[]>
  readonly orphan: boolean
  readonly offer: SharedFile['offer']
  readonly verdicts: Verdicts
  readonly marks: readonly SharedMark[]
}

export function foldOwnership(init: OwnershipInit): OwnershipFold {
  const walk = new OwnershipWalk(init)
  for (const act of init.acts) walk.step(act)
  return walk.result()
}

class OwnershipWalk {
  readonly #init: OwnershipInit
  readonly #epochs: Epoch[] = []
  readonly #handovers = new Map<EntryId, Handover>()
  readonly #claimants = new Map<BranchId, Place[]>()
  readonly #verdicts: Verdicts = new Map()
  readonly #marks = new Map<EntryId, SharedMark>()
  /** two acceptances contradict each other, and no assignment has been accepted since */
  #isDisputed = false

  constructor(init: OwnershipInit) {
    this.#init = init
    if (init.first !== null) {
      this.#epochs.push({ branch: init.first, begin: null, end: null, endedBy: null, freezes: [] })
    }
  }

  step(act: OwnershipAct): void {
    if (this.#verdicts.has(act.entry)) return // an acceptance of a draw that was decided before
    this.#verdicts.set(act.entry, this.#judge(act))
  }

  #judge(act: OwnershipAct): Refusal | null {
    const epoch = this.#epochs.at(-1)
    if (epoch === undefined) return refuse('unknown-file', 'no upload of the file is here')
    switch (act.kind) {
      case 'offer':
        return this.#offer(act, epoch)
      case 'assign':
        return this.#assign(act, epoch)
      case 'cancel':
      case 'decline':
        return this.#close(act)
      case 'accept':
        return this.#accept(act, epoch)
      case 'adopt':
        return this.#adopt(act, epoch)
    }
  }

  result(): OwnershipFold {
    const epoch = this.#epochs.at(-1)
    return {
      epochs: this.#epochs,
      claimants: this.#claimants,
      orphan: epoch !== undefined && this.#isOrphan(epoch, Number.POSITIVE_INFINITY),
      offer: epoch === undefined ? null : this.#openHandover(epoch),
      verdicts: this.#verdicts,
      marks: [...this.#marks.values()],
    }
  }

  /** The newest open assignment, else the first open offer. */
  #openHandover(epoch: Epoch): SharedFile['offer'] {
    const open = [...this.#handovers.values()].filter((each) => each.epoch === epoch && this.#isOpen(each))
    const found = open.findLast(({ act }) => act.kind === 'assign') ?? open[0]
    return found === undefined ? null : { entry: found.act.entry, to: found.to, ms: found.act.ms }
  }

  #isOpen({ act, epoch, closings }: Handover): boolean {
    return closings.length === 0 && (act.kind === 'assign' || this.#departure(epoch.branch) === undefined)
  }

  #offer(act: ActOf<'offer'>, epoch: Epoch): Refusal | null {
    const { membership } = this.#init
    if (act.branch !== epoch.branch) {
      const former = this.#epochs.findLast((each) => each.branch === act.branch && each.endedBy !== null)
      if (former?.endedBy != null && !membership.hasSeen(act.entry, former.endedBy.entry)) {
        // it could not know that it owned the file no more; an acceptance of it contradicts the other
        this.#record(act, former, null)
      }
      return refuse('not-owner', 'its author’s branch does not own the file')
    }
    const to = idFrom<BranchId>(act.body.to)
    if (to === act.branch) return refuse('self', 'the branch owns it already')
    if (this.#isOrphan(epoch, act.index)) return refuse('orphaned', 'the file has no owner')
    if (this.#isDeparted(epoch, act.index)) return refuse('leaving', 'the owner is on its way out')
    const seesOpen = [...this.#handovers.values()].some(
      (each) =>
        each.act.kind === 'offer' &&
        each.epoch === epoch &&
        each.closings.length === 0 &&
        membership.hasSeen(act.entry, each.act.entry),
    )
    if (seesOpen) return refuse('handoff-pending', 'another offer of the file is open')
    const builds = idFrom<EntryId>(act.body.builds)
    const freeze = { offer: act, builds, releases: [] }
    if (!this.#standsOn(epoch, freeze)) return refuse('unknown-base', 'it builds on an entry without effect')
    epoch.freezes.push(freeze)
    this.#record(act, epoch, freeze)
    return null
  }

  #standsOn(epoch: Epoch, { offer, builds }: Freeze): boolean {
    const { last } = this.#contentWith(epoch, { by: 'offer', offer, builds })
    return builds === last.baseHead || last.applied.has(builds)
  }

  #record(act: ActOf<'offer'> | ActOf<'assign'>, epoch: Epoch, freeze: Handover['freeze']): void {
    const to = idFrom<BranchId>(act.body.to)
    this.#handovers.set(act.entry, { act, to, epoch, freeze, closings: [] })
  }

  /** Judged by what its author could know: neither an answer nor a new owner that it had not seen stops it. */
  #assign(act: ActOf<'assign'>, last: Epoch): Refusal | null {
    const hasSeen = ({ entry }: OwnershipAct) => this.#init.membership.hasSeen(act.entry, entry)
    const epoch = this.#epochs.find(({ endedBy }) => endedBy === null || !hasSeen(endedBy)) ?? last
    const isOrphan = this.#isOrphan(epoch, act.index)
    if (idFrom<BranchId>(act.body.to) === epoch.branch && !isOrphan) return refuse('self', 'the branch owns it already')
    const isFree = isOrphan || this.#isDeparted(epoch, act.index)
    const isUnanswered = [...this.#handovers.values()].some(
      (each) =>
        each.epoch === epoch &&
        act.ms - each.act.ms >= OFFER_OPEN_MS &&
        !each.closings.some((closing) => hasSeen(closing)),
    )
    if (!isFree && !isUnanswered && !this.#isDisputed) return NOT_ASSIGNABLE
    this.#record(act, epoch, null)
    // an acceptance of it contradicts the other
    return epoch === last ? null : NOT_ASSIGNABLE
  }

  #close(act: ActOf<'cancel'> | ActOf<'decline'>): Refusal | null {
    const handover = this.#handovers.get(idFrom<EntryId>(act.body.of))
    if (handover === undefined) return refuse('unknown-offer', 'no such offer of the file')
    const isAssign = handover.act.kind === 'assign'
    const mayClose =
      act.kind === 'decline' ? act.branch === handover.to : isAssign ? act.isAdmin : act.branch === handover.act.branch
    if (!mayClose) return refuse('not-party', 'the offer is another’s')
    const winner = handover.epoch.endedBy
    if (winner !== null && !this.#init.membership.hasSeen(act.entry, winner.entry)) return TOO_LATE
    if (winner !== null || handover.closings.length > 0) {
      return refuse('handoff-over', 'the offer had ended')
    }
    handover.closings.push(act)
    handover.freeze?.releases.push(act)
    return null
  }

  #accept(act: ActOf<'accept'>, epoch: Epoch): Refusal | null {
    const of = idFrom<EntryId>(act.body.of)
    const handover = this.#handovers.get(of)
    if (handover !== undefined) return this.#acceptHandover(act, handover)
    if (this.#departure(epoch.branch)?.seed === of) return this.#draw(act, epoch)
    const isOver = this.#epochs.some((each) => each.end !== null && this.#departure(each.branch)?.seed === of)
    if (isOver) return refuse('not-owner', 'another branch has taken the file')
    return refuse('unknown-offer', 'no such offer of the file')
  }

  #acceptHandover(act: ActOf<'accept'>, handover: Handover): Refusal | null {
    const { membership } = this.#init
    const { epoch } = handover
    if (act.branch !== handover.to) return refuse('not-party', 'the offer is to another branch')
    const seed = this.#departure(epoch.branch)?.seed
    const lapses = handover.act.kind === 'offer' && seed !== undefined && membership.hasSeen(act.entry, seed)
    if (lapses || handover.closings.some((each) => membership.hasSeen(act.entry, each.entry))) {
      return refuse('handoff-over', 'the offer had ended')
    }
    if (epoch.endedBy !== null) return this.#contradict(act, handover, epoch.endedBy)
    const end = this.#endBy(handover, act)
    const unproven = this.#refuseProof(act, this.#contentWith(epoch, end), of(act))
    if (unproven !== null) return unproven
    if (handover.act.kind === 'assign') this.#isDisputed = false
    // what had not been seen does not stop it
    for (const each of handover.closings) {
      this.#verdicts.set(each.entry, TOO_LATE)
    }
    return this.#begin(epoch, end, act)
  }

  #endBy({ act, epoch, freeze }: Handover, accept: OwnershipAct): EpochEnd {
    if (freeze !== null) return { by: 'offer', offer: act, builds: freeze.builds }
    if (this.#isOrphan(epoch, accept.index) || this.#isDeparted(epoch, accept.index)) return { by: 'departure' }
    return { by: 'assignment', ms: accept.ms }
  }

  /** Accepted after another had taken the file: marked where neither could know of the other. */
  #contradict(act: ActOf<'accept'>, handover: Handover, winner: OwnershipAct): Refusal | null {
    if (this.#init.membership.hasSeen(act.entry, winner.entry)) {
      return refuse('not-owner', 'another branch has taken the file')
    }
    const other = winner.kind === 'accept' ? this.#handovers.get(of(winner)) : undefined
    if (other?.act.kind === 'offer' && handover.act.kind === 'offer' && other !== handover) {
      this.#isDisputed = true
      for (const { entry, node } of [other.act, handover.act]) {
        this.#marks.set(entry, { file: this.#init.file, mark: 'offer-contradicted', entry, node })
      }
    }
    this.#claim(act)
    return refuse('contradicted', 'another acceptance, which had not seen this one, comes first')
  }

  #claim(act: OwnershipAct): void {
    this.#claimants.set(act.branch, [...(this.#claimants.get(act.branch) ?? []), act])
  }

  #draw(act: ActOf<'accept'>, epoch: Epoch): Refusal | null {
    const { network, file, membership, acts } = this.#init
    const seed = of(act)
    const content = this.#contentWith(epoch, { by: 'departure' })
    const valid = acts.filter((each): each is ActOf<'accept'> => {
      if (each.kind !== 'accept' || of(each) !== seed || this.#verdicts.has(each.entry)) return false
      const refusal = this.#refuseCandidate(each, epoch) ?? this.#refuseProof(each, content, seed)
      if (refusal !== null) this.#verdicts.set(each.entry, refusal)
      return refusal === null
    })
    const open = valid.filter((each) => !valid.some((other) => membership.hasSeen(each.entry, other.entry)))
    const winner = drawWinner(network, seed, file, open)
    for (const each of valid) {
      if (each === winner) continue
      if (open.includes(each)) this.#claim(each)
      const lost = open.includes(each)
        ? refuse('draw-lost', 'another acceptance of the draw comes first')
        : refuse('not-owner', 'another branch has taken the file')
      this.#verdicts.set(each.entry, lost)
    }
    if (winner !== undefined) this.#verdicts.set(winner.entry, this.#begin(epoch, { by: 'departure' }, winner))
    return this.#verdicts.get(act.entry) ?? null
  }

  #refuseCandidate(act: ActOf<'accept'>, epoch: Epoch): Refusal | null {
    if (this.#isGivenUp(epoch, act.index)) return refuse('orphaned', 'its owner has left it an orphan')
    if (this.#departure(epoch.branch)?.candidates.includes(act.node) === true) return null
    return refuse('not-candidate', 'its author was no member at the heads that the draw began with')
  }

  #adopt(act: ActOf<'adopt'>, epoch: Epoch): Refusal | null {
    const { membership } = this.#init
    if (!this.#isOrphan(epoch, act.index)) {
      const adopted = epoch.begin === null ? undefined : this.#epochs.at(-2)?.endedBy
      if (adopted?.kind === 'adopt' && !membership.hasSeen(act.entry, adopted.entry)) this.#claim(act)
      return refuse('not-orphaned', 'the file has an owner')
    }
    const content = this.#contentWith(epoch, { by: 'departure' })
    return this.#refuseProof(act, content) ?? this.#begin(epoch, { by: 'departure' }, act)
  }

  /** The proof is made with the newest access epoch's key, so that who was denied cannot take the file. */
  #refuseProof(act: ActOf<'accept'> | ActOf<'adopt'>, { draft }: ContentFold, ...bound: EntryId[]): Refusal | null {
    const { network, file } = this.#init
    const proof = act.kind === 'adopt' ? act.body.proof : act.body.files[0]?.proof
    const key = draft?.epochs.at(-1)?.proof
    if (draft === null || key === undefined || proof === undefined) {
      return refuse('unknown-file', 'no upload of the file stands before it')
    }
    if (draft.state === 'purged') return refuse('purged', 'the file is gone for good')
    const parts = [...bound.map((id) => idBytes(id)), idBytes(act.branch)]
    if (verifyKeyProof(network, key, file, proof, ...parts)) return null
    return refuse('bad-proof', 'it does not prove the key of the newest access epoch')
  }

  #begin(epoch: Epoch, end: EpochEnd, act: OwnershipAct): null {
    epoch.end = end
    epoch.endedBy = act
    this.#epochs.push({ branch: act.branch, begin: act, end: null, endedBy: null, freezes: [] })
    return null
  }

  /** The content if the present epoch ended so. */
  #contentWith(epoch: Epoch, end: EpochEnd): ContentFold {
    const epochs = this.#epochs.slice(0, this.#epochs.indexOf(epoch))
    return this.#init.content([...epochs, { ...epoch, end }])
  }

  #departure(branch: BranchId): Departure | undefined {
    return this.#init.membership.departures.get(branch)
  }

  #isDeparted({ branch }: Epoch, index: number): boolean {
    const departure = this.#departure(branch)
    return departure !== undefined && departure.index < index
  }

  #isOrphan(epoch: Epoch, index: number): boolean {
    const left = this.#departure(epoch.branch)?.left
    return (this.#init.bornOrphan && epoch.begin === null) || (left != null && left.index < index)
  }

  /** Named by `left` as an orphan: from then on only adoption helps. */
  #isGivenUp(epoch: Epoch, index: number): boolean {
    const left = this.#departure(epoch.branch)?.left
    return left != null && left.index < index && left.orphans.includes(this.#init.file)
  }
}

const NOT_ASSIGNABLE = refuse('not-assignable', 'the file has an owner and nothing is to be settled')
const TOO_LATE = refuse('too-late', 'the file was taken by someone who did not know of this')

function of(act: ActOf<'accept'>): EntryId {
  return idFrom<EntryId>(act.body.of)
}
