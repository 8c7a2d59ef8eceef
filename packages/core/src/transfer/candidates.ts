/** Whom to dial for one version, and when again: back-off per peer, bans, and the list that is asked for anew. */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'

/** Sources of one version at one time. */
export const MAX_SOURCES = 32
/** The list of sources is asked for again after this (ms). */
const POLL_MS = 5_000
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 15_000

export interface Candidates {
  /** Asks for the list when it is time. */
  poll(): void
  /** Asks for the list, and allows dialling everyone again, at once. */
  refresh(): void
  /** Who is to be dialled now. @param linked who is linked or being dialled */
  due(linked: readonly NodeId[]): NodeId[]
  /** More could be dialled if there were room. */
  hasMore(linked: readonly NodeId[]): boolean
  reached(peer: NodeId): void
  /** Its link ended, or it could not be reached: try again later. */
  ended(peer: NodeId): void
  /** Never again for this version. */
  ban(peer: NodeId): void
}

export function createCandidates(init: {
  clock: Clock
  self: NodeId
  sources: () => Promise<readonly NodeId[]> | readonly NodeId[]
  /** the list has come */
  onKnown: () => void
}): Candidates {
  const { clock } = init
  const banned = new Set<NodeId>([init.self])
  const tries = new Map<NodeId, { notBefore: number; failures: number }>()
  let known: readonly NodeId[] = []
  let polledAt = Number.NEGATIVE_INFINITY
  let polling = false

  const ask = async () => {
    polling = true
    try {
      known = await init.sources()
    } catch {
      // who knows the sources may be stopping; what was known stays, and is asked for again
    } finally {
      polling = false
    }
    init.onKnown()
  }
  const dialable = (linked: readonly NodeId[]) => {
    const now = clock.now()
    const taken = new Set(linked)
    return known.filter((peer) => !taken.has(peer) && !banned.has(peer) && (tries.get(peer)?.notBefore ?? 0) <= now)
  }
  return {
    poll() {
      if (polling || clock.now() - polledAt < POLL_MS) return
      polledAt = clock.now()
      void ask()
    },
    refresh() {
      polledAt = Number.NEGATIVE_INFINITY
      for (const each of tries.values()) each.notBefore = 0
    },
    due(linked) {
      const room = MAX_SOURCES - linked.length
      return room <= 0 ? [] : [...new Set(dialable(linked))].slice(0, room)
    },
    hasMore: (linked) => dialable(linked).length > 0,
    reached(peer) {
      tries.set(peer, { notBefore: 0, failures: 0 })
    },
    ended(peer) {
      const failures = (tries.get(peer)?.failures ?? 0) + 1
      const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
      tries.set(peer, { notBefore: clock.now() + delay, failures })
    },
    ban(peer) {
      banned.add(peer)
    },
  }
}
