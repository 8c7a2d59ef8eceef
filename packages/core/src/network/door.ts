/**
 * Who is at the door: sockets that others have opened and that have not finished a handshake. They cost memory before
 * they have shown anything, so there are few; and who opens many must not keep others out. When there are too many, the
 * oldest goes of the address (of IPv6 the /64) that has the most: whoever comes from elsewhere, or is quick, gets in.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { originOf } from './origin.ts'

/** Sockets without a handshake, of all ports together. */
export const MAX_UNKNOWN = 512

/** From one address, per second, lanes among them; more are refused before they have cost anything. */
export const PER_SECOND = 300

interface Visitor {
  readonly socket: Socket
  readonly origin: string
  readonly key: string
}

export class Door {
  readonly #clock: Clock
  readonly #byKey = new Map<string, Visitor>()
  /** the oldest first; many come from one address in a flood, and few otherwise */
  readonly #byOrigin = new Map<string, Set<Visitor>>()

  /** who has come in this second, and how often */
  readonly #lately = new Map<string, number>()
  #since = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#byKey.size
  }

  /** False: it was sent away. */
  enter(socket: Socket): boolean {
    const { remoteAddress: ip, remotePort: port } = socket
    // it has gone already, or comes too often
    const origin = originOf(ip ?? '')
    if (ip === undefined || port === undefined || !this.#mayCome(origin)) {
      socket.resetAndDestroy()
      return false
    }
    while (this.#byKey.size >= MAX_UNKNOWN) this.#sendOneAway()
    const visitor = { socket, origin, key: keyOf(ip, port) }
    this.#byKey.set(visitor.key, visitor)
    this.#byOrigin.set(origin, (this.#byOrigin.get(origin) ?? new Set()).add(visitor))
    socket.once('close', () => this.#forget(visitor))
    return true
  }

  /** Its handshake is done, or somebody else looks after it. */
  known(ip: string | undefined, port: number | undefined): void {
    // on a port for both families IPv4 has another form
    for (const each of [ip, `::ffff:${ip}`]) {
      const visitor = this.#byKey.get(keyOf(each, port))
      if (visitor !== undefined) this.#forget(visitor)
    }
  }

  #mayCome(origin: string): boolean {
    const now = this.#clock.now()
    if (Math.abs(now - this.#since) >= 1000) {
      this.#since = now
      this.#lately.clear()
    }
    const count = (this.#lately.get(origin) ?? 0) + 1
    this.#lately.set(origin, count)
    return count <= PER_SECOND
  }

  #sendOneAway(): void {
    let most: Set<Visitor> | undefined
    for (const each of this.#byOrigin.values()) if (each.size > (most?.size ?? 0)) most = each
    const [oldest] = most ?? []
    if (oldest === undefined) return
    this.#forget(oldest)
    oldest.socket.resetAndDestroy()
  }

  #forget(visitor: Visitor): void {
    if (this.#byKey.get(visitor.key) !== visitor) return
    this.#byKey.delete(visitor.key)
    const same = this.#byOrigin.get(visitor.origin)
    same?.delete(visitor)
    if (same?.size === 0) this.#byOrigin.delete(visitor.origin)
  }
}

function keyOf(ip: string | undefined, port: number | undefined): string {
  return `${ip} ${port}`
}
