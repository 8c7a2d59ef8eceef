/** One seed: its plan, its run, its judgement. */

import { type EndingName, endingOf } from './endings.ts'
import { judge } from './invariants.ts'
import { Prng } from './prng.ts'

export { LARGE_EVERY } from './scenario.ts'

import { createWorld, LARGE_EVERY, LARGE_NODES, type Plan, runScenario } from './scenario.ts'
import { SCENE_NAMES, type SceneName } from './scenes.ts'

export interface SeedResult {
  readonly seed: number
  readonly nodes: number
  readonly entries: number
  readonly steps: number
  /** processor time: that of the clock says what else runs on the machine */
  readonly ms: number
  /** `invariant: what was found`; empty when all is well */
  readonly problems: readonly string[]
  readonly trace: readonly string[]
}

export interface SeedOptions {
  /** instead of what the seed says */
  readonly nodes?: number
  readonly tracing?: boolean
  /** ends with the first problem */
  readonly hasty?: boolean
}

export function planOf(seed: number, options: SeedOptions = {}): Plan {
  const random = new Prng(`plan ${seed}`)
  const nodes = options.nodes ?? (seed % LARGE_EVERY === 0 ? LARGE_NODES : random.between(3, 4))
  const hostile = nodes < 4 ? random.below(2) : nodes >= LARGE_NODES ? random.below(4) : random.below(3)
  return {
    seed: `${seed}`,
    nodes,
    hostile,
    entries: nodes >= LARGE_NODES ? 230 : 200,
    tracing: options.tracing === true,
    hasty: options.hasty === true,
    scenes: nodes >= LARGE_NODES ? [] : scenesOf(seed),
    ending: nodes >= LARGE_NODES ? null : endingOf(seed),
  }
}

/** One by the number, so that every situation comes soon, and another by chance. */
function scenesOf(seed: number): SceneName[] {
  const chance = new Prng(`scenes ${seed}`)
  const [first, second] = [SCENE_NAMES[seed % SCENE_NAMES.length], chance.pick(SCENE_NAMES)]
  return chance.shuffle([...new Set([first, second])].flatMap((name) => name ?? []))
}

/** All that is arranged in a small run. */
export function situationsOf(seed: number): (SceneName | EndingName)[] {
  return [...scenesOf(seed), endingOf(seed)].flatMap((name) => name ?? [])
}

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const began = process.cpuUsage()
  const plan = planOf(seed, options)
  const world = createWorld(plan)
  let entries = 0
  try {
    const outcome = await runScenario(world, plan)
    entries = world.founder.up.ledger.count()
    if (outcome !== null) await judge(outcome)
  } catch (error) {
    world.problem(`no-error: ${error instanceof Error ? error.stack : error}`)
  } finally {
    world.close()
  }
  const used = process.cpuUsage(began)
  return {
    seed,
    nodes: plan.nodes,
    entries,
    steps: world.timeline.steps,
    ms: Math.round((used.user + used.system) / 1000),
    problems: world.problems,
    trace: world.lines,
  }
}
