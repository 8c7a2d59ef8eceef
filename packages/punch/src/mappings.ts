/** Asks observers where packets of ours come from. What holds a mapping stays open until the caller lets go of it. */
import { randomInt } from 'node:crypto'
import type { Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Logger } from '@libp2p/interface'
import { joined, uint } from './bytes.ts'
import { candidateOf, type Endpoint, endpointOf, isSameIp } from './endpoints.ts'
import { PunchMessageError } from './errors.ts'
import { Frames } from './frames.ts'
import {
  ASK_AGAIN_MS,
  MAX_MESSAGE_BYTES,
  MAX_OBSERVERS,
  OBSERVE_MS,
  QUESTION_BYTES,
  SEEN_MS,
  UDP_QUESTIONS,
} from './limits.ts'
import { decodeObservation, type Observation, TOKEN_BYTES } from './messages.ts'
import { ANSWER, QUESTION } from './observer.ts'
import { decodeStatement, isTrue, type Statement } from './statements.ts'
import { bindUdp } from './udp-hole.ts'

/** Ports to punch from: outside of what systems hand out by themselves most (RFC 6335, Linux's default range). */
const FIRST_PORT = 10_000
const LAST_PORT = 32_000
/** A port may be taken. */
const PORTS_TRIED = 5

/** Observers may come and go: looked for again after this (ms), once. */
const LOOK_AGAIN_MS = 300

export interface MappingsInit {
  readonly self: string
  readonly log: Logger
  prefix(): string | null
  /** direct connections to those whose word counts, which we have dialled; one for each, the best first */
  observers(): readonly Connection[]
  /** A connection to the same over QUIC, and whether it was made for us; null: there is no way known. */
  overUdp(
    observer: Connection,
    port: number,
    signal: AbortSignal,
  ): Promise<{ connection: Connection; isOurs: boolean } | null>
}

/** Where something of ours is seen. */
export interface Mapping {
  readonly statement: Statement
  /** 0 where it is not a port of its own */
  readonly localPort: number
  /** Lets go of what holds it. */
  release(): void
}

/** The same of a port of its own, and what is bound to it. */
export interface PortMapping<Held> extends Mapping {
  readonly held: Held
}

/** A UDP port of ours, and where observers see it. */
export interface OnePort {
  readonly localPort: number
  readonly seen: readonly Endpoint[]
}

export class Mappings {
  readonly #init: MappingsInit
  readonly #seen = new WeakMap<Connection, { statement: Statement; prefix: string | null; at: number }>()

  constructor(init: MappingsInit) {
    this.#init = init
  }

