/**
 * Inbound streams of this network's protocols. Each is checked against the gate, counted, given its deadline and its
 * byte budget, and ended whatever the handler does.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { pathOf } from './addresses.ts'
import { PeerLimitError, StreamBrokenError, TimeoutError } from './errors.ts'
import { createFrameStream } from './frame-stream.ts'
import { nodeIdOf } from './gater.ts'
import { checkStream } from './guard.ts'
import type { Strangers } from './strangers.ts'
import type { FrameStream, Gate, HandlerInit, ProtocolName, StreamHandler } from './types.ts'
import { untilEnded } from './until-ended.ts'

export const DEFAULT_STREAMS_PER_PEER = 4
/** Malformed messages after which a peer is hung up, and how long they count, milliseconds. */
const MAX_STRIKES = 5
const STRIKE_LIFE_MS = 60_000

export interface HandlersInit {
  clock: Clock
  gate(): Gate | null
  strangers: Strangers
  onHeard(connection: Connection, bytes: number): void
  onSent(connection: Connection, bytes: number): void
  /** which connection carries a stream */
  onOpened(stream: FrameStream, connection: Connection): void
  /** the peer has sent too much nonsense */
  onHostile(peer: NodeId): void
  log(message: string, error?: unknown): void
}

/** What somebody else has opened. */
interface Inbound {
  readonly peer: NodeId
  /** once it may be */
  open(): FrameStream
  abort(reason: Error): void
}

export class Handlers {
  readonly #init: HandlersInit
  readonly #open = new Map<string, number>()
  readonly #strikes = new Map<NodeId, number[]>()

  constructor(init: HandlersInit) {
    this.#init = init
  }

  wrap(
    protocol: ProtocolName,
    init: HandlerInit,
    handler: StreamHandler,
  ): (stream: Stream, connection: Connection) => void {
    return (stream, connection) => {
      const peer = nodeIdOf(connection.remotePeer)
      const { maxBytes } = init
      const open = () => {
        const frames = createFrameStream({
          stream,
          peer,
          path: pathOf(connection.remoteAddr),
          clock: this.#init.clock,
          maxFrameBytes: init.maxFrameBytes,
          // once admitted, the peer is bounded like any member
          ...(maxBytes === undefined ? {} : { byteBudget: () => (this.#isStranger(peer) ? maxBytes : undefined) }),
          onHeard: (bytes) => this.#init.onHeard(connection, bytes),
          onSent: (bytes) => this.#init.onSent(connection, bytes),
        })
        this.#init.onOpened(frames, connection)
        return frames
      }
      void this.#serve(protocol, init, handler, { peer, open, abort: (error) => stream.abort(error) })
    }
  }

  /** The same for what came over a lane. */
  serve(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler, frames: FrameStream): void {
    const { peer } = frames
    void this.#serve(protocol, init, handler, { peer, open: () => frames, abort: (error) => frames.abort(error) })
  }

  #isStranger(peer: NodeId): boolean {
    return this.#init.gate()?.isMember(peer) !== true
  }

  async #serve(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler, inbound: Inbound): Promise<void> {
    const { peer } = inbound
    const slot = `${protocol} ${peer}`
    const open = this.#open.get(slot) ?? 0
    try {
      checkStream(this.#init.gate(), peer, protocol, init)
      if (open >= (init.maxStreamsPerPeer ?? DEFAULT_STREAMS_PER_PEER)) throw new PeerLimitError(`${protocol} streams`)
    } catch (error) {
      inbound.abort(error instanceof Error ? error : new PeerLimitError('errors'))
      return
    }
    const watched = init.strangers === true && this.#isStranger(peer)
    const frames = inbound.open()
    this.#open.set(slot, open + 1)
    if (watched) this.#init.strangers.registerOpened(peer)
    const cancel =
      init.timeoutMs > 0
        ? this.#init.clock.after(init.timeoutMs, () => frames.abort(new TimeoutError(protocol, init.timeoutMs)))
        : undefined
    try {
      await handler(frames)
      await frames.close()
    } catch (error) {
      this.#onFailure(protocol, frames, error)
    }
    cancel?.()
    const left = (this.#open.get(slot) ?? 1) - 1
    if (left > 0) this.#open.set(slot, left)
    else this.#open.delete(slot)
    if (watched) this.#init.strangers.registerEnded(peer)
    // the peer's next stream may be here before the end of this one; how many wait for it libp2p's own limit bounds
    await untilEnded(frames)
  }

  #onFailure(protocol: ProtocolName, frames: FrameStream, error: unknown): void {
    frames.abort(error instanceof Error ? error : undefined)
    // our own signal ended it, or the peer went away: neither is a fault
    const isExpected = error instanceof StreamBrokenError || (error instanceof Error && error.name === 'AbortError')
    if (!isExpected) this.#init.log(`${protocol} with ${frames.peer} ended`, error)
    if (error instanceof DecodeError) this.#strike(frames.peer)
  }

  #strike(peer: NodeId): void {
    const now = this.#init.clock.now()
    const recent = (this.#strikes.get(peer) ?? []).filter((at) => at > now - STRIKE_LIFE_MS)
    recent.push(now)
    // strangers come and go under new names: what is kept of them is bounded
    if (this.#strikes.size >= 4096) this.#strikes.clear()
    this.#strikes.set(peer, recent)
    if (recent.length < MAX_STRIKES) return
    this.#strikes.delete(peer)
    this.#init.onHostile(peer)
  }
}
