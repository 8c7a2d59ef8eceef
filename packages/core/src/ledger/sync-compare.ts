/**
 * Comparing: what a peer's status means, next to ours. Equal heads confirm, or raise the alarm; others lead to a fetch,
 * once what would explain the difference may have come. Spec: docs/specs/ledger-sync.md, "News".
 */
import type { Clock } from '../clock.ts'
import { equalBytes } from '../crypto/index.ts'
import { type NodeId, toHex } from '../ids.ts'
import type { Ledger } from './ledger.ts'
import type { Status } from './sync-frames.ts'
import type { Link } from './sync-link.ts'

/** What a differing status of a peer means is looked at after this time: the push may just be on its way. */
const COMPARE_DELAY_MS = 150
/** With entries on their way, a difference is put down to them for so long. */
export const COMPARE_MAX_MS = 2000
/** Told in place of a digest by a node that cannot execute all that it stores: nothing to compare with. */
const NO_STATE = new Uint8Array(32)
/** Own past heads, to tell a peer that is only behind from one that has something new. */
const PAST_MAX = 256

export interface PeerHeads {
  readonly peer: NodeId
  /** as it last told; null when it has not */
  readonly status: { readonly heads: string; readonly entries: number; readonly state: string } | null
  readonly inSync: boolean
  /** the same entries, another state */
  readonly diverged: boolean
}

export interface ComparisonInit {
  ledger: Ledger
  clock: Clock
  links: ReadonlyMap<NodeId, Link>
  digest: () => Uint8Array | null
  intervalMs: number
  /** entries that were asked for are on their way */
  isPulling: () => boolean
  later: (ms: number, work: () => void) => void
  fetch: (peer: NodeId) => void
  /** a peer has told the heads that we have */
  onEqual: () => void
  onDiverged: ((peer: NodeId) => void) | undefined
}

export interface Comparison {
  /** Ours, as it is now; remembers these heads as ours. */
  status(): Status
  onStatus(peer: NodeId, theirs: Status, isFirst: boolean): void
  /** Its connection is no more. */
  gone(peer: NodeId): void
  peerHeads(): PeerHeads[]
}

export function createComparison(init: ComparisonInit): Comparison {
  const { ledger, clock, links, later } = init
  const past = new Set<string>()
  const told = new Map<NodeId, string>()

  function status(): Status {
    const heads = ledger.sync.headsHash()
    past.delete(toHex(heads))
    past.add(toHex(heads))
    for (const oldest of past) {
      if (past.size <= PAST_MAX) break
      past.delete(oldest)
    }
    return { heads, count: ledger.count(), state: init.digest() ?? NO_STATE }
  }

  function compareLater(link: Link, waited: number): void {
    later(COMPARE_DELAY_MS, () => {
      const isExplained = init.isPulling() && waited < COMPARE_MAX_MS
      if (isExplained && links.get(link.peer) === link) compareLater(link, waited + COMPARE_DELAY_MS)
      else {
        link.isComparing = false
        if (link.theirs !== null && !isFleeting(link, link.theirs)) compare(link, link.theirs)
      }
    })
  }

  /**
   * While entries come all the time, from many authors, no two nodes have the same at one moment: what was told before our
   * latest came, or by one that has fewer and so will tell again, is worth a fetch only once per interval.
   */
  function isFleeting(link: Link, theirs: Status): boolean {
    if (equalBytes(theirs.heads, ledger.sync.headsHash())) return false
    const since = clock.now() - link.comparedAt
    if (since < 0 || since >= init.intervalMs) return false
    return ledger.count() !== link.hadThen || theirs.count < ledger.count()
  }

  function compare(link: Link, theirs: Status): void {
    const { peer } = link
    if (links.get(peer) !== link) return
    const ours = status()
    link.comparedAt = clock.now()
    if (equalBytes(ours.heads, theirs.heads)) agree(peer, ours, theirs)
    // heads that were ours once: the peer is behind, and fetches from us when it hears of it
    else if (!past.has(toHex(theirs.heads))) init.fetch(peer)
  }

  function agree(peer: NodeId, ours: Status, theirs: Status): void {
    init.onEqual()
    const own = ledger.sync.unconfirmedOwn()
    if (own !== null) ledger.confirmOwnFeed(own, peer)
    if (!isDiverged(ours, theirs)) return void told.delete(peer)
    if (told.get(peer) === toHex(ours.heads)) return
    told.set(peer, toHex(ours.heads))
    init.onDiverged?.(peer)
  }

  return {
    status,
    onStatus(peer, theirs, isFirst) {
      const link = links.get(peer)
      if (link === undefined) return
      link.theirs = theirs
      link.hadThen = ledger.count()
      if (isFirst || equalBytes(theirs.heads, ledger.sync.headsHash())) compare(link, theirs)
      else if (!link.isComparing) {
        link.isComparing = true
        compareLater(link, COMPARE_DELAY_MS)
      }
    },
    gone: (peer) => void told.delete(peer),
    peerHeads() {
      const ours = { heads: ledger.sync.headsHash(), state: init.digest() ?? NO_STATE }
      return [...links.values()].map(({ peer, theirs }) => ({
        peer,
        status:
          theirs === null ? null : { heads: toHex(theirs.heads), entries: theirs.count, state: toHex(theirs.state) },
        inSync: theirs !== null && hasState(ours) && isEqual(ours, theirs),
        diverged: theirs !== null && isDiverged(ours, theirs),
      }))
    },
  }
}

type Compared = Pick<Status, 'heads' | 'state'>

function hasState({ state }: Compared): boolean {
  return !equalBytes(state, NO_STATE)
}

function isEqual(a: Compared, b: Compared): boolean {
  return equalBytes(a.heads, b.heads) && equalBytes(a.state, b.state)
}

function isDiverged(a: Compared, b: Compared): boolean {
  return equalBytes(a.heads, b.heads) && hasState(a) && hasState(b) && !equalBytes(a.state, b.state)
}
