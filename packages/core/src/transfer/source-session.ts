/**
 * What goes on with one source, over one stream or, for a moment, two: what was begun over one way goes on over a better one
 * when that stands (a lane beside the connection that there was, another path to the source). Nothing is asked for twice:
 * what still waits on the stream that is left is taken back, and it is read until it owes nothing.
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
type How = Parameters<typeof SourceStream.open>[1]

export class SourceSession {
  readonly peer: NodeId
  /** what it had when the session opened; null = everything */
  readonly bits: Uint8Array | null
  readonly #init: SessionInit
  #stream: SourceStream
  /** those that were left, and still owe something */
  readonly #left = new Set<SourceStream>()
  /** another path is used since this stream was begun */
  #hasBetter = false
  #moving: Promise<boolean> | undefined
  #ended = false
  readonly #unsubscribe: () => void
  #onBetter: () => void = () => {}

  private constructor(stream: SourceStream, init: SessionInit, unsubscribe: () => void) {
    this.peer = stream.peer
    this.bits = stream.bits
    this.#stream = stream
    this.#init = init
    this.#unsubscribe = unsubscribe
  }

  /** @throws what `SourceStream.open` throws */
  static async open(init: SessionInit): Promise<SourceSession> {
    const bulk = isBulk(init) && init.first === undefined
    let session: SourceSession | undefined
    let isEarly = false
    const unsubscribe = init.host.onPath?.((peer) => {
      if (peer !== init.peer) return
      if (session === undefined) isEarly = true
      else session.#noteBetter()
    })
    try {
      const stream = await SourceStream.open(init, { bulk, first: init.first })
      session = new SourceSession(stream, init, unsubscribe ?? (() => {}))
      session.#hasBetter = isEarly
      return session
    } catch (error) {
      unsubscribe?.()
      throw error
    }
  }

  /**
   * Hands on every answer until the source has ended. Whoever calls it ends the session afterwards: `close`, or `abort` when
   * something is still owed.
   * @throws {SourceBrokenError} when the source broke the protocol; anything else is the path's fault
   */
  async run(onAnswer: OnAnswer, signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const over = Promise.withResolvers<void>()
    const both = AbortSignal.any([signal, stop.signal])
    const running = new Set<Promise<void>>()
    const track = (work: Promise<void>) => {
      const tracked = work.catch((error: unknown) => over.reject(error)).finally(() => running.delete(tracked))
      running.add(tracked)
    }
    const follow = async (stream: SourceStream): Promise<void> => {
      if (await this.#follow(stream, onAnswer, both, move)) over.resolve()
    }
    /** @returns whether it has moved */
    const move = (how: How): Promise<boolean> => {
      this.#moving ??= this.#move(how, onAnswer, both)
        .then((stream) => {
          if (stream === null) return false
          track(follow(stream))
          return true
        })
        .finally(() => {
          this.#moving = undefined
        })
      return this.#moving
    }
    const moveOn = async (): Promise<void> => {
      await this.#moving
      if (!this.#hasBetter || both.aborted) return
      this.#hasBetter = false
      await move(this.#elsewhere)
    }
    this.#onBetter = () => track(moveOn())
    track(follow(this.#stream))
    if (this.#init.first !== undefined && isBulk(this.#init)) track(move({ bulk: 'only' }).then(() => undefined))
    if (this.#hasBetter) this.#onBetter()
    try {
      await over.promise
    } finally {
      this.#onBetter = () => {}
      stop.abort(new Error('ended'))
      while (running.size > 0) await Promise.all(running)
    }
  }

  get(indexes: readonly number[]): void {
    this.#stream.get(indexes)
  }

  /** Wherever it was asked for. */
  cancel(indexes: readonly number[]): void {
    for (const left of this.#left) left.cancel(indexes)
    this.#stream.cancel(indexes)
  }

  page(page: number): void {
    this.#stream.page(page)
  }

  challenge(index: number, nonce: Uint8Array): void {
    this.#stream.challenge(index, nonce)
  }

  async close(): Promise<void> {
    this.#end()
    await Promise.all([...this.#left, this.#stream].map((stream) => stream.close()))
  }

  abort(reason?: Error): void {
    this.#end()
    for (const stream of [...this.#left, this.#stream]) stream.abort(reason)
  }

  #end(): void {
    this.#ended = true
    this.#unsubscribe()
  }

  #noteBetter(): void {
    this.#hasBetter = true
    this.#onBetter()
  }

  /** Over the path that is used now, which stands already. */
  get #elsewhere(): How {
    return { bulk: isBulk(this.#init), connectedOnly: true }
  }

  /** @returns whether the session is over with it */
  async #follow(
    stream: SourceStream,
    onAnswer: OnAnswer,
    signal: AbortSignal,
    move: (how: How) => Promise<boolean>,
  ): Promise<boolean> {
    try {
      while (!this.#ended) {
        const answer = await stream.read({ signal, timeoutMs: this.#init.idleMs })
        if (answer === null) break
        // its news come on the other stream too, and must not be held against the source
        if (stream === this.#stream || answer.t !== 'have') onAnswer(answer)
        if (stream !== this.#stream && !stream.owes) break
      }
    } catch (error) {
      if (error instanceof SourceBrokenError || signal.aborted) throw error
      if (stream === this.#stream && !(await this.#isSaved(stream, move))) throw error
    }
    if (stream === this.#stream || this.#ended) return true
    this.#left.delete(stream)
    const owed = stream.owed()
    if (owed.length > 0) stream.abort()
    else await stream.close()
    for (const answer of owed) onAnswer(answer)
    return false
  }

  /** Its path is gone from under the stream in use: is there another one, and does the session go on over it? */
  async #isSaved(stream: SourceStream, move: (how: How) => Promise<boolean>): Promise<boolean> {
    // who is told of the path's end first, the stream or we, is chance
    await new Promise((resolve) => setImmediate(resolve))
    await this.#moving
    if (stream !== this.#stream) return true
    if (!this.#hasBetter) return false
    this.#hasBetter = false
    return await move(this.#elsewhere)
  }

  /** @returns the stream that is used from now on; null where there is none @throws {SourceBrokenError} */
  async #move(how: How, onAnswer: OnAnswer, signal: AbortSignal): Promise<SourceStream | null> {
    const { clock, count } = this.#init
    let next: SourceStream
    try {
      next = await SourceStream.open({ ...this.#init, signal }, how)
    } catch (error) {
      if (error instanceof SourceBrokenError) throw error
      return null // what there was goes on
    }
    const left = this.#stream
    this.#stream = next
    this.#left.add(left)
    if (this.#ended) {
      next.abort()
      return null
    }
    // the source ends its side, or answers what it owes
    if (left.owes) {
      const cancel = clock.after(LEFT_MS, () => left.abort())
      signal.addEventListener('abort', cancel, { once: true })
      if (how.bulk !== 'only') left.cancelAll()
    } else await left.close()
    const indexes = newlyHeld(count, left.bits, next.bits)
    if (indexes.length > 0) onAnswer({ t: 'have', indexes })
    return next
  }
}

function isBulk({ chunk, count }: SessionInit): boolean {
  return chunk * count >= BULK_BYTES
}

function newlyHeld(count: number, before: Uint8Array | null, now: Uint8Array | null): number[] {
  const all = before === null ? [] : Array.from({ length: count }, (_, index) => index)
  return all.filter((index) => before !== null && !getBit(before, index) && (now === null || getBit(now, index)))
}
