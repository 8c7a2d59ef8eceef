/** Many seeds, over several processes; one line per failing seed with the command that replays it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SeedResult } from './run-seed.ts'

export interface CampaignInit {
  readonly seeds: readonly number[]
  readonly jobs: number
  /** nodes in every run, instead of what the seed says */
  readonly nodes?: number | undefined
  /** stop at the first failing seed */
  readonly untilFailure?: boolean | undefined
  /** another copy of the sources @default these */
  readonly root?: string | undefined
  readonly signal?: AbortSignal | undefined
  onResult?(result: SeedResult): void
}

export interface Campaign {
  readonly results: readonly SeedResult[]
  readonly failed: readonly SeedResult[]
  readonly ms: number
}

const WORKER = join('test', 'simulation', 'worker.ts')

/** So many seeds from this one on. */
export function seedsFrom(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at)
}

/** Every core has a seed to work on: no threads beside it for the collector, which has less to do with more room. */
const FLAGS = ['--no-warnings', '--single-threaded-gc', '--max-semi-space-size=32']
/** Whatever else runs waits for people or deadlines; this only takes what is left of the processor. */
const PRIORITY = 10

/** Seeds go to whichever process is free, in order, so that the slow ones do not wait for each other. */
export async function runCampaign(init: CampaignInit): Promise<Campaign> {
  const began = process.hrtime.bigint()
  const results: SeedResult[] = []
  const left = [...init.seeds]
  let isOver = false
  const root = init.root ?? join(import.meta.dirname, '..', '..')

  function take(): number | null {
    return isOver || init.signal?.aborted === true ? null : (left.shift() ?? null)
  }

  function work(): Promise<void> {
    const child: ChildProcess = spawn(process.execPath, [...FLAGS, join(root, WORKER)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    if (child.pid !== undefined) setPriority(child.pid, PRIORITY)
    const abort = () => child.kill()
    init.signal?.addEventListener('abort', abort, { once: true })
    const ask = () => {
      const seed = take()
      if (seed === null) child.stdin?.end()
      else child.stdin?.write(`${JSON.stringify({ seed, nodes: init.nodes, hasty: init.untilFailure })}\n`)
    }
    return new Promise((resolve, reject) => {
      if (child.stdout !== null) {
        createInterface({ input: child.stdout }).on('line', (line) => {
          const result = JSON.parse(line) as SeedResult
          results.push(result)
          init.onResult?.(result)
          if (result.problems.length > 0 && init.untilFailure === true) isOver = true
          ask()
        })
      }
      child.on('error', reject)
      child.on('close', (code) => {
        init.signal?.removeEventListener('abort', abort)
        if (code === 0 || init.signal?.aborted === true) resolve()
        else reject(new Error(`a process of the simulation ended with ${code}`))
      })
      ask()
    })
  }

  await Promise.all(Array.from({ length: Math.min(init.jobs, init.seeds.length) }, work))
  results.sort((a, b) => a.seed - b.seed)
  return {
    results,
    failed: results.filter(({ problems }) => problems.length > 0),
    ms: Number((process.hrtime.bigint() - began) / 1_000_000n),
  }
}

/** The line by which a failure is found again. */
export function describeFailure({ seed, nodes, problems }: SeedResult): string {
  const [first] = problems
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  return `seed ${seed} (${nodes} nodes) failed: ${first?.split('\n')[0]}${more}; replay: npm run simulate -- --from ${seed} --seeds 1 --trace`
}
