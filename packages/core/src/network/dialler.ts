/**
 * Tries to reach the members that are not connected: at once when there is news of one, else with back-off and
 * jitter, a few at a time. Owns when each is tried next.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Random } from '../random.ts'
import type { NetworkHost } from './host-types.ts'

/** Dials at the same time. */
const PARALLEL = 8
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000
/** How often it is looked whose turn it is, milliseconds. */
const LOOK_MS = 500
/** News of one member cause at most one dial in this time. */
const NEWS_GAP_MS = 500
/** The larger id waits, so that two nodes that start together do not both dial. */
const COURTESY_MS = 300
/** From this many failures on, other members are asked where it is. */
const FIND_AFTER = 2
const FIND_TIMEOUT_MS = 10_000

interface Target {
  failures: number
  nextAt: number
  lastTry: number
  dialling: boolean
}

export interface DiallerInit {
  host: NetworkHost
  clock: Clock
  random: Random
  /** members that should be connected and are not */
  wanted(): readonly NodeId[]
}

export class Dialler {
  readonly #init: DiallerInit
  readonly #targets = new Map<NodeId, Target>()
  readonly #stopped = new AbortController()
  readonly #running = new Set<Promise<void>>()
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
    await Promise.all(this.#running)
  }

  /** There is news of it. */
  tryNow(node: NodeId): void {
    const target = this.#target(node)
    target.failures = 0
    target.nextAt = Math.max(this.#init.clock.now() + this.#courtesy(node), target.lastTry + NEWS_GAP_MS)
    this.look()
  }

  tryAllNow(): void {
    for (const node of this.#init.wanted()) this.tryNow(node)
  }

  /** It has said farewell: it will come back by itself, we ask rarely. */
  rest(node: NodeId): void {
    this.#target(node).nextAt = this.#init.clock.now() + this.#jittered(LAST_RETRY_MS)
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
    const now = this.#init.clock.now()
    for (const node of this.#init.wanted()) {
      if (this.#running.size >= PARALLEL) return
      const target = this.#target(node)
      if (target.dialling || target.nextAt > now) continue
      const attempt = this.#dial(node, target).finally(() => this.#running.delete(attempt))
      this.#running.add(attempt)
    }
  }

  async #dial(node: NodeId, target: Target): Promise<void> {
    const { host, clock } = this.#init
    const { signal } = this.#stopped
    target.dialling = true
    target.lastTry = clock.now()
    try {
      await host.connect(node, { signal })
      target.failures = 0
      // if it goes again at once, it is not dialled in a loop
      target.nextAt = clock.now() + FIRST_RETRY_MS
    } catch {
      target.failures += 1
      target.nextAt = clock.now() + this.#jittered(Math.min(FIRST_RETRY_MS * 2 ** (target.failures - 1), LAST_RETRY_MS))
      if (target.failures >= FIND_AFTER) await host.find(node, { signal, timeoutMs: FIND_TIMEOUT_MS }).catch(() => [])
    } finally {
      target.dialling = false
    }
  }

  #target(node: NodeId): Target {
    const known = this.#targets.get(node)
    if (known !== undefined) return known
    const target = { failures: 0, nextAt: this.#init.clock.now() + this.#courtesy(node), lastTry: 0, dialling: false }
    this.#targets.set(node, target)
    return target
  }

  #courtesy(node: NodeId): number {
    return this.#init.host.id < node ? 0 : COURTESY_MS
  }

  /** Between half and one and a half of it. */
  #jittered(ms: number): number {
    return ms / 2 + this.#init.random.below(ms)
  }
}
