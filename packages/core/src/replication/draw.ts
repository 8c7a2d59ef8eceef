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

export function createDraw(init: DrawInit): Draw {
  const silenceMs = init.silenceMs ?? 10_000
  const since = new Map<EntryId, number>()
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
      if (turn) mine.push(file)
      else waiting = true
    }
    for (let at = 0; at < mine.length; at += FILES_PER_ACCEPTANCE) {
      init.accept(draw.seed, mine.slice(at, at + FILES_PER_ACCEPTANCE))
    }
    return waiting
  }

  function look(): void {
    if (stopped) return
    cancelTimer?.()
    cancelTimer = undefined
    let waiting = false
    try {
      for (const draw of init.openDraws()) if (takePart(draw)) waiting = true
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
