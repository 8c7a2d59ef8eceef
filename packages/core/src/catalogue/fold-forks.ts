/** Forked feeds as rows. Which they are follows from the set of entries: the lowest place with two, the two lowest ids. */
import { type EntryId, type FeedId, feedAuthor, idBytes, idFrom, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import type { Entry, Fork } from '../ledger/index.ts'
import type { SharedEntries } from './shared-fold.ts'
import type { StateRows } from './state-rows.ts'
import { type ForkRow, tables } from './state-tables.ts'
import type { SharedFork } from './types.ts'

export function forkToRow({ feed, seq, ids: [first, second] }: Fork): ForkRow {
  return { feed, node: nodeIdFromPublicKey(feedAuthor(feed)), seq, first: idBytes(first), second: idBytes(second) }
}

export function forkFromRow({ feed, node, seq, first, second }: ForkRow): SharedFork {
  const entries = [idFrom<EntryId>(first), idFrom<EntryId>(second)] as const
  return { feed: feed as FeedId, node: node as NodeId, seq, entries }
}

export function forkRows(entries: SharedEntries): ForkRow[] {
  return [...entries.forked()].flatMap((feed) => entries.forkOf(feed) ?? []).map(forkToRow)
}

/** @returns the rows that are new or other than before */
export function noteForks(rows: StateRows, entries: SharedEntries, added: readonly Entry[]): ForkRow[] {
  const forked = entries.forked()
  if (forked.size === 0) return []
  const changed = new Map<FeedId, ForkRow>()
  for (const { feed, seq } of added) {
    if (!forked.has(feed)) continue
    // beyond the known place nothing changes, so that a forked feed costs no more than another
    const [known] = rows.select(tables.forks, feed)
    if (known !== undefined && seq > known.seq) continue
    const fork = entries.forkOf(feed)
    if (fork === null) continue
    const row = forkToRow(fork)
    if (rows.put(tables.forks, row)) changed.set(feed, row)
  }
  return [...changed.values()]
}
