/**
 * Keeps the process of `malote up` small. Chunks live outside of the JavaScript heap, whose collector hardly feels them:
 * with a heap of 25 MiB it lets dead buffers lie until there are tens of MiB of them, and then marks the whole heap for
 * their sake, over and over. So when buffers have come it is told to look at the young ones, and while the process is
 * large at all. Only here, where the process is ours: a library does not touch its host's collector. Why: decision 0009.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { spaceOld } from './old-space.ts'
import { boundYoungSpace } from './young-space.ts'

const MiB = 1024 * 1024
/** While nothing happens; what comes in this time lies there for once. */
const LOOK_MS = 250
/** While buffers come and go. */
const LOOK_BUSY_MS = 5
/** How large the process is, is asked of the system and costs more than the rest. */
const LOOK_SIZE_MS = 100
/** For so long after the last collection. */
const BUSY_MS = 1_000
/** Worth a look at the young (less than a millisecond): so much more lies outside of the heap than after the last one. */
const MINOR_EVERY_BYTES = 4 * MiB
/** Worth a look at all (some 15 ms): the process is large, */
const MAJOR_ABOVE_BYTES = 210 * MiB
/** which it may be for good reason, so not all the time; */
const MAJOR_EVERY_MS = 500
/** and of the buffers that there are more than so much were not in use when all were last looked at. */
const WORTH_BYTES = 16 * MiB

type Collect = (options?: { type: 'minor' | 'major' }) => void

export interface MemorySeen {
  /** resident */
  readonly rss: number
  /** outside of the heap, in use or dead, as the collector counts it */
  readonly external: number
  /** the least of that since the last collection */
  readonly least: number
  /** what the last full collection had left of it, or less */
  readonly inUse: number
  readonly sinceMajorMs: number
}

export function collectionFor({ rss, external, least, inUse, sinceMajorMs }: MemorySeen): 'none' | 'minor' | 'major' {
  if (rss > MAJOR_ABOVE_BYTES && external - inUse >= WORTH_BYTES && sinceMajorMs > MAJOR_EVERY_MS) return 'major'
  return external - least >= MINOR_EVERY_BYTES ? 'minor' : 'none'
}

/** @returns the way to end it */
export function guardMemory(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  const [boundYoung, space] = [boundYoungSpace(), spaceOld()]
  let last = -BUSY_MS
  let lastMajor = 0
  let inUse = getHeapStatistics().external_memory
  let least = inUse
  let rss = 0
  let seen = -LOOK_SIZE_MS
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    const { external_memory: external, used_heap_size: used } = getHeapStatistics()
    inUse = Math.min(inUse, external)
    // what a collection has found is given back on another thread, a little later
    least = Math.min(least, external)
    const now = performance.now()
    if (now - seen >= LOOK_SIZE_MS) {
      rss = process.memoryUsage.rss()
      boundYoung()
      space(used)
      seen = now
    }
    const type = collectionFor({ rss, external, least, inUse, sinceMajorMs: now - lastMajor })
    if (type !== 'none') {
      collect({ type })
      last = now
      least = getHeapStatistics().external_memory
    }
    if (type === 'major') {
      lastMajor = now
      inUse = least
    }
    timer = setTimeout(look, now - last < BUSY_MS ? LOOK_BUSY_MS : LOOK_MS).unref()
  }
  look()
  return () => clearTimeout(timer)
}
