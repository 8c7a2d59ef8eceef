/** `node.ledger`: the entries as they arrived, the digest, and the check of both. */
import { kindInfo } from '../catalogue/index.ts'
import { feedAuthor, nodeIdFromPublicKey, toHex } from '../ids.ts'
import type { StoredEntry } from '../ledger/index.ts'
import type { Session } from './session.ts'
import type { LedgerEntryView, LedgerVerbs } from './types.ts'

const PAGE_DEFAULT = 100
const PAGE_MAX = 1000

export function entryView(session: Session, stored: StoredEntry): LedgerEntryView {
  const { entry, arrival, refusal } = stored
  const subject = kindInfo(entry.kind)?.subject(entry.body, entry.authorKey) ?? null
  const branch = session.members.get(entry.author)?.branch
  return {
    arrival,
    id: entry.id,
    kind: entry.kind,
    author: { id: entry.author, branch: branch === undefined ? null : session.members.branchLabel(branch) },
    feed: entry.feed,
    seq: entry.seq,
    time: new Date(entry.ms).toISOString(),
    subject: subject === null ? null : toHex(subject),
    refused: refusal,
  }
}

export function createLedgerVerbs(session: () => Session): LedgerVerbs {
  return {
    entries({ after = 0, limit = PAGE_DEFAULT } = {}) {
      const current = session()
      const size = Math.min(Math.max(1, limit), PAGE_MAX)
      const items = current.ledger.page(after, size).map((stored) => entryView(current, stored))
      return { items, next: items.length < size ? null : (items.at(-1)?.arrival ?? null) }
    },
    digest() {
      const { ledger, state } = session()
      const heads = ledger
        .heads()
        .map(({ feed, seq, id }) => ({ author: nodeIdFromPublicKey(feedAuthor(feed)), feed, seq, id }))
      heads.sort((a, b) => (a.feed < b.feed ? -1 : a.feed > b.feed ? 1 : a.id < b.id ? -1 : 1))
      return { heads, entries: ledger.count(), state: toHex(state.digest()) }
    },
    verify: async (options) => session().integrity.verify(options),
    repair: async (options) => session().integrity.repair(options),
  }
}
