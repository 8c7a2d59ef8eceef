/** A QUIC connection as libp2p wants connections: one that is encrypted and has streams already. */
import type { CreateStreamOptions, Logger, MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { StreamMessageEvent } from '@libp2p/interface'
import { AbstractMultiaddrConnection, AbstractStreamMuxer } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { StreamBrokenError } from './errors.ts'
import type { NativeConnection, NativeStream } from './quic-native.ts'
import { QuicStream } from './quic-stream.ts'

/** Streams that each side may have open; the same as yamux has. */
export const MAX_STREAMS = 256
/** Closing forgets what was not sent: what was written last has this long (ms), or two round trips. */
const LINGER_MS = 25
const MAX_LINGER_MS = 200

export interface QuicConnectionInit {
  native: NativeConnection
  direction: 'inbound' | 'outbound'
  log: Logger
}

/** Its `message` events tell what came over any of its streams, for those who count; bytes are sent on streams only. */
export class QuicConnection extends AbstractMultiaddrConnection {
  readonly #native: NativeConnection
  #lastWrite = 0

  constructor({ native, direction, log }: QuicConnectionInit) {
    super({ remoteAddr: multiaddr(native.remoteMultiaddr()), direction, log })
    this.#native = native
    const onClosed = () => this.onTransportClosed()
    native.closed().then(onClosed, onClosed)
  }

  get muxerFactory(): StreamMuxerFactory {
    return { protocol: 'quic', createStreamMuxer: (connection) => new QuicMuxer(connection, this, this.#native) }
  }

  noteBytes(data: Uint8Array): void {
    this.dispatchEvent(new StreamMessageEvent(data))
  }

  noteWrite(): void {
    this.#lastWrite = performance.now()
  }

  override sendData(): never {
    throw new TypeError('a QUIC connection sends on its streams')
  }

  override sendReset(): void {
    this.#native.abort()
  }

  override sendPause(): void {}

  override sendResume(): void {}

  override async sendClose(): Promise<void> {
    const linger = Math.min(Math.max(2 * this.#native.rtt(), LINGER_MS), MAX_LINGER_MS)
    const left = this.#lastWrite + linger - performance.now()
    if (this.#lastWrite > 0 && left > 0) await new Promise((resolve) => setTimeout(resolve, left))
    this.#native.abort()
  }
}

class QuicMuxer extends AbstractStreamMuxer<QuicStream> {
  readonly #connection: QuicConnection
  readonly #native: NativeConnection
  #opened = 0

  constructor(maConn: MessageStream, connection: QuicConnection, native: NativeConnection) {
    super(maConn, { protocol: 'quic', name: 'quic', maxEarlyStreams: MAX_STREAMS })
    this.#connection = connection
    this.#native = native
    void this.#acceptAll()
  }

  override async onCreateStream(options: CreateStreamOptions): Promise<QuicStream> {
    const { signal } = options
    signal?.throwIfAborted()
    const opening = this.#native.outboundStream()
    // it waits while the peer has as many as it allows
    const native = await new Promise<NativeStream>((resolve, reject) => {
      const onAbort = () => {
        reject(signal?.reason)
        opening.then(drop, () => undefined)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      opening.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort))
    })
    if (this.status !== 'open') {
      drop(native)
      throw new StreamBrokenError('closed')
    }
    return this.#streamOf(native, 'outbound')
  }

  /** What it hears is for those who count. */
  override onData(): void {}

  override onTransportClosed(): void {
    this.status = 'closing'
    for (const stream of [...this.streams]) stream.onConnectionLost()
    this.status = 'closed'
  }

  async #acceptAll(): Promise<void> {
    try {
      for (;;) {
        const native = await this.#native.inboundStream()
        if (this.status === 'open') this.onRemoteStream(this.#streamOf(native, 'inbound'))
        else drop(native)
      }
    } catch {
      // the connection has gone, which it tells itself
    }
  }

  #streamOf(native: NativeStream, direction: 'inbound' | 'outbound'): QuicStream {
    this.#opened += 1
    const id = `${direction}:${this.#opened}`
    return new QuicStream({
      id,
      direction,
      native,
      log: this.log.newScope(id),
      onBytes: (data) => this.#connection.noteBytes(data),
      onWrite: () => this.#connection.noteWrite(),
      onStuck: () => this.#connection.abort(new StreamBrokenError('stuck')),
    })
  }
}

function drop(native: NativeStream): void {
  void Promise.allSettled([native.resetWrite(), native.stopRead()])
}
