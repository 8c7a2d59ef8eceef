/**
 * Over which members this node can be reached, and whether it serves others as relay (docs/specs/relay.md). Owns: which
 * reservations are wanted, and when each relay is asked; the server while there is one.
 */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { RelayCandidate, RelayLoad, RelayServing } from './relay-types.ts'

/** Reservations that a node which cannot be dialled keeps: the others stand when one relay dies. */
export const RELAYS_WANTED = 3
/** After the first, members that are about to connect are waited for before the others are chosen, milliseconds. */
const CHOOSE_MS = 3_000
/** How often all this is looked over; at news at once, milliseconds. */
const LOOK_MS = 2_000
/** Pause after a relay that refused or did not answer, doubled each time, milliseconds. */
const FIRST_PAUSE_MS = 5_000
const LAST_PAUSE_MS = 300_000
/** What a round trip counts for that was not measured yet, milliseconds. */
const UNKNOWN_RTT_MS = 300
/** A relay whose rate is used up counts as if it were so much further away, milliseconds. */
const FULL_LOAD_MS = 400
/** and for each circuit that passes through it */
const CIRCUIT_MS = 1
/** A node that seems to be reachable no longer goes on serving so long: an address changes and comes back, milliseconds. */
const WITHDRAW_MS = 60_000

export interface RelaysInit {
  readonly clock: Clock
  readonly serving: RelayServing
  /** members that serve and are connected directly */
  candidates(): RelayCandidate[]
  /** others reach this node without a relay */
  isReachable(): boolean
  has(relay: NodeId): boolean
  reserve(relay: NodeId): Promise<void>
  /** begins to serve; returns how it ends */
  serve(): Promise<{ stop(): Promise<void> }>
  log(message: string, error?: unknown): void
}

export class Relays {
  readonly #init: RelaysInit
  readonly #pauses = new Map<NodeId, { until: number; ms: number }>()
  readonly #asking = new Set<NodeId>()
  readonly #held = new Set<NodeId>()
  #server: { stop(): Promise<void> } | undefined
  #changing: Promise<void> = Promise.resolve()
  #reachedAt: number | undefined
  #chooseAt = 0
  #cancelLook: () => void = () => {}
  #isStopped = false
  #isLooking = false
  #again = false

  constructor(init: RelaysInit) {
    this.#init = init
  }

  get isServing(): boolean {
    return this.#server !== undefined
  }

  /** Relays with a reservation of this node, in the order in which they granted it. */
  held(): NodeId[] {
    return [...this.#held].filter((relay) => this.#init.has(relay))
  }

  async start(): Promise<void> {
    await this.#decide()
    this.look()
  }

  /** There is news: a member has come or gone, or a reservation has. */
  look(): void {
    if (this.#isStopped) return
    this.#cancelLook()
    this.#cancelLook = this.#init.clock.after(LOOK_MS, () => this.look())
    if (this.#isLooking) {
      this.#again = true
      return
    }
    this.#isLooking = true
    this.#lookOver()
      .catch((error: unknown) => this.#init.log('cannot look after relays', error))
      .finally(() => {
        this.#isLooking = false
        if (!this.#again) return
        this.#again = false
        this.look()
      })
  }

  /** Its reservation has gone; the others are looked over at once. */
  lost(relay: NodeId): void {
    this.#held.delete(relay)
    this.look()
  }

  /** A member has connected: what it refused before may be otherwise now. */
  forget(relay: NodeId): void {
    this.#pauses.delete(relay)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelLook()
    await this.#changing
    await this.#server?.stop()
    this.#server = undefined
  }

  async #lookOver(): Promise<void> {
    await this.#decide()
    if (this.#init.isReachable()) return
    const held = this.held()
    const missing = RELAYS_WANTED - held.length - this.#asking.size
    if (missing <= 0) return
    const now = this.#init.clock.now()
    const usable = this.#init
      .candidates()
      .filter(({ relay }) => !held.includes(relay) && !this.#asking.has(relay))
      .filter(({ relay }) => (this.#pauses.get(relay)?.until ?? 0) <= now)
    if (this.#isStopped || usable.length === 0) return
    // the first at once, so that this node can be reached at all; the others when more have connected
    const isFirst = held.length + this.#asking.size === 0
    if (isFirst) this.#chooseAt = now + CHOOSE_MS
    else if (now < this.#chooseAt && usable.length <= missing) return
    for (const { relay } of byCost(usable).slice(0, isFirst ? 1 : missing)) void this.#ask(relay)
  }

  async #ask(relay: NodeId): Promise<void> {
    this.#asking.add(relay)
    try {
      await this.#init.reserve(relay)
      this.#pauses.delete(relay)
      this.#held.add(relay)
    } catch (error) {
      const ms = Math.min((this.#pauses.get(relay)?.ms ?? FIRST_PAUSE_MS / 2) * 2, LAST_PAUSE_MS)
      this.#pauses.set(relay, { until: this.#init.clock.now() + ms, ms })
      // a relay that stops while it is asked is nothing that anybody needs to know
      if (ms >= LAST_PAUSE_MS) this.#init.log(`${relay} grants no reservation`, error)
    } finally {
      this.#asking.delete(relay)
      this.look()
    }
  }

  /** Serve, or no longer. */
  async #decide(): Promise<void> {
    const change = this.#changing.then(async () => {
      const shall = !this.#isStopped && this.#shallServe()
      if (shall && this.#server === undefined) this.#server = await this.#init.serve()
      else if (!shall && this.#server !== undefined) {
        const server = this.#server
        this.#server = undefined
        await server.stop()
      }
    })
    this.#changing = change.catch(() => {})
    await change
  }

  #shallServe(): boolean {
    const { serving, clock } = this.#init
    if (serving !== 'auto') return serving === 'always'
    if (this.#init.isReachable()) this.#reachedAt = clock.now()
    return this.#reachedAt !== undefined && clock.now() - this.#reachedAt < WITHDRAW_MS
  }
}

/** Near ones with little to do first; equal ones by id, so that a test can know. */
export function byCost(candidates: readonly RelayCandidate[]): RelayCandidate[] {
  const cost = ({ rttMs, load }: RelayCandidate) => (rttMs ?? UNKNOWN_RTT_MS) + costOf(load)
  return [...candidates].sort((a, b) => cost(a) - cost(b) || (a.relay < b.relay ? -1 : 1))
}

function costOf(load: RelayLoad | null): number {
  return load === null ? 0 : load.share * FULL_LOAD_MS + load.circuits * CIRCUIT_MS
}
