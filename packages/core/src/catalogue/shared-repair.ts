/**
 * `ledger verify --repair`: all shared rows anew from the entries, in a database beside, while entries go on arriving and
 * the old rows go on answering; then every row that differs is put in its place in one transaction, with the digest. A
 * crash leaves the old state or the new one. Spec: docs/specs/repair.md.
 */
import { setImmediate } from 'node:timers/promises'
import { DecodeError } from '../codec/index.ts'
import { type Beside, type Database, migrationsFolder, openBeside } from '../database/index.ts'
import {
  type AudienceId,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type NetworkId,
  nodeIdFromPublicKey,
} from '../ids.ts'
import type { MembershipState } from '../membership/index.ts'
import type { IsBeyondEnd } from './closed-feeds.ts'
import { addSubject, dependents, type Subjects } from './dependents.ts'
import { decodeFileRecord } from './file-record.ts'
import { forkRows } from './fold-forks.ts'
import { memberRows } from './member-rows.ts'
import { AUTHOR_BYTES, foldSubject, type SharedEntries } from './shared-fold.ts'
import { createWalk } from './shared-walk.ts'
import { createStateRows, type StateRows } from './state-rows.ts'
import { tables } from './state-tables.ts'
import type { FileChange, FileRecord } from './types.ts'

export interface RepairInit {
  readonly db: Database
  /** those that are put right */
  readonly rows: StateRows
  readonly entries: SharedEntries
  readonly isBeyondEnd: IsBeyondEnd
  readonly network: NetworkId
  /** as it is now */
  membership(): MembershipState
  /** subjects that are folded anew because of entries that arrive meanwhile; emptied here */
  readonly touched: Subjects
  /** In the transaction, after the rows: entries whose refusals are others now. */
  showVerdict(entry: EntryId): void
  /** After the commit, some at a time: what is another now. A record that could not be read counts as none. */
  tell(changed: RepairedPart): void
}

export interface RepairedPart {
  readonly files: readonly FileChange[]
  readonly audiences: readonly AudienceId[]
}

/** Subjects folded between two turns of everybody else. */
const SLICE = 64
/** Changes that are told at once. */
const PAGE = 100
/** Tables that follow from the entries and are not among `tables`. */
const SIDE_TABLES = ['files', 'owners', 'refs', 'refs_recent', 'refs_draining', 'refs_secret', 'digest'] as const

/** What differs, noted before it is replaced: it may be more than memory should hold. */
const NOTES = `
  CREATE TABLE changed_files (file_key INTEGER PRIMARY KEY, before BLOB) STRICT;
  CREATE TABLE changed_audiences (audience BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE changed_refusals (entry BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
`

/**
 * Changes nothing when an upgrade to rules that this software lacks has come in between.
 * @throws the signal's reason; then nothing has changed
 */
export async function repairState(init: RepairInit, signal?: AbortSignal): Promise<void> {
  const beside = openBeside(init.db, migrationsFolder('shared'))
  try {
    if (await makeAnew(init, beside, signal)) await tellAll(init, beside.db, signal)
  } finally {
    beside.close()
  }
}

