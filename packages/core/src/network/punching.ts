/**
 * When to try for a direct connection to members to whom there is only one over a relay. Owns when each is tried next.
 * How it is done: @malote/punch; spec: docs/specs/punch.md.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Random } from '../random.ts'

/** Members at the same time. */
const PARALLEL = 4
/** After a failure; doubles up to the last (ms). */
const FIRST_PAUSE_MS = 5_000
export const LAST_PAUSE_MS = 10 * 60_000
/** How often it is looked whose turn it is (ms). */
const LOOK_MS = 1_000
/** Changes of our own addresses make all members due at most this often (ms). */
const CHANGES_MS = 5_000

interface Target {
  failures: number
  nextAt: number
  isUnderWay: boolean
}

export interface PunchingInit {
  readonly self: NodeId
  readonly clock: Clock
  readonly random: Random
  /** members to whom only relayed connections stand */
  relayed(): readonly NodeId[]
  /** @throws when it came to nothing */
  upgrade(peer: NodeId, signal: AbortSignal): Promise<void>
  isOpen(): boolean
  log(message: string, error?: unknown): void
}

export class Punching {
  readonly #init: PunchingInit
  readonly #targets = new Map<NodeId, Target>()
  readonly #running = new Set<Promise<void>>()
  readonly #stopped = new AbortController()
  /** members to be tried by us although theirs is the smaller id: what has changed is on our side */
  #ours = new Set<NodeId>()
  #hasMoved = false
  #movedAt = 0
  #cancelLook: () => void = () => {}

  constructor(init: PunchingInit) {
    this.#init = init
  }

  start(): void {
    this.look()
    this.#cancelLook = this.#init.clock.after(LOOK_MS, () => this.start())
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#cancelLook()
    await Promise.all(this.#running)
  }

  /** Begins with whoever's turn it is. */
  look(): void {
    const { clock, self } = this.#init
    if (this.#stopped.signal.aborted || !this.#init.isOpen()) return
    const now = clock.now()
    const relayed = this.#init.relayed()
    this.#beginAnew(relayed, now)
    const current = new Set(relayed)
    for (const [peer, { isUnderWay }] of this.#targets)
      if (!isUnderWay && !current.has(peer)) this.#targets.delete(peer)
    for (const peer of relayed) {
      if (this.#running.size >= PARALLEL) return
      // both would only meet each other's packets by chance
      if (self > peer && !this.#ours.has(peer)) continue
      const target = this.#targets.get(peer) ?? { failures: 0, nextAt: now, isUnderWay: false }
      this.#targets.set(peer, target)
      // a clock that was set back must not stop it for good
      if (target.nextAt > now + 2 * LAST_PAUSE_MS) target.nextAt = now
      if (target.isUnderWay || target.nextAt > now) continue
      const attempt = this.#try(peer, target).finally(() => this.#running.delete(attempt))
      this.#running.add(attempt)
    }
  }

  /** This machine is in other networks. */
  moved(): void {
    this.#hasMoved = true
    this.look()
  }

  #beginAnew(relayed: readonly NodeId[], now: number): void {
    if (!this.#hasMoved || Math.abs(now - this.#movedAt) < CHANGES_MS) return
    this.#hasMoved = false
    this.#movedAt = now
    this.#ours = new Set(relayed)
    for (const target of this.#targets.values()) {
      target.failures = 0
      target.nextAt = now
    }
  }

  async #try(peer: NodeId, target: Target): Promise<void> {
    const { clock, random } = this.#init
    target.isUnderWay = true
    this.#ours.delete(peer)
    try {
      await this.#init.upgrade(peer, this.#stopped.signal)
      // if it goes again at once, it is not tried in a loop
      target.failures = 0
      target.nextAt = clock.now() + FIRST_PAUSE_MS
    } catch (error) {
      this.#init.log(`no direct connection to ${peer}`, error)
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** target.failures, LAST_PAUSE_MS)
      target.failures += 1
      target.nextAt = clock.now() + pause / 2 + random.below(pause)
    } finally {
      target.isUnderWay = false
    }
  }
}
