/**
 * Notices to denied nodes: kept until delivered, signed by the machine that wrote the `share` when it sends them. Spec:
 * docs/specs/keys-protocol.md.
 */
import { type SigningKey, sign, verify } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import {
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
/** Notices sent to one node in one go. */
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
  /** Keeps a notice for each node and sends it to those that are connected. Durable when it returns. */
  send(file: FileId, share: EntryId, nodes: readonly NodeId[]): void
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
  const stopped = new AbortController()
  let running: Promise<void> | null = null
  let again = false

  function forget(row: NoticeRow): void {
    db.prepare('DELETE FROM notices WHERE file = ? AND entry = ? AND node = ?').run(row.file, row.entry, row.node)
  }

  /** A notice that nobody needs any more: the file or the member is gone, or the node was let in again. */
  function isMoot(file: FileId, node: NodeId): boolean {
    const shared = reads.file(file)
    const state = reads.membership().members.get(node)?.state
    return (
      shared == null ||
      shared.state === 'purged' ||
      (state !== 'member' && state !== 'quarantined') ||
      init.isEntitled(file, node)
    )
  }

  async function sendTo(node: NodeId): Promise<void> {
    const rows = db.prepare<NoticeRow>('SELECT * FROM notices WHERE node = ? LIMIT ?').all(node, BATCH)
    for (const row of rows) {
      const file = idFrom<FileId>(row.file)
      if (isMoot(file, node)) {
        forget(row)
        continue
      }
      const named = publicKeyFromNodeId(node)
      const sig = sign(init.signer, 'notice', network, row.file, row.entry, named)
      const notice: Notice = { file: row.file, entry: row.entry, node: named, sig }
      const options = { timeoutMs: NOTICE_TIMEOUT_MS, signal: stopped.signal }
      const answer = await askKeys(host, node, { notice }, options)
      if (stopped.signal.aborted) return
      if ('notice' in answer && answer.notice !== 'unknown') forget(row)
    }
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
    send(file, share, nodes) {
      const insert = db.prepare('INSERT OR REPLACE INTO notices (file, entry, node) VALUES (?, ?, ?)')
      db.write(() => {
        for (const node of nodes) insert.run(idBytes(file), idBytes(share), node)
      })
      // what cannot be delivered now is tried again by `sharing`
      if (nodes.length > 0) deliver().catch(() => undefined)
    },
    deliver,
    async take(notice) {
      const file = idFrom<FileId>(notice.file)
      const entry = toHex(notice.entry) as EntryId
      const opened = reads.epochs(file).find((row) => row.entry === entry)
      const author = opened === undefined ? null : init.authorOf(entry)
      if (opened === undefined || author === null) return 'unknown'
      const own = publicKeyFromNodeId(self)
      const isForUs = Buffer.compare(notice.node, own) === 0
      if (
        !isForUs ||
        !verify(publicKeyFromNodeId(author), notice.sig, 'notice', network, notice.file, notice.entry, own)
      )
        return 'kept'
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
