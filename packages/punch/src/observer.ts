/**
 * Answers "what address do you see?" to those who bring a token from a libp2p connection, on sockets that others may
 * lend: on a port that libp2p listens on, these questions are told by their first byte. Owns the tokens, and the sockets
 * that it keeps open for the mappings that they hold.
 */
import type { Socket } from 'node:net'
import type { Connection, PeerId, PrivateKey } from '@libp2p/interface'
import { joined, sized, uint } from './bytes.ts'
import { candidateOf, type Endpoint, endpointOf, type Transport } from './endpoints.ts'
import { ASK_MS, KEEP_MS, MAX_SOCKETS, QUESTION_BYTES, SOCKETS_OF_PEER } from './limits.ts'
import { type Observation, TOKEN_BYTES } from './messages.ts'
import { encodeStatement, makeStatement, type Statement } from './statements.ts'
import { Tokens } from './tokens.ts'

/** The first byte of a question. TLS begins with 0x16, multistream-select with 0x13, HTTP with a letter. */
export const QUESTION = 0xb0
/** The first byte of an answer over UDP. */
export const ANSWER = 0xb1

/** Where questions are answered. */
export interface AnsweringPorts {
  /** a TCP port of ours, 0 for none */
  readonly tcp: number
  /** every TCP port that libp2p listens on answers, too */
  readonly isShared: boolean
  /** 0 for none */
  readonly udp: number
  /** where QUIC connections are taken, 0 for nowhere */
  readonly quic: number
}

export interface ObserverInit {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  /** asked anew for each */
  prefix(): string | null
  ports(): AnsweringPorts
}

export class Observer {
  readonly #init: ObserverInit
  readonly #tokens = new Tokens()
  readonly #kept = new Map<Socket, string>()
  #isStopped = false

  constructor(init: ObserverInit) {
    this.#init = init
  }

  /** Over a libp2p connection: a token, and where this connection comes from. @returns null when there are too many */
  async answer({ remotePeer, remoteAddr }: Connection): Promise<Observation | null> {
    const peer = remotePeer.toString()
    const token = this.#isStopped ? null : this.#tokens.issue(peer)
    if (token === null) return null
    const { tcp, isShared, udp, quic } = this.#init.ports()
    const from = candidateOf(remoteAddr)
    const seen = from === null ? null : await this.#state(peer, from.transport, from)
    return { token, tcp, isShared: isShared && from?.transport === 'tcp', udp, quic, seen }
  }

  /** A socket on which nothing has been read. Owns it from now on. */
  accept(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    if (this.#isStopped || this.#tokens.size === 0 || this.#kept.size >= MAX_SOCKETS) {
      socket.destroy()
      return
    }
    this.#kept.set(socket, '')
    let timer = setTimeout(() => socket.destroy(), ASK_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#kept.delete(socket)
    })
    const onReadable = () => {
      const question: Buffer | null = socket.read(1 + TOKEN_BYTES)
      if (question === null) return
      socket.off('readable', onReadable)
      // it only holds the mapping from now on
      socket.on('data', () => socket.destroy())
      const peer = question[0] === QUESTION ? this.#tokens.askOverTcp(question.subarray(1)) : null
      const from = endpointOf(socket.remoteAddress, socket.remotePort)
      const ofPeer = [...this.#kept.values()].filter((each) => each === peer).length
      if (peer === null || from === null || ofPeer >= SOCKETS_OF_PEER) {
        socket.destroy()
        return
      }
      this.#kept.set(socket, peer)
      clearTimeout(timer)
      timer = setTimeout(() => socket.destroy(), KEEP_MS)
      this.#state(peer, 'tcp', from).then(
        (statement) => void (statement !== null && socket.write(sized(encodeStatement(statement), 2))),
        () => socket.destroy(),
      )
    }
    socket.on('readable', onReadable)
    onReadable()
  }

  /** @returns null: silence */
  async answerDatagram(question: Uint8Array, address: string, port: number): Promise<Uint8Array | null> {
    if (this.#isStopped || question.length !== QUESTION_BYTES || question[0] !== QUESTION) return null
    const from = endpointOf(address, port)
    const token = question.subarray(1, 1 + TOKEN_BYTES)
    const peer = from === null ? null : this.#tokens.askOverUdp(token, `${from.ip} ${from.port}`)
    if (from === null || peer === null) return null
    const statement = await this.#state(peer, 'udp', from)
    if (statement === null) return null
    const answer = joined([uint(ANSWER, 1), token, encodeStatement(statement)])
    return answer.length > QUESTION_BYTES ? null : answer
  }

  stop(): void {
    this.#isStopped = true
    this.#tokens.clear()
    for (const socket of this.#kept.keys()) socket.destroy()
  }

  async #state(peer: string, transport: Transport, endpoint: Endpoint): Promise<Statement | null> {
    const prefix = this.#init.prefix()
    if (prefix === null) return null
    const { peerId, privateKey: key } = this.#init
    return await makeStatement({ prefix, peer, transport }, endpoint, { id: peerId.toString(), key, now: Date.now() })
  }
}
