/**
 * The entries on disk, and in memory what is small and asked often: control entries, tips, known authors. Whatever is
 * in memory follows from the tables and is rebuilt from them at open and after a rollback.
 */
import { equalBytes } from '../crypto/index.ts'
import { createBulkInsert, type Database } from '../database/index.ts'
import {
  type EntryId,
  type FeedId,
  feedAuthor,
  feedIdFrom,
  feedIncarnation,
  idBytes,
  idFrom,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
  publicKeyFromNodeId,
  toHex,
} from '../ids.ts'
import { decodeEntry, detached, FOUND, introducedBy, recoveryKeyOf } from './entry.ts'
import { LedgerDamagedError, NotInNetworkError } from './errors.ts'
import { HeadIndex, type Tip } from './heads.ts'
import type { Entry, EntryStore, Head, KindInfo, SignedBytes } from './types.ts'

/** An entry with what this node knows of it besides. */
export interface StoredEntry {
  /** counts up by one with each entry stored here */
  readonly arrival: number
  readonly entry: Entry
  readonly refusal: { readonly code: string; readonly reason: string } | null
}

/** An entry's place and clock, as far as a following entry must fit them. */
export interface Link {
  readonly id: EntryId
  readonly ms: number
  readonly counter: number
}

export interface LedgerStore extends EntryStore {
  readonly heads: HeadIndex
  network(): NetworkId | null
  /** For a network whose founding entry is not here yet. */
  setNetwork(network: NetworkId): void
  /** Public half of the recovery key, null while the founding entry is not here. */
  recovery(): Uint8Array | null
  /** True when a stored entry introduces that author. */
  knowsAuthor(author: NodeId): boolean
  has(head: Head): boolean
  /** True when the id of a stored entry begins like this. At least four bytes. */
  hasPrefix(prefix: Uint8Array): boolean
  /** Time of the latest ordinary entry about a subject, null when there is none. */
  latestAbout(subject: Uint8Array): number | null
  /** The stored entries at one place of a feed; more than one where it forked. */
  at(feed: FeedId, seq: number): Link[]
  /** Of these subjects those, as hex, that an entry which arrived no later was about. */
  subjectsBefore(subjects: readonly Uint8Array[], arrival: number): Set<string>
  /** Stores an entry whose predecessor is stored. Only inside `db.write`; it stands in the tables after `flush`. */
  insert(entry: Entry): void
  /** Writes what was inserted. The last thing before anybody reads the tables. */
  flush(): void
  /** Entries of a feed with a higher sequence number, in order. */
  after(feed: FeedId, seq: number, limit: number): Entry[]
  /** Arrival numbers of the entries of a feed with a higher sequence number. */
  arrivalsAfter(feed: FeedId, seq: number): number[]
  byArrival(arrival: number): SignedBytes | undefined
  /** The entry with this arrival number. */
  entryAt(arrival: number): Entry | undefined
  /** Entries by arrival. */
  page(after: number, limit: number): StoredEntry[]
  /** Entries of kinds that were unknown when they were stored get their place among what is known now. */
  reclassify(): void
  /** Forgets what is in memory and reads it anew. */
  reload(): void
}

interface EntryRow {
  arrival: number
  id: Uint8Array
  bytes: Uint8Array
  sig: Uint8Array | null
  cosig: Uint8Array | null
  refusal_code: string | null
  refusal_reason: string | null
}
/** Entering and leaving SQLite costs as much as looking for one. */
const SUBJECTS_AT_ONCE = 50
const COLUMNS = 'arrival, id, bytes, sig, cosig, refusal_code, refusal_reason'

