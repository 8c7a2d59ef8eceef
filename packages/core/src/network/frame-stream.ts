/**
 * Frames over a libp2p stream, with back-pressure both ways. Spec: docs/specs/framing.md.
 *
 * Who owns what: the libp2p stream keeps bytes that we have not taken (bounded by its receive window), `#decoder` the
 * pieces of one unfinished frame, `#frames` whole frames that nobody has read yet. Reading stops at `HIGH_WATER`, which
 * stops window updates, which stops the sender. Writing waits for the `drain` event while `writableNeedsDrain`: the
 * stream's own `onDrain()` never blocks after its first drain, and iterating a stream applies no back-pressure at all.
 */
import type { Stream } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { DecodeError, encodeFrame, FrameDecoder, frameHeader } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { withDeadline } from './deadline.ts'
import { PeerLimitError, StreamBrokenError } from './errors.ts'
import type { FrameStream, PathKind, Wait } from './types.ts'

/** Bytes of whole, unread frames at which reading pauses; one frame more may be on its way in. */
const HIGH_WATER = 2 * 1024 * 1024
/** Frames are counted too: empty ones cost memory without costing bytes. Pause at the first, give up at the second. */
const HIGH_WATER_FRAMES = 4096
const MAX_FRAMES = 65_536
/** Parts up to this size are joined with the header: one small copy is cheaper than one more encrypted message. */
const JOIN_BELOW = 16 * 1024

export interface FrameStreamInit {
  stream: Stream
  peer: NodeId
  path: PathKind
  clock: Clock
  /** largest frame that is accepted */
  maxFrameBytes: number
  /** bytes that may arrive in all, asked at each arrival; undefined = no bound */
  byteBudget?: () => number | undefined
  /** called whenever bytes arrive: the peer is alive */
  onHeard?: () => void
}

export function createFrameStream(init: FrameStreamInit): FrameStream {
  return new Libp2pFrameStream(init)
}

class Libp2pFrameStream implements FrameStream {
  readonly peer: NodeId
  readonly path: PathKind
  readonly #init: FrameStreamInit
  readonly #stream: Stream
  readonly #decoder: FrameDecoder
  #frames: Uint8Array[] = []
  #unread = 0
  #arrived = 0
  #ended = false
  #resuming = false
  #failure: unknown
  #wakeReader: (() => void) | undefined
  #wakeWriters = new Set<() => void>()

