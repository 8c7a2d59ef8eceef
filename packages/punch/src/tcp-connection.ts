/**
 * A TCP socket as what libp2p upgrades. As `toMultiaddrConnection` of @libp2p/tcp 11, which is not exported; the
 * direction is given, not taken from who connected.
 */
import type { Socket } from 'node:net'
import type { AbortOptions, Logger } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface TcpConnectionInit {
  readonly socket: Socket
  readonly remoteAddr: Multiaddr
  readonly direction: 'inbound' | 'outbound'
  readonly log: Logger
  /** ms without any traffic, then it is cut */
  readonly inactivityMs: number
}

export class TcpConnection extends AbstractMultiaddrConnection {
  readonly #socket: Socket

  constructor({ socket, remoteAddr, direction, log, inactivityMs }: TcpConnectionInit) {
    super({ remoteAddr, direction, log })
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 15_000)
    socket.setTimeout(inactivityMs)
    socket.on('data', (data) => this.onData(data))
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    socket.on('error', (error) => this.abort(error))
    socket.once('timeout', () => this.abort(new Error('nothing came for too long')))
    socket.once('end', () => this.onTransportClosed())
    socket.once('close', (hadError) => {
      if (hadError) this.abort(new Error('the TCP connection broke'))
      else this.onTransportClosed()
    })
  }

  sendData(data: Iterable<Uint8Array>): SendResult {
    let sentBytes = 0
    for (const bytes of data) {
      sentBytes += bytes.byteLength
      if (!this.#socket.write(bytes)) return { sentBytes, canSendMore: false }
    }
    return { sentBytes, canSendMore: true }
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    if (this.#socket.destroyed) return
    const closed = new Promise<void>((resolve, reject) => {
      this.#socket.once('close', () => resolve())
      options?.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true })
    })
    this.#socket.destroySoon()
    await closed
  }

  sendReset(): void {
    // a reset cannot follow an orderly end in libuv
    if (this.#socket.writableEnded) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  sendPause(): void {
    this.#socket.pause()
  }

  sendResume(): void {
    this.#socket.resume()
  }
}
