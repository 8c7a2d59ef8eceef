/**
 * Frames over a lane's socket. As over a libp2p stream (`frame-stream.ts`), but a frame is put together where it will
 * stay: its bytes are copied once, from what the socket gives.
 */
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../clock.ts'
import { allocate, DecodeError, release } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { withDeadline } from './deadline.ts'
import { StreamBrokenError } from './errors.ts'
import { FrameInbox } from './frame-inbox.ts'
import { framePieces } from './frame-pieces.ts'
import type { FrameStream, Wait } from './types.ts'
import { END_MS } from './until-ended.ts'

const HEADER_BYTES = 4
/** In the place of a length: no more frames come. The end of a TCP stream proves nothing, anybody on its way can make one. */
const END = 0xffff_ffff
const CLOSE_MS = 10_000

export interface LaneStreamInit {
  readonly socket: TLSSocket
  readonly peer: NodeId
  readonly clock: Clock
  /** largest frame that is accepted */
  readonly maxFrameBytes: number
  /** called whenever bytes arrive: the peer is alive */
  onHeard?(bytes: number): void
  onSent?(bytes: number): void
}

export class LaneStream implements FrameStream {
  readonly peer: NodeId
  readonly path = 'tcp'
  readonly #init: LaneStreamInit
  readonly #socket: TLSSocket
  readonly #inbox: FrameInbox
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerFilled = 0
  #frame: Uint8Array | undefined
  #filled = 0
  /** we end it */
  #ended = false
  /** they have ended it */
  #isOver = false

  constructor(init: LaneStreamInit) {
    this.peer = init.peer
    this.#init = init
    this.#socket = init.socket
    this.#inbox = new FrameInbox({
      clock: init.clock,
      resume: () => void this.#socket.resume(),
      isWhole: () => this.#headerFilled === 0 && this.#frame === undefined,
    })
    const { socket } = init
    socket.on('data', (data: Buffer) => this.#onData(data))
    const onGone = (error?: unknown) => {
      if (!this.#isOver) this.#inbox.fail(new StreamBrokenError('reset', error))
    }
    socket.on('end', () => onGone())
    socket.on('error', onGone)
    socket.on('close', () => onGone())
  }

  async write(frame: Uint8Array, wait: Wait = {}): Promise<void> {
    await this.writeParts([frame], wait)
  }

  async writeParts(parts: Uint8Array[], wait: Wait & { handsOver?: boolean } = {}): Promise<void> {
    wait.signal?.throwIfAborted()
    this.#throwIfUnwritable()
    // not corked: OpenSSL would get one copy of all of it
    for (const piece of framePieces(parts)) {
      this.#init.onSent?.(piece.length)
      this.#socket.write(piece, wait.handsOver === true ? () => release(piece) : undefined)
    }
    if (!this.#socket.writableNeedDrain) return
    await withDeadline(this.#init.clock, 'sending', wait, async (signal) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const events = ['drain', 'close', 'error']
      for (const event of events) this.#socket.once(event, resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      await promise
      for (const event of events) this.#socket.off(event, resolve)
    })
    this.#throwIfUnwritable()
  }

  read(wait: Wait = {}): Promise<Uint8Array | null> {
    return this.#inbox.read(wait)
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    try {
      await withDeadline(this.#init.clock, 'closing', { timeoutMs: CLOSE_MS }, () => {
        return new Promise<void>((resolve) => {
          this.#socket.once('close', resolve)
          this.#socket.end(endMark(), resolve)
        })
      })
    } catch (error) {
      this.abort(error instanceof Error ? error : undefined)
      return
    }
    if (this.#socket.destroyed) return
    // one that the other side never ends must not cost a socket for ever
    const cancel = this.#init.clock.after(END_MS, () => this.abort(new StreamBrokenError('not ended')))
    this.#socket.once('close', cancel)
  }

  abort(reason: Error = new StreamBrokenError('aborted')): void {
    this.#ended = true
    this.#inbox.fail(reason)
    this.#socket.destroy()
  }

  #throwIfUnwritable(): void {
    if (this.#inbox.failure !== undefined) throw this.#inbox.failure
    if (this.#ended || !this.#socket.writable) throw new StreamBrokenError('closed')
  }

  #onData(data: Buffer): void {
    if (this.#inbox.failure !== undefined) return
    this.#init.onHeard?.(data.length)
    try {
      for (let at = 0; at < data.length; ) at = this.#take(data, at)
      release(data)
    } catch (error) {
      this.abort(error instanceof Error ? error : undefined)
      return
    }
    if (this.#inbox.isFull) this.#socket.pause()
  }

  /** @returns how far it got */
  #take(data: Buffer, at: number): number {
    if (this.#isOver) throw new DecodeError('bytes after the end')
    if (this.#frame === undefined) {
      const taken = data.copy(this.#header, this.#headerFilled, at, at + HEADER_BYTES - this.#headerFilled)
      this.#headerFilled += taken
      if (this.#headerFilled < HEADER_BYTES) return at + taken
      this.#headerFilled = 0
      const length = this.#header.readUInt32BE(0)
      if (length === END) this.#finishAll()
      else this.#begin(length)
      return at + taken
    }
    const taken = data.copy(this.#frame, this.#filled, at)
    this.#filled += taken
    if (this.#filled === this.#frame.length) this.#finish(this.#frame)
    return at + taken
  }

  #begin(length: number): void {
    const { maxFrameBytes } = this.#init
    if (length > maxFrameBytes)
      throw new DecodeError(`frame of ${length} bytes where at most ${maxFrameBytes} are allowed`)
    this.#filled = 0
    const frame = allocate(length)
    if (length === 0) this.#finish(frame)
    else this.#frame = frame
  }

  #finishAll(): void {
    this.#isOver = true
    this.#inbox.end()
  }

  #finish(frame: Uint8Array): void {
    this.#frame = undefined
    this.#inbox.push(frame)
  }
}

function endMark(): Buffer {
  const mark = Buffer.alloc(HEADER_BYTES)
  mark.writeUInt32BE(END)
  return mark
}
