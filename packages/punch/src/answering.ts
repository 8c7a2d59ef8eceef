/** Ports of our own on which questions are answered, for those who lend none of theirs. Bound when somebody first asks. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { Logger } from '@libp2p/interface'
import type { Transport } from './endpoints.ts'
import type { Observer } from './observer.ts'

/** Sockets at a time; each has a token, or is closed soon. */
const MAX_SOCKETS = 1024

export interface AnsweringInit {
  /** for both; another one is taken where it is not free. 0: any. A function is asked when somebody first asks us */
  readonly port: number | (() => number)
  /** @default every address of this machine */
  readonly host?: string
  /** @default both */
  readonly transports?: readonly Transport[]
}

export class Answering {
  readonly #init: AnsweringInit
  readonly #observer: Observer
  readonly #log: Logger
  #server: Server | undefined
  #socket: UdpSocket | undefined
  #binding: Promise<void> | undefined

  constructor(init: AnsweringInit, observer: Observer, log: Logger) {
    this.#init = init
    this.#observer = observer
    this.#log = log
  }

  /** 0 as long as there is none */
  get tcp(): number {
    const address = this.#server?.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  get udp(): number {
    return this.#socket?.address().port ?? 0
  }

  async bind(): Promise<void> {
    this.#binding ??= this.#bind()
    await this.#binding
  }

  async stop(): Promise<void> {
    await this.#binding
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#socket?.close()
    this.#socket = undefined
    // the observer has ended its sockets
    if (this.#server === undefined) resolve()
    else this.#server.close(() => resolve())
    this.#server = undefined
    await promise
    this.#binding = undefined
  }

  async #bind(): Promise<void> {
    const { transports = ['tcp', 'udp'], port: wanted } = this.#init
    const port = typeof wanted === 'number' ? wanted : wanted()
    if (transports.includes('tcp')) this.#server = await this.#first([port, 0], (each) => this.#listenTcp(each))
    // a machine without IPv6 has no socket for both
    const sockets = [port, 0].flatMap((each) => [['udp6', each] as const, ['udp4', each] as const])
    if (transports.includes('udp'))
      this.#socket = await this.#first(sockets, ([type, each]) => this.#bindUdp(type, each))
  }

  async #first<T, Result>(choices: readonly T[], take: (choice: T) => Promise<Result>): Promise<Result | undefined> {
    for (const choice of choices) {
      try {
        return await take(choice)
      } catch (error) {
        this.#log('cannot answer questions there: %e', error)
      }
    }
    return undefined
  }

  async #listenTcp(port: number): Promise<Server> {
    const { host } = this.#init
    const server = createServer((socket) => this.#observer.accept(socket))
    server.maxConnections = MAX_SOCKETS
    server.listen(host === undefined ? { port } : { port, host })
    await once(server, 'listening')
    server.on('error', () => {}) // of a socket that could not be taken: the next may
    return server
  }

  async #bindUdp(type: 'udp4' | 'udp6', port: number): Promise<UdpSocket> {
    const socket = createSocket(type)
    socket.on('message', (question, { address, port: from }) => {
      this.#observer.answerDatagram(question, address, from).then(
        (answer) => {
          if (answer !== null && this.#socket === socket) socket.send(answer, from, address)
        },
        () => {},
      )
    })
    const { host } = this.#init
    try {
      socket.bind(host === undefined ? { port } : { port, address: host })
      await once(socket, 'listening')
    } catch (error) {
      socket.close()
      throw error
    }
    socket.on('error', () => {}) // what could not be sent is asked for again
    return socket
  }
}
