/** Ports of our own on which questions are answered, for those who lend none of theirs. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { Observer } from './observer.ts'

/** Sockets at a time; each has a token, or is closed soon. */
const MAX_SOCKETS = 1024

export interface AnsweringInit {
  /** 0: any that is free */
  readonly port: number
  /** @default every address of this machine */
  readonly host?: string
}

export class Answering {
  readonly #observer: Observer
  #server: Server | undefined

  constructor(observer: Observer) {
    this.#observer = observer
  }

  /** 0 as long as it does not listen */
  get port(): number {
    const address = this.#server?.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  /** @throws where the port is taken */
  async start({ port, host }: AnsweringInit): Promise<void> {
    const server = createServer((socket) => this.#observer.accept(socket))
    server.maxConnections = MAX_SOCKETS
    server.listen(host === undefined ? { port } : { port, host })
    await once(server, 'listening')
    server.on('error', () => {}) // of a socket that could not be taken: the next may
    this.#server = server
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    // the observer has ended its sockets
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }
}
