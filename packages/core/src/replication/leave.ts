/**
 * Leaving for good, from the leaver's side, in three phases that cannot be taken out of order:
 *
 *     drain -> draw -> farewell
 *
 * drain: what this node holds is held by enough others. draw: `leave` is written and every file of the branch finds a
 * new owner. farewell: `left` closes this node's feeds and has reached somebody.
 */
import type { Clock } from '../clock.ts'
import type { EntryId, FileId } from '../ids.ts'
import { DrainStalledError, OrphansLeftError } from './errors.ts'

const DRAIN_STALL_MS = 60_000
const FAREWELL_MS = 10_000

export interface LeaveProgress {
  readonly phase: 'drain' | 'draw' | 'farewell' | 'done'
  readonly done: number
  readonly total: number
  readonly message: string
}

export interface LeaveInit {
  readonly clock: Clock
  /** tells the others that this node holds nothing new and that others must stand in for what it has */
  beginDrain(): void
  endDrain(): void
  /** versions here, and how many of them have enough copies elsewhere */
  drained(): { done: number; total: number }
  /** writes `leave` unless it stands already */
  leave(): EntryId
  /** files that still belong to this branch */
  ownFiles(): FileId[]
  /** longest time that the draw may go without a new owner, ms */
  drawStallMs(): number
  /** writes `left`, which closes this node's feeds */
  left(leave: EntryId, orphans: readonly FileId[], force: boolean): void
  /** members online that do not have everything this node wrote */
  notYetTold(): number
  /** anything that the questions above depend on has changed; the return value unsubscribes */
  onChange(listener: () => void): () => void
  onProgress(progress: LeaveProgress): void
}

/** @throws {DrainStalledError} @throws {OrphansLeftError} when it cannot end cleanly and `force` is not set */
export async function runLeave(init: LeaveInit, options: { force: boolean; signal: AbortSignal }): Promise<void> {
  const say = (phase: LeaveProgress['phase'], done: number, total: number, message: string) =>
    init.onProgress({ phase, done, total, message })

  init.beginDrain()
  try {
    const drained = await untilDone(init, DRAIN_STALL_MS, options, () => {
      const { done, total } = init.drained()
      say('drain', done, total, `${done} of ${total} files are safe on other branches`)
      return { left: total - done }
    })
    if (!drained && !options.force) {
      const { done, total } = init.drained()
      throw new DrainStalledError(done, total)
    }

    const seed = init.leave()
    const total = init.ownFiles().length
    await untilDone(init, init.drawStallMs(), options, () => {
      const left = init.ownFiles().length
      say('draw', total - left, total, `${total - left} of ${total} files have a new owner`)
      return { left }
    })
    const orphans = init.ownFiles()
    if (orphans.length > 0 && !options.force) throw new OrphansLeftError(orphans)
    init.left(seed, orphans, options.force)
  } catch (error) {
    init.endDrain()
    throw error
  }

  await untilDone(init, FAREWELL_MS, options, () => {
    const left = init.notYetTold()
    say('farewell', 0, left, left === 0 ? 'every branch online knows' : `${left} branches are still to be told`)
    return { left }
  })
  say('done', 1, 1, 'this branch has left the network')
}

/** True when nothing is left; false when `stallMs` passed without fewer being left (at once for the impatient `force` with nobody to wait for). */
async function untilDone(
  init: LeaveInit,
  stallMs: number,
  options: { signal: AbortSignal },
  look: () => { left: number },
): Promise<boolean> {
  let best = Number.POSITIVE_INFINITY
  let deadline = init.clock.now() + stallMs
  for (;;) {
    options.signal.throwIfAborted()
    const { left } = look()
    if (left === 0) return true
    if (left < best) {
      best = left
      deadline = init.clock.now() + stallMs
    }
    const rest = deadline - init.clock.now()
    if (rest <= 0) return false
    await nextChange(init, rest, options.signal)
  }
}

/** A change, the signal, or the time is up; a burst of changes is one. */
function nextChange(init: LeaveInit, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe()
      cancel()
      signal.removeEventListener('abort', done)
      setImmediate(resolve)
    }
    const unsubscribe = init.onChange(done)
    const cancel = init.clock.after(ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
