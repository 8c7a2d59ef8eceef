/**
 * `ledger verify`: everything from the entries once more, one subject after the other, by the folds alone. Keeps
 * nothing but a set hash and the subjects' names, lets others work in between, and begins anew when they changed
 * something meanwhile.
 */
import { setImmediate } from 'node:timers/promises'
import { SetHash } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import { idBytes, type NetworkId, toHex } from '../ids.ts'
import { emptyMembership, understandsRules } from '../membership/index.ts'
import { addSubject, type Subjects } from './dependents.ts'
import { kindInfo } from './kind-info.ts'
import { changedRows } from './member-rows.ts'
import { allEntries, foldAllControl, foldSubject, type SharedEntries, type SubjectRows } from './shared-fold.ts'
import { elementOf, plainRow } from './state-rows.ts'
import { type Row, type TableSpec, tables } from './state-tables.ts'

export interface VerifyResult {
  /** the digest as the entries make it */
  readonly recomputed: Uint8Array
  /** what does not fit, for people; empty when all is well */
  readonly problems: string[]
}

interface VerifyInit {
  readonly db: Database
  readonly entries: SharedEntries
  network(): NetworkId | null
  digest(): Uint8Array
  /** counts up with every change */
  changes(): number
}

/** Steps between two looks at the clock of others. */
const SLICE = 64
/** Changes that may come in between before the last run is made in one go. */
const ATTEMPTS = 3

export async function verifyState(init: VerifyInit, options: { signal?: AbortSignal }): Promise<VerifyResult> {
  for (let attempt = 1; ; attempt++) {
    const began = init.changes()
    const isLast = attempt >= ATTEMPTS
    const result = await run(init, async () => {
      options.signal?.throwIfAborted()
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
  let steps = 0
  const isOver = async () => ++steps % SLICE === 0 && !(await pause())

  const { membership, waiting } = foldAllControl(init.entries.control())
  const recomputed = new SetHash()
  const add = <R extends Row>(spec: TableSpec<R>, row: R) => {
    if (spec.inDigest) recomputed.add(elementOf(network, spec, row))
  }
  for (const { spec, row } of changedRows(emptyMembership(), membership).put) add(spec, row)

  const problems: string[] = []
  if (waiting.length > 0) problems.push(`${waiting.length} control entries name others that are not here`)
  if (!understandsRules(membership)) {
    problems.push('an upgrade activated rules that this software does not have')
    return { recomputed: init.digest(), problems }
  }
  const subjects: Subjects = new Map()
  for (const entry of allEntries(init.entries)) {
    if (await isOver()) return null
    const info = kindInfo(entry.kind)
    if (info?.isControl === true) continue
    const subject = info?.subject(entry.body, entry.authorKey) ?? null
    if (subject !== null) addSubject(subjects, subject)
    else {
      const code = info === undefined ? 'unknown-kind' : 'malformed'
      add(tables.refusals, { subject: new Uint8Array(0), entry: idBytes(entry.id), code, reason: '' })
    }
  }
  for (const file of membership.acts.keys()) addSubject(subjects, idBytes(file))
  for (const subject of subjects.values()) {
    if (await isOver()) return null
    addSubjectRows(add, foldSubject({ subject, network, membership, entries: init.entries }).rows)
  }

  const stored = new SetHash()
  for (const spec of Object.values(tables) as unknown as TableSpec<Row>[]) {
    if (!spec.inDigest) continue
    for (const row of storedRows(init.db, spec)) {
      if (await isOver()) return null
      stored.add(elementOf(network, spec, row))
    }
  }
  const expected = recomputed.digest()
  if (toHex(stored.digest()) !== toHex(init.digest()))
    problems.push('the rows on disk do not make the digest kept beside them')
  if (toHex(expected) !== toHex(init.digest())) problems.push('the entries make another state than the one kept')
  return { recomputed: expected, problems }
}

function addSubjectRows(add: <R extends Row>(spec: TableSpec<R>, row: R) => void, rows: SubjectRows): void {
  for (const row of rows.files) add(tables.files, row)
  for (const row of rows.versions) add(tables.versions, row)
  for (const row of rows.epochs) add(tables.epochs, row)
  for (const row of rows.marks) add(tables.marks, row)
  for (const row of rows.audienceKeys) add(tables.audienceKeys, row)
  for (const row of rows.capacities) add(tables.capacities, row)
  for (const row of rows.refusals) add(tables.refusals, row)
}

/** A page at a time, in the order of the key, so that no statement stays open while others write. */
function* storedRows(db: Database, spec: TableSpec<Row>): Generator<Row> {
  const keys = spec.columns.slice(0, spec.keys).join(', ')
  const columns = spec.columns.join(', ')
  const limit = 500
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
