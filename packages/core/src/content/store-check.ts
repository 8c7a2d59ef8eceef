/**
 * Looks for what the disk has changed or lost, part after part, slowly, and from where the last run stood. Finds only:
 * the store and the boxes say what they have lost, and others decide what to do about it. Spec: docs/specs/scrub.md.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, sleep } from '../clock.ts'
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import type { BoxHash, Root } from '../ids.ts'
import { ChunkDamagedError, ChunkMissingError, VersionRemovedError } from './errors.ts'
import type { BoxStore, ContentStore } from './types.ts'

/** What a look takes of the disk, bytes in a second: 500 GB in 17 hours, and a twentieth of what an old disk gives. */
export const CHECK_BYTES_PER_SECOND = 8 * 1024 * 1024
/** From the beginning of one round to that of the next, ms. */
export const CHECK_EVERY_MS = 30 * 24 * 3_600_000
/** A start has more urgent things to do, ms. */
export const FIRST_CHECK_MS = 60_000
/** How often the place is written down, ms: what a crash makes it look at twice. */
const SAVE_MS = 60_000
/** How soon it is asked again whether somebody still waits, ms. */
const BUSY_MS = 1000
/**
 * After so many it looks at one chunk all the same: a film that somebody has paused waits for hours, and a chunk in a
 * minute is felt by nobody.
 */
const WAITS_MAX = 60
/** One version is looked at out of turn at most this often, ms. */
const LOOK_AGAIN_MS = 600_000
const LOOKS_MAX = 1024
/** A clock may not wait longer than 24 days. */
const WAIT_MAX_MS = 3_600_000

/** Where a round stands. */
export interface CheckPlace {
  /** ms since the epoch */
  began: number
  /** null while it goes on */
  ended: number | null
  phase: 'versions' | 'boxes'
  /** the version that is being looked at, and its next chunk */
  root: Root | null
  index: number
  /** the last box that was looked at */
  hash: BoxHash | null
  /** looked at in this round */
  bytes: number
}

export interface StoreCheckInit {
  readonly store: Pick<ContentStore, 'list' | 'get' | 'inspect'>
  readonly boxes: Pick<BoxStore, 'check'>
  readonly clock: Clock
  /** a person waits for the disk or the link */
  isBusy(): boolean
  load(): CheckPlace | null
  save(place: CheckPlace): void
  onDamagedBox(hash: BoxHash): void
  onProblem(error: unknown): void
  /** @default CHECK_BYTES_PER_SECOND */
  readonly bytesPerSecond?: number
  /** @default FIRST_CHECK_MS */
  readonly firstMs?: number
}

export interface StoreCheck {
  start(): void
  /** A whole round at once, however long the last one is ago. @throws the signal's reason */
  now(signal?: AbortSignal): Promise<void>
  /** This version soon: somebody says that it is damaged. */
  look(root: Root): void
  /** of the present round, or the last; null before the first */
  place(): CheckPlace | null
  /** looked at since the start */
  bytes(): number
  stop(): Promise<void>
}

interface Look {
  /** the chunk to begin with */
  readonly from: number
  readonly isPaced: boolean
  readonly signal: AbortSignal
  /** where chunks are read to; not of another look that goes on */
  readonly scratch: { bytes: Uint8Array }
  /** told of each chunk before it is read */
  at?(index: number, bytes: number): void
}

