/**
 * Keeps the process of `malote up` small. Chunks live outside of the JavaScript heap, whose collector hardly feels them:
 * with a heap of 25 MiB it lets hundreds of MiB of dead buffers lie. So while the process is large, and buffers have come
 * since, it is told to look. Only here, where the process is ours: a library does not touch its host's collector.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const MiB = 1024 * 1024
const LOOK_MS = 100
/** Dead young buffers go (about a millisecond); then, when that was not enough, the old ones too (some 15 ms). */
const MINOR_ABOVE_BYTES = 160 * MiB
const MAJOR_ABOVE_BYTES = 210 * MiB
/** A process that is large for good reason is not collected all the time. */
const MAJOR_EVERY_MS = 500
/** Nor one in which no buffers can lie dead: of those that there are, all but so much were in use when it last looked. */
const WORTH_BYTES = 16 * MiB

type Collect = (options?: { type: 'minor' | 'major' }) => void

export interface MemorySeen {
  /** resident */
  readonly rss: number
  /** outside of the heap, in use or dead, as the collector counts it */
  readonly external: number
  /** of that, what the last full collection had left, or less */
  readonly inUse: number
  readonly sinceMajorMs: number
}

export function collectionFor({ rss, external, inUse, sinceMajorMs }: MemorySeen): 'none' | 'minor' | 'major' {
  if (rss < MINOR_ABOVE_BYTES || external - inUse < WORTH_BYTES) return 'none'
  return rss > MAJOR_ABOVE_BYTES && sinceMajorMs > MAJOR_EVERY_MS ? 'major' : 'minor'
}

/** @returns the way to end it */
export function guardMemory(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  let lastMajor = 0
  let inUse = process.memoryUsage().external
  const timer = setInterval(() => {
    const { rss, external } = process.memoryUsage()
    inUse = Math.min(inUse, external)
    const now = performance.now()
    const type = collectionFor({ rss, external, inUse, sinceMajorMs: now - lastMajor })
    if (type === 'none') return
    collect({ type })
    if (type === 'minor') return
    lastMajor = now
    inUse = process.memoryUsage().external
  }, LOOK_MS)
  timer.unref()
  return () => clearInterval(timer)
}
