/**
 * A QUIC stream as libp2p wants streams. Who holds what: QUIC keeps what has come and was not read, bounded by its window,
 * and we read only what somebody takes: a paused stream stops its sender. What is written waits in `#outgoing` until the
 * send buffer of QUIC has taken what was written before it; a writer waits while that is more than a little.
 */
import type { SendResult } from '@libp2p/utils'
import { AbstractStream, type AbstractStreamInit } from '@libp2p/utils'
import { StreamBrokenError } from './errors.ts'
import type { NativeStream } from './quic-native.ts'

/** Window of a stream and of a connection: what may be under way, and what a peer that is not read may make us hold. */
export const STREAM_WINDOW = 4 * 1024 * 1024
export const CONNECTION_WINDOW = 8 * 1024 * 1024
/** Asked of QUIC at a time, by how much came the last time: each read takes memory of this size whatever comes. */
const FIRST_READ = 4 * 1024
const LARGEST_READ = 256 * 1024
/** Nobody takes it, and so much was read: no more for now. */
const READ_AHEAD = 256 * 1024
/** Written at a time: what is under way cannot be recalled. */
const LARGEST_WRITE = 256 * 1024
/** So much may wait for QUIC before a writer has to. */
const WRITE_AHEAD = 256 * 1024
/** Pieces are joined up to this before they are written. */
const JOIN_BELOW = 16 * 1024
/** A peer that neither reads nor writes keeps us from telling it that a stream has ended; then the connection ends (ms). */
export const RESET_MS = 15_000

type SendData = Parameters<AbstractStream['sendData']>[0]

export interface QuicStreamInit extends AbstractStreamInit {
  native: NativeStream
  /** called with what comes, before anybody else sees it */
  onBytes(data: Uint8Array): void
  /** called when something was handed to QUIC */
  onWrite(): void
  /** the peer cannot be told that this stream has ended */
  onStuck(): void
}

export class QuicStream extends AbstractStream {
  readonly #init: QuicStreamInit
  #readSize = FIRST_READ
  #isLost = false
  /** taken from us, and not yet by QUIC */
  #outgoing: Uint8Array[] = []
  #unwritten = 0
  #isWriting = false
  #writing: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(init: QuicStreamInit) {
    super({ ...init, maxReadBufferLength: STREAM_WINDOW + READ_AHEAD + LARGEST_READ })
    this.#init = init
    void this.#readAll()
  }

  /** The connection has gone: what came before is still to be read, then the stream ends. */
  onConnectionLost(): void {
    this.#isLost = true
    this.#wake?.()
  }

  override sendData(data: SendData): SendResult {
    for (const piece of data) this.#outgoing.push(piece)
    this.#unwritten += data.byteLength
    if (!this.#isWriting) this.#writing = this.#writeAll()
    return { sentBytes: data.byteLength, canSendMore: this.#unwritten < WRITE_AHEAD }
  }

  override sendReset(): void {
    this.#wake?.()
    this.#endNative()
  }

  override sendPause(): void {}

  override sendResume(): void {
    this.#wake?.()
  }

  override async sendCloseWrite(): Promise<void> {
    await this.#writing
    await this.#init.native.finishWrite()
  }

  /** Nothing is told to the peer: reading goes on, into nothing, to see its end. */
  override async sendCloseRead(): Promise<void> {
    this.#wake?.()
  }

  override addEventListener(...args: Parameters<AbstractStream['addEventListener']>): void {
    super.addEventListener(...args)
    // what was waiting goes to the listener in a microtask, and only then there is room
    if (args[0] === 'message') queueMicrotask(() => this.#wake?.())
  }

  override onRemoteReset(): void {
    super.onRemoteReset()
    this.#endNative()
  }

  async #readAll(): Promise<void> {
    const { native, onBytes } = this.#init
    try {
      for (;;) {
        while (this.#isFull) await this.#nextWake()
        if (this.#isOver) return
        const data = await native.read(this.#readSize)
        if (data === null) break
        this.#adapt(data.length)
        onBytes(data)
        this.onData(data)
      }
      this.onRemoteCloseWrite()
    } catch (error) {
      this.#onReadFailed(error)
    }
  }

  /** We have ended it, or somebody else has. */
  get #isOver(): boolean {
    return this.status !== 'open' && this.status !== 'closing'
  }

  get #isFull(): boolean {
    if (this.#isLost || this.#isOver) return false
    return this.readBufferLength >= READ_AHEAD || this.readStatus === 'paused'
  }

  #nextWake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }

  #adapt(came: number): void {
    if (came === this.#readSize) this.#readSize = Math.min(this.#readSize * 4, LARGEST_READ)
    else if (came < this.#readSize / 8) this.#readSize = Math.max(this.#readSize / 4, FIRST_READ)
  }

  #onReadFailed(error: unknown): void {
    if (this.#isOver) return
    const message = error instanceof Error ? error.message : ''
    if (message.startsWith('stream reset by peer')) this.onRemoteReset()
    else if (this.#isLost || message.startsWith('connection lost')) this.onTransportClosed()
    else this.abort(new StreamBrokenError('reading', error))
  }

  /** One at a time: QUIC would not keep the order of several. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true
    try {
      for (;;) {
        const piece = this.#nextPiece()
        if (piece === undefined || this.#isOver) break
        await this.#init.native.write(piece)
        this.#init.onWrite()
        this.#unwritten -= piece.length
        if (this.writableNeedsDrain && this.#unwritten < WRITE_AHEAD) this.safeDispatchEvent('drain')
      }
    } catch (error) {
      this.#onWriteFailed(error)
    } finally {
      this.#isWriting = false
    }
  }

  /** Small ones joined, large ones in parts. */
  #nextPiece(): Uint8Array | undefined {
    const [first] = this.#outgoing
    if (first === undefined) return undefined
    if (first.length > LARGEST_WRITE) {
      this.#outgoing[0] = first.subarray(LARGEST_WRITE)
      return first.subarray(0, LARGEST_WRITE)
    }
    let count = 0
    let size = 0
    for (const piece of this.#outgoing) {
      if (count > 0 && size + piece.length > JOIN_BELOW) break
      count += 1
      size += piece.length
    }
    const small = this.#outgoing.splice(0, count)
    return count === 1 ? first : Buffer.concat(small, size)
  }

  #onWriteFailed(error: unknown): void {
    if (this.#isOver) return
    const message = error instanceof Error ? error.message : ''
    if (message.startsWith('sending stopped by peer')) this.onRemoteReset()
    else if (this.#isLost || message.startsWith('connection lost')) this.onTransportClosed()
    else this.abort(new StreamBrokenError('writing', error))
  }

  #endNative(): void {
    this.#outgoing = []
    const { native, onStuck } = this.#init
    const timer = setTimeout(onStuck, RESET_MS)
    timer.unref()
    void Promise.allSettled([native.resetWrite(), native.stopRead()]).then(() => clearTimeout(timer))
  }
}
