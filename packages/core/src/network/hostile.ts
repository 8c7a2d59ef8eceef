/** Peers that sent too much nonsense, and are not heard for a while. */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Gate } from './types.ts'

const HOSTILE_MS = 60_000
/** Strangers come under ever new names: what is kept of them is bounded. */
const MAX_PEERS = 4_096
const NOBODY: Gate = { isMember: () => false, isQuarantined: () => false, mayConnect: () => true }

export class HostilePeers {
  readonly #clock: Clock
  readonly #until = new Map<NodeId, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(peer: NodeId): void {
    if (this.#until.size >= MAX_PEERS) this.#until.clear()
    this.#until.set(peer, this.#clock.now() + HOSTILE_MS)
  }

  /** The gate of the network (null: none yet), and not these. */
  gate(gate: Gate | null): Gate | null {
    if (gate === null && this.#until.size === 0) return null
    const inner = gate ?? NOBODY
    return {
      isMember: (node) => inner.isMember(node),
      isQuarantined: (node) => inner.isQuarantined(node),
      mayConnect: (node) => inner.mayConnect(node) && (this.#until.get(node) ?? 0) <= this.#clock.now(),
    }
  }

  /** Forgets those whose time is over. */
  tend(): void {
    const now = this.#clock.now()
    for (const [peer, until] of this.#until) if (until <= now) this.#until.delete(peer)
  }
}
