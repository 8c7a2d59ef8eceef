/**
 * Seeks in the background what files cannot be shown for: the keys and boxes in `waits`. What arrives is told, a key by
 * `grants.onKey`, a box by `boxArrived`; what does not is sought again a few times soon, and then by `retry`.
 */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/index.ts'
import { type AudienceId, type BoxHash, type FileId, idBytes, idFrom, type KeyId } from '../ids.ts'
import type { Grants } from './grants.ts'
import { createJobQueue } from './job-queue.ts'
import type { Boxes, BoxSources } from './reads.ts'

/** Background searches at a time. */
const PARALLEL = 8
const BOX_TIMEOUT_MS = 15_000
const PAGE = 256
/**
 * Pauses before the next searches (ms). Whoever is asked for something new may hear of it later than we did, and says that
 * there is none: that is over in a moment, and nothing tells of it.
 */
const AGAIN_MS = [1_000, 2_000, 4_000, 8_000, 16_000]
/** So many at a time; the others are left to `retry`. */
const MAX_AGAIN = 1_024

export interface SeekerInit {
  readonly db: Database
  readonly clock: Clock
  readonly grants: Pick<Grants, 'acquire'>
  readonly boxes: Boxes
  readonly sources: BoxSources
  boxArrived(hash: BoxHash): void
}

export interface Seeker {
  key(audience: AudienceId, key: KeyId): void
  box(file: FileId, hash: BoxHash): void
  /** From here or from other members; null when none has it, or after `stop`. Rejects with the signal's reason. */
  fetchBox(file: FileId, hash: BoxHash, signal?: AbortSignal): Promise<Uint8Array | null>
  /** Seeks everything that is missing once more; calls while it runs are one more run. */
  retry(): Promise<void>
  /** Resolves when nothing in the background touches the database any more. */
  stop(): Promise<void>
}

export function createSeeker(init: SeekerInit): Seeker {
  const { db, clock, grants, boxes } = init
  const stopped = new AbortController()
  const jobs = createJobQueue(PARALLEL)
  let retrying: Promise<void> | null = null
  let again = false

  const pauses = new Set<() => void>()

  function key(audience: AudienceId, keyId: KeyId, tried = 0): void {
    const isMissing = () => awaits('audience = ? AND key_id = ? AND box IS NULL', audience, keyId)
    jobs.add(`${audience}/${keyId}`, async () => {
      await grants.acquire(audience, keyId)
      seekLater(tried, isMissing, () => key(audience, keyId, tried + 1))
    })
  }

  function box(file: FileId, hash: BoxHash, tried = 0): void {
    jobs.add(hash, async () => {
      await seekBox(file, hash).catch(() => undefined)
      seekLater(
        tried,
        () => awaits('box = ?', hash),
        () => box(file, hash, tried + 1),
      )
    })
  }

  function awaits(what: string, ...ids: (AudienceId | KeyId | BoxHash)[]): boolean {
    return db.prepare(`SELECT 1 FROM waits WHERE ${what} LIMIT 1`).get(...ids.map((id) => idBytes(id))) !== undefined
  }

  function seekLater(tried: number, isMissing: () => boolean, seek: () => void): void {
    const ms = AGAIN_MS[tried]
    if (ms === undefined || pauses.size >= MAX_AGAIN || stopped.signal.aborted || !isMissing()) return
    const end = clock.after(ms, () => {
      pauses.delete(end)
      if (isMissing()) seek()
    })
    pauses.add(end)
  }

  async function seekBox(file: FileId, hash: BoxHash): Promise<void> {
    if ((await fetchBox(file, hash)) !== null) init.boxArrived(hash)
  }

  async function fetchBox(file: FileId, hash: BoxHash, signal?: AbortSignal): Promise<Uint8Array | null> {
    if (stopped.signal.aborted) return null
    const signals = [stopped.signal, AbortSignal.timeout(BOX_TIMEOUT_MS), ...(signal === undefined ? [] : [signal])]
    return await boxes.get(hash, init.sources({ file }), { signal: AbortSignal.any(signals) })
  }

  /** Every missing key and box once; resolves when each box was found or given up. */
  async function seekAll(): Promise<void> {
    if (stopped.signal.aborted) return
    const keys = db
      .prepare<{ audience: Uint8Array; key_id: Uint8Array }>(
        'SELECT DISTINCT audience, key_id FROM waits WHERE box IS NULL',
      )
      .all()
    for (const { audience, key_id } of keys) key(idFrom<AudienceId>(audience), idFrom<KeyId>(key_id))
    let after: Uint8Array = new Uint8Array(0)
    while (!stopped.signal.aborted) {
      const rows = db
        .prepare<{ file: Uint8Array; box: Uint8Array }>(
          `SELECT file, box FROM waits WHERE box IS NOT NULL AND file > ? ORDER BY file LIMIT ${PAGE}`,
        )
        .all(after)
      const last = rows.at(-1)
      if (last === undefined) return
      await Promise.all(rows.map((row) => boxSought(idFrom<FileId>(row.file), idFrom<BoxHash>(row.box))))
      after = last.file
    }
  }

  /** Resolves when it was looked for, found or not. */
  function boxSought(file: FileId, hash: BoxHash): Promise<void> {
    return new Promise((done) => {
      if (stopped.signal.aborted || jobs.has(hash)) done()
      else jobs.add(hash, () => seekBox(file, hash).finally(done))
    })
  }

  async function retryAll(): Promise<void> {
    // never over before `retrying` is set: it would stay set, and no later retry would run
    await Promise.resolve()
    try {
      do {
        again = false
        await seekAll()
      } while (again && !stopped.signal.aborted)
    } finally {
      retrying = null
    }
  }

  return {
    key,
    box,
    fetchBox,
    retry() {
      if (retrying !== null) again = true
      else retrying = retryAll()
      return retrying
    },
    async stop() {
      stopped.abort()
      for (const end of pauses) end()
      await Promise.all([jobs.stop(), retrying?.catch(() => undefined)])
    },
  }
}
