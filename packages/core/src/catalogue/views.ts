/**
 * What this branch may see. A file is visible if and only if the key of its current access epoch is here and its meta
 * box was opened with it. `refresh` looks at one file and brings its row up to date; what is missing for it is written
 * into `waits` and sought in the background (`views-seek.ts`), now and whenever members connect.
 */
import type { Clock } from '../clock.ts'
import type { EpochKeys } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  idBytes,
  idFrom,
  type KeyId,
} from '../ids.ts'
import { type FileMeta, openMeta, openPreview, type Preview } from './boxes-format.ts'
import { FileNotFoundError, PreviewUnreachableError } from './errors.ts'
import type { Grants } from './grants.ts'
import type { Keyring } from './keyring.ts'
import type { Boxes, BoxSources, SharedReads } from './reads.ts'
import type { Scrubber } from './scrub.ts'
import type { SharedEpoch, SharedFile } from './types.ts'
import { createSeeker } from './views-seek.ts'
import { createViewsTable, type ViewRow, type ViewsTable, type VisibleFile } from './views-table.ts'

export type ViewEvent =
  | { readonly type: 'visible' | 'changed'; readonly file: FileId; readonly view: VisibleFile }
  /** `denied`: dropped on the owner's notice, hidden before that or by it, with keys and boxes; chunks sealed in these epochs have to go too. */
  | { readonly type: 'hidden' | 'denied' | 'purged'; readonly file: FileId }

export interface ViewsInit {
  db: Database
  clock: Clock
  reads: SharedReads
  keyring: Keyring
  grants: Pick<Grants, 'acquire'>
  boxes: Boxes
  sources: BoxSources
  scrubber: Scrubber
}

export interface Views extends Pick<ViewsTable, 'get' | 'list' | 'resolve' | 'count'> {
  /** After every change of the file's shared rows, and when a key or box for it arrived. */
  refresh(file: FileId): void
  refreshAll(files: Iterable<FileId>): void
  /** A key arrived: the files that waited for it. */
  keyArrived(audience: AudienceId, key: KeyId): void
  /** A box arrived by another way than this room's own. */
  boxArrived(hash: BoxHash): void
  /** Seeks everything that is missing once more; calls while it runs are one more run. */
  retry(): Promise<void>
  /** Compares all rows with the shared rows: what changed between a commit and a crash. Lets others work in between. */
  reconcile(files: Iterable<SharedFile>): Promise<void>
  /** The meta of any version, where it can be opened here. */
  metaOf(file: FileId, version: number): FileMeta | null
  /** What is in a box that this node has, with keys that it has, whether or not an entry names it. */
  metaIn(file: FileId, epoch: number, box: BoxHash): FileMeta | null
  /** The current preview, from here or fetched. @throws {FileNotFoundError} @throws {PreviewUnreachableError} */
  preview(file: FileId, options?: { signal?: AbortSignal }): Promise<Preview | null>
  /** On the owner's notice: keys, boxes and view of all closed epochs go, from the disk too. */
  dropOnNotice(file: FileId): void
  /** The newest access epoch of which this node must not hold even sealed chunks; null when there is none. */
  gaveUp(file: FileId): number | null
  /** Whether some file cannot be shown for want of this key. */
  isWaitingFor(audience: AudienceId, key: KeyId): boolean
  onChange(listener: (event: ViewEvent) => void): () => void
  /** Resolves when nothing in the background touches the database any more. */
  stop(): Promise<void>
}

const PAGE = 256

type Opened = { readonly meta: FileMeta } | 'missing' | 'broken'

/** An acceptance or an orphaning changes owner and state, but is no entry of the file: its head stays. */
function isUpToDate(row: ViewRow, shared: SharedFile): boolean {
  return (
    idFrom<EntryId>(row.head) === shared.head &&
    idFrom<BranchId>(row.owner) === shared.owner &&
    row.state === shared.state
  )
}

