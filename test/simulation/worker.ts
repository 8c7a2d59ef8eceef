/** One process of a campaign: a seed per line comes in, a result per line goes out. */
import './seeded-crypto.ts'
import { createInterface } from 'node:readline'
import type { SeedOptions } from './run-seed.ts'

const { runSeed } = await import('./run-seed.ts')

// most errors are refusals, thrown and caught; a replay shows stacks
Error.stackTraceLimit = 0

for await (const line of createInterface({ input: process.stdin })) {
  const { seed, ...options } = JSON.parse(line) as { seed: number } & SeedOptions
  const result = await runSeed(seed, options)
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