async function makeAnew(init: RepairInit, beside: Beside, signal: AbortSignal | undefined): Promise<boolean> {
  const { db } = beside
  const { entries, network, touched } = init
  seed(init, db)
  const rows = createStateRows(
    db,
    () => network,
    entries,
    (ref) => init.rows.files.since(ref),
  )
  const walk = createWalk(entries)
  let membership = init.membership()
  let isWalked = false

  /** The rows that are being repaired may not know what depends on a control entry; these do, as far as they go. */
  const followMembership = () => {
    const before = membership
    membership = init.membership()
    if (before === membership) return
    const subjects = dependents({
      before,
      after: membership,
      isRefold: true,
      subjectsOf: (author) => entries.subjectsOf(author),
      ownedBy: (owner) => rows.files.ids({ owner }),
      originOf: (file) => rows.files.get(file)?.file,
    })
    for (const [name, subject] of subjects) touched.set(name, subject)
  }
  const walkOn = (): number => {
    for (let steps = 0; steps < SLICE; steps++) {
      const step = walk.next()
      if (step === null) return steps
      if ('subject' in step) fold(init, rows, step.subject)
      else rows.put(tables.refusals, step.refusal)
    }
    return SLICE
  }
  /** Files that only acts of ownership name. */
  const addNamed = () => {
    for (const file of membership.acts.keys()) {
      if (entries.arrivalsAbout(idBytes(file)).length === 0) addSubject(touched, idBytes(file))
    }
  }
  const foldTouched = () => {
    let taken = 0
    for (const [name, subject] of touched) {
      if (taken++ === SLICE) return
      touched.delete(name)
      fold(init, rows, subject)
    }
  }
  const slice = (work: () => void) =>
    db.write(() => {
      rows.begin()
      work()
      rows.save()
    })

  for (;;) {
    signal?.throwIfAborted()
    if (init.rows.isBehind()) return false
    let isCurrent = false
    slice(() => {
      followMembership()
      if (walkOn() > 0) return
      if (!isWalked) addNamed()
      isWalked = true
      foldTouched()
      isCurrent = touched.size === 0
    })
    if (isCurrent) break
    await setImmediate()
  }
  // nothing is waited for from the last look on, so that nothing can come in between
  slice(() => {
    for (const { spec, row } of memberRows(membership)) rows.put(spec, row)
    for (const row of forkRows(entries)) rows.put(tables.forks, row)
    rows.files.settle()
  })
  beside.attached(() => putInPlace(init))
  return true
}

/** The local numbers that are right stay, or rows would differ that need not. */
function seed({ db, rows, membership }: RepairInit, beside: Database): void {
  const secret = rows.files.secret()
  const owners = db.prepare<{ owner: number; branch: Uint8Array }>('SELECT owner, branch FROM owners').all()
  beside.exec(NOTES)
  beside.write(() => {
    if (secret !== null) beside.prepare('INSERT INTO refs_secret (id, secret) VALUES (1, ?)').run(secret)
    for (const { owner, branch } of owners) {
      if (owner > 0 && membership().branches.has(idFrom<BranchId>(branch)))
        beside.prepare('INSERT INTO owners (owner, branch) VALUES (?, ?)').run(owner, branch)
    }
  })
}

function fold({ network, membership, entries, isBeyondEnd }: RepairInit, rows: StateRows, subject: Uint8Array): void {
  const made = foldSubject({ subject, network, membership: membership(), entries, isBeyondEnd })
  rows.replace(tables.refusals, [subject], made.refusals)
  if (subject.length === AUTHOR_BYTES) {
    rows.replace(tables.capacities, [nodeIdFromPublicKey(subject)], made.capacities)
    return
  }
  rows.files.replace(idFrom<FileId>(subject), made.file)
  rows.replace(tables.marks, [subject], made.marks)
  rows.replace(tables.audienceKeys, [subject], made.audienceKeys)
}

/** One transaction of what differs: most of the time little, and SQLite compares by itself. */
function putInPlace({ db, rows, showVerdict }: RepairInit): void {
  db.write(() => {
    rows.begin()
    note(db)
    for (const table of [...Object.values(tables).map(({ name }) => name), ...SIDE_TABLES]) {
      const { columns, isSame, isKey } = textsOf(db, table)
      db.exec(
        `DELETE FROM main.${table} AS old WHERE NOT EXISTS (SELECT 1 FROM beside.${table} AS new WHERE ${isSame})`,
      )
      db.exec(
        `INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM beside.${table} AS new
           WHERE NOT EXISTS (SELECT 1 FROM main.${table} AS old WHERE ${isKey})`,
      )
    }
    rows.reload()
    const page = db.prepare<{ entry: Uint8Array }>(
      `SELECT entry FROM beside.changed_refusals WHERE entry > ? ORDER BY entry LIMIT ${PAGE}`,
    )
    for (let found = page.all(new Uint8Array(0)); found.length > 0; found = page.all(found.at(-1)?.entry)) {
      for (const { entry } of found) showVerdict(idFrom<EntryId>(entry))
    }
  })
}

