/** Who may have how many conversations, at a time and in a minute. Pure but for the time that it is given. */
import { BEGUN_BY_ALL, BEGUN_BY_PEER, MAX_CONVERSATIONS, MINUTE_MS, SOCKETS_BY_PEER } from './limits.ts'
import type { Role } from './machine.ts'
import type { Way } from './messages.ts'

export class Quotas {
  readonly #open = new Set<string>()
  #begun: { readonly peer: string; readonly isSocket: boolean; readonly at: number }[] = []

  get size(): number {
    return this.#open.size
  }

  /** A conversation that the peer begins; `isSocket`: beside a direct connection, which is counted apart. */
  mayBegin(peer: string, isSocket: boolean, now: number): boolean {
    this.#begun = this.#begun.filter(({ at }) => now - at < MINUTE_MS && at <= now)
    const alike = this.#begun.filter((each) => each.isSocket === isSocket)
    if (this.#open.size >= MAX_CONVERSATIONS || alike.length >= BEGUN_BY_ALL) return false
    const most = isSocket ? SOCKETS_BY_PEER : BEGUN_BY_PEER
    if (alike.filter((each) => each.peer === peer).length >= most) return false
    this.#begun.push({ peer, isSocket, at: now })
    return true
  }

  /** One of each way and role with each peer. @returns how to give it back; null: there is one already */
  take(peer: string, way: Way, role: Role): (() => void) | null {
    const slot = `${role} ${way} ${peer}`
    if (this.#open.has(slot) || this.#open.size >= MAX_CONVERSATIONS) return null
    this.#open.add(slot)
    return () => void this.#open.delete(slot)
  }
}
