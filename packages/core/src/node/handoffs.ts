/**
 * Open offers, where nobody deals with them by hand: what is offered or assigned to this branch is accepted as its
 * setting says, and what this branch has offered is taken back when it was not answered in time. No clock ends an offer
 * by itself: it is the owner's node that writes `cancel`, and an acceptance that had not seen it counts all the same.
 */
import { OFFER_OPEN_MS, type SharedFile } from '../catalogue/index.ts'
import type { Clock } from '../clock.ts'
import type { BranchId, EntryId, FileId } from '../ids.ts'
import { hasRoomFor } from './room.ts'
import type { Session } from './session.ts'
import type { HandoffPolicy } from './types.ts'

export const DEFAULT_HANDOFF_POLICY: HandoffPolicy = { accept: 'fits', maxBytes: null, from: null }
/**
 * How often it is asked which offers have become too old, and for how long an offer is left alone after a failure (a
 * wrong clock, a full disk), milliseconds.
 */
const RETRY_MS = 60_000

export interface OfferedFile {
  /** of the current version, bytes */
  readonly size: number
  /** it is here already, or could be */
  readonly hasRoom: boolean
  /** branch of whoever wrote the offer or assignment */
  readonly from: BranchId | null
}

/** Whether the setting lets the node accept without asking anybody. Pure. @param named the branches of `policy.from` */
export function acceptsByItself(
  policy: Pick<HandoffPolicy, 'accept' | 'maxBytes'>,
  named: readonly BranchId[] | null,
  { size, hasRoom, from }: OfferedFile,
): boolean {
  if (policy.accept === 'ask') return false
  if (named !== null && (from === null || !named.includes(from))) return false
  return (policy.maxBytes === null || size <= policy.maxBytes) && hasRoom
}

export interface HandoffsInit {
  readonly clock: Clock
  readonly policy: HandoffPolicy
  /** the branch that this node acts for now; null while it may not or should not: quarantined, disconnected, behind, replaced, leaving */
  actingFor(): BranchId | null
  /** files with an open offer or assignment */
  offered(): Iterable<SharedFile>
  /** null while this branch cannot read the file */
  describe(file: SharedFile): OfferedFile | null
  /** branch of whoever wrote the offer or assignment */
  offeredBy(offer: EntryId): BranchId | null
  /** branches that the setting names; null = no such bound */
  named(): readonly BranchId[] | null
  accept(file: FileId): void
  cancel(file: FileId): void
  onProblem(error: unknown): void
}

export interface Handoffs {
  start(): void
  /** Something changed that an offer may wait for: entries, keys, chunks, room. */
  look(): void
  stop(): void
}

export function createHandoffs(init: HandoffsInit): Handoffs {
  const { clock, policy } = init
  const failedAt = new Map<EntryId, number>()
  let isRunning = false
  let cancelTimer = () => {}

  function answerOf(file: SharedFile, own: BranchId): ((file: FileId) => void) | null {
    const { offer } = file
    if (offer === null) return null
    if (offer.to === own) {
      const offered = init.describe(file)
      return offered !== null && acceptsByItself(policy, init.named(), offered) ? init.accept : null
    }
    const isTooOld = clock.now() - offer.ms >= OFFER_OPEN_MS
    return isTooOld && file.owner === own && init.offeredBy(offer.entry) === own ? init.cancel : null
  }

  function lookAtAll(): void {
    const own = isRunning ? init.actingFor() : null
    if (own === null) return
    // the rows change while the answers are written
    const files = [...init.offered()]
    const open = new Set(files.map(({ offer }) => offer?.entry))
    for (const entry of failedAt.keys()) if (!open.has(entry)) failedAt.delete(entry)
    for (const file of files) {
      const { offer } = file
      if (offer === null || clock.now() - (failedAt.get(offer.entry) ?? Number.NEGATIVE_INFINITY) < RETRY_MS) continue
      try {
        answerOf(file, own)?.(file.file)
        failedAt.delete(offer.entry)
      } catch (error) {
        failedAt.set(offer.entry, clock.now())
        init.onProblem(error)
      }
    }
  }

  function look(): void {
    try {
      lookAtAll()
    } catch (error) {
      init.onProblem(error)
    }
  }

  function schedule(): void {
    cancelTimer = clock.after(RETRY_MS, () => {
      look()
      schedule()
    })
  }

  return {
    look,
    start() {
      isRunning = true
      look()
      schedule()
    },
    stop() {
      isRunning = false
      cancelTimer()
    },
  }
}

/** The answers of a session's own branch. */
export function handoffsOf(
  session: Session,
  init: { policy: HandoffPolicy; log: (message: string, error?: unknown) => void },
): Handoffs {
  const { self, state, members, sharing, host, ledger, store, capacity, sync } = session

  function offeredBy(offer: EntryId): BranchId | null {
    const author = ledger.get(offer)?.author
    return (author === undefined ? undefined : members.get(author)?.branch) ?? null
  }

  function branchOf(ref: string): BranchId[] {
    try {
      return [members.resolveNode(ref).branch]
    } catch {
      return [] // a name that nobody bears, or several do, lets nobody through
    }
  }

  return createHandoffs({
    clock: session.clock,
    policy: init.policy,
    offeredBy,
    actingFor() {
      const member = members.get(self)
      const isLeaving = member !== undefined && state.membership().departures.get(member.branch)?.node === self
      const isActing = member?.state === 'member' && members.branchOf(self)?.node === self && !isLeaving
      // while it was away an old offer may have been taken back, or settled by an admin
      return isActing && host.isOpen() && session.trusts() && sync.isCurrent() ? member.branch : null
    },
    offered: () => state.offered(),
    named: () => init.policy.from?.flatMap(branchOf) ?? null,
    describe(file) {
      const version = session.liveVersion(file.file)
      if (version === null || file.offer === null || sharing.views.get(file.file) === null) return null
      const { shape } = version
      return { size: shape.size, hasRoom: hasRoomFor(store, capacity, shape), from: offeredBy(file.offer.entry) }
    },
    accept: (file) => void sharing.ownership.accept(file),
    cancel: (file) => void sharing.ownership.cancel(file),
    onProblem: (error) => init.log('answering an offer', error),
  })
}