export function createStore(db: Database, kinds: (kind: string) => KindInfo | undefined): LedgerStore {
  const heads = new HeadIndex()
  const feedKeys = new Map<FeedId, number>()
  const authors = new Set<NodeId>()
  const control: Entry[] = []
  const controlById = new Map<EntryId, Entry>()
  let joining: NetworkId | null = null
  let network: NetworkId | null = null
  let recovery: Uint8Array | null = null
  let count = 0

  const insertFeed = db.prepare('INSERT INTO feeds (author, incarnation) VALUES (?, ?)')
  const insertTip = db.prepare('INSERT INTO tips (feed_key, seq, id, ms, counter) VALUES (?, ?, ?, ?, ?)')
  const moveTip = db.prepare('UPDATE tips SET seq = ?, id = ?, ms = ?, counter = ? WHERE tip_key = ?')
  const rows = createBulkInsert(db, {
    table: 'entries',
    columns: [
      'arrival',
      'feed_key',
      'seq',
      'id',
      'short_id',
      'ms',
      'counter',
      'kind',
      'subject',
      'is_control',
      'bytes',
      'sig',
      'cosig',
    ],
  })
  /** ends of feeds that are not in the table yet, by their row */
  const moved = new Map<number, Tip>()
  const selectShort = db.prepare<EntryRow>(`SELECT ${COLUMNS} FROM entries WHERE short_id = ?`)
  const selectIds = db.prepare<{ arrival: number; id: Uint8Array }>(
    'SELECT arrival, id FROM entries WHERE short_id = ?',
  )
  const selectSubject = db.prepare<EntryRow>(`SELECT ${COLUMNS} FROM entries WHERE subject = ?`)
  // no order and no minimum here: with them SQLite plans the statement anew for every value, at three times its cost
  const selectArrivalsAbout = db.prepare<number>('SELECT arrival FROM entries WHERE subject = ?').pluck()
  // the plus keeps this from being planned anew as well; the index has the lowest first
  const selectBefore = [SUBJECTS_AT_ONCE, 1].map((size) => {
    const asked = new Array(size).fill('(?)').join(', ')
    // stops at the first of each: some files have tens of thousands
    const sql = `SELECT column1 FROM (VALUES ${asked}) WHERE EXISTS (SELECT 1 FROM entries WHERE subject = column1 AND +arrival <= ?)`
    return { size, statement: db.prepare<Uint8Array>(sql).pluck() }
  })
  const selectSubjects = db.prepare<{ subject: Uint8Array }>(
    'SELECT DISTINCT subject FROM entries WHERE feed_key = ? AND subject IS NOT NULL',
  )
  const selectAt = db.prepare<{ id: Uint8Array; ms: number; counter: number }>(
    'SELECT id, ms, counter FROM entries WHERE feed_key = ? AND seq = ?',
  )
  const selectAfter = db.prepare<EntryRow>(
    `SELECT ${COLUMNS} FROM entries WHERE feed_key = ? AND seq > ? ORDER BY seq LIMIT ?`,
  )
  const selectForked = db.prepare<{ seq: number }>(
    'SELECT seq FROM entries WHERE feed_key = ? GROUP BY seq HAVING count(*) > 1 ORDER BY seq LIMIT 1',
  )
  const selectLatest = db.prepare<{ ms: number | null }>('SELECT max(ms) AS ms FROM entries WHERE subject = ?')
  const selectArrivals = db.prepare<{ arrival: number }>('SELECT arrival FROM entries WHERE feed_key = ? AND seq > ?')
  const selectArrival = db.prepare<EntryRow>(`SELECT ${COLUMNS} FROM entries WHERE arrival = ?`)
  const selectPage = db.prepare<EntryRow>(`SELECT ${COLUMNS} FROM entries WHERE arrival > ? ORDER BY arrival LIMIT ?`)
  const updateVerdict = db.prepare('UPDATE entries SET refusal_code = ?, refusal_reason = ? WHERE arrival = ?')

  /** What is in memory beside the row, for a new entry as for one read at open. */
  const remember = (entry: Entry) => {
    const introduced = introducedBy(entry)
    if (introduced !== null) authors.add(nodeIdFromPublicKey(introduced))
    if (entry.kind === FOUND) {
      recovery = recoveryKeyOf(entry)
      network = entry.id as string as NetworkId
    }
    control.push(entry)
    controlById.set(entry.id, entry)
  }

  const read = (row: EntryRow): Entry => {
    if (network === null) throw new NotInNetworkError()
    const known = controlById.get(idFrom<EntryId>(row.id))
    if (known !== undefined) return known
    let entry: Entry
    try {
      entry = decodeEntry(
        { bytes: plain(row.bytes), sig: plainOrNull(row.sig), cosig: plainOrNull(row.cosig) },
        network,
      )
    } catch (error) {
      throw new LedgerDamagedError(`entry ${row.arrival}`, error)
    }
    // a flipped bit may leave something that decodes: only the hash tells
    if (Buffer.compare(idBytes(entry.id), row.id) !== 0) throw new LedgerDamagedError(`entry ${row.arrival}`)
    return entry
  }

  const arrivalOf = (id: EntryId): number | undefined => {
    const bytes = idBytes(id)
    return selectIds.all(shortId(bytes)).find((row) => Buffer.compare(row.id, bytes) === 0)?.arrival
  }

  const reload = () => {
    heads.clear()
    feedKeys.clear()
    authors.clear()
    controlById.clear()
    control.length = 0
    recovery = null
    rows.clear()
    moved.clear()
    const feedsByKey = new Map<number, FeedId>()
    for (const row of db
      .prepare<{ feed_key: number; author: Uint8Array; incarnation: Uint8Array }>('SELECT * FROM feeds')
      .iterate()) {
      const feed = feedIdFrom(row.author, row.incarnation)
      feedKeys.set(feed, row.feed_key)
      feedsByKey.set(row.feed_key, feed)
    }
    for (const row of db
      .prepare<{ tip_key: number; feed_key: number; seq: number; id: Uint8Array; ms: number; counter: number }>(
        'SELECT * FROM tips',
      )
      .iterate()) {
      const feed = feedsByKey.get(row.feed_key)
      if (feed === undefined) throw new LedgerDamagedError('a head without its feed')
      const { seq, ms, counter } = row
      heads.put({ feed, seq, id: idFrom<EntryId>(row.id), ms, counter, tipKey: row.tip_key })
    }
    // entries are never deleted, so the last arrival number is their count
    count = db.prepare<{ last: number | null }>('SELECT max(arrival) AS last FROM entries').get()?.last ?? 0
    const founding = db
      .prepare<{ id: Uint8Array }>(
        "SELECT id FROM entries WHERE is_control = 1 AND kind = 'found' ORDER BY arrival LIMIT 1",
      )
      .get()
    network = founding === undefined ? joining : idFrom<NetworkId>(founding.id)
    for (const row of db
      .prepare<EntryRow>(`SELECT ${COLUMNS} FROM entries WHERE is_control = 1 ORDER BY arrival`)
      .all()) {
      remember(read(row))
    }
  }

  const feedKeyOf = (feed: FeedId): number => {
    const known = feedKeys.get(feed)
    if (known !== undefined) return known
    const key = Number(insertFeed.run(feedAuthor(feed), feedIncarnation(feed)).lastInsertRowid)
    feedKeys.set(feed, key)
    return key
  }

  const flush = () => {
    rows.flush()
    for (const [key, { seq, id, ms, counter }] of moved) moveTip.run(seq, idBytes(id), ms, counter, key)
    moved.clear()
  }

  reload()
  return {
    heads,
    network: () => network,
    setNetwork(id) {
      joining = id
      network = id
    },
    recovery: () => recovery,
    knowsAuthor: (author) => authors.has(author),
    has(head) {
      const tips = heads.of(head.feed)
      if (tips.some((tip) => tip.id === head.id && tip.seq === head.seq)) return true
      const key = feedKeys.get(head.feed)
      if (key === undefined || head.seq > heads.highest(head.feed)) return false
      flush()
      const id = idBytes(head.id)
      return selectAt.all(key, head.seq).some((row) => Buffer.compare(row.id, id) === 0)
    },
    hasPrefix(prefix) {
      flush()
      return selectIds.all(shortId(prefix)).some(({ id }) => equalBytes(id.subarray(0, prefix.length), prefix))
    },
    at(feed, seq) {
      const tips = heads.of(feed)
      // the usual case: one branch, asked for its end
      if (tips.length === 1 && tips[0]?.seq === seq) return [...tips]
      const key = feedKeys.get(feed)
      if (key === undefined || seq > heads.highest(feed)) return []
      flush()
      return selectAt.all(key, seq).map((row) => ({ id: idFrom<EntryId>(row.id), ms: row.ms, counter: row.counter }))
    },
    insert(entry) {
      const { id, feed, seq, ms, counter, kind, bytes, sig, cosig } = entry
      const info = kinds(kind)
      const isControl = info?.isControl === true || kind === FOUND
      const raw = idBytes(id)
      const key = feedKeyOf(feed)
      const subject = info === undefined || isControl ? null : info.subject(entry.body, entry.authorKey)
      rows.add([
        count + 1,
        key,
        seq,
        raw,
        shortId(raw),
        ms,
        counter,
        kind,
        subject,
        isControl ? 1 : 0,
        bytes,
        sig,
        cosig,
      ])
      count += 1
      const tip = heads.of(feed).find((each) => each.id === entry.prev)
      const tipKey = tip?.tipKey ?? Number(insertTip.run(key, seq, raw, ms, counter).lastInsertRowid)
      const next = { feed, seq, id, ms, counter, tipKey }
      if (tip !== undefined) moved.set(tipKey, next)
      heads.put(next, tip?.id)
      if (isControl) remember(network === null ? entry : detached(entry, network))
    },
    flush,
    get(id) {
      const known = controlById.get(id)
      if (known !== undefined) return known
      const bytes = idBytes(id)
      const row = selectShort.all(shortId(bytes)).find((each) => Buffer.compare(each.id, bytes) === 0)
      return row === undefined ? undefined : read(row)
    },
    control: () => control,
    arrivalsAbout: (subject) => selectArrivalsAbout.all(subject).sort((a, b) => a - b),
    subjectsBefore(subjects, arrival) {
      const found = new Set<string>()
      let at = 0
      for (const { size, statement } of selectBefore) {
        for (; at + size <= subjects.length; at += size) {
          for (const subject of statement.all(...subjects.slice(at, at + size), arrival)) found.add(toHex(subject))
        }
      }
      return found
    },
    bySubject: (subject) => selectSubject.all(subject).map(read),
    subjectsOf(author) {
      const prefix = `${Buffer.from(publicKeyFromNodeId(author)).toString('hex')}/`
      const subjects = new Map<string, Uint8Array>()
      for (const [feed, key] of feedKeys) {
        if (!feed.startsWith(prefix)) continue
        for (const row of selectSubjects.iterate(key))
          subjects.set(Buffer.from(row.subject).toString('latin1'), plain(row.subject))
      }
      return [...subjects.values()]
    },
    count: () => count,
    latestAbout: (subject) => selectLatest.get(subject)?.ms ?? null,
    forked: () => heads.forked(),
    forkOf(feed) {
      const key = feedKeys.get(feed)
      if (key === undefined || !heads.forked().has(feed)) return null
      const found = selectForked.get(key)
      if (found === undefined) throw new LedgerDamagedError('a feed with two heads and one branch')
      const ids = selectAt.all(key, found.seq).map((row) => idFrom<EntryId>(row.id))
      const [first, second] = ids.sort()
      if (first === undefined || second === undefined) throw new LedgerDamagedError('a fork of one branch')
      return { feed, seq: found.seq, ids: [first, second] }
    },
    setVerdict(id, refusal) {
      const arrival = arrivalOf(id)
      if (arrival !== undefined) updateVerdict.run(refusal?.code ?? null, refusal?.reason ?? null, arrival)
    },
    after(feed, seq, limit) {
      const key = feedKeys.get(feed)
      return key === undefined ? [] : selectAfter.all(key, seq, limit).map(read)
    },
    arrivalsAfter(feed, seq) {
      const key = feedKeys.get(feed)
      return key === undefined ? [] : selectArrivals.all(key, seq).map((row) => row.arrival)
    },
    byArrival(arrival) {
      const row = selectArrival.get(arrival)
      return row === undefined
        ? undefined
        : { bytes: plain(row.bytes), sig: plainOrNull(row.sig), cosig: plainOrNull(row.cosig) }
    },
    entryAt(arrival) {
      const row = selectArrival.get(arrival)
      return row === undefined ? undefined : read(row)
    },
    page: (after, limit) =>
      selectPage.all(after, limit).map((row) => ({
        arrival: row.arrival,
        entry: read(row),
        refusal: row.refusal_code === null ? null : { code: row.refusal_code, reason: row.refusal_reason ?? '' },
      })),
    reclassify() {
      const unplaced = db.prepare<EntryRow>(
        `SELECT ${COLUMNS} FROM entries WHERE arrival > ? AND is_control = 0 AND subject IS NULL ORDER BY arrival LIMIT 256`,
      )
      const place = db.prepare('UPDATE entries SET is_control = ?, subject = ? WHERE arrival = ?')
      for (let rows = unplaced.all(0); rows.length > 0; rows = unplaced.all(rows.at(-1)?.arrival)) {
        for (const row of rows) {
          const entry = read(row)
          const info = kinds(entry.kind)
          if (info === undefined) continue
          const subject = info.isControl ? null : info.subject(entry.body, entry.authorKey)
          if (info.isControl || subject !== null) place.run(info.isControl ? 1 : 0, subject, row.arrival)
        }
      }
      reload()
    },
    reload,
  }
}

function shortId(id: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = id
  return (a << 24) | (b << 16) | (c << 8) | d
}

/** SQLite gives Buffers, whose `slice` shares memory; everything else here expects plain bytes. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function plainOrNull(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : plain(bytes)
}
