/**
 * Keeps the process of `malote up` small. Chunks live outside of the JavaScript heap, whose collector hardly feels them:
 * with a heap of 25 MiB it lets hundreds of MiB of dead buffers lie. So while the process is large it is told to look.
 * Only here, where the process is ours: a library does not touch its host's collector.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const LOOK_MS = 100
/** Dead young buffers go (about a millisecond); then, when that was not enough, the old ones too (some 15 ms). */
const MINOR_ABOVE_BYTES = 160 * 1024 * 1024
const MAJOR_ABOVE_BYTES = 210 * 1024 * 1024
/** A process that is large for good reason is not collected all the time. */
const MAJOR_EVERY_MS = 500

type Collect = (options?: { type: 'minor' | 'major' }) => void

/** @returns the way to end it */
export function guardMemory(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  let lastMajor = 0
  const timer = setInterval(() => {
    const rss = process.memoryUsage.rss()
    if (rss < MINOR_ABOVE_BYTES) return
    const now = performance.now()
    const isMajor = rss > MAJOR_ABOVE_BYTES && now - lastMajor > MAJOR_EVERY_MS
    collect({ type: isMajor ? 'major' : 'minor' })
    if (isMajor) lastMajor = now
  }, LOOK_MS)
  timer.unref()
  return () => clearInterval(timer)
}
