/**
 * Small sealed objects, named by hash: kept in the local database, fetched from members that have them.
 *
 * One lookup runs per hash, however many callers wait for it; hashes that are wanted from one member while a request to
 * it is under way go together in the next, so that a newcomer's first hour is not one round trip per box.
 */
import { type Clock, systemClock } from '../clock.ts'
import { asBuffer, blake3, equalBytes } from '../crypto/index.ts'
import type { Database } from '../database/index.ts'
import { type BoxHash, idBytes, idFrom, type NodeId, toHex } from '../ids.ts'
import type { Host } from '../network/index.ts'
import { answerBoxes, askBoxes, BOXES_HANDLER, MAX_BOX_BYTES, MAX_HASHES_PER_REQUEST } from './boxes-protocol.ts'
import { BoxInvalidError, StoreStoppedError } from './errors.ts'
import type { BoxStore } from './types.ts'

/** After so long without an answer the next member is asked as well. */
const DEFAULT_HEDGE_MS = 2000
/** Requests to one member at a time; more would only be queued there. */
const LANES_PER_PEER = 2
/** Boxes that are looked at in one turn, and their bytes. */
const CHECKED_AT_ONCE = 256
const CHECKED_BYTES = 1024 * 1024

export interface BoxStoreInit {
  /** local.db */
  database: Database
  host: Pick<Host, 'handle' | 'open'>
  /** asked for each box before it is sent; answers must not differ in time or kind for boxes that do not exist */
  mayServe: (peer: NodeId, hash: BoxHash) => boolean
  /** A member sent other bytes than were asked for. */
  onBadSource?: (peer: NodeId, hash: BoxHash) => void
  clock?: Clock
  /** @default 2000 */
  hedgeMs?: number
}

export interface StoppableBoxStore extends BoxStore {
  /** Ends all lookups; what is here stays readable while the database is open. */
  stop(): void
}

interface Wanted {
  hash: BoxHash
  resolve(bytes: Uint8Array | null): void
}

interface Lane {
  queue: Wanted[]
  running: number
}

interface Lookup {
  result: Promise<Uint8Array | null>
  asked: Set<string>
  waiting: number
  abort: AbortController
}

