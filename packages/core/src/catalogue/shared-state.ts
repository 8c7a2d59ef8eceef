/**
 * The state that every node computes alike. `apply` is the only door to it: it runs in the transaction that stores the
 * entries, folds what they touch, and writes the rows that changed. In memory: the membership, which is folded anew
 * at open; all else is in the tables.
 */
import type { Database } from '../database/index.ts'
import {
  type AudienceId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
  toHex,
} from '../ids.ts'
import { type Apply, type Entry, foldsLast } from '../ledger/index.ts'
import {
  applyControl,
  emptyMembership,
  type Member,
  type MembershipState,
  type Refusal,
  understandsRules,
} from '../membership/index.ts'
import { createClosedFeeds, isLateEnd } from './closed-feeds.ts'
import { type FoldedControl, foldInto, noControl } from './control-fold.ts'
import { addSubject, dependents, type Subjects } from './dependents.ts'
import { forkFromRow, forkRows, noteForks } from './fold-forks.ts'
import { kindInfo } from './kind-info.ts'
import { foldUploadAlone } from './lone-upload.ts'
import { changedRows } from './member-rows.ts'
import {
  AUTHOR_BYTES,
  allEntries,
  type ControlState,
  foldSubject,
  type SharedEntries,
  type SubjectFold,
} from './shared-fold.ts'
import { createSharedQueries, type SharedQueries } from './shared-queries.ts'
import { type RepairedPart, repairState } from './shared-repair.ts'
import { type VerifyOptions, type VerifyResult, verifyState } from './shared-verify.ts'
import { shapelessRow } from './shared-walk.ts'
import { createStateRows } from './state-rows.ts'
import { tables } from './state-tables.ts'
import type { FileChange, SharedFork } from './types.ts'

export interface MemberChange {
  readonly node: NodeId
  readonly before: Member | null
  readonly after: Member | null
}

/** What one commit changed. */
export interface SharedChange {
  readonly files: readonly FileId[]
  readonly audiences: readonly AudienceId[]
  /** who belongs, with what role, state or capacity */
  readonly members: boolean
  /** nodes that are members no longer */
  readonly gone: readonly NodeId[]
  readonly fileChanges: readonly FileChange[]
  readonly memberChanges: readonly MemberChange[]
  /** feeds that were found to fork, or to fork earlier than was known */
  readonly forks: readonly SharedFork[]
}

export interface SharedStateInit {
  db: Database
  entries: SharedEntries
  /** null while there is none */
  network: () => NetworkId | null
  /** newest rules version that is executed @default RULES_VERSION */
  rules?: number | undefined
  /** the control entries that are there, as `foldControlInTurns` made it of them under these rules: else they are folded here */
  folded?: FoldedControl | null
  /** after the commit */
  onChange?: (change: SharedChange) => void
}

