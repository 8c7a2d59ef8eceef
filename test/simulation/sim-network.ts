/**
 * The network between simulated nodes: connections, delays, loss, duplicates, reordering. `SimHost` is what the rooms
 * see of it. Pushes and statuses are hints, so single ones are lost, doubled and overtaken without a word; frames of a
 * fetch come in order or the stream breaks, as on a real path.
 */
import { DecodeError } from '../../packages/core/src/codec/index.ts'
import type { NodeId } from '../../packages/core/src/ids.ts'
import {
  type FrameStream,
  type HandlerInit,
  type Host,
  type PeerConnection,
  type ProtocolName,
  StreamBrokenError,
  type StreamHandler,
  TimeoutError,
  UnreachableError,
  type Wait,
} from '../../packages/core/src/network/index.ts'
import type { Prng } from './prng.ts'
import type { Timeline } from './timeline.ts'

export interface Weather {
  /** one-way delay, ms, drawn anew for each frame */
  delay: readonly [number, number]
  loss: number
  duplicates: number
  reordering: number
}

export const CALM: Weather = { delay: [5, 60], loss: 0, duplicates: 0, reordering: 0 }

/** Frame types of the `ledger` protocol that are hints: status, push, announce, pull. A frame is a CBOR array, its type the first item. */
const HINTS: ReadonlySet<number | undefined> = new Set([0, 1, 7, 8])

export class SimNetwork {
  readonly timeline: Timeline
  readonly random: Prng
  weather: Weather = CALM
  readonly #hosts = new Map<NodeId, SimHost[]>()
  /** frames and bytes handed over; frames also by their type */
  readonly sent = { frames: 0, bytes: 0, byType: new Map<number | undefined, number>() }

  constructor(timeline: Timeline, random: Prng) {
    this.timeline = timeline
    this.random = random
  }

  add(host: SimHost): void {
    this.#hosts.set(host.id, [...(this.#hosts.get(host.id) ?? []), host])
  }

  remove(host: SimHost): void {
    for (const other of [...host.peers.values()]) this.disconnect(host, other)
    const left = (this.#hosts.get(host.id) ?? []).filter((each) => each !== host)
    if (left.length === 0) this.#hosts.delete(host.id)
    else this.#hosts.set(host.id, left)
  }

  hosts(): SimHost[] {
    return [...this.#hosts.values()].flat()
  }

  /** The first connection under a PeerId counts, so that two clones are not reached through one peer. */
  connect(a: SimHost, b: SimHost): boolean {
    if (a.id === b.id || a.peers.has(b.id) || b.peers.has(a.id) || !a.admits(b.id) || !b.admits(a.id)) return false
    a.peers.set(b.id, b)
    b.peers.set(a.id, a)
    a.tell('connected', b.id)
    b.tell('connected', a.id)
    return true
  }

  disconnect(a: SimHost, b: SimHost): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (one.peers.get(other.id) !== other) continue
      one.peers.delete(other.id)
      one.cut(other.id)
      one.tell('disconnected', other.id)
    }
  }

  delay(): number {
    const [low, high] = this.weather.delay
    return this.random.between(low, high)
  }
}

/** One direction of a stream. */
class Lane {
  readonly #network: SimNetwork
  readonly #frames: Uint8Array[] = []
  #waiting: (() => void) | undefined
  #lastAt = 0
  #ended = false
  error: Error | undefined
  onLost: () => void = () => undefined

  constructor(network: SimNetwork) {
    this.#network = network
  }

  #wake(): void {
    const wake = this.#waiting
    this.#waiting = undefined
    wake?.()
  }

  send(frame: Uint8Array): void {
    if (this.error !== undefined) throw this.error
    const { weather, random, sent } = this.#network
    sent.frames += 1
    sent.bytes += frame.length
    sent.byType.set(frame[1], (sent.byType.get(frame[1]) ?? 0) + 1)
    const isHint = HINTS.has(frame[1])
    if (weather.loss > 0 && random.chance(weather.loss)) {
      if (!isHint) this.#network.timeline.after(this.#network.delay(), () => this.onLost())
      return
    }
    const times = isHint && weather.duplicates > 0 && random.chance(weather.duplicates) ? 2 : 1
    const overtakes = isHint && weather.reordering > 0 && random.chance(weather.reordering)
    for (let time = 0; time < times; time++) this.#deliver(frame, overtakes)
  }

  #deliver(frame: Uint8Array, overtakes: boolean): void {
    const { timeline } = this.#network
    const at = timeline.now + this.#network.delay() * (overtakes ? 5 : 1)
    const due = overtakes ? at : Math.max(at, this.#lastAt)
    if (!overtakes) this.#lastAt = due
    timeline.after(due - timeline.now, () => {
      this.#frames.push(frame)
      this.#wake()
    })
  }

  end(): void {
    const { timeline } = this.#network
    timeline.after(Math.max(this.#network.delay(), this.#lastAt - timeline.now), () => {
      this.#ended = true
      this.#wake()
    })
  }

  fail(error: Error): void {
    this.error ??= error
    this.#wake()
  }

  async receive({ signal, timeoutMs = 30_000 }: Wait): Promise<Uint8Array | null> {
    for (;;) {
      if (this.error !== undefined) throw this.error
      const frame = this.#frames.shift()
      if (frame !== undefined) return frame
      if (this.#ended) return null
      await this.#change(signal, timeoutMs)
    }
  }

  #change(signal: AbortSignal | undefined, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const done = () => {
        cancel()
        signal?.removeEventListener('abort', abort)
      }
      const abort = () => {
        done()
        reject(signal?.reason)
      }
      const cancel = this.#network.timeline.after(timeoutMs, () => {
        done()
        reject(new TimeoutError('a frame', timeoutMs))
      })
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting = () => {
        done()
        resolve()
      }
    })
  }
}

