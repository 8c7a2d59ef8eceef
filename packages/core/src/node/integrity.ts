/**
 * Whether what this node stores and computes is right: looked at in the background after the start and once a day, at
 * once when a member has another state, and when somebody asks. What was found stays until a look finds it gone; nothing
 * is mended behind anyone's back. Spec: docs/specs/repair.md.
 */
import { setImmediate } from 'node:timers/promises'
import type { SharedState } from '../catalogue/index.ts'
import { type Clock, sleep } from '../clock.ts'
import { checkPages, type Database } from '../database/index.ts'
import { MaloteError } from '../errors.ts'
import { toHex } from '../ids.ts'
import type { Ledger } from '../ledger/index.ts'
import type { RebuildLeft } from './rebuild-files.ts'
import type { VerificationView } from './types.ts'

/** A start has more urgent things to do. */
const FIRST_CHECK_MS = 2000
const CHECK_EVERY_MS = 24 * 3_600_000
/** Of a member that has another state: once more, but not for each of its words. */
const ALARM_PAUSE_MS = 60_000
/** Of the time of this process the background check takes one part in so many. */
const IDLE_SHARE = 5

export const REPAIR_ADVICE = 'Run `malote ledger verify --repair`: it makes the state anew from the entries.'
export const REBUILD_ADVICE =
  'Stop the node and start it with `malote up --rebuild`: it keeps what can be read and fetches the rest from the other branches.'

export interface IntegrityInit {
  readonly ledger: Ledger
  readonly state: SharedState
  readonly databases: readonly Database[]
  readonly clock: Clock
  /** damage that was not known before */
  readonly onDamage: (problem: string, advice: string) => void
  readonly log: (message: string, error?: unknown) => void
}

export interface Integrity {
  start(): void
  /** A member has another state: is it ours that is wrong? */
  alarm(): void
  /** Pages, entries, state. @throws the signal's reason */
  verify(options?: { signal?: AbortSignal }): Promise<VerificationView>
  /** Makes the state anew from the entries, then looks again. Does nothing while the entries themselves are damaged. */
  repair(options?: { signal?: AbortSignal }): Promise<VerificationView>
  /** Entries of a rebuild that wait for others; null while there is no rebuild. */
  rebuildLeft(): RebuildLeft | null
  noteRebuild(left: () => RebuildLeft): void
  /** Resolves when a check has found nothing wrong, or at the stop: before that nothing is removed for not being in the state. */
  whenSound(): Promise<void>
  /** What the last look found, or what a statement met meanwhile; null while nothing is known to be wrong. */
  damage(): { readonly problem: string; readonly advice: string } | null
  /** A repair is under way: not all that it changes has been told. */
  isRepairing(): boolean
  stop(): Promise<void>
}

interface Findings {
  readonly recomputed: Uint8Array
  /** of files and entries, which no folding mends */
  readonly stored: string[]
  /** of what follows from the entries */
  readonly state: string[]
}

