/** Asks observers where packets of ours come from. What holds a mapping stays open until the caller lets go of it. */
import { randomInt } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { Connection, Logger } from '@libp2p/interface'
import { joined, uint } from './bytes.ts'
import { candidateOf, type Endpoint, endpointOf } from './endpoints.ts'
import { PunchMessageError } from './errors.ts'
import { Frames } from './frames.ts'
import { MAX_MESSAGE_BYTES, MAX_OBSERVERS, OBSERVE_MS } from './limits.ts'
import { decodeObservation, type Observation } from './messages.ts'
import { QUESTION } from './observer.ts'
import { decodeStatement, isTrue, type Statement } from './statements.ts'

/** Ports to punch from: outside of what systems hand out by themselves most (RFC 6335, Linux's default range). */
const FIRST_PORT = 10_000
const LAST_PORT = 32_000
/** A port may be taken. */
const PORTS_TRIED = 5

export interface MappingsInit {
  readonly self: string
  readonly log: Logger
  prefix(): string | null
  /** direct connections to those whose word counts, which we have dialled; the best first */
  observers(): readonly Connection[]
}

/** A local port, and what others see of it. */
export interface TcpMapping {
  readonly statement: Statement
  readonly localPort: number
}

export class Mappings {
  readonly #init: MappingsInit

  constructor(init: MappingsInit) {
    this.#init = init
  }

  /** Where a connection of ours is seen, by somebody to whom we come over `transport`, if given. */
  async seen(signal: AbortSignal, transport?: 'tcp' | 'udp'): Promise<Statement | null> {
    return await this.#fromAny(signal, async (observer, deadline) => {
      const via = candidateOf(observer.remoteAddr)?.transport
      if (via === undefined || (transport !== undefined && via !== transport)) return null
      const { seen } = await this.#observe(observer, deadline)
      return seen !== null && (await this.#isOurs(seen, observer, via)) ? seen : null
    })
  }

  /** A fresh local port whose mapping is known. It is held until `holding` is aborted. */
  async tcp(signal: AbortSignal, holding: AbortSignal): Promise<TcpMapping | null> {
    return await this.#fromAny(signal, async (observer, deadline) => {
      const via = candidateOf(observer.remoteAddr)
      if (via === null) return null
      const { token, isShared, tcp } = await this.#observe(observer, deadline)
      const port = isShared && via.transport === 'tcp' ? via.port : tcp
      if (port === 0) return null
      const { socket, localPort } = await connectFromFreePort({ ...via, port }, deadline)
      const letGo = () => socket.destroy()
      holding.addEventListener('abort', letGo, { once: true })
      socket.once('close', () => holding.removeEventListener('abort', letGo))
      if (holding.aborted) letGo()
      try {
        socket.write(joined([uint(QUESTION, 1), token]))
        const statement = decodeStatement(await readSized(socket, deadline))
        if (!(await this.#isOurs(statement, observer, 'tcp'))) throw new PunchMessageError('an untrue statement')
        return { statement, localPort }
      } catch (error) {
        letGo()
        throw error
      }
    })
  }

  async #fromAny<T>(
    signal: AbortSignal,
    ask: (observer: Connection, deadline: AbortSignal) => Promise<T | null>,
  ): Promise<T | null> {
    for (const observer of this.#init.observers().slice(0, MAX_OBSERVERS)) {
      signal.throwIfAborted()
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(OBSERVE_MS)])
      try {
        const answer = await ask(observer, deadline)
        if (answer !== null) return answer
      } catch (error) {
        this.#init.log('%p cannot say where we are - %e', observer.remotePeer, error)
      }
    }
    return null
  }

  async #observe(observer: Connection, signal: AbortSignal): Promise<Observation> {
    const prefix = this.#init.prefix()
    if (prefix === null) throw new PunchMessageError('no protocol')
    const stream = await observer.newStream(`${prefix}/observe/1`, { signal })
    const frames = new Frames(stream)
    try {
      const frame = await frames.read(signal)
      if (frame === null) throw new PunchMessageError('no answer')
      return decodeObservation(frame)
    } finally {
      void frames.close(AbortSignal.timeout(OBSERVE_MS))
    }
  }

  async #isOurs(statement: Statement, observer: Connection, transport: 'tcp' | 'udp'): Promise<boolean> {
    const prefix = this.#init.prefix()
    if (prefix === null || statement.observer !== observer.remotePeer.toString()) return false
    return await isTrue(statement, { prefix, peer: this.#init.self, transport }, Date.now())
  }
}

/** The port is given, not left to the system: only then others may be bound to it beside (SO_REUSEADDR). */
async function connectFromFreePort(to: Endpoint, signal: AbortSignal): Promise<{ socket: Socket; localPort: number }> {
  let last: unknown
  for (let tried = 0; tried < PORTS_TRIED; tried++) {
    const localPort = randomInt(FIRST_PORT, LAST_PORT)
    try {
      return { socket: await connectFrom(localPort, to, signal), localPort }
    } catch (error) {
      signal.throwIfAborted()
      last = error
    }
  }
  throw last
}

function connectFrom(localPort: number, { ip: host, port, family }: Endpoint, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, family, localPort, noDelay: true })
    const onAbort = () => fail(signal.reason)
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      reject(error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) return onAbort()
    socket.on('error', fail)
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      // its remote end must be what was dialled: nothing rewrites it on the way unless everything is in vain
      if (endpointOf(socket.remoteAddress, socket.remotePort) === null) fail(new Error('it has closed'))
      else resolve(socket)
    })
  })
}

/** Bytes after their length (2 bytes), from a socket that says nothing else. */
function readSized(socket: Socket, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let all: Buffer = Buffer.alloc(0)
    const finish = (error: unknown, bytes?: Uint8Array) => {
      signal.removeEventListener('abort', onAbort)
      socket.off('data', onData)
      socket.off('close', onClose)
      socket.resume() // else its end would not be noticed
      if (bytes === undefined) reject(error)
      else resolve(bytes)
    }
    const onAbort = () => finish(signal.reason)
    const onClose = () => finish(new PunchMessageError('no answer'))
    const onData = (data: Buffer) => {
      all = Buffer.concat([all, data])
      if (all.length < 2) return
      const end = 2 + all.readUInt16BE()
      if (end > MAX_MESSAGE_BYTES || all.length > end) finish(new PunchMessageError('too much'))
      else if (all.length === end) finish(null, Uint8Array.from(all.subarray(2)))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) return onAbort()
    socket.on('data', onData)
    socket.once('close', onClose)
  })
}
