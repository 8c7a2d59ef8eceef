/** The node's side of one process of previews: started, given pictures one after the other, killed. */
import { spawn } from 'node:child_process'
import { extname, join, parse } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { release } from '../codec/index.ts'
import { EndedError, NoDecodersError, PreviewProcessError } from './errors.ts'
import { ANSWER_BYTES, decodeAnswer, encodeRequest, NO_DECODERS, READY } from './messages.ts'

/** Lies beside this file in sources and builds, and beside the bundle that has this file in it. */
export const PREVIEW_PROCESS = join(import.meta.dirname, `preview-process${extname(import.meta.filename)}`)

export interface Child {
  readonly pid: number | undefined
  /** resolves when it has ended, by itself or not */
  readonly ended: Promise<void>
  /** Its decoders are loaded. @throws {NoDecodersError} @throws {PreviewProcessError} and the signal's reason */
  ready(signal: AbortSignal): Promise<void>
  /**
   * One at a time, after `ready`. When it throws, the process is of no more use.
   * @param most bytes that are taken
   * @returns none: the process made nothing of it
   * @throws {PreviewProcessError} and the signal's reason, and what the picture throws
   */
  make(picture: { size: number; pieces: AsyncIterable<Uint8Array> }, most: number, signal: AbortSignal): Promise<Buffer>
  kill(): void
}

/** @param script what is run @default the one that makes previews */
export function startChild(script = PREVIEW_PROCESS): Child {
  const child = spawn(process.execPath, [script], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: environment(),
    // not the node's own folder
    cwd: parse(process.execPath).root,
    windowsHide: true,
  })
  const ended = new Promise<void>((resolve) => {
    for (const event of ['error', 'exit']) child.once(event, () => resolve())
  })
  // without descriptors left there are no pipes
  const { stdin, stdout } = child as { stdin: Writable | undefined; stdout: Readable | undefined }
  if (stdin === undefined || stdout === undefined) throw new PreviewProcessError('it cannot be started')
  // what it could not be told is seen by there being no answer
  for (const stream of [stdin, stdout]) stream.on('error', () => {})
  void ended.then(() => {
    for (const stream of [stdin, stdout]) stream.destroy()
  })

  return {
    pid: child.pid,
    ended,
    kill: () => void child.kill('SIGKILL'),
    async ready(signal) {
      const said = await readExactly(stdout, 1, signal).catch(async (error: unknown) => {
        if (!(error instanceof EndedError)) throw error
        await unlessAborted(ended, signal)
        throw child.exitCode === NO_DECODERS ? new NoDecodersError() : error
      })
      if (said[0] !== READY) throw new PreviewProcessError('it did not begin as it should')
    },
    async make({ size, pieces }, most, signal) {
      const over = new AbortController()
      const both = AbortSignal.any([signal, over.signal])
      const answering = (async () => {
        const length = decodeAnswer(await readExactly(stdout, ANSWER_BYTES, both))
        if (length > most) throw new PreviewProcessError(`it wants to give ${length} bytes`)
        return await readExactly(stdout, length, both)
      })()
      const feeding = feed(stdin, encodeRequest({ size, most }), pieces, both)
      try {
        const [preview] = await Promise.all([answering, feeding])
        if (stdout.readableLength > 0) throw new PreviewProcessError('it says more than it was asked')
        return preview
      } finally {
        over.abort()
        await Promise.allSettled([answering, feeding])
      }
    },
  }
}

/** Nothing of the node's. A large picture stays in memory: libvips would put it into a file in /tmp. */
function environment(): NodeJS.ProcessEnv {
  const { SystemRoot } = process.env
  return { VIPS_DISC_THRESHOLD: '2g', ...(SystemRoot === undefined ? {} : { SystemRoot }) }
}

async function feed(
  stdin: Writable,
  header: Buffer,
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  stdin.write(header)
  for await (const piece of pieces) {
    signal.throwIfAborted()
    if (stdin.destroyed) return
    if (!stdin.write(piece, () => release(piece))) await next(stdin, ['drain', 'error', 'close'], signal)
  }
}

/** Leaves in the stream what is behind them. @throws {EndedError} */
async function readExactly(stream: Readable, length: number, signal: AbortSignal): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0)
  for (;;) {
    signal.throwIfAborted()
    const bytes = stream.read(length) as Buffer | null
    if (bytes?.length === length) return bytes
    if (bytes !== null || stream.readableEnded || stream.destroyed) throw new EndedError()
    await next(stream, ['readable', 'end', 'error', 'close'], signal)
  }
}

/** Resolves with the next of these events; rejects with the signal's reason. */
function next(emitter: NodeJS.EventEmitter, events: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      for (const event of events) emitter.removeListener(event, done)
      signal.removeEventListener('abort', done)
      signal.aborted ? reject(signal.reason) : resolve()
    }
    for (const event of events) emitter.once(event, done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

/** Resolves with the promise, which never rejects; rejects with the signal's reason. */
export function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    void promise.then(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}