  constructor(init: FrameStreamInit) {
    this.peer = init.peer
    this.path = init.path
    this.#init = init
    this.#stream = init.stream
    this.#decoder = new FrameDecoder(init.maxFrameBytes)
    const { stream } = init
    stream.addEventListener('message', (event) => this.#onData(event.data))
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', (event) => this.#onClose(event.error))
    stream.addEventListener('drain', () => this.#tellWriters())
    // it may have ended before anybody listened; a reset ends reading too, and must not pass for a clean end
    if (stream.status === 'reset' || stream.status === 'aborted') this.#fail(new StreamBrokenError('reset'))
    else if (stream.readableEnded) this.#onEnd()
    else if (stream.status === 'closed') this.#onClose(undefined)
  }

  async write(frame: Uint8Array, wait: Wait = {}): Promise<void> {
    await this.writeParts([frame], wait)
  }

  async writeParts(parts: Uint8Array[], wait: Wait = {}): Promise<void> {
    wait.signal?.throwIfAborted()
    for (const piece of framePieces(parts)) this.#send(piece)
    if (!this.#stream.writableNeedsDrain) return
    await withDeadline(this.#init.clock, 'sending', wait, async (signal) => {
      while (this.#stream.writableNeedsDrain && !signal.aborted) {
        this.#throwIfUnwritable()
        await this.#nextDrain(signal)
      }
    })
    this.#throwIfUnwritable()
  }

  async read(wait: Wait = {}): Promise<Uint8Array | null> {
    wait.signal?.throwIfAborted()
    const ready = this.#take()
    if (ready !== undefined) return ready
    if (this.#wakeReader !== undefined) throw new TypeError('a frame is being read already')
    try {
      return await withDeadline(this.#init.clock, 'reading', wait, async (signal) => {
        for (;;) {
          const { promise, resolve } = Promise.withResolvers<void>()
          this.#wakeReader = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
          this.#resume()
          const before = this.#take()
          if (before !== undefined) return before
          await promise
          if (signal.aborted) return null // the deadline has already rejected
          const taken = this.#take()
          if (taken !== undefined) return taken
        }
      })
    } finally {
      this.#wakeReader = undefined
    }
  }

  async close(): Promise<void> {
    if (this.#stream.status !== 'open') return
    try {
      await withDeadline(this.#init.clock, 'closing', { timeoutMs: 10_000 }, (signal) => this.#stream.close({ signal }))
    } catch (error) {
      this.abort(error instanceof Error ? error : undefined)
    }
  }

  abort(reason: Error = new StreamBrokenError('aborted')): void {
    this.#fail(reason)
    this.#stream.abort(reason)
  }

  #send(piece: Uint8Array): void {
    this.#throwIfUnwritable()
    try {
      this.#stream.send(piece)
    } catch (error) {
      throw this.#failure ?? new StreamBrokenError('closed', error)
    }
  }

  #throwIfUnwritable(): void {
    if (this.#failure !== undefined) throw this.#failure
    const status = this.#stream.writeStatus
    if (status !== 'writable') throw new StreamBrokenError('closed')
  }

  #nextDrain(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wakeWriters.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#wakeWriters.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #tellWriters(): void {
    for (const wake of [...this.#wakeWriters]) wake()
  }

  /** A frame, null at the clean end, undefined when there is nothing yet. @throws what broke the stream */
  #take(): Uint8Array | null | undefined {
    const frame = this.#frames.shift()
    if (frame !== undefined) {
      this.#unread -= frame.length
      if (this.#unread < HIGH_WATER / 2 && this.#frames.length < HIGH_WATER_FRAMES / 2) this.#resume()
      return frame
    }
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#ended) return undefined
    if (!this.#decoder.isEmpty) throw new DecodeError('the stream ended inside a frame')
    return null
  }

  #resume(): void {
    const { readStatus, status } = this.#stream
    if (readStatus !== 'paused' || status === 'aborted' || status === 'reset') return
    try {
      this.#resuming = true
      this.#stream.resume()
    } catch (error) {
      // the connection under a stream may be gone while its last bytes are still to be read
      if (this.#stream.readBufferLength === 0) this.#fail(new StreamBrokenError('closed', error))
    } finally {
      this.#resuming = false
    }
    if (this.#unread >= HIGH_WATER || this.#frames.length >= HIGH_WATER_FRAMES) this.#pause()
  }

  #onData(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#failure !== undefined) return
    this.#init.onHeard?.()
    try {
      for (const piece of data instanceof Uint8Array ? [data] : data) {
        this.#arrived += piece.length
        this.#checkBudget()
        for (const frame of this.#decoder.push(piece)) {
          this.#frames.push(plain(frame))
          this.#unread += frame.length
        }
        if (this.#frames.length > MAX_FRAMES) throw new PeerLimitError('unread frames')
      }
    } catch (error) {
      this.abort(error instanceof Error ? error : undefined)
      return
    }
    if (this.#unread >= HIGH_WATER || this.#frames.length >= HIGH_WATER_FRAMES) this.#pause()
    if (this.#frames.length > 0) this.#wakeReader?.()
  }

  #checkBudget(): void {
    const budget = this.#init.byteBudget?.()
    if (budget !== undefined && this.#arrived > budget) throw new PeerLimitError('bytes before being admitted')
  }

  #pause(): void {
    if (!this.#resuming && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  #onEnd(): void {
    this.#ended = true
    this.#wakeReader?.()
  }

  #onClose(error: Error | undefined): void {
    if (error !== undefined) this.#fail(new StreamBrokenError('reset', error))
    else if (this.#stream.readBufferLength === 0) this.#onEnd()
    this.#tellWriters()
    this.#wakeReader?.()
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason
    this.#tellWriters()
    this.#wakeReader?.()
  }
}

/** Sockets give Buffers, whose `slice` is a view; the rooms to the right get what their types say. */
function plain(frame: Uint8Array): Uint8Array {
  return Buffer.isBuffer(frame) ? new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength) : frame
}

/** The buffers to send for one frame: the header joined with what is small, large parts as they are. */
function framePieces(parts: readonly Uint8Array[]): Uint8Array[] {
  const total = parts.reduce((sum, part) => sum + part.length, 0)
  const [only] = parts
  if (parts.length === 1 && only !== undefined && total <= JOIN_BELOW) return [encodeFrame(only)]
  const pieces: Uint8Array[] = []
  let small: Uint8Array[] = [frameHeader(total)]
  const flush = () => {
    const [first] = small
    if (first !== undefined) pieces.push(small.length === 1 ? first : new Uint8Array(Buffer.concat(small)))
    small = []
  }
  for (const part of parts) {
    if (part.length <= JOIN_BELOW) small.push(part)
    else {
      flush()
      pieces.push(part)
    }
  }
  flush()
  return pieces
}
