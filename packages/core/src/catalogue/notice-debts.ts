/**
 * Denials that nobody may have told to those denied: of files that came to this branch with another owner's denials, of
 * a machine that was replaced, of a database that was lost. What is owed follows from the ledger and the lists; what was
 * written into `notices` already stands in `told_files`. Spec: docs/specs/keys-protocol.md, "Debts".
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../database/index.ts'
import { type BranchId, type EntryId, EVERYONE, type FileId, idBytes, idFrom, type NodeId } from '../ids.ts'
import { type AudienceList, EVERYONE_LIST, entitledBy } from './audience-list.ts'
import type { Grants } from './grants.ts'
import type { Keyring } from './keyring.ts'
import type { SharedReads } from './reads.ts'
import type { SharedEpoch, SharedFile } from './types.ts'

/** Files looked at before everybody else has a turn. */
const FILES_PER_TURN = 256
/** Files whose lists are sought at the same time. */
const SIDE_BY_SIDE = 8
/** Access epochs gone through before everybody else has a turn. */
const EPOCHS_PER_TURN = 16

export interface NoticeDebtsInit {
  db: Database
  self: NodeId
  reads: SharedReads
  keyring: Pick<Keyring, 'audienceKey'>
  grants: Pick<Grants, 'acquire' | 'complete'>
  /** the author of an entry that is stored here; null otherwise */
  authorOf(entry: EntryId): NodeId | null
  /** whether there is a member that could be asked for a key */
  isAnybodyThere(): boolean
  /** keeps notices; called within a transaction */
  keep(file: FileId, share: EntryId, nodes: readonly NodeId[]): void
}

export interface NoticeDebts {
  /** After every change of shared rows. @returns whether something may be owed now */
  changed(files: Iterable<FileId>): boolean
  /** The owner's node itself has just told this denial; called within the transaction that keeps its notices. */
  told(file: FileId, share: EntryId): void
  /** What changed between a commit and a crash is not known: all files of the branch are gone through again. */
  lookAtAll(): void
  /** Keeps notices for everything that is due and can be known now; one run at a time. It never rejects. */
  settle(): Promise<void>
  /** Files that are still to be gone through. */
  due(): number
  /** Resolves when nothing of it touches the database any more. */
  stop(): Promise<void>
}

interface ToldRow {
  file: Uint8Array
  through: Uint8Array | null
}

