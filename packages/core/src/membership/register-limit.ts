/** How often strangers may try to register. Spec: docs/specs/register.md, "Limits". */
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'

/** Tries of all strangers together, per second: each costs one signature check and a small answer. */
export const TRIES_PER_SECOND = 20
/** Between two tries from one address, or of one peer over a relay, ms. */
export const TRY_INTERVAL_MS = 1000
/** Sources that are remembered; more cannot come within the interval, as all tries are bounded. */
const MAX_SOURCES = 1024

export class RegisterLimit {
  readonly #clock: Clock
  readonly #lastTry = new Map<string, number>()
  #tokens = TRIES_PER_SECOND
  #filledAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAt = clock.now()
  }

  /** @param address multiaddr of the connection */
  allows(peer: NodeId, address: string | undefined): boolean {
    const now = this.#clock.now()
    const source = sourceOf(peer, address)
    const last = this.#lastTry.get(source)
    // a clock that was set back must not shut anyone out
    if (last !== undefined && now >= last && now - last < TRY_INTERVAL_MS) return false
    const elapsed = Math.max(0, now - this.#filledAt)
    this.#tokens = Math.min(TRIES_PER_SECOND, this.#tokens + (elapsed * TRIES_PER_SECOND) / 1000)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    if (this.#lastTry.size >= MAX_SOURCES) this.#lastTry.clear()
    this.#lastTry.set(source, now)
    return true
  }
}

/** The IP; over a relay, and for nodes beside each other on this machine, the peer. */
function sourceOf(peer: NodeId, address = ''): string {
  const ip = /^\/ip[46]\/([^/]+)\//.exec(address)?.[1]
  const isLocal = ip === undefined || ip === '::1' || ip.startsWith('127.')
  return isLocal || address.includes('/p2p-circuit') ? peer : ip
}