export function createBoxStore(init: BoxStoreInit): StoppableBoxStore {
  const { database, host, mayServe, clock = systemClock, hedgeMs = DEFAULT_HEDGE_MS } = init
  const lanes = new Map<NodeId, Lane>()
  const lookups = new Map<BoxHash, Lookup>()
  const stopping = new AbortController()

  const local = (hash: BoxHash): Uint8Array | null => {
    const row = database.prepare<{ bytes: Buffer }>('SELECT bytes FROM boxes WHERE hash = ?').get(idBytes(hash))
    return row === undefined ? null : new Uint8Array(row.bytes)
  }
  const remove = (hash: BoxHash) =>
    database.write(() => void database.prepare('DELETE FROM boxes WHERE hash = ?').run(idBytes(hash)))
  const keep = (hash: BoxHash, bytes: Uint8Array) => {
    database.write(() => {
      database.prepare('INSERT OR IGNORE INTO boxes (hash, bytes) VALUES (?, ?)').run(idBytes(hash), asBuffer(bytes))
    })
  }

  const runLane = async (peer: NodeId, lane: Lane) => {
    lane.running += 1
    const batch = lane.queue.splice(0, MAX_HASHES_PER_REQUEST)
    const open = new Map(batch.map((wanted) => [wanted.hash, wanted]))
    try {
      const hashes = [...open.keys()]
      const answered = await askBoxes(host, peer, hashes, stopping.signal, (hash, bytes) => {
        const isRight = bytes !== null && toHex(blake3(bytes)) === hash
        if (bytes !== null && !isRight) init.onBadSource?.(peer, hash)
        if (isRight) keep(hash, bytes)
        open.get(hash)?.resolve(isRight ? new Uint8Array(bytes) : null)
        open.delete(hash)
      })
      // an answer may end early for its size; one that says nothing at all is not asked again
      if (answered > 0) lane.queue.unshift(...open.values())
      else for (const wanted of open.values()) wanted.resolve(null)
    } catch {
      // unreachable, too slow, or not speaking the protocol: other sources are asked
      for (const wanted of open.values()) wanted.resolve(null)
    }
    lane.running -= 1
    pump(peer, lane)
  }
  const pump = (peer: NodeId, lane: Lane) => {
    while (lane.queue.length > 0 && lane.running < LANES_PER_PEER && !stopping.signal.aborted) void runLane(peer, lane)
    if (lane.queue.length === 0 && lane.running === 0) lanes.delete(peer)
  }
  const ask = (peer: NodeId, hash: BoxHash): Promise<Uint8Array | null> =>
    new Promise((resolve) => {
      const lane = lanes.get(peer) ?? { queue: [], running: 0 }
      lanes.set(peer, lane)
      lane.queue.push({ hash, resolve })
      // in a later turn, so that what is wanted in this one goes together
      queueMicrotask(() => pump(peer, lane))
    })

  /** Asks one member after the other, the next when one has no answer or is slow; the first right answer counts. */
  const lookUp = (hash: BoxHash, sources: readonly string[], signal: AbortSignal): Promise<Uint8Array | null> =>
    new Promise((resolve, reject) => {
      const left = [...new Set(sources)]
      let pending = 0
      let cancelHedge: () => void = () => undefined
      const end = (bytes: Uint8Array | null) => {
        cancelHedge()
        signal.removeEventListener('abort', abort)
        resolve(bytes)
      }
      const abort = () => {
        cancelHedge()
        left.length = 0
        reject(signal.reason)
      }
      const askNext = () => {
        cancelHedge()
        const source = left.shift()
        if (source === undefined) {
          if (pending === 0) end(null)
          return
        }
        pending += 1
        if (left.length > 0) cancelHedge = clock.after(hedgeMs, askNext)
        void ask(source as NodeId, hash).then((bytes) => {
          pending -= 1
          if (bytes !== null) {
            left.length = 0
            end(bytes)
          } else askNext()
        })
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      askNext()
    })

  const join = (hash: BoxHash, sources: readonly string[]): Lookup => {
    const known = lookups.get(hash)
    if (known !== undefined) return known
    const abort = new AbortController()
    const signal = AbortSignal.any([abort.signal, stopping.signal])
    const result = lookUp(hash, sources, signal).finally(() => {
      if (lookups.get(hash) === lookup) lookups.delete(hash)
    })
    result.catch(() => undefined)
    const lookup: Lookup = { result, asked: new Set(sources), waiting: 0, abort }
    lookups.set(hash, lookup)
    return lookup
  }

  host.handle('boxes', BOXES_HANDLER, (stream) =>
    answerBoxes(stream, (hash) => (mayServe(stream.peer, hash) ? local(hash) : null)),
  )

  return {
    put(bytes) {
      if (bytes.length < 1 || bytes.length > MAX_BOX_BYTES) throw new BoxInvalidError(bytes.length, MAX_BOX_BYTES)
      const hash = idFrom<BoxHash>(blake3(bytes))
      keep(hash, bytes)
      return hash
    },
    local,
    has: (hash) => database.prepare('SELECT 1 FROM boxes WHERE hash = ?').get(idBytes(hash)) !== undefined,
    async get(hash, sources, options = {}) {
      const { signal } = options
      let untried = [...sources]
      for (;;) {
        signal?.throwIfAborted()
        if (stopping.signal.aborted) throw new StoreStoppedError()
        const here = local(hash)
        if (here !== null || untried.length === 0) return here
        const lookup = join(hash, untried)
        untried = untried.filter((source) => !lookup.asked.has(source))
        lookup.waiting += 1
        try {
          const found = await orAborted(lookup.result, signal)
          if (found !== null) return found
        } finally {
          lookup.waiting -= 1
          // nobody waits any longer
          if (lookup.waiting === 0) {
            if (lookups.get(hash) === lookup) lookups.delete(hash)
            lookup.abort.abort()
          }
        }
      }
    },
    remove,
    check(after) {
      const rows = database
        .prepare<{ hash: Buffer; bytes: Buffer }>('SELECT hash, bytes FROM boxes WHERE hash > ? ORDER BY hash LIMIT ?')
        .iterate(after === null ? new Uint8Array(0) : idBytes(after), CHECKED_AT_ONCE)
      const damaged: BoxHash[] = []
      let last: BoxHash | null = null
      let bytes = 0
      for (const row of rows) {
        last = idFrom<BoxHash>(row.hash)
        bytes += row.bytes.length
        if (!equalBytes(blake3(row.bytes), row.hash)) damaged.push(last)
        if (bytes >= CHECKED_BYTES) break
      }
      for (const hash of damaged) remove(hash)
      return { last, bytes, damaged }
    },
    stop() {
      if (stopping.signal.aborted) return
      stopping.abort(new StoreStoppedError())
      for (const lane of lanes.values()) for (const wanted of lane.queue.splice(0)) wanted.resolve(null)
    },
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