export function createNoticeDebts(init: NoticeDebtsInit): NoticeDebts {
  const { db, self, reads, keyring, grants } = init
  let isStopped = false
  let running: Promise<void> | null = null
  let again = false

  /** The branch that this node acts for; undefined while it may act for none. */
  function actingFor(): BranchId | undefined {
    const { members, branches } = reads.membership()
    const member = members.get(self)
    const isActing = member?.state === 'member' && branches.get(member.branch)?.node === self
    return isActing ? member.branch : undefined
  }

  function epochsOf(file: FileId): SharedEpoch[] {
    return [...reads.epochs(file)].sort((a, b) => a.epoch - b.epoch)
  }

  function row(file: FileId): ToldRow | undefined {
    return db.prepare<ToldRow>('SELECT file, through FROM told_files WHERE file = ?').get(idBytes(file))
  }

  function forget(file: FileId): void {
    db.prepare('DELETE FROM told_files WHERE file = ?').run(idBytes(file))
  }

  function isOurs(shared: SharedFile | null | undefined, own: BranchId): shared is SharedFile {
    return shared != null && shared.owner === own && (shared.state === 'live' || shared.state === 'deleted')
  }

  /** Whether the file's newest access epoch was gone through; one without a second epoch denies nobody later. */
  function isBehind(shared: SharedFile, known: ToldRow | undefined): boolean {
    if (shared.epoch <= 1) return false
    const newest = epochsOf(shared.file).at(-1)?.entry
    return newest !== undefined && (known?.through == null || idFrom<EntryId>(known.through) !== newest)
  }

  /** @returns whether it is due now */
  function look(file: FileId, own: BranchId): boolean {
    const shared = reads.file(file)
    if (!isOurs(shared, own)) {
      forget(file) // should it come back, what another owner did meanwhile is not known
      return false
    }
    if (!isBehind(shared, row(file))) return false
    db.prepare(
      'INSERT INTO told_files (file, through, due) VALUES (?, NULL, 1) ON CONFLICT (file) DO UPDATE SET due = 1',
    ).run(idBytes(file))
    return true
  }

  function lookAtEach(files: Iterable<FileId>, own: BranchId): boolean {
    return db.write(() => {
      let isDue = false
      for (const file of files) isDue = look(file, own) || isDue
      return isDue
    })
  }

  function isWhole(): boolean {
    return db.prepare('SELECT 1 FROM told_files_whole').get() !== undefined
  }

  async function lookThrough(own: BranchId): Promise<void> {
    let turn: FileId[] = []
    for (const file of reads.filesOwnedBy(own)) {
      if (turn.push(file) < FILES_PER_TURN) continue
      lookAtEach(turn, own)
      turn = []
      await nextTurn()
      if (isStopped) return
    }
    lookAtEach(turn, own)
    db.prepare('INSERT OR IGNORE INTO told_files_whole (id) VALUES (1)').run()
  }

  async function listOf({ audience, key }: SharedEpoch): Promise<AudienceList | null> {
    if (audience === EVERYONE) return EVERYONE_LIST
    const here = listHere(audience, key)
    if (here !== undefined && here !== null) return here
    if (here === undefined) await grants.acquire(audience, key)
    else await grants.complete(audience, key).catch(() => false)
    return isStopped ? null : (listHere(audience, key) ?? null)
  }

  /** undefined: without the key; null: the key is here, its list was not read yet */
  function listHere(audience: SharedEpoch['audience'], key: SharedEpoch['key']): AudienceList | null | undefined {
    const held = keyring.audienceKey(audience, key)
    held?.secret.fill(0)
    return held === null ? undefined : held.list
  }

  /** The list; everyone's where another branch's can be had from nobody; null: to be tried again. */
  async function listOrAll(epoch: SharedEpoch, own: BranchId): Promise<AudienceList | null> {
    const list = await listOf(epoch)
    if (list !== null || isStopped) return list
    const author = init.authorOf(epoch.entry)
    const isOwn = author === null || reads.membership().members.get(author)?.branch === own
    return !isOwn && init.isAnybodyThere() ? EVERYONE_LIST : null
  }

  async function settleFile(file: FileId, own: BranchId): Promise<void> {
    const known = row(file)
    const shared = reads.file(file)
    if (known === undefined || !isOurs(shared, own)) {
      forget(file)
      return
    }
    const epochs = epochsOf(file)
    const newest = epochs.at(-1)
    if (newest === undefined) return
    const through = known.through === null ? null : idFrom<EntryId>(known.through)
    // an entry that has lost its effect marks nothing: all over again
    const from = Math.max(
      epochs.findIndex(({ entry }) => entry === through),
      0,
    )
    const owed = await owedSince(epochs, from, own)
    const isSame = !isStopped && epochsOf(file).at(-1)?.entry === newest.entry && isOurs(reads.file(file), own)
    // a change meanwhile is one more run
    if (owed === null || !isSame) return
    db.write(() => {
      for (const [share, nodes] of owed) init.keep(file, share, nodes)
      db.prepare('UPDATE told_files SET through = ?, due = 0 WHERE file = ?').run(idBytes(newest.entry), idBytes(file))
    })
  }

  /** Whom each entry has denied what the epoch before it gave, of those denied now; null: a list is out of reach. */
  async function owedSince(
    epochs: readonly SharedEpoch[],
    from: number,
    own: BranchId,
  ): Promise<Map<EntryId, NodeId[]> | null> {
    const newest = epochs.at(-1)
    const current = newest === undefined ? null : await listOf(newest)
    if (current === null) return null
    const isEntitled = entitledBy(current)
    let left = [...reads.membership().members.values()].filter(
      ({ state, branch }) => (state === 'member' || state === 'quarantined') && !isEntitled(branch),
    )
    const owed = new Map<EntryId, NodeId[]>()
    let later = current
    for (let at = epochs.length - 2; at >= from && left.length > 0; at--) {
      const [epoch, next] = [epochs[at], epochs[at + 1]]
      const list = epoch === undefined ? null : await listOrAll(epoch, own)
      if (list === null || next === undefined) return null
      if ((epochs.length - at) % EPOCHS_PER_TURN === 0) await nextTurn()
      if (isStopped) return null
      if (list === later) continue
      later = list
      const wasEntitled = entitledBy(list)
      const denied = left.filter(({ branch }) => wasEntitled(branch))
      if (denied.length === 0) continue
      owed.set(
        next.entry,
        denied.map(({ node }) => node),
      )
      left = left.filter(({ branch }) => !wasEntitled(branch))
    }
    return owed
  }

  async function settleAll(): Promise<void> {
    const own = actingFor()
    if (own === undefined) return
    if (!isWhole()) await lookThrough(own)
    let after = new Uint8Array(0)
    const sql = 'SELECT file, through FROM told_files WHERE due = 1 AND file > ? ORDER BY file LIMIT ?'
    while (!isStopped) {
      const rows = db.prepare<ToldRow>(sql).all(after, SIDE_BY_SIDE)
      const last = rows.at(-1)
      if (last === undefined) return
      after = new Uint8Array(last.file)
      await Promise.all(rows.map(({ file }) => settleFile(idFrom<FileId>(file), own).catch(() => undefined)))
      await nextTurn()
    }
  }

  async function run(): Promise<void> {
    await Promise.resolve()
    try {
      do {
        again = false
        await settleAll()
      } while (again && !isStopped)
    } catch {
      // the database cannot be read or written: it stays due, and others tell
    } finally {
      running = null
    }
  }

  return {
    changed(files) {
      // also while it may not act, or what it missed would be found by nothing
      const own = reads.membership().members.get(self)?.branch
      return own !== undefined && !isStopped && lookAtEach(files, own)
    },
    told(file, share) {
      const [before, newest] = epochsOf(file).slice(-2)
      if (before === undefined || newest?.entry !== share) return
      const through = row(file)?.through ?? null
      const isNext = before.epoch === 1 || (through !== null && idFrom<EntryId>(through) === before.entry)
      if (!isNext) return // what came before is still to be told
      db.prepare('INSERT OR REPLACE INTO told_files (file, through, due) VALUES (?, ?, 0)').run(
        idBytes(file),
        idBytes(share),
      )
    },
    lookAtAll: () => void db.prepare('DELETE FROM told_files_whole').run(),
    settle() {
      if (isStopped) return Promise.resolve()
      if (running !== null) again = true
      else running = run()
      return running
    },
    due: () => db.prepare<{ n: number }>('SELECT count(*) AS n FROM told_files WHERE due = 1').get()?.n ?? 0,
    async stop() {
      isStopped = true
      await running
    },
  }
}
