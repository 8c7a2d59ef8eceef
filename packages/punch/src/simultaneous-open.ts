/**
 * A TCP connection that both sides open, from ports whose mappings the NATs hold. Each connects and, once that is under
 * way, listens on the same port: what comes from the other side before our own packet has gone out, or from another
 * port than was said, is met by the listener instead of being refused. The order matters: Linux lets a listener join
 * connecting sockets of its port, and refuses the reverse.
 */
import { connect, createServer, type Socket } from 'node:net'
import { type Endpoint, endpointOf, isSameIp } from './endpoints.ts'
import { MAX_CONNECTS, PAUSE_MAX_MS, PAUSE_MIN_MS } from './limits.ts'

/** Connections from elsewhere that are turned away while we listen. */
const MAX_TURNED_AWAY = 16

export interface SimultaneousOpen {
  /** bound with SO_REUSEADDR by others, too: by what holds the mapping */
  readonly localPort: number
  readonly to: Endpoint
  /** ends it */
  readonly signal: AbortSignal
}

/** Nothing is left behind but the socket that it returns. @throws when no connect is left @throws the signal's reason */
export async function openSimultaneously(init: SimultaneousOpen): Promise<Socket> {
  let last: unknown
  for (let tried = 0; tried < MAX_CONNECTS; tried++) {
    init.signal.throwIfAborted()
    const { socket, error } = await connectAndListen(init)
    if (socket !== null) return socket
    last = error
  }
  init.signal.throwIfAborted()
  throw last
}

type Outcome = { readonly socket: Socket } | { readonly socket: null; readonly error: unknown }

function connectAndListen({ localPort, to, signal }: SimultaneousOpen): Promise<Outcome & { error?: unknown }> {
  return new Promise((resolve) => {
    const dialled = connect({ host: to.ip, port: to.port, localPort, family: to.family })
    const server = createServer()
    let pause: NodeJS.Timeout | undefined
    let turnedAway = 0
    const finish = (outcome: Outcome) => {
      clearTimeout(pause)
      clearImmediate(listening)
      signal.removeEventListener('abort', onAbort)
      server.removeAllListeners('connection')
      if (server.listening) server.close()
      if (outcome.socket !== dialled) dialled.destroy()
      resolve(outcome)
    }
    const onAbort = () => finish({ socket: null, error: signal.reason })
    signal.addEventListener('abort', onAbort, { once: true })
    // errors after the end of this have nobody left to tell; a server that cannot listen is one way less
    dialled.on('error', () => {})
    server.on('error', () => {})
    dialled.once('connect', () => finish({ socket: dialled }))
    dialled.once('error', (error) => {
      // refused: our packet was there before the other side was ready. We are ready for its next one
      const ms = PAUSE_MIN_MS + Math.random() * (PAUSE_MAX_MS - PAUSE_MIN_MS)
      pause = setTimeout(() => finish({ socket: null, error }), ms)
    })
    server.on('connection', (socket) => {
      socket.on('error', () => {})
      if (isSameIp(endpointOf(socket.remoteAddress, socket.remotePort), to)) return finish({ socket })
      socket.destroy()
      turnedAway += 1
      if (turnedAway >= MAX_TURNED_AWAY) server.close()
    })
    // by then the connect has bound its socket
    const listening = setImmediate(() => server.listen(localPort, to.family === 4 ? '0.0.0.0' : '::'))
  })
}
