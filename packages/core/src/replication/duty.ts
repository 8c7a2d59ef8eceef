/** What this node should do about one version, decided from what it knows. Pure. */
import type { NodeId } from '../ids.ts'
import type { HoldState } from './types.ts'

export interface DutyInput {
  readonly self: NodeId
  /** who should hold it, from `placementList` */
  readonly list: readonly NodeId[]
  /** members that say they have all of it, this node not among them */
  readonly completeHolders: ReadonlySet<NodeId>
  /** connected now */
  readonly isReachable: (node: NodeId) => boolean
  readonly local: HoldState
  /** an older seal of the version is complete here; `readable`: with the keys to seal it anew without fetching */
  readonly former: 'none' | 'sealed' | 'readable'
  /** false when this node must not hold it: it had the key of a closed access epoch, or its capacity is used up */
  readonly mayHold: boolean
  /** a person at this branch asked for a copy, or the branch owns the file */
  readonly isKept: boolean
  /** it was complete here, and the disk has lost a part of it */
  readonly isDamaged: boolean
}

export type Duty =
  /** get what is missing, or seal it here */
  | 'fetch'
  /** nothing to do: complete, or not ours to hold */
  | 'rest'
  /** tell the others that the next in the list has to stand in */
  | 'decline'
  /** every listed member has it and is there: our copy is one too many */
  | 'drop'

export function decideDuty(input: DutyInput): Duty {
  const listed = input.list.includes(input.self)
  if (listed) {
    if (!input.mayHold) return 'decline'
    return input.local === 'all' ? 'rest' : 'fetch'
  }
  if (input.isKept) {
    const isWanting = input.former === 'readable' || (input.isDamaged && input.mayHold)
    return isWanting && input.local !== 'all' ? 'fetch' : 'rest'
  }
  if (input.local === 'none' && input.former === 'none') return 'rest'
  // one that is off may not come back; until it does or is replaced, ours stands in for it
  const targetVerified =
    input.list.length > 0 && input.list.every((node) => input.completeHolders.has(node) && input.isReachable(node))
  return targetVerified ? 'drop' : 'rest'
}
