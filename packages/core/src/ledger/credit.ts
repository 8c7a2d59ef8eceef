/**
 * How far an announcement of each peer is believed before the entry is here. What was announced and never came is worth
 * nothing to anybody, so it must cost who announces it the means to do it again. Spec: docs/specs/ledger-sync.md.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'

/** Announcements of one peer that may be passed on before the entries are here. */
export const CREDIT_MAX = 512
/** So many are believed anew each second. */
export const CREDIT_PER_SECOND = 1
/** What it costs not to give what one has announced. */
export const CREDIT_FAILED = 16
const PEERS_MAX = 20_000

export interface Credit {
  /** @returns false when this peer is not believed for now */
  take(peer: NodeId): boolean
  /** What it announced has come: it was true. */
  back(peer: NodeId): void
  /** It was asked for what it had announced, and did not give it in time. */
  failed(peer: NodeId): void
}

export function createCredit(clock: Clock): Credit {
  const accounts = new Map<NodeId, { left: number; at: number }>()

  function leftOf(peer: NodeId): number {
    const account = accounts.get(peer)
    if (account === undefined) return CREDIT_MAX
    const earned = (Math.max(0, clock.now() - account.at) / 1000) * CREDIT_PER_SECOND
    return Math.min(CREDIT_MAX, account.left + earned)
  }

  function set(peer: NodeId, left: number): void {
    if (accounts.size >= PEERS_MAX) accounts.clear()
    accounts.set(peer, { left: Math.min(CREDIT_MAX, Math.max(0, left)), at: clock.now() })
  }

  return {
    take(peer) {
      const left = leftOf(peer)
      if (left < 1) return false
      set(peer, left - 1)
      return true
    },
    back: (peer) => set(peer, leftOf(peer) + 1),
    failed: (peer) => set(peer, leftOf(peer) - CREDIT_FAILED),
  }
}
