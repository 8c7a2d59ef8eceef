/**
 * Makes previews of pictures that this node shares, in a process of its own. The process is started by the first
 * picture and ended when none has come for a while; it has one picture at a time, and the others wait.
 *
 * A preview is a courtesy: whatever fails, there is none, and nobody is told but the log.
 */
import type { Clock } from '../clock.ts'
import { IDLE_MS, MAKE_MS, PICTURE_MAX, START_MS, TURN_MS } from './bounds.ts'
import { type Child, startChild, unlessAborted } from './child.ts'
import { NoDecodersError, PreviewProcessError } from './errors.ts'
import { HEAD_BYTES, pictureFormat } from './formats.ts'

/** What the process gives. */
const TYPE = 'image/webp'

export interface Picture {
  /** bytes */
  readonly size: number
  /** The bytes of [start, end). The pieces are the reader's, who gives back their memory. */
  read(range: { start: number; end: number }, signal: AbortSignal): AsyncIterable<Uint8Array>
}

export interface MadePreview {
  readonly type: string
  readonly bytes: Uint8Array
}

export interface PreviewMakerInit {
  readonly clock: Clock
  /** bytes that a preview may have */
  readonly most: number
  /** what went wrong; names and keys are never part of it */
  readonly log: (message: string, error?: unknown) => void
  /** starts a process @default the real one */
  readonly start?: () => Child
}

export interface PreviewMaker {
  /** Null: it is no picture, or it has no preview for whatever reason, also that the signal fired. Never rejects. */
  make(picture: Picture, options?: { signal?: AbortSignal | undefined }): Promise<MadePreview | null>
  /** of the process, while there is one */
  readonly pid: number | null
  /** Ends what is under way. */
  stop(): Promise<void>
}

export function createPreviewMaker(init: PreviewMakerInit): PreviewMaker {
  const { clock, most, log, start = startChild } = init
  const stopping = new AbortController()
  let child: Child | null = null
  let hasDecoders = true
  /** settles when everybody who came before has had the process */
  let turns: Promise<void> = Promise.resolve()
  let stayIdle = () => {}

  /** Runs the work with a signal that fires with the given one, or after so many milliseconds. */
  async function within<T>(
    ms: number,
    what: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadline = new AbortController()
    const cancel = clock.after(ms, () => deadline.abort(new PreviewProcessError(`${what} took more than ${ms} ms`)))
    try {
      return await work(AbortSignal.any([signal, deadline.signal]))
    } finally {
      cancel()
    }
  }

  /** One after the other, in the order in which they came; who gives up does not hold up those behind it. */
  async function inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = turns
    const over = Promise.withResolvers<void>()
    turns = over.promise
    try {
      await within(TURN_MS, 'waiting for other pictures', signal, (either) => unlessAborted(before, either))
      return await work()
    } finally {
      void before.then(over.resolve)
    }
  }

  async function begin(signal: AbortSignal): Promise<Child> {
    const begun = start()
    child = begun
    void begun.ended.then(() => {
      if (child === begun) child = null
    })
    await within(START_MS, 'starting', signal, begun.ready)
    return begun
  }

  async function makeNow(picture: Picture, signal: AbortSignal): Promise<MadePreview | null> {
    if (!hasDecoders) return null
    stayIdle()
    let used: Child | null = null
    try {
      used = child ?? (await begin(signal))
      const maker = used
      const bytes = await within(MAKE_MS, 'one picture', signal, (either) => {
        const pieces = picture.read({ start: 0, end: picture.size }, either)
        return maker.make({ size: picture.size, pieces }, most, either)
      })
      stayIdle = clock.after(IDLE_MS, () => used?.kill())
      return bytes.length === 0 ? null : { type: TYPE, bytes }
    } catch (error) {
      if (error instanceof NoDecodersError) hasDecoders = false
      await end()
      throw error
    }
  }

  async function end(): Promise<void> {
    const ending = child
    child = null
    ending?.kill()
    await ending?.ended
  }

  return {
    get pid() {
      return child?.pid ?? null
    },
    async make(picture, options = {}) {
      if (!hasDecoders || picture.size < HEAD_BYTES || picture.size > PICTURE_MAX) return null
      const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([options.signal, stopping.signal])
      try {
        signal.throwIfAborted()
        if (pictureFormat(await headOf(picture, signal)) === null) return null
        return await inTurn(signal, () => makeNow(picture, signal))
      } catch (error) {
        if (!signal.aborted) log('a picture has no preview', error)
        return null
      }
    },
    async stop() {
      stopping.abort(new Error('the node is stopping'))
      stayIdle()
      await turns
      await end()
    },
  }
}

async function headOf(picture: Picture, signal: AbortSignal): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of picture.read({ start: 0, end: HEAD_BYTES }, signal)) pieces.push(piece)
  return Buffer.concat(pieces)
}
