/**
 * The control entries as far as they are folded. One that sorts in before others folds these anew, and no more: from a
 * mark near the end, since what is concurrent is mostly of the same minutes. Who writes as if it had seen little
 * makes all of them be folded once.
 */
import type { EntryId } from '../ids.ts'
import { type Entry, foldControlSteps } from '../ledger/index.ts'
import { createFold, foldFrom, type MembershipState } from '../membership/index.ts'
import { createTurns, nextTurn, runInOneGo, runInTurns } from '../turns.ts'
import type { ControlState } from './shared-fold.ts'

/** The state after so many entries of the order. */
interface Mark {
  readonly state: MembershipState
  readonly length: number
}

export interface FoldedControl extends ControlState {
  /** entries with a verdict, as they were folded */
  readonly order: readonly Entry[]
  readonly mark: Mark
}

/** Entries behind a new mark. */
const LAG = 16
/** A mark is moved when it would come on by so many: it costs as much as all tables have rows. */
const STEP = 16

/** @param rules newest rules version that is executed */
export function noControl(rules?: number): FoldedControl {
  const membership = createFold(rules).state()
  return { membership, waiting: [], order: [], mark: { state: membership, length: 0 } }
}

/**
 * @param all control entries, with those that were added
 * @param rules newest rules version that is executed
 */
export function foldInto(
  before: FoldedControl,
  all: readonly Entry[],
  added: readonly Entry[],
  rules?: number,
): FoldedControl {
  return runInOneGo(foldIntoSteps(before, all, added, rules))
}

/** All control entries from the first on, in turns: a thousand admissions take most of a second, for their signatures. */
export async function foldControlInTurns(all: readonly Entry[], rules?: number): Promise<FoldedControl | null> {
  return await runInTurns(foldIntoSteps(noControl(rules), all, all, rules), createTurns(nextTurn))
}

function* foldIntoSteps(
  before: FoldedControl,
  all: readonly Entry[],
  added: readonly Entry[],
  rules?: number,
): Generator<void, FoldedControl> {
  const { order, waiting } = before
  const sure = sureOf(order, added)
  let mark = before.mark.length <= sure ? before.mark : noControl(rules).mark
  const fold = foldFrom(mark.state)
  let length = mark.length
  const end = all.length - waiting.length - LAG
  const apply = (entry: Entry) => {
    fold.apply(entry)
    length += 1
    if (length === end && length >= mark.length + STEP) mark = { state: foldFrom(fold.state()).state(), length }
  }
  const folded = order.slice(0, sure)
  for (const entry of folded.slice(length)) apply(entry)
  const result = yield* foldControlSteps({
    entries: all,
    folded,
    initial: fold,
    apply: (state, entry) => {
      apply(entry)
      return state
    },
    rank: (state, entry) => state.rank(entry),
  })
  return { membership: fold.state(), waiting: result.waiting, order: result.order, mark }
}

/**
 * How many entries stand as they stood: until all that one of the added names is folded, nothing is concurrent with it.
 * What names one that is not folded comes after that, or waits.
 */
function sureOf(order: readonly Entry[], added: readonly Entry[]): number {
  const places = new Map<EntryId, number>()
  for (const [place, { id }] of order.entries()) places.set(id, place)
  let sure = order.length
  for (const { seen } of added) {
    if (!seen.every((id) => places.has(id))) continue
    sure = Math.min(sure, Math.max(-1, ...seen.map((id) => places.get(id) ?? -1)) + 1)
  }
  return sure
}