export function createViews(init: ViewsInit): Views {
  const { db, reads, keyring, boxes, scrubber } = init
  const table = createViewsTable(db)
  const listeners = new Set<(event: ViewEvent) => void>()
  const stopped = new AbortController()
  const seeker = createSeeker({ db, clock: init.clock, grants: init.grants, boxes, sources: init.sources, boxArrived })

  function tell(event: ViewEvent): void {
    db.afterCommit(() => {
      for (const listener of listeners) listener(event)
    })
  }

  function waitFor(file: FileId, epoch: SharedEpoch, box: BoxHash | null): void {
    db.prepare('INSERT OR REPLACE INTO waits (file, audience, key_id, box) VALUES (?, ?, ?, ?)').run(
      idBytes(file),
      idBytes(epoch.audience),
      idBytes(epoch.key),
      box === null ? null : idBytes(box),
    )
    db.afterCommit(() => (box === null ? seeker.key(epoch.audience, epoch.key) : seeker.box(file, box)))
  }

  function waitNoMore(file: FileId): void {
    db.prepare('DELETE FROM waits WHERE file = ?').run(idBytes(file))
  }

  function epochOf(file: SharedFile): SharedEpoch | undefined {
    return reads.epochs(file.file).find((row) => row.epoch === file.epoch)
  }

  /** A box is sealed in the epoch in which it was written, which for a restored version is an older one. */
  function openWith(file: FileId, newest: EpochKeys, hash: BoxHash): Opened {
    const sealed = boxes.local(hash)
    if (sealed === null) return 'missing'
    for (
      let keys: EpochKeys | null = newest;
      keys !== null;
      keys = keys.epoch > 0 ? keyring.fileKey(file, keys.epoch - 1) : null
    ) {
      try {
        const meta = openMeta(keys, sealed)
        keyring.noteBox(file, keys.epoch, hash)
        return { meta }
      } catch {
        // of an older epoch, or made wrongly
      }
    }
    return 'broken'
  }

  function sizeOf(file: SharedFile): number {
    return reads.versions(file.file).find((row) => row.version === file.version)?.size ?? 0
  }

  function refresh(id: FileId): void {
    db.write(() => {
      const shared = reads.file(id)
      if (shared == null) {
        hide(id)
        return
      }
      if (shared.state === 'purged') {
        purge(id)
        return
      }
      const epoch = epochOf(shared)
      const keys = epoch === undefined ? null : keyring.fileKey(id, shared.epoch)
      if (epoch === undefined || keys === null) {
        hide(id)
        if (epoch !== undefined) waitFor(id, epoch, null)
        return
      }
      show(shared, epoch, keys)
    })
  }

  /** One transaction for many. */
  function refreshAll(files: Iterable<FileId>): void {
    db.write(() => {
      for (const file of files) refresh(file)
    })
  }

  function show(shared: SharedFile, epoch: SharedEpoch, keys: EpochKeys): void {
    const { file } = shared
    const before = table.row(file)
    const known = before !== undefined && idFrom<BoxHash>(before.meta) === shared.meta
    if (shared.preview !== null) keyring.noteBox(file, shared.epoch, shared.preview)
    if (known && isUpToDate(before, shared)) {
      waitNoMore(file)
      return
    }
    const opened = known ? 'same' : openWith(file, keys, shared.meta)
    if (opened === 'broken') {
      hide(file)
      return
    }
    if (opened === 'missing') waitFor(file, epoch, shared.meta)
    else waitNoMore(file)
    // A reader that awaits the box of a newer version goes on showing the name it knows.
    if (opened === 'missing' || opened === 'same') {
      if (before === undefined) return
      table.touch(shared, sizeOf(shared))
    } else table.put(shared, sizeOf(shared), opened.meta)
    const view = table.get(file)
    if (view !== null) tell({ type: before === undefined ? 'visible' : 'changed', file, view })
  }

  function hide(file: FileId): void {
    waitNoMore(file)
    if (!table.remove(file)) return
    scrubber.soon()
    tell({ type: 'hidden', file })
  }

  function forget(file: FileId, through?: number): void {
    const closed = through === undefined ? [] : reads.versions(file).filter((version) => version.epoch <= through)
    const hashes = new Set([
      ...keyring.boxesOf(file, through),
      ...closed.flatMap(({ meta, preview }) => (preview === null ? [meta] : [meta, preview])),
    ])
    const shared = reads.file(file)
    for (const hash of hashes) {
      // naming a box in a file of one's own must give no say over the file that it belongs to
      if ((reads.boxOwner(hash)?.file ?? file) !== file) continue
      // of a file that goes on, the newest boxes are held sealed like any other node does
      if (through === undefined || (hash !== shared?.meta && hash !== shared?.preview)) boxes.remove(hash)
    }
    keyring.forgetBoxes(file, through)
    keyring.forgetFile(file, through)
  }

  function purge(file: FileId): void {
    const was = table.remove(file)
    waitNoMore(file)
    forget(file)
    if (!was) return
    scrubber.soon()
    tell({ type: 'purged', file })
  }

  function dropOnNotice(file: FileId): void {
    const shared = reads.file(file)
    if (shared == null) return
    db.write(() => {
      if (table.remove(file)) tell({ type: 'hidden', file })
      const held = keyring.newestHeld(file, shared.epoch - 1)
      forget(file, shared.epoch - 1)
      // of epochs whose key it never had it may go on holding sealed chunks
      if (held !== null) keyring.giveUp(file, held)
      tell({ type: 'denied', file })
    })
    scrubber.now()
  }

  function refreshWaiting(sql: string, ...values: unknown[]): void {
    // `refresh` deletes or rewrites each row, so the cursor moves by id
    let after: Uint8Array = new Uint8Array(0)
    for (;;) {
      const rows = db
        .prepare<{ file: Uint8Array }>(`${sql} AND file > ? ORDER BY file LIMIT ${PAGE}`)
        .all(...values, after)
      const last = rows.at(-1)
      if (last === undefined) return
      refreshAll(rows.map(({ file }) => idFrom<FileId>(file)))
      after = last.file
    }
  }

  function keyArrived(audience: AudienceId, key: KeyId): void {
    if (stopped.signal.aborted) return
    refreshWaiting(
      'SELECT file FROM waits WHERE audience = ? AND key_id = ? AND box IS NULL',
      idBytes(audience),
      idBytes(key),
    )
  }

  function boxArrived(hash: BoxHash): void {
    if (stopped.signal.aborted) return
    refreshWaiting('SELECT file FROM waits WHERE box = ?', idBytes(hash))
  }

  /** Whoever is late is as good as away. */
  async function fetchedInTime(file: FileId, box: BoxHash, signal?: AbortSignal): Promise<Uint8Array | null> {
    return await seeker.fetchBox(file, box, signal).catch((error: unknown) => {
      if (signal?.aborted === true) throw error
      return null
    })
  }

  return {
    get: table.get,
    list: table.list,
    resolve: table.resolve,
    count: table.count,
    refresh,
    refreshAll,
    keyArrived,
    boxArrived,
    retry: seeker.retry,
    async reconcile(files) {
      let stale: FileId[] = []
      let seen = 0
      for (const shared of files) {
        const row = table.row(shared.file)
        if (row === undefined || !isUpToDate(row, shared)) stale.push(shared.file)
        if (++seen % PAGE !== 0) continue
        refreshAll(stale)
        stale = []
        await new Promise<void>((resume) => setImmediate(resume))
        if (stopped.signal.aborted) return
      }
      refreshAll(stale)
      for (let after: FileId | null = null; ; ) {
        const rows = table.heads(after, PAGE)
        for (const { file } of rows) if (reads.file(file) == null) refresh(file)
        after = rows.at(-1)?.file ?? null
        if (after === null || stopped.signal.aborted) return
        await new Promise<void>((resume) => setImmediate(resume))
      }
    },
    metaOf(file, version) {
      const row = reads.versions(file).find((each) => each.version === version)
      const shared = reads.file(file)
      const keys = row === undefined || shared == null ? null : keyring.fileKey(file, shared.epoch)
      if (row === undefined || keys === null) return null
      const opened = openWith(file, keys, row.meta)
      return typeof opened === 'string' ? null : opened.meta
    },
    metaIn(file, epoch, box) {
      const keys = keyring.fileKey(file, epoch)
      const opened = keys === null ? 'missing' : openWith(file, keys, box)
      return typeof opened === 'string' ? null : opened.meta
    },
    async preview(file, options = {}) {
      const view = table.get(file)
      if (view === null) throw new FileNotFoundError(file)
      if (view.preview === null) return null
      const sealed = boxes.local(view.preview) ?? (await fetchedInTime(file, view.preview, options.signal))
      if (sealed === null) throw new PreviewUnreachableError(file)
      for (let keys = keyring.fileKey(file, view.epoch); keys !== null; keys = keyring.fileKey(file, keys.epoch - 1)) {
        try {
          return openPreview(keys, sealed)
        } catch {
          // of an older epoch, or made wrongly
        }
      }
      return null
    },
    dropOnNotice,
    gaveUp: keyring.gaveUp,
    isWaitingFor: (audience, key) =>
      db
        .prepare('SELECT 1 FROM waits WHERE audience = ? AND key_id = ? AND box IS NULL LIMIT 1')
        .get(idBytes(audience), idBytes(key)) !== undefined,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async stop() {
      stopped.abort()
      await seeker.stop()
    },
  }
}
