/**
 * `ledger verify`: everything from the entries once more, one subject after the other, by the folds alone, compared row
 * by row with what stands in the tables, and as a sum with the digest that is kept. Spec: docs/specs/state-digest.md.
 *
 * Asked for by a person it lets others work in between and begins anew when they changed something. In the background
 * it goes on over changes: each subject is folded and compared in one step, so only the sums need a moment without any.
 */
import { setImmediate } from 'node:timers/promises'
import { SetHash } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import { type FileId, idBytes, idFrom, type NetworkId, nodeIdFromPublicKey, toHex } from '../ids.ts'
import { createFindings } from '../ledger/index.ts'
import { type MembershipState, understandsRules } from '../membership/index.ts'
import { createTurns, runInOneGo, runInTurns } from '../turns.ts'
import type { IsBeyondEnd } from './closed-feeds.ts'
import { encodeFileRecord } from './file-record.ts'
import type { FileDifferences } from './file-table.ts'
import { forkRows } from './fold-forks.ts'
import { eachMemberRow, type TableRow } from './member-rows.ts'
import {
  AUTHOR_BYTES,
  type ControlState,
  foldAllControlSteps,
  foldSubject,
  type SharedEntries,
  type SubjectFold,
} from './shared-fold.ts'
import { createWalk } from './shared-walk.ts'
import { elementOf, elementOfFile, expectRows, plainRow, type StateRows, sameRows } from './state-rows.ts'
import { type Row, type Scalar, type TableSpec, tables } from './state-tables.ts'

export interface VerifyResult {
  /** the digest as the entries make it */
  readonly recomputed: Uint8Array
  /** what does not fit, for people; empty when all is well */
  readonly problems: string[]
}

export interface VerifyOptions {
  signal?: AbortSignal | undefined
  /** Waited for between slices; then changes that come in between do not begin it anew. */
  pace?: () => Promise<void>
}

interface VerifyInit {
  readonly db: Database
  readonly rows: StateRows
  readonly entries: SharedEntries
  readonly isBeyondEnd: IsBeyondEnd
  network(): NetworkId | null
  /** as it is in memory now */
  membership(): MembershipState
  /** newest rules version that is executed */
  readonly rules: number | undefined
  /** counts up with every change */
  changes(): number
}

/** Steps between two looks at what others have changed, where the clock does not come first. */
const SLICE = 64
const memberTables = [
  tables.network,
  tables.members,
  tables.branches,
  tables.invites,
  tables.cuts,
  tables.departures,
] as unknown as TableSpec<Row>[]
const NO_KEY = 'refs_secret does not have the key that refs are made with'
/** Changes that may come in between before the last run is made in one go. */
const ATTEMPTS = 3

export async function verifyState(init: VerifyInit, options: VerifyOptions): Promise<VerifyResult> {
  const { pace, signal } = options
  if (pace !== undefined) {
    const result = await run(init, async () => {
      signal?.throwIfAborted()
      await pace()
      return true
    })
    if (result !== null) return result
  }
  for (let attempt = 1; ; attempt++) {
    const began = init.changes()
    const isLast = attempt >= ATTEMPTS
    const result = await run(init, async () => {
      signal?.throwIfAborted()
      if (!isLast) await setImmediate()
      return init.changes() === began
    })
    if (result !== null) return result
  }
}

/** @param pause called between slices; false ends the run. @returns null when it was ended */
async function run(init: VerifyInit, pause: () => Promise<boolean>): Promise<VerifyResult | null> {
  const network = init.network()
  if (network === null) return { recomputed: new SetHash().digest(), problems: [] }
  const began = init.changes()
  let steps = 0
  const turns = createTurns(pause)
  const isOver = async () => (++steps % SLICE === 0 || turns.isOver()) && !(await turns.next())

  const compared = await compareMembers(init, pause)
  if (compared === null) return null
  const { fold, rows: ofMembers, problems } = compared
  const { membership, waiting } = fold
  const recomputed = new SetHash()
  const add = <R extends Row>(spec: TableSpec<R>, row: R) => {
    recomputed.add(elementOf(network, spec, row))
  }
  const found = createFindings()
  if (waiting.length > 0) found.add(`${waiting.length} control entries name others that are not here`)
  if (!understandsRules(membership)) {
    found.add('an upgrade activated rules that this software does not have')
    return { recomputed: init.rows.digest(), problems: found.list() }
  }
  for (const problem of problems) found.add(problem)

  const forks = forkRows(init.entries)
  for (const row of forks) add(tables.forks, row)
  if (!sameRows(tables.forks, init.rows.select(tables.forks), forks))
    found.add('the rows in forks are not what the entries say')

  for (const { spec, row } of ofMembers) {
    if (await isOver()) return null
    add(spec, row)
  }

  const isKeyed = init.rows.files.keepsSecret()
  if (!isKeyed && init.rows.files.refCount() > 0) found.add(NO_KEY)
  let refs = 0
  const check = (subject: Uint8Array) => {
    const { entries, isBeyondEnd } = init
    const fold = foldSubject({ subject, network, membership: init.membership(), entries, isBeyondEnd })
    if (fold.file !== null) recomputed.add(elementOfFile(network, encodeFileRecord(fold.file)))
    addSubjectRows(add, fold)
    const differences = differencesOf(init.rows, subject, fold)
    refs += differences.refs
    for (const what of differences.what) found.add(`${nameOf(subject)}: ${what} not what the entries say`)
  }
  const walk = createWalk(init.entries)
  for (let step = walk.next(); step !== null; step = walk.next()) {
    if (await isOver()) return null
    if ('subject' in step) check(step.subject)
    else add(tables.refusals, step.refusal)
  }
  // files that only acts of ownership name
  for (const file of init.membership().acts.keys()) {
    if (await isOver()) return null
    if (init.entries.arrivalsAbout(idBytes(file)).length === 0) check(idBytes(file))
  }
  if (!isKeyed && refs > 0 && init.rows.files.refCount() === 0) found.add(NO_KEY)

  const stored = new SetHash()
  for (const spec of Object.values(tables) as unknown as TableSpec<Row>[]) {
    for (const row of storedRows(init.db, spec)) {
      if (await isOver()) return null
      stored.add(elementOf(network, spec, row))
    }
  }
  for (const record of init.rows.files.stored()) {
    if (await isOver()) return null
    stored.add(elementOfFile(network, record))
  }
  // sums of different moments cannot be compared; the rows have been, one by one
  if (init.changes() !== began) return { recomputed: init.rows.digest(), problems: found.list() }
  const surplus = init.rows.files.refCount() - refs
  if (surplus > 0) found.add(`refs: ${surplus} rows of it belong to no file`)
  const expected = recomputed.digest()
  const kept = toHex(init.rows.digest())
  if (toHex(stored.digest()) !== kept) found.add('the rows on disk do not make the digest kept beside them')
  if (toHex(expected) !== kept) found.add('the entries make another state than the one kept')
  return { recomputed: expected, problems: found.list() }
}