export interface SimHostInit {
  readonly id: NodeId
  readonly network: SimNetwork
  /** whom this node lets in */
  admits(peer: NodeId): boolean
}

export class SimHost implements Host {
  readonly id: NodeId
  readonly peers = new Map<NodeId, SimHost>()
  readonly #init: SimHostInit
  readonly #handlers = new Map<ProtocolName, { init: HandlerInit; handler: StreamHandler }>()
  readonly #listeners = new Set<(event: { type: 'connected' | 'disconnected'; peer: NodeId }) => void>()
  readonly #streams = new Map<FrameStream, NodeId>()

  constructor(init: SimHostInit) {
    this.#init = init
    this.id = init.id
  }

  admits(peer: NodeId): boolean {
    return this.#init.admits(peer)
  }

  tell(type: 'connected' | 'disconnected', peer: NodeId): void {
    for (const listener of this.#listeners) listener({ type, peer })
  }

  cut(peer: NodeId): void {
    for (const [stream, of] of [...this.#streams])
      if (of === peer) stream.abort(new StreamBrokenError('the path is gone'))
  }

  handle(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler): void {
    this.#handlers.set(protocol, { init, handler })
  }

  async open(peer: NodeId, protocol: ProtocolName, options: Wait & { maxFrameBytes: number }): Promise<FrameStream> {
    options.signal?.throwIfAborted()
    const other = this.peers.get(peer)
    const known = other?.admits(this.id) === true ? other.#handlers.get(protocol) : undefined
    if (other === undefined || known === undefined) throw new UnreachableError(peer)
    const { network } = this.#init
    const there = new Lane(network)
    const back = new Lane(network)
    const ours = this.#stream(peer, back, there, options.maxFrameBytes)
    const theirs = other.#stream(this.id, there, back, known.init.maxFrameBytes)
    const lost = () => ours.abort(new StreamBrokenError('a frame was lost'))
    there.onLost = lost
    back.onLost = lost
    known.handler(theirs).then(
      () => theirs.close(),
      (error: unknown) => theirs.abort(error instanceof Error ? error : new Error('reset')),
    )
    return ours
  }

  #stream(peer: NodeId, from: Lane, to: Lane, maxFrameBytes: number): FrameStream {
    const stream: FrameStream = {
      peer,
      path: 'tcp',
      write: async (frame, wait) => {
        wait?.signal?.throwIfAborted()
        to.send(frame)
      },
      writeParts: async (parts) => to.send(Buffer.concat(parts)),
      read: async (wait = {}) => {
        const frame = await from.receive(wait)
        if (frame !== null && frame.length > maxFrameBytes) throw new DecodeError('frame too large')
        return frame
      },
      close: async () => {
        this.#streams.delete(stream)
        to.end()
      },
      abort: (reason) => {
        this.#streams.delete(stream)
        const error = new StreamBrokenError(reason?.message ?? 'aborted')
        to.fail(error)
        from.fail(error)
      },
    }
    this.#streams.set(stream, peer)
    return stream
  }

  connections(): PeerConnection[] {
    const rttMs = Math.round(this.#init.network.weather.delay[0] + this.#init.network.weather.delay[1])
    return [...this.peers.keys()].map((peer) => ({ peer, path: 'tcp', rttMs, address: '/sim' }))
  }

  onPeer(listener: (event: { type: 'connected' | 'disconnected'; peer: NodeId }) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  addresses(): string[] {
    return []
  }
  async useNetwork(): Promise<void> {}
  async request(): Promise<Uint8Array> {
    throw new UnreachableError('a protocol that is not simulated')
  }
  async dial(): Promise<NodeId> {
    throw new UnreachableError('an address: the simulation knows none')
  }
  learn(): void {}
  async hangUp(): Promise<void> {}
  reachability() {
    return { tcp: '', udp: '', relay: '', nat: '' }
  }
  async stop(): Promise<void> {}
}
