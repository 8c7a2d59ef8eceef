/**
 * Whole frames that came and that nobody has read yet, of any kind of stream. Says when no more should come: the stream
 * then stops reading, which stops the sender.
 */
import type { Clock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { withDeadline } from './deadline.ts'
import { PeerLimitError } from './errors.ts'
import type { Wait } from './types.ts'

/** Bytes of whole, unread frames at which reading pauses; one frame more may be on its way in. */
const HIGH_WATER = 2 * 1024 * 1024
/** Frames are counted too: empty ones cost memory without costing bytes. Pause at the first, give up at the second. */
const HIGH_WATER_FRAMES = 4096
const MAX_FRAMES = 65_536

export interface FrameInboxInit {
  readonly clock: Clock
  /** more may come */
  resume(): void
  /** whether no frame is unfinished */
  isWhole(): boolean
}

export class FrameInbox {
  readonly #init: FrameInboxInit
  #frames: Uint8Array[] = []
  #unread = 0
  #ended = false
  #failure: unknown
  #wake: (() => void) | undefined

  constructor(init: FrameInboxInit) {
    this.#init = init
  }

  /** Nothing more should come until `resume`. */
  get isFull(): boolean {
    return this.#unread >= HIGH_WATER || this.#frames.length >= HIGH_WATER_FRAMES
  }

  /** what broke the stream */
  get failure(): unknown {
    return this.#failure
  }

  /** @throws {PeerLimitError} */
  push(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.#unread += frame.length
    if (this.#frames.length > MAX_FRAMES) throw new PeerLimitError('unread frames')
    this.#wake?.()
  }

  /** The other side sends no more. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  /** The first one counts. */
  fail(reason: unknown): void {
    this.#failure ??= reason
    this.#wake?.()
  }

  /** One at a time. @returns null at the clean end @throws what broke the stream */
  async read(wait: Wait): Promise<Uint8Array | null> {
    wait.signal?.throwIfAborted()
    const ready = this.#take()
    if (ready !== undefined) return ready
    if (this.#wake !== undefined) throw new TypeError('a frame is being read already')
    try {
      return await withDeadline(this.#init.clock, 'reading', wait, async (signal) => {
        for (;;) {
          const { promise, resolve } = Promise.withResolvers<void>()
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
          this.#init.resume()
          const before = this.#take()
          if (before !== undefined) return before
          await promise
          if (signal.aborted) return null // the deadline has already rejected
          const taken = this.#take()
          if (taken !== undefined) return taken
        }
      })
    } finally {
      this.#wake = undefined
    }
  }

  /** A frame, null at the clean end, undefined when there is nothing yet. @throws what broke the stream */
  #take(): Uint8Array | null | undefined {
    const frame = this.#frames.shift()
    if (frame !== undefined) {
      this.#unread -= frame.length
      if (this.#unread < HIGH_WATER / 2 && this.#frames.length < HIGH_WATER_FRAMES / 2) this.#init.resume()
      return frame
    }
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#ended) return undefined
    if (!this.#init.isWhole()) throw new DecodeError('the stream ended inside a frame')
    return null
  }
}
