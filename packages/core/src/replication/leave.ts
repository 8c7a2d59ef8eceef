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

/** A node that has just started is not connected yet. */
const MEET_MS = 10_000
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
  /** versions here, how many of them have enough copies elsewhere, and how many no other member may or can hold */
  drained(): { done: number; hopeless: number; total: number }
  /** members but this one, and how many of them are connected; none is expected while this node's presence is off */
  others(): { total: number; online: number; expected: number }
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

export interface LeaveOptions {
  /** may become true on the way */
  readonly force: boolean
  /** ends it wherever it is; `leave` that is written stands */
  readonly signal: AbortSignal
  /** ends it as long as `leave` is not written, and has no effect from then on */
  readonly cancel?: AbortSignal | undefined
}

/** @throws {DrainStalledError} @throws {OrphansLeftError} when it cannot end cleanly and `force` is not set */
export async function runLeave(init: LeaveInit, options: LeaveOptions): Promise<void> {
  const { signal, cancel } = options
  const draining = cancel === undefined ? signal : AbortSignal.any([signal, cancel])
  const say = (phase: LeaveProgress['phase'], done: number, total: number, message: string) =>
    init.onProgress({ phase, done, total, message })

  init.beginDrain()
  try {
    await untilDone(
      init,
      () => MEET_MS,
      draining,
      () => {
        const { online, expected } = init.others()
        const isAlone = online === 0 && expected > 0
        if (isAlone) say('drain', 0, 1, 'no other branch is online; waiting for one')
        return { left: isAlone ? 1 : 0 }
      },
    )
    const drainStallMs = () => (init.others().online === 0 ? 0 : DRAIN_STALL_MS)
    await untilDone(init, drainStallMs, draining, () => {
      const { done, hopeless, total } = init.drained()
      say('drain', done, total, `${done} of ${total} files are safe on other branches`)
      return { left: total - done - hopeless }
    })
    const { done, total: held } = init.drained()
    if (done < held && !options.force) throw new DrainStalledError(done, held)

    draining.throwIfAborted()
    const seed = init.leave()
    const total = init.ownFiles().length
    await untilDone(init, init.drawStallMs, signal, () => {
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

  const { total: others, online } = init.others()
  await untilDone(
    init,
    () => FAREWELL_MS,
    signal,
    () => {
      const left = init.notYetTold()
      const told = online === 0 ? 'no other branch is online' : 'every branch online knows'
      say(
        'farewell',
        0,
        left,
        left === 0 ? told : left === 1 ? '1 branch is still to be told' : `${left} branches are still to be told`,
      )
      return { left }
    },
  )
  say('done', 1, 1, `this branch has left the network${whoDoesNotKnow(others, online, init.notYetTold())}`)
}

/** Once this node is gone nobody can tell them: the operator has to know. */
function whoDoesNotKnow(others: number, online: number, untold: number): string {
  if (others === 0) return ''
  const outcome = 'will see this branch as offline; an admin can expel it'
  if (online === 0) return `; nobody was online to be told: the others ${outcome}`
  return untold >= online ? `; nobody could be told in time: the others ${outcome}` : ''
}

/** Ends when nothing is left, or when so much time (ms) has passed without less being left. */
async function untilDone(
  init: LeaveInit,
  stallMs: () => number,
  signal: AbortSignal,
  look: () => { left: number },
): Promise<void> {
  let best = Number.POSITIVE_INFINITY
  let since = init.clock.now()
  for (;;) {
    signal.throwIfAborted()
    const { left } = look()
    if (left === 0) return
    if (left < best) {
      best = left
      since = init.clock.now()
    }
    const rest = since + stallMs() - init.clock.now()
    if (rest <= 0) return
    await nextChange(init, rest, signal)
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
