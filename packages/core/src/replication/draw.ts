/**
 * The draw among those who can take over a departed branch's files, from a candidate's side (DESIGN of the draw:
 * docs/specs/files.md). The rank decides who speaks first; that is manners, not state: of two acceptances that had not
 * seen each other the fold picks one, the same everywhere.
 */
import type { Clock } from '../clock.ts'
import type { EntryId, FileId, NodeId } from '../ids.ts'

/** Files named in one acceptance: keeps the entry below 64 KiB with room to spare. */
export const FILES_PER_ACCEPTANCE = 200
const TICK_MS = 500

export interface DrawTurn {
  readonly self: NodeId
  /** candidates, best rank first */
  readonly order: readonly NodeId[]
  readonly passed: (node: NodeId) => boolean
  readonly isOnline: (node: NodeId) => boolean
  /** when this node learned of the draw, and now, ms */
  readonly since: number
  readonly now: number
  /** how long a better rank may be silent */
  readonly silenceMs: number
}

/** Whether every better rank has passed, is offline, or was silent for its time. Pure. */
export function isMyTurn(turn: DrawTurn): boolean {
  let deadline = turn.since
  for (const candidate of turn.order) {
    if (candidate === turn.self) return true
    if (turn.passed(candidate) || !turn.isOnline(candidate)) continue
    deadline += turn.silenceMs
    if (turn.now < deadline) return false
  }
  return false
}

export interface OpenDraw {
  readonly seed: EntryId
  readonly candidates: readonly NodeId[]
  /** files that still belong to the departed branch */
  files(): Iterable<FileId>
}

export interface DrawInit {
  readonly clock: Clock
  readonly self: NodeId
  /** @default 10000 */
  readonly silenceMs?: number
  openDraws(): readonly OpenDraw[]
  order(seed: EntryId, file: FileId, candidates: readonly NodeId[]): NodeId[]
  /** has the key and the room */
  canAccept(file: FileId): boolean
  accept(seed: EntryId, files: readonly FileId[]): void
  hasPassed(seed: EntryId, file: FileId, node: NodeId): boolean
  pass(seed: EntryId, file: FileId): void
  isOnline(node: NodeId): boolean
  onProblem(error: unknown): void
}

export interface Draw {
  /** Something about a departure changed: look again. */
  look(): void
  stop(): void
}

interface Tries {
  readonly times: number
  /** of the last one, ms */
  readonly at: number
}
const NEVER: Tries = { times: 0, at: 0 }

export function createDraw(init: DrawInit): Draw {
  const silenceMs = init.silenceMs ?? 10_000
  const since = new Map<EntryId, number>()
  /** own acceptances of files that still belong to the departed branch: they had no effect */
  const tried = new Map<string, Tries>()
  let stopped = false
  let cancelTimer: (() => void) | undefined

  function takePart(draw: OpenDraw): boolean {
    if (!draw.candidates.includes(init.self)) return false
    const now = init.clock.now()
    const began = since.get(draw.seed) ?? now
    since.set(draw.seed, began)
    const mine: FileId[] = []
    let waiting = false
    for (const file of draw.files()) {
      if (!init.canAccept(file)) {
        if (!init.hasPassed(draw.seed, file, init.self)) init.pass(draw.seed, file)
        waiting = true // the key may still come
        continue
      }
      const turn = isMyTurn({
        self: init.self,
        order: init.order(draw.seed, file, draw.candidates),
        passed: (node) => init.hasPassed(draw.seed, file, node),
        isOnline: init.isOnline,
        since: began,
        now,
        silenceMs,
      })
      if (turn && mayTry(draw.seed, file, now)) mine.push(file)
      else waiting = true
    }
    for (let at = 0; at < mine.length; at += FILES_PER_ACCEPTANCE) {
      const files = mine.slice(at, at + FILES_PER_ACCEPTANCE)
      const before = files.map((file) => noteTry(draw.seed, file, now)) // accepting may make us look again at once
      try {
        init.accept(draw.seed, files)
      } catch (error) {
        for (const [at, file] of files.entries()) tried.set(`${draw.seed} ${file}`, before[at] ?? NEVER)
        throw error
      }
    }
    return waiting
  }

  /** Each time that an acceptance has had no effect the next one waits twice as long: entries stay for ever. */
  function mayTry(seed: EntryId, file: FileId, now: number): boolean {
    const { times, at } = tried.get(`${seed} ${file}`) ?? NEVER
    return times === 0 || now >= at + silenceMs * 2 ** times
  }

  /** @returns what was known before */
  function noteTry(seed: EntryId, file: FileId, at: number): Tries {
    const name = `${seed} ${file}`
    const before = tried.get(name) ?? NEVER
    tried.set(name, { times: before.times + 1, at })
    return before
  }

  function look(): void {
    if (stopped) return
    cancelTimer?.()
    cancelTimer = undefined
    let waiting = false
    try {
      const draws = init.openDraws()
      if (draws.length === 0) tried.clear()
      for (const draw of draws) if (takePart(draw)) waiting = true
    } catch (error) {
      init.onProblem(error)
      waiting = true
    }
    if (waiting) cancelTimer = init.clock.after(TICK_MS, look)
  }

  return {
    look,
    stop() {
      stopped = true
      cancelTimer?.()
    },
  }
}
