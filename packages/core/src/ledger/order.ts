/**
 * The one order in which all nodes execute entries. Pure. Spec: docs/specs/entry.md, "Order".
 * Control entries first, in causal order, concurrent ones by the authority of their authors; all others after them by
 * their clocks.
 */
import type { EntryId } from '../ids.ts'
import { runInOneGo } from '../turns.ts'
import type { OrderKey } from './types.ts'

/**
 * What the order needs of a control entry. Its place in its feed is no part of that: two branches of a forked feed share
 * places, and whoever forks its feed could put one entry before or behind another's that never knew of it.
 */
export interface ControlNode {
  readonly id: EntryId
  readonly seen: readonly EntryId[]
}

export interface ControlFold<S, E> {
  readonly state: S
  /** in the order in which they were folded */
  readonly order: readonly E[]
  /** entries that name, directly or through others, one that is not here; in order of id */
  readonly waiting: readonly E[]
}

/** Order of ordinary entries: it extends cause and effect, because clocks rise along a feed and pass every clock seen. */
export function compareOrdinary(a: OrderKey, b: OrderKey): number {
  return a.ms - b.ms || a.counter - b.counter || compareText(a.feed, b.feed) || compareText(a.id, b.id)
}

export interface ControlFoldInit<S, E extends ControlNode> {
  entries: readonly E[]
  initial: S
  apply: (state: S, entry: E) => S
  rank: (state: S, entry: E) => readonly number[]
  /** entries that are known to come first, in this order, and are part of `initial` */
  folded?: readonly E[]
}

/**
 * Topological order (Kahn, CACM 5(11), 1962) over what each entry had seen; ids are hashes, so there are no cycles. Of
 * those that are ready the one with the lowest rank comes first, ranks being compared number by number, then the
 * lowest id. The rank is asked of the state reached so far, so authority gained earlier counts.
 */
export function foldControl<S, E extends ControlNode>(init: ControlFoldInit<S, E>): ControlFold<S, E> {
  return runInOneGo(foldControlSteps(init))
}

/** The same, entry by entry, for who does other things in between. */
export function* foldControlSteps<S, E extends ControlNode>(
  init: ControlFoldInit<S, E>,
): Generator<void, ControlFold<S, E>> {
  const graph = graphOf(init.entries)
  const blockers = new Map<EntryId, number>()
  const ready: E[] = []
  for (const entry of graph.byId.values()) {
    const parents = graph.parents.get(entry.id) ?? []
    blockers.set(entry.id, parents.length)
    if (parents.length === 0) ready.push(entry)
  }
  let state = init.initial
  const order: E[] = []
  const folded = new Set<EntryId>()
  const pass = (entry: E) => {
    order.push(entry)
    folded.add(entry.id)
    for (const child of graph.children.get(entry.id) ?? []) {
      const left = (blockers.get(child.id) ?? 0) - 1
      blockers.set(child.id, left)
      if (left === 0) ready.push(child)
    }
  }
  if (init.folded !== undefined) {
    for (const entry of init.folded) pass(entry)
    ready.splice(0, ready.length, ...ready.filter(({ id }) => !folded.has(id)))
  }
  while (ready.length > 0) {
    const at = ready.length === 1 ? 0 : lowest(ready, (entry) => init.rank(state, entry))
    const [next] = ready.splice(at, 1)
    if (next === undefined) break
    state = init.apply(state, next)
    pass(next)
    yield
  }
  const waiting = [...graph.byId.values()].filter((entry) => !folded.has(entry.id)).sort(byId)
  return { state, order, waiting }
}

/**
 * What a new control entry names as seen: the complete entries that no other complete one has seen. An entry with
 * missing ancestors is left out, else one that names what does not exist would make everyone's entries wait for it.
 * In ascending order.
 */
