/**
 * What counts of a closed feed: its ends and what they descend from. A fork below an end is beside it, whatever its place.
 * Spec: docs/specs/control.md, "Ends". Why: decision 0023.
 */
import type { EntryId, FeedId } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import type { FeedEnd, MembershipState } from '../membership/index.ts'

type InFeed = Pick<Entry, 'id' | 'author' | 'feed' | 'seq'>

/** True when the entry lies beyond the end of its author's closed feed, or beside it. */
export type IsBeyondEnd = (membership: MembershipState, entry: InFeed) => boolean

interface Feeds {
  get(id: EntryId): Pick<Entry, 'feed' | 'seq' | 'prev'> | undefined
  forked(): ReadonlySet<FeedId>
}

/** The way back from an end, as far as it was asked for. An entry's ancestors never change. */
interface Way {
  readonly ids: Set<EntryId>
  /** the next step, and its place */
  next: { readonly id: EntryId; readonly seq: number } | null
}

/** Ways kept; each is as long as its feed above the lowest place that was asked about. */
const WAYS_MAX = 64

export function createClosedFeeds(feeds: Feeds): IsBeyondEnd {
  const ways = new Map<EntryId, Way>()

  function isHere(feed: FeedId, { id, seq }: FeedEnd): boolean {
    const entry = feeds.get(id)
    return entry !== undefined && entry.feed === feed && entry.seq === seq
  }

  function wayFrom(end: FeedEnd): Way {
    const known = ways.get(end.id)
    if (known !== undefined) return known
    const way: Way = { ids: new Set(), next: end }
    const [oldest] = ways.keys()
    if (ways.size >= WAYS_MAX && oldest !== undefined) ways.delete(oldest)
    ways.set(end.id, way)
    return way
  }

  function descends(end: FeedEnd, { id, seq }: InFeed): boolean {
    const way = wayFrom(end)
    while (way.next !== null && way.next.seq >= seq) {
      way.ids.add(way.next.id)
      const prev = feeds.get(way.next.id)?.prev ?? null
      way.next = prev === null ? null : { id: prev, seq: way.next.seq - 1 }
    }
    return way.ids.has(id)
  }

  function counts(entry: InFeed, end: FeedEnd): boolean {
    if (entry.id === end.id) return true
    if (entry.seq >= end.seq) return false
    // one branch leads to whatever ends it; while the end is not here, nobody can tell which branch is its own
    return !feeds.forked().has(entry.feed) || !isHere(entry.feed, end) || descends(end, entry)
  }

  return ({ closed, cuts }, entry) =>
    closed.has(entry.author) && !(cuts.get(entry.feed) ?? []).some((end) => counts(entry, end))
}

/** An end that has just come to a forked feed: what its author wrote may count otherwise than before. */
export function isLateEnd({ cuts }: MembershipState, forked: ReadonlySet<FeedId>, entry: InFeed): boolean {
  return forked.has(entry.feed) && (cuts.get(entry.feed) ?? []).some(({ id }) => id === entry.id)
}
