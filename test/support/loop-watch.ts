/** How long a branch's event loop was held up, and what it took of the processor: told by the running node itself. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Branch } from './branch.ts'
import { eventually } from './eventually.ts'

const preload = pathToFileURL(join(import.meta.dirname, 'loop-watch.mjs')).href
const fileOf = (branch: Branch) => join(branch.data, '..', `loop of ${branch.name}`)

export interface LoopSeen {
  /** the longest time for which nothing else got its turn */
  readonly maxMs: number
  readonly p99Ms: number
  /** the longest by what the thread itself took of the processor, whatever else the machine did */
  readonly ownMaxMs: number
  /** of which the collector paused everything */
  readonly collectorMs: number
  /** turns of more than 50 ms of the processor */
  readonly longTurns: number
  /** of the processor, by all threads */
  readonly cpuMs: number
}

/** Before its first start. */
export function watchLoop(branch: Branch): void {
  branch.env.MALOTE_TEST_LOOP = fileOf(branch)
  branch.env.NODE_OPTIONS = `${branch.env.NODE_OPTIONS ?? process.env.NODE_OPTIONS ?? ''} --import ${preload}`
}

/** What was seen since it was asked before. */
export async function loopSeen(branch: Branch): Promise<LoopSeen> {
  const { pid } = branch
  if (pid === undefined) throw new Error(`${branch.name} does not run`)
  rmSync(fileOf(branch), { force: true })
  process.kill(pid, 'SIGUSR2')
  return await eventually(
    'the node tells of its event loop',
    () => JSON.parse(readFileSync(fileOf(branch), 'utf8')) as LoopSeen,
  )
}