  /** Where a connection of ours is seen. */
  async seen(signal: AbortSignal): Promise<Mapping | null> {
    return await this.#fromAny(signal, async (observer, deadline) => {
      const statement = await this.#seenOver(observer, deadline)
      return statement === null ? null : { statement, localPort: 0, release: () => {} }
    })
  }

  /** Where the socket is seen that dials QUIC: over a QUIC connection, made for this if there is none. */
  async client(signal: AbortSignal): Promise<Mapping | null> {
    return await this.#fromAny(signal, async (observer, deadline) => {
      const isUdp = candidateOf(observer.remoteAddr)?.transport === 'udp'
      const over = isUdp ? { connection: observer, isOurs: false } : await this.#overUdp(observer, deadline)
      if (over === null) return null
      const { connection, isOurs } = over
      // made for this, it holds the mapping until then
      const release = () => {
        if (isOurs) connection.close().catch(() => {})
      }
      try {
        const statement = await this.#seenOver(connection, deadline)
        if (statement !== null) return { statement, localPort: 0, release }
      } catch (error) {
        release()
        throw error
      }
      release()
      return null
    })
  }

  /** A fresh local port whose mapping is known. */
  async tcp(signal: AbortSignal): Promise<PortMapping<Socket> | null> {
    return await this.#fromAny(signal, async (observer, deadline) => {
      const via = candidateOf(observer.remoteAddr)
      if (via === null) return null
      const { token, isShared, tcp } = await this.#observe(observer, deadline)
      const port = isShared && via.transport === 'tcp' ? via.port : tcp
      if (port === 0) return null
      const { socket, localPort } = await connectFromFreePort({ ...via, port }, deadline)
      const release = () => socket.destroy()
      try {
        socket.write(joined([uint(QUESTION, 1), token]))
        const statement = decodeStatement(await readSized(socket, deadline))
        if (!(await this.#isOurs(statement, observer, 'tcp'))) throw new PunchMessageError('an untrue statement')
        return { statement, localPort, held: socket, release }
      } catch (error) {
        release()
        throw error
      }
    })
  }

  /** The same of a UDP port. The socket is for the caller to use, and to close by `release`. */
  async udp(signal: AbortSignal, family: 4 | 6): Promise<PortMapping<UdpSocket> | null> {
    return await this.#fromAny(signal, async (observer, deadline) => {
      const via = candidateOf(observer.remoteAddr)
      if (via === null || via.family !== family) return null
      const { token, udp: port } = await this.#observe(observer, deadline)
      if (port === 0) return null
      const socket = await bindFreePort(family)
      const release = () => {
        try {
          socket.close()
        } catch {
          // it has been closed by who used it
        }
      }
      try {
        const statement = decodeStatement(await askOverUdp(socket, { ...via, port }, token, deadline))
        if (!(await this.#isOurs(statement, observer, 'udp'))) throw new PunchMessageError('an untrue statement')
        return { statement, localPort: socket.address().port, held: socket, release }
      } catch (error) {
        release()
        throw error
      }
    })
  }

  /** One UDP port of ours as several observers see it, one after the other: a NAT may give it another one for each. */
  async onePort(signal: AbortSignal): Promise<OnePort> {
    const socket = await bindFreePort(4)
    try {
      const seen: Endpoint[] = []
      for (const observer of this.#init.observers().slice(0, MAX_OBSERVERS)) {
        const via = candidateOf(observer.remoteAddr)
        if (via === null || via.family !== 4) continue
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(OBSERVE_MS)])
        try {
          const { token, udp: port } = await this.#observe(observer, deadline)
          if (port === 0) continue
          const statement = decodeStatement(await askOverUdp(socket, { ...via, port }, token, deadline))
          if (await this.#isOurs(statement, observer, 'udp')) seen.push(statement.endpoint)
        } catch (error) {
          signal.throwIfAborted()
          this.#init.log('%p cannot say where we are - %e', observer.remotePeer, error)
        }
      }
      return { localPort: socket.address().port, seen }
    } finally {
      socket.close()
    }
  }

  async #overUdp(observer: Connection, signal: AbortSignal) {
    const { quic } = await this.#observe(observer, signal)
    return quic === 0 ? null : await this.#init.overUdp(observer, quic, signal)
  }

  async #seenOver(connection: Connection, signal: AbortSignal): Promise<Statement | null> {
    const via = candidateOf(connection.remoteAddr)?.transport
    if (via === undefined) return null
    const known = this.#seen.get(connection)
    const prefix = this.#init.prefix()
    if (known?.prefix === prefix && performance.now() - known.at < SEEN_MS) return known.statement
    const { seen } = await this.#observe(connection, signal)
    if (seen === null || !(await this.#isOurs(seen, connection, via))) return null
    this.#seen.set(connection, { statement: seen, prefix, at: performance.now() })
    return seen
  }

  async #fromAny<T>(
    signal: AbortSignal,
    ask: (observer: Connection, deadline: AbortSignal) => Promise<T | null>,
  ): Promise<T | null> {
    for (const isLast of [false, true]) {
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
      if (!isLast) await sleep(LOOK_AGAIN_MS, undefined, { signal })
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

async function bindFreePort(family: 4 | 6): Promise<UdpSocket> {
  let last: unknown
  for (let tried = 0; tried < PORTS_TRIED; tried++) {
    try {
      return await bindUdp(family, randomInt(FIRST_PORT, LAST_PORT))
    } catch (error) {
      last = error
    }
  }
  throw last
}

function askOverUdp(socket: UdpSocket, to: Endpoint, token: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const question = new Uint8Array(QUESTION_BYTES)
  question.set([QUESTION, ...token])
  return new Promise((resolve, reject) => {
    let asked = 0
    const finish = (error: unknown, answer?: Uint8Array) => {
      clearInterval(timer)
      signal.removeEventListener('abort', onAbort)
      socket.off('message', onMessage)
      socket.off('error', finish)
      if (answer === undefined) reject(error)
      else resolve(answer)
    }
    const onAbort = () => finish(signal.reason)
    const onMessage = (message: Buffer, { address, port }: { address: string; port: number }) => {
      const head = message.subarray(1, 1 + TOKEN_BYTES)
      const isAnswer = message[0] === ANSWER && head.equals(token) && message.length <= QUESTION_BYTES
      if (!isAnswer || port !== to.port || !isSameIp(endpointOf(address, port), to)) return
      finish(null, Uint8Array.from(message.subarray(1 + TOKEN_BYTES)))
    }
    const ask = () => {
      asked += 1
      if (asked > UDP_QUESTIONS) finish(new PunchMessageError('no answer'))
      else socket.send(question, to.port, to.ip)
    }
    const timer = setInterval(ask, ASK_AGAIN_MS)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('message', onMessage)
    socket.on('error', finish)
    if (signal.aborted) onAbort()
    else ask()
  })
}