export function createIntegrity(init: IntegrityInit): Integrity {
  const { ledger, state, databases, clock } = init
  const stopping = new AbortController()
  let found: Findings | null = null
  let running: Promise<void> | undefined
  let repairing: Promise<void> | undefined
  let cancel: (() => void) | undefined
  const sound = Promise.withResolvers<void>()
  let rebuildLeft: (() => RebuildLeft) | undefined
  let lastAt = Number.NEGATIVE_INFINITY

  async function look(options: { signal: AbortSignal; pace?: () => Promise<void> }): Promise<Findings> {
    const { signal, pace } = options
    const stored: string[] = []
    for (const { path } of databases) {
      for (const problem of await checkPages(path, { signal })) stored.push(`${path}: ${problem}`)
    }
    const rest = pace ?? (() => setImmediate())
    stored.push(
      ...(await attempt(() =>
        ledger.check(async () => {
          signal.throwIfAborted()
          await rest()
        }),
      )),
    )
    let recomputed = state.digest()
    // entries that wait for newer rules: there is no state to compare
    if (state.isBehind()) return { recomputed, stored, state: [] }
    const problems = await attempt(async () => {
      const result = await state.verify({ signal, ...(pace === undefined ? {} : { pace }) })
      recomputed = result.recomputed
      return result.problems
    })
    return { recomputed, stored, state: problems }
  }

  /** Damage that ends the look is what it has found. */
  async function attempt(work: () => Promise<string[]>): Promise<string[]> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof MaloteError && error.code === 'damaged') return [error.message]
      throw error
    }
  }

  function note(findings: Findings): Findings {
    const before = damage()
    found = findings
    const now = damage()
    if (now === null) sound.resolve()
    if (now !== null && before?.problem !== now.problem) init.onDamage(now.problem, now.advice)
    return findings
  }

  function damage(): { problem: string; advice: string } | null {
    const met = databases.map((each) => each.damage()).find((each) => each !== null)
    if (met != null) return { problem: met.message, advice: REBUILD_ADVICE }
    if (found === null) return null
    const [stored] = found.stored
    if (stored !== undefined) return { problem: stored, advice: REBUILD_ADVICE }
    const [problem] = found.state
    return problem === undefined ? null : { problem, advice: REPAIR_ADVICE }
  }

  function inBackground(): void {
    cancel?.()
    cancel = undefined
    if (running !== undefined || stopping.signal.aborted) return
    const { signal } = stopping
    // of a clock that nobody sets: one that was put forward a day would make it rest for four
    const time = () => clock.monotonic?.() ?? clock.now()
    let began = time()
    const pace = async () => {
      await sleep(clock, Math.max(0, time() - began) * (IDLE_SHARE - 1), signal)
      began = time()
    }
    running = look({ signal, pace })
      .then(
        (findings) => void note(findings),
        (error: unknown) => {
          if (!signal.aborted) init.log('checking the database', error)
        },
      )
      .finally(() => {
        running = undefined
        lastAt = clock.now()
        if (!signal.aborted) cancel = clock.after(CHECK_EVERY_MS, inBackground)
      })
  }

  function viewOf({ recomputed, stored, state: problems }: Findings): VerificationView {
    const now = toHex(state.digest())
    const again = toHex(recomputed)
    const isWhole = stored.length === 0
    return {
      ok: now === again && isWhole && problems.length === 0,
      entries: ledger.count(),
      state: now,
      recomputed: again,
      problems: [...stored, ...problems],
      advice: !isWhole ? REBUILD_ADVICE : problems.length === 0 ? null : REPAIR_ADVICE,
    }
  }

  async function verify(options: { signal?: AbortSignal } = {}): Promise<VerificationView> {
    const signal = AbortSignal.any([stopping.signal, ...(options.signal === undefined ? [] : [options.signal])])
    return viewOf(note(await look({ signal })))
  }

  return {
    start() {
      cancel = clock.after(FIRST_CHECK_MS, inBackground)
    },
    alarm() {
      if (running !== undefined || clock.now() - lastAt < ALARM_PAUSE_MS) return
      inBackground()
    },
    verify,
    async repair(options = {}) {
      const signal = AbortSignal.any([stopping.signal, ...(options.signal === undefined ? [] : [options.signal])])
      const damaged = await attempt(() =>
        ledger.check(async () => {
          signal.throwIfAborted()
          await setImmediate()
        }),
      )
      if (damaged.length === 0 && !state.isBehind()) {
        // who asks again meanwhile waits for the one that is under way
        repairing ??= state.repair({ signal: stopping.signal }).finally(() => {
          repairing = undefined
        })
        await repairing
      }
      return verify(options)
    },
    damage,
    rebuildLeft: () => rebuildLeft?.() ?? null,
    noteRebuild(left) {
      rebuildLeft = left
    },
    whenSound: () => sound.promise,
    isRepairing: () => repairing !== undefined,
    async stop() {
      stopping.abort(new Error('the node is stopping'))
      cancel?.()
      await running
      await repairing?.catch(() => undefined) // told to whoever asked for it
      sound.resolve()
    },
  }
}
