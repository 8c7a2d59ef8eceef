/** What a conversation leaves behind: a libp2p connection, or a bare socket. */
import type { Socket } from 'node:net'
import type { Connection } from '@libp2p/interface'

/** A TCP socket that both sides have opened. Nothing has been sent over it, and nobody has proved who he is. */
export class OpenedSocket {
  readonly socket: Socket
  constructor(socket: Socket) {
    this.socket = socket
  }

  abort(): void {
    this.socket.destroy()
  }
}

export type Opened = Connection | OpenedSocket
