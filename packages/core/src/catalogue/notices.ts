/**
 * Notices to denied nodes: kept until delivered, signed when they are sent, by the present machine of a branch that
 * stands for the denial. What is owed beside a `share` of one's own: `notice-debts.ts`. Spec: docs/specs/keys-protocol.md.
 */
import { type SigningKey, sign, verify } from '../crypto/index.ts'
import { createBulkInsert, type Database } from '../database/index.ts'
import {
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
  toHex,
} from '../ids.ts'
import type { Host } from '../network/index.ts'
import { askKeys } from './keys-exchange.ts'
import type { Notice, NoticeOutcome } from './keys-format.ts'
import type { SharedReads } from './reads.ts'

const NOTICE_TIMEOUT_MS = 20_000
/** Notices read at a time for one node. */
const BATCH = 64
/** Nodes to which notices are sent at the same time. */
const SIDE_BY_SIDE = 64

export interface NoticesInit {
  db: Database
  network: NetworkId
  self: NodeId
  signer: SigningKey
  host: Pick<Host, 'connections' | 'request'>
  reads: SharedReads
  /** the author of an entry that is stored here; null otherwise */
  authorOf(entry: EntryId): NodeId | null
  /** whether the file's audience takes this node in, as far as this node can read the list */
  isEntitled(file: FileId, node: NodeId): boolean
  /** tries to get the key of the file's current access epoch; true when it is here */
  tryToRead(file: FileId): Promise<boolean>
  /** forgets keys, boxes and view of the file */
  drop(file: FileId): void
}

export interface Notices {
  /** Keeps a notice for each node, until `deliver` has brought it there. */
  keep(file: FileId, share: EntryId, nodes: readonly NodeId[]): void
  /** Sends what is kept to everyone who is connected; one run at a time. */
  deliver(): Promise<void>
  /** Handles a notice from the wire. */
  take(notice: Notice): Promise<NoticeOutcome>
  pending(): number
  /** Resolves when nothing is being sent any more. */
  stop(): Promise<void>
}

interface NoticeRow {
  file: Uint8Array
  entry: Uint8Array
  node: string
}

