/**
 * Files that this branch has asked to be sealed anew. The wish outlives a crash: it is written before the denial that it
 * belongs to, goes when the new seal is published, and is taken up again at the next start. What failed is tried again
 * after a while: a full disk, or a list that changed faster than it was sealed.
 */
import type { Clock } from '../clock.ts'
import { type FileId, idBytes, idFrom } from '../ids.ts'
import type { LocalSettings } from '../ledger/index.ts'

const WISHES = 'node/reseals'
const ID_BYTES = 16
/** What failed is tried again after this (ms). */
export const RETRY_MS = 5 * 60_000

export interface ResealingInit {
  readonly clock: Clock
  readonly settings: LocalSettings
  /** seals the current version in the newest access epoch; nothing to do where it is there already */
  readonly reseal: (file: FileId, signal: AbortSignal) => Promise<void>
  /** whether this branch may still do that */
  readonly isOwn: (file: FileId) => boolean
  readonly closing: AbortSignal
  readonly onProblem: (error: unknown) => void
}

export interface Resealing {
  /** Before the change that makes it necessary. Durable when it returns. @returns false where it was wished for already */
  wish(file: FileId): boolean
  /** The change was not made. */
  forget(file: FileId): void
  /** Does what was wished for. The signal ends the wait, not the work. */
  run(file: FileId, signal: AbortSignal | undefined): Promise<void>
  /** Goes on with what the last run did not get to. */
  resume(): void
  /** Abort `closing` before. */
  stop(): Promise<void>
}

export function createResealing(init: ResealingInit): Resealing {
  const { settings, reseal, isOwn, closing, onProblem } = init
  const running = new Map<FileId, Promise<void>>()
  let cancelRetry: (() => void) | undefined

  function wishes(): FileId[] {
    const bytes = settings.getSetting(WISHES) ?? new Uint8Array(0)
    return Array.from({ length: Math.floor(bytes.length / ID_BYTES) }, (_, at) =>
      idFrom<FileId>(bytes.subarray(at * ID_BYTES, (at + 1) * ID_BYTES)),
    )
  }

  function keep(files: Iterable<FileId>): void {
    const bytes = Buffer.concat([...files].map(idBytes))
    settings.setSetting(WISHES, bytes.length === 0 ? null : bytes)
  }

  function forget(file: FileId): void {
    keep(wishes().filter((each) => each !== file))
  }

  /** After what is under way, which may be for an epoch that is over: where it was not, there is nothing left to do. */
  function start(file: FileId): Promise<void> {
    const before = running.get(file) ?? Promise.resolve()
    const started: Promise<void> = before
      .catch(() => undefined)
      .then(() => reseal(file, closing))
      .then(() => {
        if (!closing.aborted && running.get(file) === started) forget(file)
      })
      .finally(() => {
        if (running.get(file) === started) running.delete(file)
      })
    started.catch(() => retryLater())
    running.set(file, started)
    return started
  }

  function retryLater(): void {
    if (closing.aborted) return
    cancelRetry ??= init.clock.after(RETRY_MS, () => {
      cancelRetry = undefined
      resume()
    })
  }

  function resume(): void {
    for (const file of wishes()) {
      if (running.has(file)) continue
      if (isOwn(file))
        start(file).catch((error: unknown) => {
          if (!closing.aborted) onProblem(error)
        })
      else forget(file)
    }
  }

  return {
    wish(file) {
      const before = wishes()
      if (before.includes(file)) return false
      keep([...before, file])
      return true
    },
    forget,
    async run(file, signal) {
      const work = start(file)
      if (signal === undefined) return await work
      const ended = Promise.withResolvers<never>()
      const abort = () => ended.reject(signal.reason)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      // whoever does not wait for it any more is not told how it ends
      work.catch(() => undefined)
      try {
        await Promise.race([work, ended.promise])
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
    resume,
    async stop() {
      cancelRetry?.()
      await Promise.allSettled(running.values())
    },
  }
}
