/** Whom to turn to first for a version. Pure. */
import type { NodeId } from '../ids.ts'

/** What is reckoned for a round trip that was not measured, and at most (ms). */
const UNKNOWN_TRIP_MS = 1_000

export interface SourceOrderInit {
  isConnected(node: NodeId): boolean
  /** the version is complete there */
  hasAll(node: NodeId): boolean
  /** milliseconds; undefined where it was not measured */
  tripMs(node: NodeId): number | undefined
}

/** Connected before complete before near: a reader asks the first for what it waits for. */
export function nearestFirst(nodes: Iterable<NodeId>, init: SourceOrderInit): NodeId[] {
  const cost = (node: NodeId) =>
    (init.isConnected(node) ? 0 : 2 * UNKNOWN_TRIP_MS) +
    (init.hasAll(node) ? 0 : UNKNOWN_TRIP_MS) +
    Math.min(UNKNOWN_TRIP_MS - 1, init.tripMs(node) ?? UNKNOWN_TRIP_MS - 1)
  const costs = new Map([...new Set(nodes)].map((node) => [node, cost(node)]))
  return [...costs].sort(([, a], [, b]) => a - b).map(([node]) => node)
}
