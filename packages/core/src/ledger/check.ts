/**
 * Whether the stored entries are what their authors signed. Reads the rows themselves, not what is in memory of them:
 * each entry's bytes make its id, its columns repeat what stands in its bytes, its predecessor is here, and the end of
 * each feed bears a signature, which vouches for all before it. Spec: docs/specs/repair.md, "What is checked when".
 */
import type { Database } from '../database/index.ts'
import { type EntryId, feedIdFrom, idBytes, idFrom, type NetworkId } from '../ids.ts'
import { createTurns } from '../turns.ts'
import { decodeEntry, FOUND, isCosigned, isSigned } from './entry.ts'
import type { Entry, KindInfo } from './types.ts'

/** Entries read at once. */
const PAGE = 256
/** More are counted, not described. */
export const PROBLEMS_MAX = 20

export interface EntriesCheckInit {
  readonly db: Database
  readonly network: NetworkId
  readonly recovery: Uint8Array | null
  readonly kinds: (kind: string) => KindInfo | undefined
  /** now and then; throws to end the check */
  readonly pause: () => Promise<void>
}

interface CheckedRow {
  arrival: number
  seq: number
  id: Uint8Array
  short_id: number
  ms: number
  counter: number
  kind: string
  subject: Uint8Array | null
  is_control: number
  bytes: Uint8Array
  sig: Uint8Array | null
  cosig: Uint8Array | null
  feed_key: number
  author: Uint8Array | null
  incarnation: Uint8Array | null
}

interface TipRow {
  feed_key: number
  seq: number
  id: Uint8Array
}

/** @returns what is wrong, in words; empty when all is well */
export async function checkEntries(init: EntriesCheckInit): Promise<string[]> {
  const { db } = init
  const found = createFindings()
  const turns = createTurns(init.pause)
  const page = db.prepare<CheckedRow>(
    `SELECT arrival, seq, id, short_id, ms, counter, kind, subject, is_control, bytes, sig, cosig, feed_key, author,
       incarnation FROM entries LEFT JOIN feeds USING (feed_key) WHERE arrival > ? ORDER BY arrival LIMIT ${PAGE}`,
  )
  let last = 0
  for (let rows = page.all(0); rows.length > 0; rows = page.all(last)) {
    for (const row of rows) {
      if (row.arrival !== last + 1) found.add(`entries ${last + 1} to ${row.arrival - 1} are missing`)
      last = row.arrival
      const problem = problemOf(init, row)
      if (problem !== null) found.add(`entry ${row.arrival}: ${problem}`)
      if (turns.isOver()) await turns.next()
    }
    await turns.next()
  }
  // what a tip and its entry say stays; which is the last of its feed may change with every turn
  const tips = db.prepare<TipRow>('SELECT feed_key, seq, id FROM tips').all()
  const feeds = db
    .prepare<{ feed_key: number; highest: number | null }>(
      'SELECT feed_key, (SELECT max(seq) FROM entries WHERE entries.feed_key = feeds.feed_key) AS highest FROM feeds',
    )
    .all()
  const ends = new Map<number, number>()
  for (const { feed_key, seq } of tips) ends.set(feed_key, Math.max(seq, ends.get(feed_key) ?? -1))
  for (const { feed_key, highest } of feeds) {
    if ((ends.get(feed_key) ?? -1) < (highest ?? -1)) found.add(`the end of feed ${feed_key}: entries follow it`)
  }
  for (const tip of tips) {
    const problem = problemOfTip(init, tip)
    if (problem !== null) found.add(`the end of feed ${tip.feed_key}: ${problem}`)
    if (turns.isOver()) await turns.next()
  }
  return found.list()
}

function problemOf(init: EntriesCheckInit, row: CheckedRow): string | null {
  let entry: Entry
  try {
    entry = decodeEntry({ bytes: plain(row.bytes), sig: row.sig, cosig: row.cosig }, init.network)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  if (!same(idBytes(entry.id), row.id)) return 'its bytes do not make its id'
  const info = init.kinds(entry.kind)
  const isControl = info?.isControl === true || entry.kind === FOUND
  const subject = info === undefined || isControl ? null : info.subject(entry.body, entry.authorKey)
  const repeats =
    row.author !== null &&
    row.incarnation !== null &&
    feedIdFrom(row.author, row.incarnation) === entry.feed &&
    row.seq === entry.seq &&
    row.ms === entry.ms &&
    row.counter === entry.counter &&
    row.kind === entry.kind &&
    row.is_control === (isControl ? 1 : 0) &&
    row.short_id === Buffer.from(row.id).readInt32BE(0) &&
    (subject === null ? row.subject === null : row.subject !== null && same(subject, row.subject))
  if (!repeats) return 'its columns are not what its bytes say'
  if (!isCosigned(entry, init.network, init.recovery)) return 'the signature by the recovery key is not valid'
  if (entry.prev !== null && !follows(init.db, row.feed_key, entry.seq - 1, entry.prev))
    return 'the entry before it in its feed is missing'
  return null
}

function follows(db: Database, feed: number, seq: number, prev: EntryId): boolean {
  const at = db.prepare<{ id: Uint8Array }>('SELECT id FROM entries WHERE feed_key = ? AND seq = ?').all(feed, seq)
  return at.some((row) => same(row.id, idBytes(prev)))
}

function problemOfTip({ db, network }: EntriesCheckInit, { feed_key, seq, id }: TipRow): string | null {
  const row = db
    .prepare<{ arrival: number; bytes: Uint8Array; sig: Uint8Array | null }>(
      'SELECT arrival, bytes, sig FROM entries WHERE feed_key = ? AND seq = ? AND id = ?',
    )
    .get(feed_key, seq, id)
  if (row === undefined) return 'the entry is missing'
  try {
    const entry = decodeEntry({ bytes: plain(row.bytes), sig: row.sig, cosig: null }, network)
    if (!isSigned(entry, network)) return `entry ${row.arrival} bears no valid signature`
    return idFrom<EntryId>(id) === entry.id ? null : `entry ${row.arrival} is another one`
  } catch {
    return `entry ${row.arrival} is not readable`
  }
}

interface Findings {
  add(problem: string): void
  list(): string[]
}

/** Names the first of many. */
export function createFindings(): Findings {
  const named: string[] = []
  let more = 0
  return {
    add(problem) {
      if (named.length < PROBLEMS_MAX) named.push(problem)
      else more += 1
    },
    list: () => (more === 0 ? named : [...named, `and ${more} more`]),
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