export interface SharedState extends SharedQueries {
  readonly apply: Apply
  membership(): MembershipState
  /** why an entry had no effect, on the first of its files where it names several; null = it had */
  refusalOf(entry: EntryId): Refusal | null
  /** 32 bytes: equal on all nodes with the same entries */
  digest(): Uint8Array
  /** True when an `upgrade` activated rules that this software does not have: entries are stored, not executed. */
  isBehind(): boolean
  /** Computes everything from the entries once more, without the tables, and compares. @throws the signal's reason */
  verify(options?: VerifyOptions): Promise<VerifyResult>
  /**
   * Makes all tables anew from the entries, beside those that are there, and puts them in place in one transaction. Does
   * nothing while there are no rules to make them by. One at a time. @throws the signal's reason
   */
  repair(options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** control entries that name one which is not here */
  waiting(): number
}

/** More control entries at once are folded in one go, since each by itself asks whether it sorts last. */
const ONE_BY_ONE = 8

interface Pending {
  readonly files: Map<FileId, FileChange>
  readonly audiences: Set<AudienceId>
  readonly forks: SharedFork[]
  hasCapacities: boolean
}

/** What has come about one subject. */
interface Added {
  readonly subject: Uint8Array
  readonly entries: Entry[]
  /** arrival number of the first of them */
  readonly first: number
}

export function createSharedState(init: SharedStateInit): SharedState {
  const { db, entries } = init
  const rows = createStateRows(db, init.network, entries)
  let control = init.folded ?? foldWhole()
  let changes = 0
  let weights: Map<NodeId, number> | undefined
  const queries = createSharedQueries(db, rows)
  const isBeyondEnd = createClosedFeeds(entries)
  /** what is folded anew while a repair makes all rows beside these */
  let touched: Subjects | undefined

  function networkId(): NetworkId {
    const id = init.network()
    if (id === null) throw new TypeError('entries without a network')
    return id
  }

  function foldWhole(): FoldedControl {
    const all = entries.control()
    return foldInto(noControl(init.rules), all, all, init.rules)
  }

  /** @returns whether places in control order have moved */
  function foldControlEntries(added: readonly Entry[]): boolean {
    const all = entries.control()
    if (added.length <= ONE_BY_ONE) {
      const ids = new Set(added.map(({ id }) => id))
      const before = all.filter(({ id }) => !ids.has(id))
      if (added.every((entry, at) => foldsLast(entry, [...before, ...added.slice(0, at)], control.waiting))) {
        const { membership, order } = control
        control = { ...control, membership: added.reduce(applyControl, membership), order: [...order, ...added] }
        return false
      }
    }
    control = foldInto(control, all, added, init.rules)
    return true
  }

  function writeMembership(before: MembershipState, after: MembershipState): void {
    for (const change of changedRows(before, after)) rows.change(change)
  }

  function refold(subject: Uint8Array, pending: Pending): void {
    const { membership } = control
    const fold = foldSubject({ subject, network: networkId(), membership, entries, isBeyondEnd })
    rows.replace(tables.refusals, [subject], fold.refusals)
    if (subject.length === AUTHOR_BYTES) {
      const node = nodeIdFromPublicKey(subject)
      if (rows.replace(tables.capacities, [node], fold.capacities).changed) pending.hasCapacities = true
      return
    }
    refoldFile(idFrom<FileId>(subject), fold, pending)
    refoldAudience(idFrom<AudienceId>(subject), fold, pending)
  }

  /**
   * A file of which all entries have come just now has no record yet, so none is looked for: most of what a newcomer
   * catches up with.
   * @returns false when it has to be folded as every other
   */
  function foldNewFile({ subject, entries: about, first }: Added, pending: Pending): boolean {
    const { membership } = control
    const file = idFrom<FileId>(subject)
    if (subject.length === AUTHOR_BYTES || membership.acts.has(file)) return false
    const network = networkId()
    const [entry, ...others] = about
    const alone = entry === undefined || others.length > 0 ? null : { file, network, membership, entry, isBeyondEnd }
    let record = alone === null ? null : foldUploadAlone(alone)
    if (record === null) {
      const fold = foldSubject({ subject, network, membership, entries, isBeyondEnd, about })
      if (fold.marks.length + fold.audienceKeys.length + fold.refusals.length > 0) return false
      record = fold.file
    }
    if (record === null) return false
    rows.files.insert(first, record)
    pending.files.set(file, { file, before: null, after: record.file })
    return true
  }

  function refoldFile(file: FileId, fold: SubjectFold, pending: Pending): void {
    const { before, changed } = rows.files.replace(file, fold.file)
    const marks = rows.replace(tables.marks, [idBytes(file)], fold.marks)
    if (!changed && !marks.changed) return
    const first = pending.files.get(file)
    pending.files.set(file, {
      file,
      before: first === undefined ? (before?.file ?? null) : first.before,
      after: fold.file?.file ?? null,
    })
  }

  function refoldAudience(audience: AudienceId, fold: SubjectFold, pending: Pending): void {
    const keys = rows.replace(tables.audienceKeys, [idBytes(audience)], fold.audienceKeys)
    if (keys.changed) pending.audiences.add(audience)
  }

  /** @returns what an ordinary entry is about; null for control entries and such as are about nothing */
  function touch(entry: Entry): Uint8Array | null {
    const info = kindInfo(entry.kind)
    if (info?.isControl === true) return null
    const subject = info?.subject(entry.body, entry.authorKey) ?? null
    if (subject === null) rows.put(tables.refusals, shapelessRow(entry))
    return subject
  }

  /** @param subjects what is to be folded again in any case */
  function foldAdded(added: readonly Entry[], subjects: Subjects, pending: Pending): void {
    const known = entries.count() - added.length
    const about = new Map<string, Added>()
    for (const [at, entry] of added.entries()) {
      const subject = touch(entry)
      if (subject === null) continue
      const name = toHex(subject)
      const others = about.get(name)
      if (others === undefined) about.set(name, { subject, entries: [entry], first: known + at + 1 })
      else others.entries.push(entry)
    }
    for (const list of touched === undefined ? [] : [about, subjects]) {
      for (const [name, each] of list) touched?.set(name, each instanceof Uint8Array ? each : each.subject)
    }
    const all = [...about.values()].map(({ subject }) => subject)
    const before = entries.subjectsBefore(all, known)
    for (const [name, each] of about) {
      const isNew = !subjects.has(name) && !before.has(name)
      if (!isNew || !foldNewFile(each, pending)) subjects.set(name, each.subject)
    }
    for (const subject of subjects.values()) refold(subject, pending)
  }

  /** Where a closed feed has forked, its end tells which branch counts. */
  function addStrays(added: readonly Entry[], subjects: Subjects): void {
    const forked = entries.forked()
    if (forked.size === 0) return
    const ends = added.filter((entry) => isLateEnd(control.membership, forked, entry))
    for (const author of new Set(ends.map((entry) => entry.author))) {
      for (const subject of entries.subjectsOf(author)) addSubject(subjects, subject)
    }
  }

  /** Everything from the entries: tables that were emptied, or entries that waited for newer rules. */
  function rebuild(pending: Pending): void {
    rows.clear()
    rows.setBehind(false)
    writeMembership(emptyMembership(), control.membership)
    const subjects: Subjects = new Map()
    for (const entry of allEntries(entries)) {
      const subject = touch(entry)
      if (subject !== null) addSubject(subjects, subject)
    }
    for (const file of control.membership.acts.keys()) addSubject(subjects, idBytes(file))
    for (const subject of subjects.values()) refold(subject, pending)
    for (const row of forkRows(entries)) rows.put(tables.forks, row)
  }

  /** The ledger shows an entry as refused; one that names several files only if none of them took it. */
  function showVerdict(id: EntryId): void {
    const refusals = queries.refusalsOf(id)
    const general = refusals.find(({ subject }) => subject.length === 0)
    const isPartial = general === undefined && refusals.length < filesIn(id)
    const shown = general ?? (isPartial ? undefined : refusals[0])
    entries.setVerdict(id, shown === undefined ? null : { code: shown.code, reason: shown.reason })
  }

  function filesIn(id: EntryId): number {
    const entry = entries.get(id)
    if (entry?.kind !== 'accept') return 1
    let files = 0
    for (const acts of control.membership.acts.values()) if (acts.some((act) => act.entry === id)) files += 1
    return files
  }

  function change(work: (pending: Pending) => void): void {
    db.write(() => {
      rows.begin()
      const undo = control
      db.afterRollback(() => {
        control = undo
        weights = undefined
      })
      const pending: Pending = { files: new Map(), audiences: new Set(), forks: [], hasCapacities: false }
      work(pending)
      for (const entry of rows.takeJudged()) showVerdict(entry)
      rows.save()
      changes += 1
      weights = undefined
      const told = summarise(undo, control, pending)
      if (told !== null) db.afterCommit(() => init.onChange?.(told))
    })
  }

  function apply(added: readonly Entry[]): void {
    if (added.length === 0) return
    change((pending) => {
      const subjects: Subjects = new Map()
      const before = control.membership
      const controls = added.filter(({ kind }) => kindInfo(kind)?.isControl === true)
      if (controls.length > 0) {
        const isRefold = foldControlEntries(controls)
        const after = control.membership
        writeMembership(before, after)
        for (const [name, subject] of dependents({
          before,
          after,
          isRefold,
          subjectsOf: (author) => entries.subjectsOf(author),
          ownedBy: (branch) => queries.everOwnedBy(branch),
          originOf: (file) => queries.file(file) ?? undefined,
        })) {
          subjects.set(name, subject)
        }
      }
      addStrays(added, subjects)
      if (rows.isBehind() && entries.reclassify !== undefined) {
        // kinds that this software may know by now
        db.write(() => entries.reclassify?.())
        control = foldWhole()
      }
      if (!understandsRules(control.membership)) return rows.setBehind(true)
      if (rows.isBehind()) return rebuild(pending)
      foldAdded(added, subjects, pending)
      pending.forks.push(...noteForks(rows, entries, added).map(forkFromRow))
    })
  }

  const hasRows = db.prepare('SELECT 1 FROM digest').get() !== undefined
  const isStale = hasRows ? rows.isBehind() : entries.count() > 0
  if (!understandsRules(control.membership)) {
    // also where newer software has run on this folder before
    if (!rows.isBehind()) change(() => rows.setBehind(true))
  } else if (isStale) change(rebuild)
  const lacksForks = entries.forked().size > rows.select(tables.forks).length
  if (lacksForks && understandsRules(control.membership)) {
    // entries that were stored before this table existed
    change(() => {
      for (const row of forkRows(entries)) rows.put(tables.forks, row)
    })
  }

  return {
    ...queries,
    apply,
    membership: () => control.membership,
    refusalOf(id) {
      const [row] = queries.refusalsOf(id)
      return row === undefined ? null : { code: row.code, reason: row.reason }
    },
    digest: () => rows.digest(),
    isBehind: () => rows.isBehind(),
    weights() {
      weights ??= queries.weights()
      return weights
    },
    verify: (options = {}) =>
      verifyState(
        {
          db,
          rows,
          entries,
          isBeyondEnd,
          network: init.network,
          rules: init.rules,
          membership: () => control.membership,
          changes: () => changes,
        },
        options,
      ),
    async repair({ signal } = {}) {
      const network = init.network()
      if (network === null || rows.isBehind()) return
      if (touched !== undefined) throw new TypeError('a repair is under way')
      touched = new Map()
      try {
        // what is in memory may be wrong as well
        change(() => {
          control = foldWhole()
        })
        const membership = () => control.membership
        const told = { members: false, gone: [], memberChanges: [], forks: [] }
        const tell = ({ files, audiences }: RepairedPart) =>
          init.onChange?.({ ...told, files: files.map(({ file }) => file), fileChanges: files, audiences })
        await repairState({ db, rows, entries, isBeyondEnd, network, membership, touched, showVerdict, tell }, signal)
      } finally {
        touched = undefined
      }
    },
    waiting: () => control.waiting.length,
  }
}

function summarise(before: ControlState, after: ControlState, pending: Pending): SharedChange | null {
  const memberChanges: MemberChange[] = []
  if (before.membership !== after.membership) {
    for (const [node, member] of after.membership.members) {
      const old = before.membership.members.get(node) ?? null
      if (old === null || !isSameMember(old, member)) memberChanges.push({ node, before: old, after: member })
    }
    for (const [node, member] of before.membership.members) {
      if (!after.membership.members.has(node)) memberChanges.push({ node, before: member, after: null })
    }
  }
  const isIn = (member: Member | null) => member?.state === 'member' || member?.state === 'quarantined'
  const changed: SharedChange = {
    files: [...pending.files.keys()],
    audiences: [...pending.audiences],
    members: before.membership !== after.membership || pending.hasCapacities,
    gone: memberChanges.filter((each) => isIn(each.before) && !isIn(each.after)).map(({ node }) => node),
    fileChanges: [...pending.files.values()],
    memberChanges,
    forks: pending.forks,
  }
  const { files, audiences, forks } = changed
  return changed.members || files.length + audiences.length + forks.length > 0 ? changed : null
}

function isSameMember(a: Member, b: Member): boolean {
  return (
    a === b ||
    (a.role === b.role &&
      a.state === b.state &&
      a.branch === b.branch &&
      a.replacedBy === b.replacedBy &&
      a.marks.join() === b.marks.join())
  )
}
