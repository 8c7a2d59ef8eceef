/** Who is asked where we are seen, and whose word counts. */
import type { Connection } from '@libp2p/interface'
import { isOpen, isRelayed, relayOf } from './connections.ts'
import { dialFirst } from './dialling.ts'
import { candidateOf, type Endpoint, isPublic, toMultiaddr } from './endpoints.ts'
import type { Way } from './messages.ts'
import type { PunchComponents, PunchInit } from './service-types.ts'

export interface ObserversInit {
  readonly components: PunchComponents
  readonly init: PunchInit
  /** connections that we have punched: nobody else can be met at their addresses */
  readonly ways: WeakMap<Connection, Way>
}

export class Observers {
  readonly #components: PunchComponents
  readonly #init: PunchInit
  readonly #ways: WeakMap<Connection, Way>

  constructor({ components, init, ways }: ObserversInit) {
    this.#components = components
    this.#init = init
    this.#ways = ways
  }

  /** Direct connections that we have dialled, to those whose word counts: the newest to each. */
  all(): Connection[] {
    const each = new Map<string, Connection>()
    for (const connection of this.#components.connectionManager.getConnections()) {
      const at = candidateOf(connection.remoteAddr)
      const isOurs = connection.direction === 'outbound' && isOpen(connection)
      if (!isOurs || at === null || !this.counts(at) || this.#ways.has(connection)) continue
      const peer = connection.remotePeer.toString()
      if (this.#init.isObserver?.(peer) === false) continue
      const known = each.get(peer)
      if (known === undefined || known.timeline.open < connection.timeline.open) each.set(peer, connection)
    }
    return [...each.values()]
  }

  /** To the same machine; its port for QUIC it has told us. */
  async overUdp(
    { remotePeer, remoteAddr }: Connection,
    port: number,
    signal: AbortSignal,
  ): Promise<{ connection: Connection; isOurs: boolean } | null> {
    const { connectionManager, transportManager } = this.#components
    const isThere = (connection: Connection) =>
      isOpen(connection) &&
      candidateOf(connection.remoteAddr)?.transport === 'udp' &&
      connection.direction === 'outbound'
    const standing = connectionManager.getConnections(remotePeer).find(isThere)
    if (standing !== undefined) return { connection: standing, isOurs: false }
    const at = candidateOf(remoteAddr)
    if (at === null || transportManager.dialTransportForMultiaddr(toMultiaddr(at, 'udp')) === undefined) return null
    const connection = await dialFirst(transportManager, [{ ...at, port, transport: 'udp' }], remotePeer, signal)
    return { connection, isOurs: true }
  }

  /** @param relayed whose relay counts, where nothing else was said */
  isOne(observer: string, relayed: Connection): boolean {
    if (this.#init.isObserver !== undefined) return this.#init.isObserver(observer)
    if (relayOf(relayed) === observer) return true
    const connections = this.#components.connectionManager.getConnections()
    return connections.some((each) => each.remotePeer.toString() === observer && isOpen(each) && !isRelayed(each))
  }

  /** Whether it may be punched at. */
  counts(endpoint: Endpoint): boolean {
    return this.#init.isPublic?.(endpoint) ?? isPublic(endpoint)
  }
}
