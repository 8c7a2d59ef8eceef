/**
 * The service: speaks both protocols, begins and answers conversations, lends them its hands, and answers for others
 * what addresses it sees. Owns what is under way; `stop` ends all of it.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  ComponentLogger,
  Connection,
  Libp2pEvents,
  Logger,
  PeerId,
  PrivateKey,
  Startable,
  Stream,
  TypedEventTarget,
  Upgrader,
} from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar, TransportManager } from '@libp2p/interface-internal'
import { CODE_P2P, CODE_P2P_CIRCUIT } from '@multiformats/multiaddr'
import { Answering, type AnsweringInit } from './answering.ts'
import { converse, type Ending, type Hands, type Learned } from './conversation.ts'
import {
  type Candidate,
  candidateOf,
  type Endpoint,
  isPublic,
  isSameIp,
  toMultiaddr,
  type Whereabouts,
} from './endpoints.ts'
import { PunchBusyError, PunchFailedError, PunchUnavailableError } from './errors.ts'
import { Frames } from './frames.ts'
import { APPEARS_MS, MAX_CANDIDATES, MESSAGE_MS, UDP_LATER_MS } from './limits.ts'
import type { Lesson, PunchedWay, Role } from './machine.ts'
import { type Mapping, Mappings, type OnePort } from './mappings.ts'
import { encodeObservation, type Message, type Way } from './messages.ts'
import { type AnsweringPorts, Observer } from './observer.ts'
import { OpenedSocket } from './opened.ts'
import { Quotas } from './quotas.ts'
import { openSimultaneously } from './simultaneous-open.ts'
import { isTrue, type Statement } from './statements.ts'
import { TcpConnection } from './tcp-connection.ts'
import { openHole, type UdpHole } from './udp-hole.ts'

export const DEFAULT_PREFIX = '/libp2p-punch'
/** Streams of either protocol on one connection. */
const MAX_STREAMS = 16
const INACTIVITY_MS = 120_000

export interface PunchComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly registrar: Registrar
  readonly addressManager: AddressManager
  readonly connectionManager: ConnectionManager
  readonly transportManager: TransportManager
  readonly upgrader: Upgrader
}

export interface PunchInit {
  /** of the protocol ids, and part of what observers sign; null: speaks nothing until `speak` @default '/libp2p-punch' */
  prefix?: string | null
  /** upgrade relayed connections as they come in, as DCUtR does @default true */
  auto?: boolean
  /**
   * Whose statements about addresses count, and who is asked for them.
   * @default relays in use, and whoever we have a direct connection with
   */
  isObserver?: (peer: string) => boolean
  /** answer others on a port of our own @default not */
  observe?: AnsweringInit
  /** where we answer others besides, on ports that others lend us: `accept` @default none */
  ports?: () => { tcp: number; isShared: boolean }
  /** what may be punched at; a company that routes private addresses between its sites may say more @default the Internet */
  isPublic?: (endpoint: Endpoint) => boolean
  /** A connection stands that both sides have opened: nobody else can be met at its address. On both sides. */
  onPunched?: (connection: Connection) => void
  /**
   * A peer with which there is a direct connection has opened a bare socket beside it, together with us: ours from now on.
   * Who is at its other end has still to be proved. @default such conversations are refused
   */
  onSocket?: (peer: string, socket: Socket) => void
}

export interface Upgraded {
  readonly connection: Connection
  readonly way: Way
}

export class Punch implements Startable {
  readonly [Symbol.toStringTag] = '@malote/punch'
  readonly #components: PunchComponents
  readonly #init: PunchInit
  readonly #log: Logger
  readonly #observer: Observer
  readonly #answering: Answering | null
  readonly #holes = new Set<UdpHole>()
  readonly #mappings: Mappings
  readonly #quotas = new Quotas()
  /** what we begin ourselves, by the count of those whom we ask */
  readonly #asked = new Quotas()
  readonly #ways = new WeakMap<Connection, Way>()
  readonly #running = new Set<Promise<unknown>>()
  #stopped = new AbortController()
  #isStarted = false
  #prefix: string | null

