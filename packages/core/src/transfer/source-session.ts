/**
 * What goes on with one source, over one stream or, for a moment, two: what was begun on the connection that there was moves
 * to a lane when that stands. Nothing is asked for twice: the stream that is left is read until it owes nothing.
 */
import type { Clock } from '../clock.ts'
import { getBit } from '../content/index.ts'
import type { NodeId } from '../ids.ts'
import { SourceBrokenError } from './errors.ts'
import { type Answer, type FirstFlight, SourceStream, type StreamInit } from './source-stream.ts'

/** From this on it is worth a lane, which takes four round trips to open. */
const BULK_BYTES = 8 * 1024 * 1024
/** What is still owed on the stream that was left is asked for anew after this (ms). */
const LEFT_MS = 30_000

export interface SessionInit extends StreamInit {
  readonly clock: Clock
  /** a stream that says nothing for so long is given up (ms) */
  readonly idleMs: number
  /** somebody waits for these: asked for at once, over whatever is there; a lane is opened meanwhile */
  readonly first?: FirstFlight | undefined
}

type OnAnswer = (answer: Answer) => void

export class SourceSession {
  readonly peer: NodeId
  /** what it had when the session opened; null = everything */
  readonly bits: Uint8Array | null
  readonly #init: SessionInit
  #stream: SourceStream
  /** the one that was left */
  #left: SourceStream | undefined
  #ended = false

  private constructor(stream: SourceStream, init: SessionInit) {
    this.peer = stream.peer
    this.bits = stream.bits
    this.#stream = stream
    this.#init = init
  }

  /** @throws what `SourceStream.open` throws */
  static async open(init: SessionInit): Promise<SourceSession> {
    const bulk = isBulk(init) && init.first === undefined
    return new SourceSession(await SourceStream.open(init, { bulk, first: init.first }), init)
  }

  /**
   * Hands on every answer until the source has ended. Whoever calls it ends the session afterwards: `close`, or `abort` when
   * something is still owed.
   * @throws {SourceBrokenError} when the source broke the protocol; anything else is the path's fault
   */
  async run(onAnswer: OnAnswer, signal: AbortSignal): Promise<void> {
    const { first } = this.#init
    const stop = new AbortController()
    const over = Promise.withResolvers<void>()
    const both = AbortSignal.any([signal, stop.signal])
    const follow = (stream: SourceStream) =>
      this.#follow(stream, onAnswer, both).then(
        (isOver) => isOver && over.resolve(),
        (error: unknown) => over.reject(error),
      )
    const all = [follow(this.#stream)]
    if (first !== undefined && isBulk(this.#init)) {
      const moved = this.#move(onAnswer, both).then(
        (stream) => (stream === null ? undefined : follow(stream)),
        (error: unknown) => over.reject(error),
      )
      all.push(moved.then(() => undefined))
    }
    try {
      await over.promise
    } finally {
      stop.abort(new Error('ended'))
      await Promise.all(all)
    }
  }

  get(indexes: readonly number[]): void {
    this.#stream.get(indexes)
  }

  /** Wherever it was asked for. */
  cancel(indexes: readonly number[]): void {
    this.#left?.cancel(indexes)
    this.#stream.cancel(indexes)
  }

  /** See `SourceStream.got`. Sessions that move are urgent, and say nothing of the kind. */
  got(chunks: number): void {
    this.#stream.got(chunks)
  }

  page(page: number): void {
    this.#stream.page(page)
  }

  challenge(index: number, nonce: Uint8Array): void {
    this.#stream.challenge(index, nonce)
  }

  async close(): Promise<void> {
    this.#ended = true
    await Promise.all([this.#left?.close(), this.#stream.close()])
  }

  abort(reason?: Error): void {
    this.#ended = true
    this.#left?.abort(reason)
    this.#stream.abort(reason)
  }

  /** @returns whether the session is over with it */
  async #follow(stream: SourceStream, onAnswer: OnAnswer, signal: AbortSignal): Promise<boolean> {
    try {
      while (!this.#ended) {
        const answer = await stream.read({ signal, timeoutMs: this.#init.idleMs })
        if (answer === null) break
        // its news come on the other stream too, and must not be held against the source
        if (stream === this.#stream || answer.t !== 'have') onAnswer(answer)
        if (stream !== this.#stream && !stream.owes) break
      }
    } catch (error) {
      if (stream === this.#stream || error instanceof SourceBrokenError || signal.aborted) throw error
    }
    if (stream === this.#stream || this.#ended) return true
    this.#left = undefined
    const owed = stream.owed()
    if (owed.length > 0) stream.abort()
    else await stream.close()
    for (const answer of owed) onAnswer(answer)
    return false
  }

  /** @returns the lane that is used from now on; null where there is none @throws {SourceBrokenError} */
  async #move(onAnswer: OnAnswer, signal: AbortSignal): Promise<SourceStream | null> {
    const { clock, count } = this.#init
    let lane: SourceStream
    try {
      lane = await SourceStream.open({ ...this.#init, signal }, { bulk: 'only' })
    } catch (error) {
      if (error instanceof SourceBrokenError) throw error
      return null // what there was goes on
    }
    const left = this.#stream
    this.#stream = lane
    this.#left = left
    if (this.#ended) {
      lane.abort()
      return null
    }
    // the source ends its side, or answers what it owes
    if (left.owes) {
      const cancel = clock.after(LEFT_MS, () => left.abort())
      signal.addEventListener('abort', cancel, { once: true })
    } else await left.close()
    const indexes = newlyHeld(count, left.bits, lane.bits)
    if (indexes.length > 0) onAnswer({ t: 'have', indexes })
    return lane
  }
}

function isBulk({ chunk, count }: SessionInit): boolean {
  return chunk * count >= BULK_BYTES
}

function newlyHeld(count: number, before: Uint8Array | null, now: Uint8Array | null): number[] {
  const all = before === null ? [] : Array.from({ length: count }, (_, index) => index)
  return all.filter((index) => before !== null && !getBit(before, index) && (now === null || getBit(now, index)))
}
