/** The asking side of one stream to one source: sends requests, hands on what comes. Decides nothing. */
import { DecodeError } from '../codec/index.ts'
import type { NodeId, Root } from '../ids.ts'
import { type FrameStream, type Host, PeerLimitError, type Wait } from '../network/index.ts'
import { SourceBrokenError, SourceRefusedError } from './errors.ts'
import {
  decodeReply,
  encodeRequest,
  MAX_GET,
  maxReplyBytes,
  type TransferReply,
  type TransferRequest,
} from './protocol.ts'

/** From dialling to the first answer (ms). */
const OPEN_MS = 15_000
/** From this on it is worth a lane, which takes four round trips to open. */
const BULK_BYTES = 8 * 1024 * 1024
/** A request is small; a peer that does not take it for so long is gone (ms). */
const SEND_MS = 30_000

export interface SessionInit {
  readonly host: Pick<Host, 'open'>
  readonly peer: NodeId
  readonly root: Root
  readonly rootBytes: Uint8Array
  /** plain bytes per chunk */
  readonly chunk: number
  readonly count: number
  readonly urgent: boolean
  readonly proof: Uint8Array | undefined
  /** a stream that says nothing for so long is given up (ms) */
  readonly idleMs: number
  readonly signal: AbortSignal
}

export type Answer = Exclude<TransferReply, { t: 'ok' } | { t: 'no' }>

export class SourceSession {
  readonly peer: NodeId
  /** what it had when the stream opened; null = everything */
  readonly bits: Uint8Array | null
  readonly #stream: FrameStream
  readonly #idleMs: number
  #sending: Promise<void> = Promise.resolve()
  #ended = false

  private constructor(stream: FrameStream, bits: Uint8Array | null, idleMs: number) {
    this.peer = stream.peer
    this.bits = bits
    this.#stream = stream
    this.#idleMs = idleMs
  }

  /**
   * @throws {UnreachableError} @throws {TimeoutError}
   * @throws {SourceRefusedError} when it does not serve this version
   * @throws {SourceBrokenError} when its answer cannot be
   */
  static async open(init: SessionInit): Promise<SourceSession> {
    const { peer, signal } = init
    const wait = { signal, timeoutMs: OPEN_MS }
    const bulk = init.chunk * init.count >= BULK_BYTES
    const stream = await init.host.open(peer, 'transfer', { ...wait, maxFrameBytes: maxReplyBytes(init.chunk), bulk })
    try {
      const proof = init.proof === undefined ? {} : { proof: init.proof }
      await stream.write(encodeRequest({ t: 'open', root: init.rootBytes, urgent: init.urgent, ...proof }), wait)
      const frame = await readFrame(stream, wait)
      if (frame === null) throw new SourceRefusedError(peer, 'busy')
      const reply = decode(peer, frame)
      if (reply.t === 'no') throw new SourceRefusedError(peer, reply.code)
      if (
        reply.t !== 'ok' ||
        reply.count !== init.count ||
        (reply.bits !== null && reply.bits.length !== Math.ceil(init.count / 8))
      ) {
        throw new SourceBrokenError(peer, 'says what cannot be of this version')
      }
      return new SourceSession(stream, reply.bits, init.idleMs)
    } catch (error) {
      stream.abort(error instanceof Error ? error : undefined)
      throw error
    }
  }

  /**
   * Hands on every answer until the stream ends. Whoever calls it ends the stream afterwards: `close`, or `abort` when
   * something is still owed.
   * @throws {SourceBrokenError} when the source broke the protocol; anything else is the path's fault
   */
  async run(onAnswer: (answer: Answer) => void, signal: AbortSignal): Promise<void> {
    while (!this.#ended) {
      const frame = await readFrame(this.#stream, { signal, timeoutMs: this.#idleMs })
      if (frame === null) return
      const reply = decode(this.peer, frame)
      if (reply.t === 'no') throw new SourceRefusedError(this.peer, reply.code)
      if (reply.t === 'ok') throw new SourceBrokenError(this.peer, 'opened twice')
      onAnswer(reply)
    }
  }

  get(indexes: readonly number[]): void {
    this.#inParts('get', indexes)
  }

  cancel(indexes: readonly number[]): void {
    this.#inParts('cancel', indexes)
  }

  /** So many chunks have come: the source has no other way to know what still fills its link. */
  got(chunks: number): void {
    this.#send({ t: 'got', chunks })
  }

  page(page: number): void {
    this.#send({ t: 'manifest', page })
  }

  challenge(index: number, nonce: Uint8Array): void {
    this.#send({ t: 'challenge', index, nonce })
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#stream.close()
  }

  abort(reason?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream.abort(reason)
  }

  #inParts(t: 'get' | 'cancel', indexes: readonly number[]): void {
    for (let at = 0; at < indexes.length; at += MAX_GET) this.#send({ t, indexes: indexes.slice(at, at + MAX_GET) })
  }

  /** One after the other; a failure ends the stream, which `run` notices. */
  #send(request: TransferRequest): void {
    if (this.#ended) return
    this.#sending = this.#sending
      .then(() => (this.#ended ? undefined : this.#stream.write(encodeRequest(request), { timeoutMs: SEND_MS })))
      .catch((error: unknown) => this.abort(error instanceof Error ? error : undefined))
  }
}

/** @throws {SourceBrokenError} where what came is no frame that it may send: the path is authenticated, so nobody else did */
async function readFrame(stream: FrameStream, wait: Wait): Promise<Uint8Array | null> {
  try {
    return await stream.read(wait)
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof PeerLimitError)) throw error
    throw new SourceBrokenError(stream.peer, 'sent what is no frame of this protocol', error)
  }
}

function decode(peer: NodeId, frame: Uint8Array): TransferReply {
  try {
    return decodeReply(frame)
  } catch (error) {
    throw new SourceBrokenError(peer, 'sent what is not of this protocol', error)
  }
}
