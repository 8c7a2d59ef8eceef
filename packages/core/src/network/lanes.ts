/**
 * Lanes: sockets of their own for what is large, beside the libp2p connection to a member. TLS 1.3 with a key that was
 * handed over that connection, done by OpenSSL on the socket: no JavaScript touches a byte on its way. Why: decision
 * 0030; spec: docs/specs/lane.md.
 */
import type { Socket } from 'node:net'
import { connect, createSecureContext, TLSSocket, type TLSSocketOptions, type TlsOptions } from 'node:tls'
import type { Connection } from '@libp2p/interface'
import { PunchBusyError } from '@malote/punch'
import type { Clock } from '../clock.ts'
import { type CborValue, DecodeError, decodeCbor, encodeCbor, type ShapeOf, shape } from '../codec/index.ts'
import { fromHex, type NodeId, toHex } from '../ids.ts'
import type { Random } from '../random.ts'
import { tcpTarget } from './addresses.ts'
import { withDeadline } from './deadline.ts'
import { StreamBrokenError } from './errors.ts'
import { LaneStream } from './lane-stream.ts'
import { createLaneTickets, type LaneSecret } from './lane-tickets.ts'
import { punched } from './path-kinds.ts'
import type { FrameStream, ProtocolName } from './types.ts'

/** From asking to the first byte; then libp2p streams do it (ms). */
export const LANE_MS = 4_000
/** The same where the socket has to be punched, waiting for those before it included (ms). */
const PUNCHED_LANE_MS = 5_000
/** After a failure no lane to that peer is tried for so long (ms), unless it comes anew. */
const PAUSE_MS = 10 * 60_000
/** Lanes at a time, either way; beyond that, streams. */
const MAX_LANES = 512
/** TLS handshakes under way that others began. */
const MAX_HANDSHAKES = 64
export const MAX_LANE_MESSAGE = 256

const VERSION = 'TLSv1.3'
/** The bytes are sealed: what is left to hide is who asks for what, and for that the fastest will do. */
const CIPHER = 'TLS_AES_128_GCM_SHA256'
const TLS = { minVersion: VERSION, maxVersion: VERSION, ciphers: CIPHER } as const

const messages = {
  /** the other side is to be dialled: it makes the ticket */
  ask: shape.object({ t: shape.oneOf('ask'), protocol: shape.oneOf('transfer') }),
  /** the other side is to dial us, with this */
  come: shape.object({
    t: shape.oneOf('come'),
    protocol: shape.oneOf('transfer'),
    identity: shape.bytes(16),
    key: shape.bytes(32),
  }),
  ticket: shape.object({ t: shape.oneOf('ticket'), identity: shape.bytes(16), key: shape.bytes(32) }),
  coming: shape.object({ t: shape.oneOf('coming') }),
  no: shape.object({ t: shape.oneOf('no') }),
} as const
type Message = ShapeOf<(typeof messages)[keyof typeof messages]>

export interface LanesInit {
  readonly clock: Clock
  readonly random: Random
  /** false: presence is off, nobody comes in and nobody is dialled */
  isOpen(): boolean
  /** The connection that is used with a peer. */
  connection(peer: NodeId): Connection | undefined
  /** All that stand with it. */
  connections(peer: NodeId): Connection[]
  /** One frame there, one back, of the `lane` protocol. */
  request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  /** largest frame that our handler of the protocol accepts; null when it takes no lanes */
  maxFrameBytes(protocol: ProtocolName): number | null
  /** A member came over a lane, as it could have come over a stream. */
  serve(protocol: ProtocolName, stream: FrameStream): void
  /** A TCP socket beside a connection that was punched, punched as well; `accept` gets the other end of it. */
  punch(connection: Connection, signal: AbortSignal): Promise<Socket>
  onHeard(connection: Connection, bytes: number): void
  onSent(connection: Connection, bytes: number, isBeside: boolean): void
  log(message: string, error?: unknown): void
}

type Use = (socket: TLSSocket) => void

