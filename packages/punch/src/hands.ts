/** What a conversation can have done: addresses learned, statements checked, dials, simultaneous opens, holes. */
import type { Connection, Logger, PeerId } from '@libp2p/interface'
import { isLoopback, listOf } from './connections.ts'
import type { Hands, Learned } from './conversation.ts'
import { dialFirst } from './dialling.ts'
import { type Candidate, candidateOf, type Endpoint, isSameIp, toMultiaddr, type Whereabouts } from './endpoints.ts'
import { MAX_CANDIDATES } from './limits.ts'
import type { Lesson, PunchedWay, Role } from './machine.ts'
import type { Mapping, Mappings } from './mappings.ts'
import type { Message, Way } from './messages.ts'
import type { Observers } from './observers.ts'
import { OpenedSocket } from './opened.ts'
import type { PunchComponents, PunchInit } from './service-types.ts'
import { openSimultaneously } from './simultaneous-open.ts'
import { isTrue } from './statements.ts'
import { TcpConnection } from './tcp-connection.ts'
import { openHole, type UdpHole } from './udp-hole.ts'

const INACTIVITY_MS = 120_000

export interface OwnHandsInit {
  readonly components: PunchComponents
  readonly init: PunchInit
  readonly log: Logger
  readonly observers: Observers
  readonly mappings: Mappings
  /** how connections came about, which is noted here */
  readonly ways: WeakMap<Connection, Way>
  readonly prefix: () => string | null
  readonly isStopped: () => boolean
}

export class OwnHands {
  readonly #components: PunchComponents
  readonly #init: PunchInit
  readonly #log: Logger
  readonly #observers: Observers
  readonly #mappings: Mappings
  readonly #ways: WeakMap<Connection, Way>
  readonly #prefix: () => string | null
  readonly #isStopped: () => boolean
  readonly #holes = new Set<UdpHole>()

  constructor(own: OwnHandsInit) {
    this.#components = own.components
    this.#init = own.init
    this.#log = own.log
    this.#observers = own.observers
    this.#mappings = own.mappings
    this.#ways = own.ways
    this.#prefix = own.prefix
    this.#isStopped = own.isStopped
  }

  /** Closes what stands open. */
  stop(): void {
    for (const hole of this.#holes) hole.close()
    this.#holes.clear()
  }

  /** @param relayed or, for sockets, direct: the connection over which they talk */
  over(relayed: Connection): Hands {
    return {
      learn: (lesson, towards, signal) => this.#learn(lesson, towards, relayed.remotePeer, signal),
      check: (message) => this.#check(message, relayed),
      dial: async (candidates, signal) => {
        const connection = await dialFirst(this.#components.transportManager, candidates, relayed.remotePeer, signal)
        this.#ways.set(connection, 'dial')
        return connection
      },
      punch: async (way, to, learned, role, signal) => {
        const { localPort } = learned
        if (way === 'socket') return new OpenedSocket(await openSimultaneously({ localPort, to, signal }))
        const connection = await this.#punch(way, to, localPort, relayed.remotePeer, role, signal)
        this.#onPunched(connection, way)
        return connection
      },
    }
  }

  async #learn(lesson: Lesson, to: Endpoint | null, peer: PeerId, signal: AbortSignal): Promise<Learned | null> {
    if (lesson === 'hole') return to === null ? null : await this.#openHole(to, peer, signal)
    const mapping =
      lesson === 'tcp'
        ? await this.#mappings.tcp(signal)
        : await (lesson === 'client' ? this.#mappings.client(signal) : this.#mappings.seen(signal))
    // that nobody has seen us keeps us from nothing but punching
    if (mapping === null && lesson !== 'seen') return null
    const candidates = lesson === 'seen' ? this.#candidates() : []
    return learnedFrom(mapping, candidates)
  }

  async #openHole(towards: Endpoint, peer: PeerId, signal: AbortSignal): Promise<Learned | null> {
    const mapping = await this.#mappings.udp(signal, towards.family)
    if (mapping === null) return null
    const { upgrader, transportManager, connectionManager } = this.#components
    try {
      signal.throwIfAborted()
      const onConnection = (connection: Connection) => this.#onPunched(connection, 'udp')
      const init = { peer, towards, upgrader, transportManager, connectionManager, onConnection }
      const hole = await openHole(mapping.held, init)
      this.#holes.add(hole)
      hole.onClose = () => void this.#holes.delete(hole)
      if (this.#isStopped()) hole.close()
      return { ...learnedFrom(mapping, []), release: (outcome) => hole.release(outcome === 'direct') }
    } catch (error) {
      mapping.release()
      throw error
    }
  }

  #onPunched(connection: Connection, way: Way): void {
    this.#ways.set(connection, way)
    this.#init.onPunched?.(connection)
  }

  async #check(message: Message & { type: 'connect' }, relayed: Connection): Promise<Whereabouts> {
    const { statement, candidates, way } = message
    const nothing = { seen: null, candidates }
    const prefix = this.#prefix()
    if (statement === null || prefix === null || !this.#observers.counts(statement.endpoint)) return nothing
    if (!this.#observers.isOne(statement.observer, relayed)) return nothing
    // beside a connection nobody is looked for but at its other end
    if (way === 'socket' && !isSameIp(candidateOf(relayed.remoteAddr), statement.endpoint)) return nothing
    const peer = relayed.remotePeer.toString()
    const transports = way === 'dial' ? (['tcp', 'udp'] as const) : [way === 'socket' ? 'tcp' : way]
    for (const transport of transports) {
      const isOk = await isTrue(statement, { prefix, peer, transport }, Date.now())
      if (isOk) return { seen: statement.endpoint, candidates }
    }
    return nothing
  }

  async #punch(
    way: Exclude<PunchedWay, 'socket'>,
    to: Endpoint,
    localPort: number,
    peer: PeerId,
    role: Role,
    signal: AbortSignal,
  ): Promise<Connection> {
    const { upgrader, connectionManager, transportManager } = this.#components
    if (way === 'udp') return await dialFirst(transportManager, [{ ...to, transport: 'udp' }], peer, signal)
    const socket = await openSimultaneously({ localPort, to, signal })
    const remoteAddr = toMultiaddr(to, 'tcp', peer.toString())
    const direction = role === 'initiator' ? 'outbound' : 'inbound'
    const log = this.#log.newScope('connection')
    const raw = new TcpConnection({ socket, remoteAddr, direction, log, inactivityMs: INACTIVITY_MS })
    try {
      if (direction === 'outbound') return await upgrader.upgradeOutbound(raw, { signal })
      await upgrader.upgradeInbound(raw, { signal })
      const made = connectionManager.getConnections(peer).find((each) => each.remoteAddr === remoteAddr)
      if (made === undefined) throw new Error('it has closed')
      return made
    } catch (error) {
      raw.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** Listening, announced and mapped addresses of ours. */
  #candidates(): Candidate[] {
    const known = this.#components.addressManager.getAddressesWithMetadata()
    const own = known.flatMap(({ multiaddr, type }) => (type === 'observed' ? [] : listOf(candidateOf(multiaddr))))
    return own.filter((candidate) => !isLoopback(candidate)).slice(0, MAX_CANDIDATES)
  }
}

function learnedFrom(mapping: Mapping | null, candidates: readonly Candidate[]): Learned {
  const { statement, localPort } = mapping ?? { statement: null, localPort: 0 }
  const own = { seen: statement?.endpoint ?? null, candidates }
  return { own, statement, localPort, release: () => mapping?.release() }
}
