/**
 * Frames over a libp2p stream, with back-pressure both ways. Spec: docs/specs/framing.md.
 *
 * Who owns what: the libp2p stream keeps bytes that we have not taken (bounded by its receive window), `#decoder` the
 * pieces of one unfinished frame, `#inbox` whole frames that nobody has read yet. Reading stops when that is full, which
 * stops window updates, which stops the sender. Writing waits for the `drain` event while `writableNeedsDrain`: the
 * stream's own `onDrain()` never blocks after its first drain, and iterating a stream applies no back-pressure at all.
 * A stream lives until both sides have ended: one that we have ended, and that nobody reads, has `END_MS` for the other side.
 */
import type { Stream } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { FrameDecoder } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { withDeadline } from './deadline.ts'
import { PeerLimitError, StreamBrokenError } from './errors.ts'
import { FrameInbox } from './frame-inbox.ts'
import { framePieces } from './frame-pieces.ts'
import type { FrameStream, PathKind, Wait } from './types.ts'
import { END_MS } from './until-ended.ts'

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
  onHeard?: (bytes: number) => void
  onSent?: (bytes: number) => void
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
  readonly #inbox: FrameInbox
  #arrived = 0
  #resuming = false
  #wakeWriters = new Set<() => void>()
  #reads = 0
  #isEnded = false
  #cancelEnd: (() => void) | undefined

  constructor(init: FrameStreamInit) {
    this.peer = init.peer
    this.path = init.path
    this.#init = init
    this.#stream = init.stream
    this.#decoder = new FrameDecoder(init.maxFrameBytes)
    this.#inbox = new FrameInbox({
      clock: init.clock,
      resume: () => this.#resume(),
      isWhole: () => this.#decoder.isEmpty,
    })
    const { stream } = init
    stream.addEventListener('message', (event) => this.#onData(event.data))
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', (event) => this.#onClose(event.error))
    stream.addEventListener('drain', () => this.#tellWriters())
    // it may have ended before anybody listened; a reset ends reading too, and must not pass for a clean end
    if (stream.status === 'reset' || stream.status === 'aborted') this.#fail(new StreamBrokenError('reset'))
    else if (stream.readableEnded) this.#inbox.end()
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
    this.#reads += 1
    this.#cancelEnd?.()
    try {
      return await this.#inbox.read(wait)
    } finally {
      this.#reads -= 1
      this.#watchEnd()
    }
  }

  async close(): Promise<void> {
    if (this.#stream.status !== 'open') return
    try {
      await withDeadline(this.#init.clock, 'closing', { timeoutMs: 10_000 }, (signal) => this.#stream.close({ signal }))
    } catch (error) {
      this.abort(error instanceof Error ? error : undefined)
    }
    this.#isEnded = true
    this.#watchEnd()
  }

  abort(reason: Error = new StreamBrokenError('aborted')): void {
    this.#fail(reason)
    this.#stream.abort(reason)
  }

  /** A peer that never ends its side must not cost a stream, and what it holds, for each exchange. */
  #watchEnd(): void {
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
    if (!this.#isEnded || this.#reads > 0 || this.#stream.status !== 'open') return
    this.#cancelEnd = this.#init.clock.after(END_MS, () => this.abort(new StreamBrokenError('not ended')))
  }

  #send(piece: Uint8Array): void {
    this.#throwIfUnwritable()
    try {
      this.#stream.send(piece)
      this.#init.onSent?.(piece.length)
    } catch (error) {
      throw this.#inbox.failure ?? new StreamBrokenError('closed', error)
    }
  }

  #throwIfUnwritable(): void {
    if (this.#inbox.failure !== undefined) throw this.#inbox.failure
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
    if (this.#inbox.isFull) this.#pause()
  }

  #onData(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#inbox.failure !== undefined) return
    this.#init.onHeard?.(data instanceof Uint8Array ? data.length : byteLength(data))
    try {
      for (const piece of data instanceof Uint8Array ? [data] : data) {
        this.#arrived += piece.length
        this.#checkBudget()
        for (const frame of this.#decoder.push(piece)) this.#inbox.push(plain(frame))
      }
    } catch (error) {
      this.abort(error instanceof Error ? error : undefined)
      return
    }
    if (this.#inbox.isFull) this.#pause()
  }

  #checkBudget(): void {
    const budget = this.#init.byteBudget?.()
    if (budget !== undefined && this.#arrived > budget) throw new PeerLimitError('bytes before being admitted')
  }

  #pause(): void {
    if (!this.#resuming && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  /** Ending inside a frame is the peer's fault, unless the connection has gone from under the stream. */
  #onEnd(): void {
    if (this.#stream.status === 'closed' && !this.#decoder.isEmpty) this.#fail(new StreamBrokenError('reset'))
    else this.#inbox.end()
  }

  #onClose(error: Error | undefined): void {
    this.#cancelEnd?.()
    if (error !== undefined) this.#fail(new StreamBrokenError('reset', error))
    else if (this.#stream.readBufferLength === 0) this.#inbox.end()
    this.#tellWriters()
  }

  #fail(reason: unknown): void {
    this.#inbox.fail(reason)
    this.#tellWriters()
  }
}

function byteLength(pieces: Iterable<Uint8Array>): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

/** Sockets give Buffers, whose `slice` is a view; the rooms to the right get what their types say. */
function plain(frame: Uint8Array): Uint8Array {
  return Buffer.isBuffer(frame) ? new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength) : frame
}