/** @returns SQL that says whether a row of `old` and one of `new` are the same, or have the same key */
function textsOf(db: Database, table: string): { columns: string; isSame: string; isKey: string } {
  const found = db.prepare<{ name: string; pk: number }>('SELECT name, pk FROM pragma_table_info(?)').all(table)
  const keys = found.filter(({ pk }) => pk > 0).map(({ name }) => `new.${name} = old.${name}`)
  const values = found.filter(({ pk }) => pk === 0).map(({ name }) => `new.${name} IS old.${name}`)
  return {
    columns: found.map(({ name }) => name).join(', '),
    isSame: [...keys, ...values].join(' AND '),
    isKey: keys.join(' AND '),
  }
}

function note(db: Database): void {
  const { isSame, isKey } = textsOf(db, 'files')
  db.exec(
    `INSERT INTO beside.changed_files SELECT new.file_key, old.record FROM beside.files AS new
       LEFT JOIN main.files AS old ON ${isKey} WHERE (${isSame}) IS NOT TRUE`,
  )
  db.exec(
    `INSERT INTO beside.changed_files SELECT file_key, record FROM main.files AS old
       WHERE NOT EXISTS (SELECT 1 FROM beside.files AS new WHERE ${isKey})`,
  )
  noteEach(db, { table: tables.audienceKeys.name, column: 'audience', to: 'changed_audiences' })
  noteEach(db, { table: tables.refusals.name, column: 'entry', to: 'changed_refusals' })
}

function noteEach(db: Database, { table, column, to }: { table: string; column: string; to: string }): void {
  const { isSame } = textsOf(db, table)
  for (const [one, other] of [
    ['main', 'beside'],
    ['beside', 'main'],
  ]) {
    db.exec(
      `INSERT OR IGNORE INTO beside.${to} SELECT ${column} FROM ${one}.${table} AS old
         WHERE NOT EXISTS (SELECT 1 FROM ${other}.${table} AS new WHERE ${isSame})`,
    )
  }
}

/** The new rows stand already: an end of the signal only means that nobody listens any more. */
async function tellAll(
  { rows, entries, tell }: RepairInit,
  beside: Database,
  signal: AbortSignal | undefined,
): Promise<void> {
  const files = beside.prepare<{ file_key: number; before: Uint8Array | null; after: Uint8Array | null }>(
    `SELECT file_key, before, record AS after FROM changed_files LEFT JOIN files USING (file_key)
       WHERE file_key > ? ORDER BY file_key LIMIT ${PAGE}`,
  )
  for (let page = files.all(0); page.length > 0; page = files.all(page.at(-1)?.file_key)) {
    const changes = new Map<FileId, FileChange>()
    for (const { before, after } of page) {
      const old = readable(before, entries)?.file
      for (const file of new Set([readable(after, entries)?.file.file, old?.file])) {
        if (file === undefined) continue
        const now = rows.files.get(file)?.file ?? null
        changes.set(file, { file, before: old?.file === file ? old : null, after: now })
      }
    }
    tell({ files: [...changes.values()], audiences: [] })
    await setImmediate()
    if (signal?.aborted === true) return
  }
  const audiences = beside.prepare<{ audience: Uint8Array }>(
    `SELECT audience FROM changed_audiences WHERE audience > ? ORDER BY audience LIMIT ${PAGE}`,
  )
  const first = audiences.all(new Uint8Array(0))
  for (let page = first; page.length > 0; page = audiences.all(page.at(-1)?.audience)) {
    tell({ files: [], audiences: page.map(({ audience }) => idFrom<AudienceId>(audience)) })
    await setImmediate()
    if (signal?.aborted === true) return
  }
}

/** null for none, and for one that is damaged */
function readable(record: Uint8Array | null, entries: SharedEntries): FileRecord | null {
  if (record === null) return null
  try {
    return decodeFileRecord(record, (id) => entries.get(id))
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}
