/**
 * Ends a server's connections as soon as nothing is under way on them. Node closes idle ones once, when closing begins:
 * one that becomes idle later would be kept until the client lets go, and one on which nothing was ever asked is not
 * idle to it.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Connections {
  /** From now on no connection outlives its answers. */
  endWhenIdle(): void
}

export function trackConnections(server: Server): Connections {
  const answers = new Map<Socket, number>()
  let isEnding = false

  const endIdle = (socket: Socket) => {
    // what is written already still goes out
    if (answers.get(socket) === 0) socket.destroySoon()
  }

  server.on('connection', (socket: Socket) => {
    answers.set(socket, 0)
    socket.once('close', () => answers.delete(socket))
    if (isEnding) endIdle(socket)
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    answers.set(socket, (answers.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = answers.get(socket)
      if (left === undefined) return // it has gone
      answers.set(socket, left - 1)
      if (isEnding) endIdle(socket)
    })
  })

  return {
    endWhenIdle() {
      isEnding = true
      for (const socket of answers.keys()) endIdle(socket)
    },
  }
}