  constructor(components: PunchComponents, init: PunchInit = {}) {
    this.#components = components
    this.#init = init
    this.#log = components.logger.forComponent('punch')
    this.#prefix = init.prefix === undefined ? DEFAULT_PREFIX : init.prefix
    const prefix = () => this.#prefix
    const { peerId, privateKey } = components
    const ports = (): AnsweringPorts => {
      const lent = init.ports?.() ?? { tcp: 0, isShared: false }
      const tcp = lent.tcp || (this.#answering?.tcp ?? 0)
      return { ...lent, tcp, udp: this.#answering?.udp ?? 0, quic: this.#quicPort() }
    }
    this.#observer = new Observer({ peerId, privateKey, prefix, ports })
    this.#answering = init.observe === undefined ? null : new Answering(init.observe, this.#observer, this.#log)
    this.#mappings = new Mappings({
      self: peerId.toString(),
      log: this.#log,
      prefix,
      observers: () => this.#observers(),
      overUdp: (observer, port, deadline) => this.#overUdp(observer, port, deadline),
    })
  }

  async start(): Promise<void> {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#stopped = new AbortController()
    await this.#register()
    if (this.#init.auto !== false) this.#components.events.addEventListener('connection:open', this.#onConnection)
  }

  async stop(): Promise<void> {
    if (!this.#isStarted) return
    this.#isStarted = false
    this.#components.events.removeEventListener('connection:open', this.#onConnection)
    this.#stopped.abort(new PunchUnavailableError('stopped'))
    this.#observer.stop()
    await this.#answering?.stop()
    await this.#unregister()
    await Promise.allSettled(this.#running)
    for (const hole of this.#holes) hole.close()
    this.#holes.clear()
  }

  /** Speaks under another prefix from now on; null: nothing. What is under way ends. */
  async speak(prefix: string | null): Promise<void> {
    if (prefix === this.#prefix) return
    if (this.#isStarted) {
      this.#stopped.abort(new PunchUnavailableError('another prefix'))
      this.#stopped = new AbortController()
      await this.#unregister()
    }
    this.#prefix = prefix
    if (this.#isStarted) await this.#register()
  }

  /**
   * A direct connection to a peer with which there is one over a relay; the direct one that stands already, if any.
   * @throws {PunchFailedError} @throws {PunchUnavailableError} @throws {PunchBusyError} @throws the signal's reason
   */
  async upgrade(peer: PeerId, options: { signal?: AbortSignal } = {}): Promise<Upgraded> {
    options.signal?.throwIfAborted()
    const connections = this.#components.connectionManager.getConnections(peer)
    const direct = connections.find((connection) => isOpen(connection) && !isRelayed(connection))
    if (direct !== undefined) return { connection: direct, way: this.wayOf(direct) ?? 'dial' }
    const relayed = connections.find(isOpen)
    if (relayed === undefined || this.#prefix === null || !this.#isStarted) {
      throw new PunchUnavailableError('no connection over a relay')
    }
    const lost = new AbortController()
    const signals = [this.#stopped.signal, lost.signal]
    const signal = AbortSignal.any(options.signal === undefined ? signals : [...signals, options.signal])
    let winner: Upgraded | null = null
    const race = this.#waysTried().map(async (way) => {
      if (way === 'udp') await sleep(UDP_LATER_MS, undefined, { signal })
      const connection = await this.#begin(way, relayed, signal)
      // of two that stand at once one is enough
      if (winner !== null && winner.connection !== connection) connection.abort(new Error('another way was faster'))
      winner ??= { connection, way }
      return winner
    })
    try {
      return await this.#track(Promise.any(race))
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!(error instanceof AggregateError)) throw error
      const busy = error.errors.find((each) => each instanceof PunchBusyError)
      if (busy !== undefined) throw busy
      throw new PunchFailedError(error.errors.map((each) => (each instanceof Error ? each.message : String(each))))
    } finally {
      lost.abort(new Error('the race is over'))
      await Promise.allSettled(race)
    }
  }

  /**
   * A TCP socket beside a direct connection, opened by both sides at once as that was. Nobody has proved who he is.
   * @throws {PunchFailedError} @throws {PunchBusyError} as many as there may be, for now @throws the signal's reason
   */
  async openSocket(beside: Connection, options: { signal?: AbortSignal } = {}): Promise<Socket> {
    options.signal?.throwIfAborted()
    if (isRelayed(beside) || !isOpen(beside) || this.#prefix === null || !this.#isStarted) {
      throw new PunchUnavailableError('no direct connection')
    }
    if (!this.#asked.mayBegin(beside.remotePeer.toString(), true, Date.now())) {
      throw new PunchBusyError('socket: too many in a minute')
    }
    const signal = AbortSignal.any([this.#stopped.signal, ...listOf(options.signal)])
    try {
      const { opened } = await this.#track(this.#converse('socket', beside, signal))
      if (opened instanceof OpenedSocket) return opened.socket
      throw new Error('socket: nothing was opened')
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error instanceof PunchBusyError) throw error
      throw new PunchFailedError([error instanceof Error ? error.message : String(error)])
    }
  }

  /** How a direct connection came about; null: not by us. Nobody else may be met at the address of a punched one. */
  wayOf(connection: Connection): Way | null {
    return this.#ways.get(connection) ?? null
  }

  /** A socket whose first byte is `QUESTION`, from a port that libp2p listens on. */
  accept(socket: Socket): void {
    this.#observer.accept(socket)
  }

  /** What observers see of one of our connections now, and who says so; null: nobody knows. */
  async seen(options: { signal?: AbortSignal } = {}): Promise<Statement | null> {
    const mapping = await this.#mappings.seen(AbortSignal.any([this.#stopped.signal, ...listOf(options.signal)]))
    return mapping?.statement ?? null
  }

  /** One UDP port of ours as observers see it: whether a NAT is in between, and of which kind. */
  async onePort(options: { signal?: AbortSignal } = {}): Promise<OnePort> {
    return await this.#mappings.onePort(AbortSignal.any([this.#stopped.signal, ...listOf(options.signal)]))
  }

  async #register(): Promise<void> {
    const prefix = this.#prefix
    if (prefix === null) return
    const { registrar } = this.#components
    const options = { runOnLimitedConnection: true, maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS }
    await registrar.handle(`${prefix}/punch/1`, (stream, relayed) => this.#answer(stream, relayed), options)
    await registrar.handle(`${prefix}/observe/1`, (stream, connection) => this.#observe(stream, connection), options)
  }

  async #unregister(): Promise<void> {
    if (this.#prefix === null) return
    await this.#components.registrar.unhandle(`${this.#prefix}/punch/1`)
    await this.#components.registrar.unhandle(`${this.#prefix}/observe/1`)
  }

  readonly #onConnection = ({ detail: connection }: CustomEvent<Connection>): void => {
    if (connection.direction !== 'inbound' || !isRelayed(connection)) return
    this.upgrade(connection.remotePeer, { signal: this.#stopped.signal }).then(
      ({ way }) => this.#log('direct connection with %p by %s', connection.remotePeer, way),
      (error: unknown) => this.#log('no direct connection with %p - %e', connection.remotePeer, error),
    )
  }

  async #begin(way: Way, relayed: Connection, signal: AbortSignal): Promise<Connection> {
    const { opened } = await this.#converse(way, relayed, signal)
    if (opened instanceof OpenedSocket) throw new TypeError('a socket where a connection was asked for')
    return opened ?? (await this.#appearing(relayed.remotePeer, way, signal))
  }

  /** @param over relayed, or for `socket` a direct one @throws when it has failed */
  async #converse(way: Way, over: Connection, signal: AbortSignal): Promise<Ending> {
    const giveBack = this.#quotas.take(over.remotePeer.toString(), way, 'initiator')
    if (giveBack === null) throw new PunchBusyError(`${way}: there is one already`)
    try {
      const opening = AbortSignal.any([signal, AbortSignal.timeout(MESSAGE_MS)])
      const stream = await over.newStream(`${this.#prefix}/punch/1`, {
        signal: opening,
        runOnLimitedConnection: true,
        maxOutboundStreams: MAX_STREAMS,
      })
      const frames = new Frames(stream)
      const ending = await converse({ role: 'initiator', way, frames, hands: this.#handsFor(over), signal })
      if (ending.outcome === 'failed') throw new Error(`${way}: ${ending.reason}`)
      return ending
    } finally {
      giveBack()
    }
  }

  async #answer(stream: Stream, over: Connection): Promise<void> {
    const peer = over.remotePeer.toString()
    const frames = new Frames(stream)
    const { onSocket } = this.#init
    const isDirect = !isRelayed(over)
    if ((isDirect && onSocket === undefined) || !this.#quotas.mayBegin(peer, isDirect, Date.now())) {
      frames.abort(new PunchBusyError('not now'))
      return
    }
    const held: (() => void)[] = []
    const onWay = (way: Way) => {
      if ((way === 'socket') !== isDirect) return false
      const giveBack = this.#quotas.take(peer, way, 'responder')
      held.push(...listOf(giveBack))
      return giveBack !== null
    }
    const { signal } = this.#stopped
    const hands = this.#handsFor(over)
    try {
      const talk = converse({ role: 'responder', way: null, frames, hands, signal, onWay })
      const { outcome, reason, opened } = await this.#track(talk)
      if (opened instanceof OpenedSocket) onSocket?.(peer, opened.socket)
      this.#log('punch begun by %s: %s, %s', peer, outcome, reason)
    } finally {
      for (const giveBack of held) giveBack()
    }
  }

  async #observe(stream: Stream, connection: Connection): Promise<void> {
    const frames = new Frames(stream)
    await this.#answering?.bind()
    const observation = await this.#observer.answer(connection)
    if (observation === null) {
      frames.abort(new PunchBusyError('too many tokens'))
      return
    }
    frames.write(encodeObservation(observation))
    try {
      // not ended before they have it: js-libp2p 3.3 loses what comes in one piece with the end of the negotiation and the end
      await frames.read(AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(MESSAGE_MS)]))
      await frames.close(AbortSignal.timeout(MESSAGE_MS))
    } catch (error) {
      frames.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #handsFor(relayed: Connection): Hands {
    return {
      learn: (lesson, towards, signal) => this.#learn(lesson, towards, relayed.remotePeer, signal),
      check: (message) => this.#check(message, relayed),
      dial: async (candidates, signal) => {
        const connection = await this.#dial(candidates, relayed.remotePeer, signal)
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
      if (this.#stopped.signal.aborted) hole.close()
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
    if (statement === null || this.#prefix === null || !this.#counts(statement.endpoint)) return nothing
    if (!this.#isObserver(statement.observer, relayed)) return nothing
    // beside a connection nobody is looked for but at its other end
    if (way === 'socket' && !isSameIp(candidateOf(relayed.remoteAddr), statement.endpoint)) return nothing
    const peer = relayed.remotePeer.toString()
    const transports = way === 'dial' ? (['tcp', 'udp'] as const) : [way === 'socket' ? 'tcp' : way]
    for (const transport of transports) {
      const isOk = await isTrue(statement, { prefix: this.#prefix, peer, transport }, Date.now())
      if (isOk) return { seen: statement.endpoint, candidates }
    }
    return nothing
  }

  async #dial(candidates: readonly Candidate[], peer: PeerId, signal: AbortSignal): Promise<Connection> {
    const { transportManager } = this.#components
    signal.throwIfAborted()
    // a socket of @libp2p/tcp stays bound to the signal that it was dialled with: the winner's must not be aborted
    const dials = new Set<AbortController>()
    const endAll = () => {
      for (const each of dials) each.abort(new Error('another address was faster, or it took too long'))
      dials.clear()
    }
    // a handshake of QUIC cannot be recalled, only undone
    const { promise: over, reject } = Promise.withResolvers<never>()
    const onAbort = () => {
      endAll()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const dial = async (candidate: Candidate) => {
      const own = new AbortController()
      dials.add(own)
      const address = toMultiaddr(candidate, candidate.transport, peer.toString())
      const connection = await transportManager.dial(address, { signal: own.signal })
      if (own.signal.aborted) {
        connection.abort(new Error('too late'))
        throw own.signal.reason
      }
      dials.delete(own)
      endAll()
      return connection
    }
    try {
      return await Promise.race([Promise.any(candidates.map(dial)), over])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #punch(
    way: Exclude<PunchedWay, 'socket'>,
    to: Endpoint,
    localPort: number,
    peer: PeerId,
    role: Role,
    signal: AbortSignal,
  ): Promise<Connection> {
    if (way === 'udp') return await this.#dial([{ ...to, transport: 'udp' }], peer, signal)
    const { upgrader, connectionManager } = this.#components
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

  /** The other side says that it has opened one. */
  async #appearing(peer: PeerId, way: Way, signal: AbortSignal): Promise<Connection> {
    const { connectionManager, events } = this.#components
    const find = () => connectionManager.getConnections(peer).find((each) => isOpen(each) && !isRelayed(each))
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(APPEARS_MS)])
    for (;;) {
      const found = find()
      if (found !== undefined) {
        this.#ways.set(found, way)
        return found
      }
      await new Promise<void>((resolve, reject) => {
        if (deadline.aborted) return reject(deadline.reason)
        const onAbort = () => {
          events.removeEventListener('connection:open', onOpen)
          reject(new Error(`${way}: it has gone again`))
        }
        const onOpen = () => {
          deadline.removeEventListener('abort', onAbort)
          resolve()
        }
        events.addEventListener('connection:open', onOpen, { once: true })
        deadline.addEventListener('abort', onAbort, { once: true })
      })
    }
  }

  #waysTried(): Way[] {
    const quic = toMultiaddr({ family: 4, ip: '1.1.1.1', port: 1 }, 'udp')
    const hasQuic = this.#components.transportManager.dialTransportForMultiaddr(quic) !== undefined
    return hasQuic ? ['dial', 'tcp', 'udp'] : ['dial', 'tcp']
  }

  /** Direct connections that we have dialled, to those whose word counts: the newest to each. */
  #observers(): Connection[] {
    const each = new Map<string, Connection>()
    for (const connection of this.#components.connectionManager.getConnections()) {
      const at = candidateOf(connection.remoteAddr)
      const isOurs = connection.direction === 'outbound' && isOpen(connection)
      if (!isOurs || at === null || !this.#counts(at) || this.#ways.has(connection)) continue
      const peer = connection.remotePeer.toString()
      if (this.#init.isObserver?.(peer) === false) continue
      const known = each.get(peer)
      if (known === undefined || known.timeline.open < connection.timeline.open) each.set(peer, connection)
    }
    return [...each.values()]
  }

  /** To the same machine; its port for QUIC it has told us. */
  async #overUdp(
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
    const connection = await this.#dial([{ ...at, port, transport: 'udp' }], remotePeer, signal)
    return { connection, isOurs: true }
  }

  #isObserver(observer: string, relayed: Connection): boolean {
    if (this.#init.isObserver !== undefined) return this.#init.isObserver(observer)
    if (relayOf(relayed) === observer) return true
    const connections = this.#components.connectionManager.getConnections()
    return connections.some((each) => each.remotePeer.toString() === observer && isOpen(each) && !isRelayed(each))
  }

  /** Listening, announced and mapped addresses of ours. */
  #candidates(): Candidate[] {
    const known = this.#components.addressManager.getAddressesWithMetadata()
    const own = known.flatMap(({ multiaddr, type }) => (type === 'observed' ? [] : listOf(candidateOf(multiaddr))))
    return own.filter((candidate) => !isLoopback(candidate)).slice(0, MAX_CANDIDATES)
  }

  #quicPort(): number {
    const own = this.#components.transportManager.getAddrs().map(candidateOf)
    return own.find((candidate) => candidate?.transport === 'udp')?.port ?? 0
  }

  #counts(endpoint: Endpoint): boolean {
    return this.#init.isPublic?.(endpoint) ?? isPublic(endpoint)
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    try {
      return await work
    } finally {
      this.#running.delete(work)
    }
  }
}

function learnedFrom(mapping: Mapping | null, candidates: readonly Candidate[]): Learned {
  const { statement, localPort } = mapping ?? { statement: null, localPort: 0 }
  const own = { seen: statement?.endpoint ?? null, candidates }
  return { own, statement, localPort, release: () => mapping?.release() }
}

function isOpen({ status }: Connection): boolean {
  return status === 'open'
}

function isRelayed({ remoteAddr }: Connection): boolean {
  return remoteAddr.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT)
}

/** Whose circuit it is. */
function relayOf({ remoteAddr }: Connection): string | undefined {
  const parts = remoteAddr.getComponents()
  const at = parts.findIndex(({ code }) => code === CODE_P2P_CIRCUIT)
  return parts.slice(0, Math.max(at, 0)).findLast(({ code }) => code === CODE_P2P)?.value
}

function isLoopback({ ip }: Endpoint): boolean {
  return ip.startsWith('127.') || ip === '::1'
}

function listOf<T>(value: T | null | undefined): T[] {
  return value === null || value === undefined ? [] : [value]
}
