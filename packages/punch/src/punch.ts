/**
 * The service: speaks both protocols, begins and answers conversations, and answers for others what addresses it sees.
 * Owns what is under way; `stop` ends all of it.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Logger, PeerId, Startable, Stream } from '@libp2p/interface'
import { Answering } from './answering.ts'
import { isOpen, isRelayed, listOf } from './connections.ts'
import { converse, type Ending } from './conversation.ts'
import { candidateOf, toMultiaddr } from './endpoints.ts'
import { PunchBusyError, PunchFailedError, PunchUnavailableError } from './errors.ts'
import { Frames } from './frames.ts'
import { OwnHands } from './hands.ts'
import { APPEARS_MS, MESSAGE_MS, UDP_LATER_MS } from './limits.ts'
import { Mappings, type OnePort } from './mappings.ts'
import { encodeObservation, type Way } from './messages.ts'
import { type AnsweringPorts, Observer } from './observer.ts'
import { Observers } from './observers.ts'
import { OpenedSocket } from './opened.ts'
import { Quotas } from './quotas.ts'
import { DEFAULT_PREFIX, type PunchComponents, type PunchInit } from './service-types.ts'
import type { Statement } from './statements.ts'

/** Streams of either protocol on one connection. */
const MAX_STREAMS = 16
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
  readonly #hands: OwnHands
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
    const ways = this.#ways
    const observers = new Observers({ components, init, ways })
    this.#mappings = new Mappings({
      self: peerId.toString(),
      log: this.#log,
      prefix,
      observers: () => observers.all(),
      overUdp: (observer, port, deadline) => observers.overUdp(observer, port, deadline),
    })
    const isStopped = () => this.#stopped.signal.aborted
    const own = { components, init, log: this.#log, observers, mappings: this.#mappings, ways, prefix, isStopped }
    this.#hands = new OwnHands(own)
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
    this.#hands.stop()
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
      const ending = await converse({ role: 'initiator', way, frames, hands: this.#hands.over(over), signal })
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
      if ((way === 'socket') !== isDirect || !this.#canUse(way)) return false
      const giveBack = this.#quotas.take(peer, way, 'responder')
      held.push(...listOf(giveBack))
      return giveBack !== null
    }
    const { signal } = this.#stopped
    const hands = this.#hands.over(over)
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
    return (['dial', 'tcp', 'udp'] as const).filter((way) => this.#canUse(way))
  }

  /** Whoever has no TCP, or no QUIC, wants none, or has it not let through. */
  #canUse(way: Way): boolean {
    if (way === 'dial') return true
    const anywhere = toMultiaddr({ family: 4, ip: '1.1.1.1', port: 1 }, way === 'udp' ? 'udp' : 'tcp')
    return this.#components.transportManager.dialTransportForMultiaddr(anywhere) !== undefined
  }

  #quicPort(): number {
    const own = this.#components.transportManager.getAddrs().map(candidateOf)
    return own.find((candidate) => candidate?.transport === 'udp')?.port ?? 0
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