export function createNotices(init: NoticesInit): Notices {
  const { db, network, self, host, reads } = init
  const rows = createBulkInsert(db, {
    table: 'notices',
    columns: ['file', 'entry', 'node'],
    conflict: 'ON CONFLICT DO NOTHING',
  })
  const stopped = new AbortController()
  let running: Promise<void> | null = null
  let again = false

  function forget(row: NoticeRow): void {
    db.prepare('DELETE FROM notices WHERE file = ? AND entry = ? AND node = ?').run(row.file, row.entry, row.node)
  }

  /** The branches that may tell what this entry denied: the one whose machine wrote it, and the one that owns the file now. */
  function voices(file: FileId, entry: EntryId): BranchId[] | null {
    const author = reads.epochs(file).some((epoch) => epoch.entry === entry) ? init.authorOf(entry) : null
    if (author === null) return null
    const wrote = reads.membership().members.get(author)?.branch
    const owns = reads.file(file)?.owner
    return [wrote, owns].filter((branch) => branch !== undefined)
  }

  /** Their machines, as far as they are members now: one that was replaced, left or was thrown out has no say any more. */
  function machinesOf(branches: readonly BranchId[]): NodeId[] {
    const { members, branches: known } = reads.membership()
    const nodes = new Set(branches.map((branch) => known.get(branch)?.node))
    return [...nodes].filter((node) => node !== undefined && members.get(node)?.state === 'member') as NodeId[]
  }

  /** A notice that is not this node's to send, or needed by nobody: the file or the member is gone, or let in again. */
  function isMoot(file: FileId, entry: EntryId, node: NodeId): boolean {
    const shared = reads.file(file)
    const { members } = reads.membership()
    const state = members.get(node)?.state
    const own = members.get(self)?.branch
    return (
      shared == null ||
      shared.state === 'purged' ||
      (state !== 'member' && state !== 'quarantined') ||
      (own !== undefined && voices(file, entry)?.includes(own) !== true) ||
      init.isEntitled(file, node)
    )
  }

  async function sendTo(node: NodeId): Promise<void> {
    const sql = 'SELECT * FROM notices WHERE node = ? AND (file, entry) > (?, ?) ORDER BY file, entry LIMIT ?'
    let last: NoticeRow | undefined
    do {
      const none = new Uint8Array(0)
      const rows = db.prepare<NoticeRow>(sql).all(node, last?.file ?? none, last?.entry ?? none, BATCH)
      for (const row of rows) {
        if (await isOver(row, node)) forget(row)
        if (stopped.signal.aborted) return
      }
      last = rows.at(-1)
    } while (last !== undefined)
  }

  /** Whether the notice was taken, or nobody needs it any more. @throws when the node is out of reach */
  async function isOver(row: NoticeRow, node: NodeId): Promise<boolean> {
    if (isMoot(idFrom<FileId>(row.file), idFrom<EntryId>(row.entry), node)) return true
    const named = publicKeyFromNodeId(node)
    const sig = sign(init.signer, 'notice', network, row.file, row.entry, named)
    const notice: Notice = { file: row.file, entry: row.entry, node: named, sig }
    const options = { timeoutMs: NOTICE_TIMEOUT_MS, signal: stopped.signal }
    const answer = await askKeys(host, node, { notice }, options)
    return !stopped.signal.aborted && 'notice' in answer && answer.notice !== 'unknown'
  }

  async function deliverAll(): Promise<void> {
    const nodes = db
      .prepare<{ node: string }>('SELECT DISTINCT node FROM notices')
      .all()
      .map((row) => row.node as NodeId)
    const connected = new Set(host.connections().map((connection) => connection.peer))
    const waiting = nodes.filter((node) => connected.has(node))
    const sendNext = async () => {
      for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
        if (stopped.signal.aborted) return
        await sendTo(node).catch(() => undefined)
      }
    }
    // side by side: one silent node must not hold up the others
    await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE, waiting.length) }, sendNext))
  }

  async function run(): Promise<void> {
    // never over before `running` is set: it would stay set, and nothing would be delivered any more
    await Promise.resolve()
    try {
      do {
        again = false
        await deliverAll()
      } while (again && !stopped.signal.aborted)
    } finally {
      running = null
    }
  }

  function deliver(): Promise<void> {
    if (stopped.signal.aborted) return Promise.resolve()
    if (running !== null) again = true
    else running = run()
    return running
  }

  return {
    keep(file, share, nodes) {
      const named = [idBytes(file), idBytes(share)]
      db.write(() => {
        db.afterRollback(rows.clear)
        for (const node of nodes) rows.add([...named, node])
        rows.flush()
      })
    },
    deliver,
    async take(notice) {
      const file = idFrom<FileId>(notice.file)
      const who = voices(file, toHex(notice.entry) as EntryId)
      if (who === null) return 'unknown'
      const own = publicKeyFromNodeId(self)
      if (Buffer.compare(notice.node, own) !== 0) return 'kept'
      const isTold = machinesOf(who).some((node) =>
        verify(publicKeyFromNodeId(node), notice.sig, 'notice', network, notice.file, notice.entry, own),
      )
      // what made its signer the owner, or the owner's machine, may still be on its way
      if (!isTold) return 'unknown'
      if (await init.tryToRead(file)) return 'kept'
      if (stopped.signal.aborted) return 'unknown'
      init.drop(file)
      return 'dropped'
    },
    pending: () => db.prepare<{ n: number }>('SELECT count(*) AS n FROM notices').get()?.n ?? 0,
    async stop() {
      stopped.abort()
      await running?.catch(() => undefined)
    },
  }
}