export function frontier(entries: readonly ControlNode[]): EntryId[] {
  const known = new Set(entries.map(({ id }) => id))
  // the usual case: all is complete, so nothing has to be sorted to find that out
  if (entries.every(({ seen }) => seen.every((id) => known.has(id)))) {
    for (const { seen } of entries) for (const id of seen) known.delete(id)
    return [...known].sort()
  }
  const { order } = foldControl<null, ControlNode>({ entries, initial: null, apply: () => null, rank: () => [] })
  const covered = new Set<EntryId>()
  const graph = graphOf(order)
  for (const parents of graph.parents.values()) for (const parent of parents) covered.add(parent)
  return order
    .filter((entry) => !covered.has(entry.id))
    .map((entry) => entry.id)
    .sort()
}

/** True when `later` had seen `earlier`, directly or through others. For many questions about the same entries. */
export function seenAmong(entries: readonly ControlNode[]): (later: EntryId, earlier: EntryId) => boolean {
  const { parents } = graphOf(entries)
  return (later, earlier) => {
    const visited = new Set<EntryId>()
    const open = [...(parents.get(later) ?? [])]
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (id === earlier) return true
      if (visited.has(id)) continue
      visited.add(id)
      open.push(...(parents.get(id) ?? []))
    }
    return false
  }
}

export function hasSeen(entries: readonly ControlNode[], later: EntryId, earlier: EntryId): boolean {
  return seenAmong(entries)(later, earlier)
}

/**
 * True when `entry` folds after all of `others` and lets none of them go on that waits, so that it may be applied to
 * their state without folding again. Entries that will wait for ever cost a search, no fold: anyone can write such.
 * @param others all other control entries
 * @param waiting those of them that `foldControl` could not fold
 */
export function foldsLast(
  entry: ControlNode,
  others: readonly ControlNode[],
  waiting: readonly ControlNode[],
): boolean {
  const isWaiting = new Set(waiting.map(({ id }) => id))
  const before = waiting.length === 0 ? others : others.filter(({ id }) => !isWaiting.has(id))
  const seen = new Set(entry.seen)
  const known = new Set(before.map((each) => each.id))
  if (known.has(entry.id) || isWaiting.has(entry.id) || entry.seen.some((id) => !known.has(id))) return false
  if (waiting.some((each) => each.seen.includes(entry.id))) return false
  return frontier(before).every((id) => seen.has(id))
}

interface Graph<E> {
  readonly byId: ReadonlyMap<EntryId, E>
  /** may name entries that are not here */
  readonly parents: ReadonlyMap<EntryId, readonly EntryId[]>
  readonly children: ReadonlyMap<EntryId, readonly E[]>
}

function graphOf<E extends ControlNode>(entries: readonly E[]): Graph<E> {
  const byId = new Map<EntryId, E>()
  const parents = new Map<EntryId, readonly EntryId[]>()
  const children = new Map<EntryId, E[]>()
  for (const entry of entries) {
    if (byId.has(entry.id)) continue
    byId.set(entry.id, entry)
    const seen = entry.seen.length < 2 ? entry.seen : [...new Set(entry.seen)]
    parents.set(entry.id, seen)
    for (const id of seen) {
      const known = children.get(id)
      if (known === undefined) children.set(id, [entry])
      else known.push(entry)
    }
  }
  return { byId, parents, children }
}

function lowest<E extends ControlNode>(ready: readonly E[], rank: (entry: E) => readonly number[]): number {
  let best = 0
  let bestRank: readonly number[] | undefined
  ready.forEach((entry, index) => {
    const own = rank(entry)
    const current = ready[best]
    if (bestRank === undefined || current === undefined) {
      best = index
      bestRank = own
      return
    }
    const difference = compareRanks(own, bestRank) || compareText(entry.id, current.id)
    if (difference < 0) {
      best = index
      bestRank = own
    }
  })
  return best
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function byId(a: ControlNode, b: ControlNode): number {
  return compareText(a.id, b.id)
}
