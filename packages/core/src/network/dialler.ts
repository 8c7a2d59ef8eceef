/**
 * Tries to reach the members that are not connected: at once when there is news of one, else with back-off and
 * jitter, a few at a time; and a few of them every few seconds while none is connected. Owns when each is tried next.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Random } from '../random.ts'
import type { NetworkHost } from './host-types.ts'

/** Dials at the same time. */
const PARALLEL = 8
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000
/** With nobody connected it may be the own line that is down, which comes back without anybody telling (ms). */
const ALONE_RETRY_MS = 5_000
/** How often it is looked whose turn it is, milliseconds. */
const LOOK_MS = 500
/** News of one member cause at most one dial in this time. */
const NEWS_GAP_MS = 500
/** A dial that has been under way for so long when there is news waits for addresses that do not answer: another begins (ms). */
const STALE_MS = 1_000
/** To one member: one that waits, and one after news. */
const DIALS_PER_NODE = 2
/** The larger id waits, so that two nodes that start together do not both dial. */
const COURTESY_MS = 300
/** From this many failures on, other members are asked where it is. */
const FIND_AFTER = 2
const FIND_TIMEOUT_MS = 10_000
const NEVER = Number.MIN_SAFE_INTEGER

interface Target {
  failures: number
  nextAt: number
  lastTry: number
  dials: number
  /** since the last dial began */
  hasNews: boolean
  /** it has said farewell, and nothing since */
  rests: boolean
  isSought: boolean
}

export interface DiallerInit {
  host: Pick<NetworkHost, 'id' | 'isOpen' | 'connect' | 'find'>
  clock: Clock
  random: Random
  /** members that should be connected and are not */
  wanted(): readonly NodeId[]
  /** no member is connected */
  isAlone(): boolean
}

export class Dialler {
  readonly #init: DiallerInit
  readonly #targets = new Map<NodeId, Target>()
  readonly #stopped = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #seeking = new Set<Promise<unknown>>()
  #nextAloneAt = NEVER
  #backAt = NEVER
  #cancelLook: () => void = () => {}

  constructor(init: DiallerInit) {
    this.#init = init
  }

  start(): void {
    this.look()
    this.#cancelLook = this.#init.clock.after(LOOK_MS, () => this.start())
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#cancelLook()
    await Promise.all([...this.#running, ...this.#seeking])
  }

  /** There is news of it. */
  tryNow(node: NodeId): void {
    const target = this.#target(node)
    target.failures = 0
    target.hasNews = true
    target.rests = false
    target.nextAt = Math.max(this.#now() + this.#courtesy(node), target.lastTry + NEWS_GAP_MS)
    this.look()
  }

  tryAllNow(): void {
    for (const node of this.#init.wanted()) this.tryNow(node)
  }

  /** The first member is connected after none was: who could not be reached meanwhile was not away. */
  lineIsBack(): void {
    const now = this.#now()
    // one that comes and goes brings nobody else any nearer
    if (now - this.#backAt < ALONE_RETRY_MS) return
    this.#backAt = now
    for (const node of this.#init.wanted()) if (!this.#target(node).rests) this.tryNow(node)
  }

  /** It has said farewell: it will come back by itself, we ask rarely. */
  rest(node: NodeId): void {
    const target = this.#target(node)
    target.rests = true
    target.hasNews = false
    target.nextAt = this.#now() + this.#jittered(LAST_RETRY_MS)
  }

  /** Dials in a row that came to nothing. */
  failures(node: NodeId): number {
    return this.#targets.get(node)?.failures ?? 0
  }

  reached(node: NodeId): void {
    this.#targets.delete(node)
  }

  look(): void {
    if (this.#stopped.signal.aborted || !this.#init.host.isOpen()) return
    const now = this.#now()
    const wanted = this.#init.wanted()
    if (wanted.length > 0) this.#lookAlone(wanted, now)
    for (const node of wanted) {
      if (this.#running.size >= PARALLEL) return
      const target = this.#target(node)
      if (target.nextAt > now || !mayDial(target, now)) continue
      const attempt = this.#dial(node, target).finally(() => this.#running.delete(attempt))
      this.#running.add(attempt)
    }
  }

  /** However many members there are: those who have waited longest, as many as can be dialled at a time. */
  #lookAlone(wanted: readonly NodeId[], now: number): void {
    if (now < this.#nextAloneAt) return
    this.#nextAloneAt = now + this.#jittered(ALONE_RETRY_MS)
    if (!this.#init.isAlone()) return
    const waiting = wanted.map((node) => this.#target(node)).filter(({ rests, dials }) => !rests && dials === 0)
    waiting.sort((a, b) => a.lastTry - b.lastTry)
    for (const target of waiting.slice(0, PARALLEL)) target.nextAt = Math.min(target.nextAt, now)
  }

  async #dial(node: NodeId, target: Target): Promise<void> {
    const { host } = this.#init
    const { signal } = this.#stopped
    const began = this.#now()
    target.dials += 1
    target.lastTry = began
    target.hasNews = false
    try {
      await host.connect(node, { signal, anew: target.dials > 1 })
      target.failures = 0
      // if it goes again at once, it is not dialled in a loop
      target.nextAt = this.#now() + FIRST_RETRY_MS
    } catch {
      target.failures += 1
      // what has come to be known meanwhile is not put off by what was tried without it, nor is a rest ended
      if (target.nextAt > began) return
      const pauseMs = this.#jittered(Math.min(FIRST_RETRY_MS * 2 ** (target.failures - 1), LAST_RETRY_MS))
      target.nextAt = this.#now() + pauseMs
      if (target.failures >= FIND_AFTER) this.#seek(node, target)
    } finally {
      target.dials -= 1
    }
  }

  /** Beside the dials; the next one knows what it brings. */
  #seek(node: NodeId, target: Target): void {
    if (target.isSought || this.#seeking.size >= PARALLEL || this.#init.isAlone()) return
    target.isSought = true
    const seeking = this.#init.host
      .find(node, { signal: this.#stopped.signal, timeoutMs: FIND_TIMEOUT_MS })
      .catch(() => [])
      .finally(() => {
        target.isSought = false
        this.#seeking.delete(seeking)
      })
    this.#seeking.add(seeking)
  }

  #target(node: NodeId): Target {
    const known = this.#targets.get(node)
    if (known !== undefined) return known
    const target = {
      failures: 0,
      nextAt: this.#now() + this.#courtesy(node),
      lastTry: NEVER,
      dials: 0,
      hasNews: false,
      rests: false,
      isSought: false,
    }
    this.#targets.set(node, target)
    return target
  }

  /** Not by a clock that somebody may set: back by an hour, it would put everything off by as much. */
  #now(): number {
    const { clock } = this.#init
    return clock.monotonic?.() ?? clock.now()
  }

  #courtesy(node: NodeId): number {
    return this.#init.host.id < node ? 0 : COURTESY_MS
  }

  /** Between half and one and a half of it. */
  #jittered(ms: number): number {
    return ms / 2 + this.#init.random.below(ms)
  }
}

function mayDial({ dials, hasNews, lastTry }: Target, now: number): boolean {
  return dials === 0 || (hasNews && dials < DIALS_PER_NODE && now - lastTry >= STALE_MS)
}