export class Lanes {
  readonly #init: LanesInit
  readonly #tickets
  readonly #context = createSecureContext(TLS)
  /** with whom, and beside which connection */
  readonly #live = new Map<LaneStream, { readonly peer: NodeId; readonly beside: Connection | undefined }>()
  readonly #handshakes = new Set<Socket>()
  readonly #pausedUntil = new Map<NodeId, number>()
  /** one is punched at a time, with each */
  readonly #punching = new Map<NodeId, Promise<unknown>>()
  #stopped = false

  constructor(init: LanesInit) {
    this.#init = init
    this.#tickets = createLaneTickets<Use>(init)
  }

  /** Those that stand with a peer. */
  count(peer: NodeId): number {
    let count = 0
    for (const each of this.#live.values()) if (each.peer === peer) count += 1
    return count
  }

  /** Some stand beside this connection. */
  stand(connection: Connection): boolean {
    for (const { beside } of this.#live.values()) if (beside === connection) return true
    return false
  }

  /** @returns null where there can be none: the caller takes a stream @throws the signal's reason */
  async open(
    peer: NodeId,
    protocol: ProtocolName,
    options: { maxFrameBytes: number; signal: AbortSignal },
  ): Promise<FrameStream | null> {
    const connection = this.#init.connection(peer)
    const paused = this.#pausedUntil.get(peer) ?? 0
    if (connection === undefined || !hasTcp(connection) || this.#live.size >= MAX_LANES) return null
    if (this.#init.clock.now() < paused) return null
    const isPunched = punched.has(connection)
    const wait = { signal: options.signal, timeoutMs: isPunched ? PUNCHED_LANE_MS : LANE_MS }
    try {
      const socket = await withDeadline(this.#init.clock, `a lane to ${peer}`, wait, (signal) =>
        // where both have dialled, both can
        isPunched
          ? this.#inTurn(peer, signal, () => this.#dialWithTicket(peer, protocol, connection, signal))
          : connection.direction === 'outbound'
            ? this.#dialWithTicket(peer, protocol, connection, signal)
            : this.#invite(peer, protocol, signal),
      )
      if (socket !== null) return this.#streamOf(socket, peer, connection, options.maxFrameBytes)
    } catch (error) {
      options.signal.throwIfAborted()
      this.#init.log(`no lane to ${peer}`, error)
      // the next one may be had
      if (error instanceof LaneBusyError || error instanceof PunchBusyError) return null
    }
    this.#pausedUntil.set(peer, this.#init.clock.now() + PAUSE_MS)
    return null
  }

  /** The handler of the `lane` protocol. */
  async answer(stream: FrameStream): Promise<void> {
    const frame = await stream.read()
    if (frame === null) return
    const message = decode(frame)
    if (message.t !== 'ask' && message.t !== 'come') throw new DecodeError('a lane begins with ask or come')
    const answer = message.t === 'ask' ? this.#issue(stream.peer, message.protocol) : this.#come(stream.peer, message)
    await stream.write(encode(answer))
  }

  /** A socket on which somebody begins a TLS handshake. */
  accept(raw: Socket): void {
    raw.on('error', () => raw.destroy())
    if (!this.#isOpen || !this.#tickets.isAwaited || this.#handshakes.size >= MAX_HANDSHAKES) {
      raw.destroy()
      return
    }
    let shown = ''
    const options: TLSSocketOptions & Pick<TlsOptions, 'pskCallback'> = {
      ...TLS,
      isServer: true,
      secureContext: this.#context,
      pskCallback: (_socket, identity) => {
        shown = identity
        return this.#tickets.key(identity) ?? null
      },
    }
    const socket = new TLSSocket(raw, options)
    this.#handshakes.add(raw)
    const end = () => socket.destroy()
    const cancel = this.#init.clock.after(LANE_MS, end)
    socket.on('error', end)
    socket.once('close', () => {
      cancel()
      this.#handshakes.delete(raw)
    })
    socket.once('secure', () => {
      cancel()
      this.#handshakes.delete(raw)
      const ticket = this.#tickets.take(shown)
      if (ticket === undefined) end()
      else ticket.use(ready(socket))
    })
  }

  /** Ends the lanes of a peer, or of all whom `isEnded` names. */
  end(isEnded: (peer: NodeId) => boolean): void {
    for (const [stream, { peer }] of [...this.#live]) if (isEnded(peer)) stream.abort()
  }

  /** Ends those beside a connection that is dead: they go the same way. */
  endBeside(connection: Connection): void {
    for (const [stream, { beside }] of [...this.#live]) if (beside === connection) stream.abort()
  }

  /** It came anew, maybe over another path. */
  forget(peer: NodeId): void {
    this.#pausedUntil.delete(peer)
  }

  stop(): void {
    this.#stopped = true
    this.#tickets.clear()
    for (const socket of this.#handshakes) socket.destroy()
    this.end(() => true)
  }

  get #isOpen(): boolean {
    return !this.#stopped && this.#init.isOpen()
  }

  async #dialWithTicket(
    peer: NodeId,
    protocol: ProtocolName,
    connection: Connection,
    signal: AbortSignal,
  ): Promise<TLSSocket | null> {
    const answer = decode(
      await this.#init.request(peer, encode({ t: 'ask', protocol: laneProtocol(protocol) }), signal),
    )
    if (answer.t !== 'ticket') return null
    return await this.#dial(connection, { identity: toHex(answer.identity), key: answer.key }, signal)
  }

  /** Punched one after the other: two at once would be refused. @throws {LaneBusyError} */
  async #inTurn<T>(peer: NodeId, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let before = this.#punching.get(peer); before !== undefined; before = this.#punching.get(peer)) {
      await Promise.race([before, aborted(signal)])
      if (signal.aborted) throw new LaneBusyError()
    }
    const turn = work()
    const over = turn.then(
      () => {},
      () => {},
    )
    this.#punching.set(peer, over)
    try {
      return await turn
    } finally {
      this.#punching.delete(peer)
    }
  }

  /** Only they can dial: we are to be reached, they showed that. */
  async #invite(peer: NodeId, protocol: ProtocolName, signal: AbortSignal): Promise<TLSSocket | null> {
    const { promise, resolve } = Promise.withResolvers<TLSSocket>()
    const ticket = this.#tickets.issue(peer, protocol, (socket) => {
      if (signal.aborted) socket.destroy()
      else resolve(socket)
    })
    if (ticket === null) return null
    signal.addEventListener('abort', () => this.#tickets.drop(ticket.identity), { once: true })
    const { identity, key } = ticket
    const come = { t: 'come', protocol: laneProtocol(protocol), identity: fromHex(identity), key } as const
    const answer = decode(await this.#init.request(peer, encode(come), signal))
    if (answer.t === 'coming') return await promise
    this.#tickets.drop(identity)
    return null
  }

  #issue(peer: NodeId, protocol: ProtocolName): Message {
    const maxFrameBytes = this.#init.maxFrameBytes(protocol)
    if (maxFrameBytes === null || !this.#isOpen || this.#live.size >= MAX_LANES) return { t: 'no' }
    const ticket = this.#tickets.issue(peer, protocol, (socket) => {
      this.#serve(protocol, peer, this.#init.connection(peer), socket, maxFrameBytes)
    })
    return ticket === null ? { t: 'no' } : { t: 'ticket', identity: fromHex(ticket.identity), key: ticket.key }
  }

  #come(peer: NodeId, { protocol, identity, key }: Message & { t: 'come' }): Message {
    const maxFrameBytes = this.#init.maxFrameBytes(protocol)
    // the one that they use is inbound for them; where there are several, ours may be another
    const used = this.#init.connection(peer)
    const ours = this.#init.connections(peer).filter((each) => each.direction === 'outbound' && mayBeDialled(each))
    const connection = ours.find((each) => each === used) ?? ours[0]
    if (connection === undefined || maxFrameBytes === null) return { t: 'no' }
    if (!this.#isOpen || this.#live.size >= MAX_LANES) return { t: 'no' }
    withDeadline(this.#init.clock, `a lane to ${peer}`, { timeoutMs: LANE_MS }, (signal) =>
      this.#dial(connection, { identity: toHex(identity), key }, signal),
    ).then(
      (socket) => this.#serve(protocol, peer, connection, socket, maxFrameBytes),
      (error: unknown) => this.#init.log(`no lane to ${peer}`, error),
    )
    return { t: 'coming' }
  }

  #serve(
    protocol: ProtocolName,
    peer: NodeId,
    connection: Connection | undefined,
    socket: TLSSocket,
    maxFrameBytes: number,
  ): void {
    this.#init.serve(protocol, this.#streamOf(socket, peer, connection, maxFrameBytes))
  }

  #streamOf(socket: TLSSocket, peer: NodeId, beside: Connection | undefined, maxFrameBytes: number): LaneStream {
    const onHeard = (bytes: number) => beside === undefined || this.#init.onHeard(beside, bytes)
    const onSent = (bytes: number) => beside === undefined || this.#init.onSent(beside, bytes, true)
    const stream = new LaneStream({ socket, peer, clock: this.#init.clock, maxFrameBytes, onHeard, onSent })
    this.#live.set(stream, { peer, beside })
    socket.once('close', () => this.#live.delete(stream))
    if (!this.#isOpen) stream.abort()
    return stream
  }

  async #dial(beside: Connection, secret: LaneSecret, signal: AbortSignal): Promise<TLSSocket> {
    const target = tcpTarget(beside.remoteAddr)
    if (target === null) throw new TypeError('not an address of TCP')
    if (!punched.has(beside)) return await this.#secure(target, secret, signal)
    const socket = await this.#init.punch(beside, signal)
    if (signal.aborted) socket.destroy()
    signal.throwIfAborted()
    return await this.#secure({ socket }, secret, signal)
  }

  #secure(
    over: { readonly host: string; readonly port: number } | { readonly socket: Socket },
    { identity, key }: LaneSecret,
    signal: AbortSignal,
  ): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        ...TLS,
        ...over,
        pskCallback: () => ({ psk: Buffer.from(key), identity }),
        // nobody's certificate counts, see below
        checkServerIdentity: () => new Error('a certificate where a ticket was to be used'),
      })
      const fail = (error: unknown) => {
        signal.removeEventListener('abort', onAbort)
        socket.destroy()
        reject(error)
      }
      const onAbort = () => fail(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      socket.once('error', fail)
      const onClose = () => fail(new StreamBrokenError('closed'))
      socket.once('close', onClose)
      socket.once('secureConnect', () => {
        // a session that was "reused" is one that was begun by the pre-shared key (RFC 8446, 2.2)
        if (!socket.isSessionReused()) return fail(new StreamBrokenError('a lane without its key'))
        signal.removeEventListener('abort', onAbort)
        socket.off('close', onClose) // not all: the socket has its own
        socket.off('error', fail)
        resolve(ready(socket))
      })
    })
  }
}

function hasTcp({ remoteAddr }: Connection): boolean {
  return tcpTarget(remoteAddr) !== null
}

/** A second socket finds its way where the first one did, unless a relay or the NATs' holes were in between. */
function mayBeDialled(connection: Connection): boolean {
  return hasTcp(connection) && !punched.has(connection)
}

/** Others were in front for too long. */
class LaneBusyError extends Error {
  override name = 'LaneBusyError'
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function ready(socket: TLSSocket): TLSSocket {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 15_000)
  return socket
}

/** Of the protocols those that lanes may carry. */
function laneProtocol(protocol: ProtocolName): 'transfer' {
  if (protocol !== 'transfer') throw new TypeError(`no lanes for ${protocol}`)
  return protocol
}

function encode(message: Message): Uint8Array {
  return encodeCbor(message as CborValue)
}

/** @throws {DecodeError} */
function decode(frame: Uint8Array): Message {
  const value = decodeCbor(frame, MAX_LANE_MESSAGE)
  const kind = (value as { readonly t?: CborValue } | null)?.t
  if (typeof kind !== 'string' || !Object.hasOwn(messages, kind)) throw new DecodeError('unknown message about lanes')
  return messages[kind as keyof typeof messages](value)
}
