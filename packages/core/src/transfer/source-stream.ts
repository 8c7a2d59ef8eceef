/** The asking side of one stream to one source: opens it, sends requests, knows what is owed on it. Decides nothing. */
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
/** A request is small; a peer that does not take it for so long is gone (ms). */
const SEND_MS = 30_000

export interface StreamInit {
  readonly host: Pick<Host, 'open' | 'onPath'>
  readonly peer: NodeId
  readonly root: Root
  readonly rootBytes: Uint8Array
  /** plain bytes per chunk */
  readonly chunk: number
  readonly count: number
  readonly urgent: boolean
  readonly proof: Uint8Array | undefined
  readonly signal: AbortSignal
}

/** What is asked for together with `open`, before the source has said what it has. */
export interface FirstFlight {
  readonly pages: readonly number[]
  readonly indexes: readonly number[]
}

export type Answer = Exclude<TransferReply, { t: 'ok' } | { t: 'no' }>

export class SourceStream {
  readonly peer: NodeId
  readonly #stream: FrameStream
  /** the source is told how much has come: it has no other way to know what still fills its link */
  readonly #tellsGot: boolean
  #got = 0
  /** chunks and pages that were asked for on this stream and not answered */
  readonly #chunks = new Set<number>()
  readonly #pages = new Set<number>()
  #bits: Uint8Array | null = null
  #sending: Promise<void> = Promise.resolve()
  #ended = false

  private constructor(stream: FrameStream, urgent: boolean) {
    this.peer = stream.peer
    this.#stream = stream
    this.#tellsGot = !urgent
  }

  /**
   * @param how.bulk over a lane, where there can be one; `only`: or not at all
   * @throws {UnreachableError} @throws {TimeoutError}
   * @throws {SourceRefusedError} when it does not serve this version
   * @throws {SourceBrokenError} when its answer cannot be
   */
  static async open(
    init: StreamInit,
    how: {
      readonly bulk: boolean | 'only'
      readonly first?: FirstFlight | undefined
      readonly connectedOnly?: boolean
    },
  ): Promise<SourceStream> {
    const { peer, signal } = init
    const wait = { signal, timeoutMs: OPEN_MS }
    const lane = { bulk: how.bulk !== false, laneOnly: how.bulk === 'only' }
    const frames = await init.host.open(peer, 'transfer', {
      ...wait,
      maxFrameBytes: maxReplyBytes(init.chunk),
      ...lane,
      ...(how.connectedOnly === true ? { connectedOnly: true } : {}),
    })
    const stream = new SourceStream(frames, init.urgent)
    try {
      const proof = init.proof === undefined ? {} : { proof: init.proof }
      await frames.write(encodeRequest({ t: 'open', root: init.rootBytes, urgent: init.urgent, ...proof }), wait)
      for (const page of how.first?.pages ?? []) stream.page(page)
      stream.get(how.first?.indexes ?? [])
      stream.#bits = await readOk(frames, init, wait)
      return stream
    } catch (error) {
      stream.abort(error instanceof Error ? error : undefined)
      throw error
    }
  }

  /** what it had when the stream opened; null = everything */
  get bits(): Uint8Array | null {
    return this.#bits
  }

  get owes(): boolean {
    return this.#chunks.size + this.#pages.size > 0
  }

  /** What will not come on this stream any more, as if the source had said so. */
  owed(): Answer[] {
    const pages = [...this.#pages].map((page): Answer => ({ t: 'no-page', page }))
    return this.#chunks.size === 0 ? pages : [...pages, { t: 'cancelled', indexes: [...this.#chunks] }]
  }

  /** @returns null at the end of the stream @throws {SourceRefusedError} @throws {SourceBrokenError} */
  async read(wait: Wait): Promise<Answer | null> {
    const frame = await readFrame(this.#stream, wait)
    if (frame === null) return null
    const reply = decode(this.peer, frame)
    if (reply.t === 'no') throw new SourceRefusedError(this.peer, reply.code)
    if (reply.t === 'ok') throw new SourceBrokenError(this.peer, 'opened twice')
    this.#settle(reply)
    return reply
  }

  get(indexes: readonly number[]): void {
    for (const index of indexes) this.#chunks.add(index)
    this.#inParts('get', indexes)
  }

  /** Takes back all that has not left yet; the source says for each whether it has. */
  cancelAll(): void {
    this.#inParts('cancel', [...this.#chunks])
  }

  cancel(indexes: readonly number[]): void {
    const asked = indexes.filter((index) => this.#chunks.has(index))
    this.#inParts('cancel', asked)
  }

  page(page: number): void {
    this.#pages.add(page)
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

  #settle(answer: Answer): void {
    if (answer.t === 'chunk') {
      this.#chunks.delete(answer.index)
      this.#got += 1
      if (this.#tellsGot) this.#send({ t: 'got', chunks: this.#got })
    } else if (answer.t === 'page' || answer.t === 'no-page') this.#pages.delete(answer.page)
    else if (answer.t === 'gone' || answer.t === 'cancelled')
      for (const index of answer.indexes) this.#chunks.delete(index)
  }

  #inParts(t: 'get' | 'cancel', indexes: readonly number[]): void {
    for (let at = 0; at < indexes.length; at += MAX_GET) this.#send({ t, indexes: indexes.slice(at, at + MAX_GET) })
  }

  /** One after the other; a failure ends the stream, which its reader notices. */
  #send(request: TransferRequest): void {
    if (this.#ended) return
    this.#sending = this.#sending
      .then(() => (this.#ended ? undefined : this.#stream.write(encodeRequest(request), { timeoutMs: SEND_MS })))
      .catch((error: unknown) => this.abort(error instanceof Error ? error : undefined))
  }
}

/** @returns what the source has */
async function readOk(stream: FrameStream, { peer, count }: StreamInit, wait: Wait): Promise<Uint8Array | null> {
  const frame = await readFrame(stream, wait)
  if (frame === null) throw new SourceRefusedError(peer, 'busy')
  const reply = decode(peer, frame)
  if (reply.t === 'no') throw new SourceRefusedError(peer, reply.code)
  const fits = reply.t === 'ok' && reply.count === count
  if (!fits || (reply.bits !== null && reply.bits.length !== Math.ceil(count / 8)))
    throw new SourceBrokenError(peer, 'says what cannot be of this version')
  return reply.bits
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
