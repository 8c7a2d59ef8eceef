/** What was here of a node's feeds before a certain entry arrived: from where on the recovery key undoes. Reads only. */
import { type EntryId, feedAuthor, feedIncarnation, idBytes, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import type { Entry, Ledger } from '../ledger/index.ts'
import type { CommandsInit, Cuts } from '../membership/index.ts'

const MIN_ID_PREFIX = 6

export function beforeEntry(
  ledger: Ledger,
): Pick<CommandsInit, 'findEntry' | 'lastControlBefore'> & { cutsBefore(node: NodeId, before: EntryId): Cut[] } {
  function cutsBefore(node: NodeId, before: EntryId): Cut[] {
    const first = ledger.get(before)
    if (first === undefined) return []
    // not spread into `Math.min`: a feed may have more entries than a call may have arguments
    const arrivals = ledger.sync.arrivalsAfter(first.feed, first.seq - 1)
    const arrived = arrivals.reduce((earliest, each) => Math.min(earliest, each), Number.POSITIVE_INFINITY)
    const feeds = new Set(ledger.heads().flatMap(({ feed }) => (authorOf(feed) === node ? [feed] : [])))
    return [...feeds].flatMap((feed): Cut[] => {
      // the entries of a feed arrive in their order, so that their number says how far it was here
      const known = ledger.sync.arrivalsAfter(feed, -1).filter((each) => each < arrived).length
      if (feed === first.feed) return first.prev === null ? [] : [cutAt(feed, first.seq - 1, first.prev)]
      // in a feed that has forked the number tells no place: the branches count as far as the longest can have been
      const branches = ledger.heads().filter((head) => head.feed === feed)
      const last = Math.min(known - 1, ...(branches.length > 1 ? [Math.max(...branches.map(({ seq }) => seq))] : []))
      if (last < 0) return []
      const ends = ledger.after(feed, last - 1, branches.length).filter(({ seq }) => seq === last)
      return [...ends, ...branches.filter(({ seq }) => seq < last)].map(({ seq, id }) => cutAt(feed, seq, id))
    })
  }

  return {
    cutsBefore,
    findEntry(ref) {
      const exact = ledger.get(ref as EntryId)
      if (exact !== undefined) return exact
      const found = ref.length < MIN_ID_PREFIX ? [] : ledger.control().filter(({ id }) => id.startsWith(ref))
      return found.length === 1 ? found[0] : undefined
    },
    lastControlBefore(node, before) {
      const control = ledger.control()
      const place = control.findIndex(({ id }) => id === before)
      const reached = new Map<string, number>()
      for (const [incarnation, seq] of cutsBefore(node, before))
        reached.set(text(incarnation), Math.max(seq, reached.get(text(incarnation)) ?? 0))
      const earlier = (place < 0 ? control : control.slice(0, place)).filter(
        ({ author, feed, seq }) => author === node && seq <= (reached.get(text(feedIncarnation(feed))) ?? -1),
      )
      return earlier.at(-1)?.id ?? null
    },
  }
}

type Cut = Cuts[number]

const cutAt = (feed: Entry['feed'], seq: number, id: EntryId): Cut => [feedIncarnation(feed), seq, idBytes(id)]

const authorOf = (feed: Entry['feed']) => nodeIdFromPublicKey(feedAuthor(feed))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
