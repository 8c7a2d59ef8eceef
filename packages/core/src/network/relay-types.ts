/** What is said of relays. */
import type { NodeId } from '../ids.ts'

/** `auto`: once others have been seen to reach this node from outside; `always`; `never`. */
export type RelayServing = 'auto' | 'always' | 'never'

/** How busy a relay says it is. */
export interface RelayLoad {
  readonly circuits: number
  /** of its rate, 0 to 1 */
  readonly share: number
}

export interface RelayCandidate {
  readonly relay: NodeId
  readonly rttMs: number | null
  /** null: it has not said */
  readonly load: RelayLoad | null
}