export function createStoreCheck(init: StoreCheckInit): StoreCheck {
  const { store, boxes, clock } = init
  const rate = init.bytesPerSecond ?? CHECK_BYTES_PER_SECOND
  const stopping = new AbortController()
  let place = init.load()
  let total = 0
  let savedAt = clock.now()
  let cancel = () => {}
  /** ends the round that goes on by itself, when somebody asks for one */
  let own = new AbortController()
  let running: Promise<void> = Promise.resolve()
  /** when what was read so far may have been read */
  let due = Number.NEGATIVE_INFINITY
  const looked = new Map<Root, number>()
  let looking: Promise<void> = Promise.resolve()

  const save = () => {
    if (place === null) return
    savedAt = clock.now()
    init.save(place)
  }

  /** Until nobody waits, and so many bytes may be read. */
  async function turn(bytes: number, isPaced: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const waits = isPaced ? WAITS_MAX : 1
    for (let waited = 0; init.isBusy() && waited < waits; waited++) await sleep(clock, BUSY_MS, signal)
    if (!isPaced) return
    const now = clock.now()
    // a clock that was set must not hold it up
    if (Math.abs(due - now) > WAIT_MAX_MS) due = now
    due = Math.max(due, now) + (bytes / rate) * 1000
    if (due > now) await sleep(clock, due - now, signal)
  }

  async function lookAt(root: Root, options: Look): Promise<void> {
    const { from, isPaced, signal, scratch } = options
    await turn(0, isPaced, signal)
    await store.inspect(root)
    const file = await store.get(root)
    if (file === null || file.manifest === null) return
    const longest = Math.min(file.chunk, file.size) + SEAL_OVERHEAD
    if (scratch.bytes.length < longest) scratch.bytes = Buffer.allocUnsafeSlow(longest)
    for (let index = from; index < file.count; index++) {
      if (index % 4096 === 4095) await nextTurn()
      if (!file.has(index)) continue
      const length = file.sealedLength(index)
      options.at?.(index, length)
      await turn(length, isPaced, signal)
      try {
        await file.read(index, { verify: true, into: scratch.bytes })
      } catch (error) {
        if (error instanceof VersionRemovedError) return
        // what was lost is told by the store
        if (!(error instanceof ChunkDamagedError || error instanceof ChunkMissingError)) throw error
      }
      total += length
    }
  }

  async function round(isPaced: boolean, signal: AbortSignal): Promise<void> {
    if (place === null || place.ended !== null || !isPaced) place = begun(clock.now())
    const current = place
    const scratch = { bytes: new Uint8Array(0) }
    if (current.phase === 'versions') {
      const first = current.root ?? ''
      const roots = store.list().map(({ root }) => root)
      for (const root of roots.filter((each) => each >= first).sort()) {
        const from = root === current.root ? current.index : 0
        const at = (index: number, bytes: number) => {
          Object.assign(current, { root, index, bytes: current.bytes + bytes })
          if (clock.now() - savedAt >= SAVE_MS) save()
        }
        await lookAt(root, { from, isPaced, signal, scratch, at })
      }
      current.phase = 'boxes'
    }
    for (;;) {
      await turn(0, isPaced, signal)
      const { last, bytes, damaged } = boxes.check(current.hash)
      for (const hash of damaged) init.onDamagedBox(hash)
      if (last === null) break
      total += bytes
      Object.assign(current, { hash: last, bytes: current.bytes + bytes })
      await turn(bytes, isPaced, signal)
      await nextTurn()
    }
    current.ended = clock.now()
    save()
  }

  /** The next round, or the rest of this one. */
  function schedule(firstMs: number): void {
    cancel()
    if (stopping.signal.aborted) return
    const sinceBegin = place === null || place.ended === null ? Number.POSITIVE_INFINITY : clock.now() - place.began
    const wait = sinceBegin < 0 ? 0 : Math.max(firstMs, CHECK_EVERY_MS - sinceBegin)
    if (wait > WAIT_MAX_MS) cancel = clock.after(WAIT_MAX_MS, () => schedule(0))
    else cancel = clock.after(wait, () => void inBackground())
  }

  async function inBackground(): Promise<void> {
    own = new AbortController()
    const signal = AbortSignal.any([own.signal, stopping.signal])
    running = round(true, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) init.onProblem(error)
      })
      // after an error not at once again, from where it stood
      .then(() => schedule(place?.ended === null ? WAIT_MAX_MS : 0))
    await running
  }

  return {
    start() {
      schedule(init.firstMs ?? FIRST_CHECK_MS)
    },
    async now(signal) {
      const before = running
      const asked = Promise.withResolvers<void>()
      running = asked.promise
      cancel()
      own.abort(new Error('somebody asked for all of it'))
      const either = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal])
      try {
        await before
        cancel()
        await round(false, either)
      } finally {
        asked.resolve()
        schedule(0)
      }
    },
    look(root) {
      const now = clock.now()
      if (stopping.signal.aborted || now - (looked.get(root) ?? Number.NEGATIVE_INFINITY) < LOOK_AGAIN_MS) return
      if (looked.size >= LOOKS_MAX) looked.clear()
      looked.set(root, now)
      looking = looking
        .then(() =>
          lookAt(root, { from: 0, isPaced: true, signal: stopping.signal, scratch: { bytes: new Uint8Array(0) } }),
        )
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) init.onProblem(error)
        })
    },
    place: () => place,
    bytes: () => total,
    async stop() {
      cancel()
      stopping.abort(new Error('the node is stopping'))
      await Promise.allSettled([running, looking])
      cancel()
      save()
    },
  }
}

function begun(now: number): CheckPlace {
  return { began: now, ended: null, phase: 'versions', root: null, index: 0, hash: null, bytes: 0 }
}
