/** Frames over a libp2p stream: length (4 bytes, big endian), payload. Few and small ones: more is a fault of the peer. */
import type { Stream } from '@libp2p/interface'
import { sized } from './bytes.ts'
import { PunchMessageError } from './errors.ts'
import { MAX_MESSAGE_BYTES, MAX_MESSAGES } from './limits.ts'

const HEADER_BYTES = 4
const MAX_UNREAD_BYTES = MAX_MESSAGES * (MAX_MESSAGE_BYTES + HEADER_BYTES)

export class Frames {
  readonly #stream: Stream
  #unread: Buffer = Buffer.alloc(0)
  #arrived = 0
  #failure: Error | null = null
  #isEnded = false
  #wake: () => void = () => {}

  constructor(stream: Stream) {
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => {
      for (const piece of data instanceof Uint8Array ? [data] : data) this.#onData(piece)
    })
    // after what was buffered has been told
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', ({ error }) => {
      this.#failure ??= error ?? null
      if (error !== undefined || stream.readBufferLength === 0) this.#onEnd()
    })
    // it may have ended before anybody listened
    if (stream.status === 'reset' || stream.status === 'aborted') this.#failure = new PunchMessageError('reset')
    else if (stream.readableEnded) this.#isEnded = true
  }

  /** @throws when it has been reset or closed */
  write(payload: Uint8Array): void {
    // small and few: they fit whatever is buffered below
    this.#stream.send(sized(payload, HEADER_BYTES))
  }

  /** @returns null at the end of the stream @throws {PunchMessageError} @throws the signal's reason */
  async read(signal: AbortSignal): Promise<Uint8Array | null> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#failure !== null) throw this.#failure
      const frame = this.#take()
      if (frame !== null) return frame
      if (this.#isEnded) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** Ends our side after what was written, and the whole stream if the other side does not follow. */
  async close(signal: AbortSignal): Promise<void> {
    try {
      if (this.#stream.status === 'open') await this.#stream.close({ signal })
    } catch (error) {
      this.abort(error instanceof Error ? error : new PunchMessageError('not ended'))
    }
  }

  abort(reason: Error): void {
    if (this.#stream.status === 'open' || this.#stream.status === 'closing') this.#stream.abort(reason)
  }

  #take(): Uint8Array | null {
    if (this.#unread.length < HEADER_BYTES) return null
    const end = HEADER_BYTES + this.#unread.readUInt32BE()
    if (this.#unread.length < end) return null
    const frame = Uint8Array.from(this.#unread.subarray(HEADER_BYTES, end))
    this.#unread = this.#unread.subarray(end)
    return frame
  }

  #onData(piece: Uint8Array): void {
    if (this.#failure !== null) return
    this.#arrived += piece.length
    this.#unread = Buffer.concat([this.#unread, piece])
    const isTooLong = this.#unread.length >= HEADER_BYTES && this.#unread.readUInt32BE() > MAX_MESSAGE_BYTES
    if (isTooLong || this.#arrived > MAX_UNREAD_BYTES) {
      this.#failure = new PunchMessageError('too much')
      this.#unread = Buffer.alloc(0)
      this.abort(this.#failure)
    }
    this.#wake()
  }

  #onEnd(): void {
    this.#isEnded = true
    this.#wake()
  }
}
