/**
 * `npm run simulate -- --seeds N [--from S] [--nodes K] [--jobs J] [--trace]`: many runs of the simulation
 * (docs/SIMULATION.md). Prints one line per failing seed and exits non-zero when there is one; `--trace` prints what
 * happened in each run. `--mutations [--rule TEXT]` shows that it can fail: for each rule a deliberate fault in a copy of
 * the sources, and the seed that finds it; `--search` looks for another seed (of N) where that one does not, and
 * `--record` writes down what was found. `--spread [--nodes K]` measures how an entry spreads among very many.
 */
import { parseArgs } from 'node:util'
import '../test/simulation/seeded-crypto.ts'
import { describeFailure, runCampaign, seedsFrom } from '../test/simulation/campaign.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    nodes: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    mutations: { type: 'boolean', default: false },
    rule: { type: 'string' },
    search: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    spread: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
})

function count(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`--${name} must be a number`)
  return value
}

const from = count('from', values.from)
const seeds = count('seeds', values.seeds)
const nodes = values.nodes === undefined ? undefined : count('nodes', values.nodes)

if (values.spread) {
  const { measureSpread } = await import('../test/simulation/spread.ts')
  const spread = await measureSpread({ seed: '1', nodes: nodes ?? 1000, connections: 20, delayMs: 50, entries: 8 })
  console.log(
    `${nodes ?? 1000} nodes with at most ${spread.connections} connections: an entry of ${spread.entryBytes} bytes is everywhere after ${spread.worstDelays} message delays (mean ${spread.meanDelays}); ${spread.bytesRatio.toFixed(2)} times its size sent by each node`,
  )
} else if (values.mutations) {
  const { showFaults } = await import('../test/simulation/show-faults.ts')
  const isComplete = await showFaults({
    rule: values.rule ?? '',
    jobs: count('jobs', values.jobs),
    search: values.search || values.record ? seeds : 0,
    record: values.record,
    print: (line) => console.log(line),
  })
  if (!isComplete) process.exitCode = 1
} else if (values.trace) {
  const { runSeed } = await import('../test/simulation/run-seed.ts')
  for (let seed = from; seed < from + seeds; seed++) {
    const result = await runSeed(seed, { tracing: true, ...(nodes === undefined ? {} : { nodes }) })
    for (const line of result.trace) console.log(line)
    for (const problem of result.problems) console.log(problem)
    if (result.problems.length > 0) process.exitCode = 1
  }
} else {
  const campaign = await runCampaign({
    seeds: seedsFrom(from, seeds),
    nodes,
    jobs: count('jobs', values.jobs),
    onResult: (result) => {
      if (result.problems.length > 0) console.log(describeFailure(result))
    },
  })
  const entries = campaign.results.reduce((sum, each) => sum + each.entries, 0)
  const cpu = campaign.results.reduce((sum, each) => sum + each.ms, 0)
  console.log(
    `${campaign.results.length} seeds, ${entries} entries, ${campaign.failed.length} failed, ${Math.round(campaign.ms / 1000)} s (${Math.round(cpu / campaign.results.length)} ms of processor time per seed)`,
  )
  if (campaign.failed.length > 0) process.exitCode = 1
}