interface ComparedMembers {
  readonly fold: ControlState
  readonly rows: readonly TableRow[]
  readonly problems: readonly string[]
}

/** In turns; anew when membership changes meanwhile, the last time in one go. @returns null when a pause has ended it */
async function compareMembers(init: VerifyInit, pause: () => Promise<boolean>): Promise<ComparedMembers | null> {
  for (let attempt = 1; ; attempt++) {
    const steps = comparedMembers(init)
    if (attempt >= ATTEMPTS) return runInOneGo(steps)
    const began = init.membership()
    let goesOn = true
    const rest = async () => {
      goesOn = await pause()
      return goesOn && init.membership() === began
    }
    const compared = await runInTurns(steps, createTurns(rest))
    if (compared !== null) return compared
    if (!goesOn) return null
  }
}

function* comparedMembers(init: VerifyInit): Generator<void, ComparedMembers> {
  const fold = yield* foldAllControlSteps(init.entries.control(), init.rules)
  if (!understandsRules(fold.membership)) return { fold, rows: [], problems: [] }
  const rows: TableRow[] = []
  for (const row of eachMemberRow(fold.membership)) {
    rows.push(row)
    yield
  }
  const problems: string[] = []
  for (const spec of memberTables) {
    const expected = rows.filter((each) => each.spec.name === spec.name).map(({ row }) => row)
    if (!(yield* holdsRows(init.db, spec, expected)))
      problems.push(`the rows in ${spec.name} are not what the entries say`)
  }
  return { fold, rows, problems }
}

function* holdsRows(db: Database, spec: TableSpec<Row>, rows: readonly Row[]): Generator<void, boolean> {
  const expected = expectRows(spec, rows)
  for (const row of storedRows(db, spec)) {
    if (!expected.meets(row)) return false
    yield
  }
  return expected.isMet()
}

function addSubjectRows(add: <R extends Row>(spec: TableSpec<R>, row: R) => void, rows: SubjectFold): void {
  for (const row of rows.marks) add(tables.marks, row)
  for (const row of rows.audienceKeys) add(tables.audienceKeys, row)
  for (const row of rows.capacities) add(tables.capacities, row)
  for (const row of rows.refusals) add(tables.refusals, row)
}

function differencesOf(stored: StateRows, subject: Uint8Array, rows: SubjectFold): FileDifferences {
  const what: string[] = []
  const compare = <R extends Row>(spec: TableSpec<R>, key: Scalar, expected: readonly R[]) => {
    if (!sameRows(spec, stored.select(spec, key), expected)) what.push(`its rows in ${spec.name} are`)
  }
  compare(tables.refusals, subject, rows.refusals)
  if (subject.length === AUTHOR_BYTES) {
    compare(tables.capacities, nodeIdFromPublicKey(subject), rows.capacities)
    return { what, refs: 0 }
  }
  const file = stored.files.compare(idFrom<FileId>(subject), rows.file)
  what.push(...file.what)
  compare(tables.marks, subject, rows.marks)
  compare(tables.audienceKeys, subject, rows.audienceKeys)
  return { what, refs: file.refs }
}

function nameOf(subject: Uint8Array): string {
  return `${subject.length === AUTHOR_BYTES ? 'member' : 'file or audience'} ${toHex(subject)}`
}

/** Some rows at a time, in the order of the key, so that no statement stays open while others write. */
function* storedRows(db: Database, spec: TableSpec<Row>): Generator<Row> {
  const keys = spec.columns.slice(0, spec.keys).join(', ')
  const columns = spec.columns.join(', ')
  const limit = 200
  const first = db.prepare<Row>(`SELECT ${columns} FROM ${spec.name} ORDER BY ${keys} LIMIT ${limit}`)
  const holes = spec.columns
    .slice(0, spec.keys)
    .map(() => '?')
    .join(', ')
  const next = db.prepare<Row>(
    `SELECT ${columns} FROM ${spec.name} WHERE (${keys}) > (${holes}) ORDER BY ${keys} LIMIT ${limit}`,
  )
  let page = first.all()
  while (page.length > 0) {
    for (const row of page) yield plainRow(row)
    const last = page.at(-1)
    if (last === undefined || page.length < limit) return
    page = next.all(...spec.columns.slice(0, spec.keys).map((column) => last[column] ?? null))
  }
}
