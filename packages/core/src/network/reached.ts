/**
 * Whether others reach this node from outside. What counts is a member that has dialled a public address of this machine,
 * one that its router leads here (UPnP), or one that a person announced. Over UDP out of nothing, with no connection between the two: one port does all, so
 * that what it has sent may have opened the way. A TCP port that listens has sent nothing; whom both sides have punched has not come through it.
 * It counts as long as these addresses are what they were.
 */
import type { Connection } from '@libp2p/interface'
import { isPrivateIp, isRelayed, pathOf } from './addresses.ts'
import type { Components } from './guard.ts'
import { ipOf, punched } from './path-kinds.ts'
import type { PathKind } from './types.ts'

/** Connections of strangers, some of which are about to become members. */
const MAX_WAITING = 64

export interface ReachedInit {
  readonly components: Pick<Components, 'events' | 'connectionManager' | 'addressManager'>
  /** a person has given an address under which this node is reached */
  readonly announces: boolean
  isTrusted(connection: Connection): boolean
}

export class Reached {
  readonly #init: ReachedInit
  readonly #waiting = new Set<Connection>()
  /** own public addresses when somebody came */
  #at: string | undefined
  readonly #by = new Set<PathKind>()

  constructor(init: ReachedInit) {
    this.#init = init
    init.components.events.addEventListener('connection:open', ({ detail }) => this.#onOpen(detail))
    init.components.events.addEventListener('connection:close', ({ detail }) => this.#waiting.delete(detail))
  }

  get isReached(): boolean {
    const addresses = this.#publicAddresses()
    if (addresses === undefined) return false
    for (const connection of this.#waiting) {
      if (!this.#init.isTrusted(connection)) continue
      this.#waiting.delete(connection)
      if (punched.has(connection)) continue
      if (this.#at !== addresses) this.#by.clear()
      this.#at = addresses
      this.#by.add(pathOf(connection.remoteAddr))
    }
    return this.#at === addresses
  }

  /** Over what; empty when it is not. */
  get reachedBy(): ReadonlySet<PathKind> {
    return this.isReached ? this.#by : new Set()
  }

  #onOpen(connection: Connection): void {
    const { direction, remoteAddr, remotePeer } = connection
    if (direction !== 'inbound' || isRelayed(remoteAddr) || isPrivateIp(ipOf(remoteAddr) ?? '')) return
    const others = this.#init.components.connectionManager.getConnections(remotePeer)
    const isBeside = others.some((other) => other !== connection)
    if ((isBeside && pathOf(remoteAddr) !== 'tcp') || this.#waiting.size >= MAX_WAITING) return
    this.#waiting.add(connection)
  }

  /** undefined when there are none */
  #publicAddresses(): string | undefined {
    if (this.#init.announces) return 'announced'
    const found = this.#init.components.addressManager
      .getAddressesWithMetadata()
      // of this machine itself, or of the router that leads a port here
      .filter(({ type, multiaddr }) => (type === 'transport' || type === 'ip-mapping') && !isRelayed(multiaddr))
      .map(({ multiaddr }) => ipOf(multiaddr) ?? '')
      .filter((ip) => !isPrivateIp(ip))
    return found.length === 0 ? undefined : [...new Set(found)].sort().join()
  }
}
