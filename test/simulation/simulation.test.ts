import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { describeFailure, runCampaign, seedsFrom } from './campaign.ts'

const SEEDS = 300
const LARGE = 30

describe('simulation', () => {
  it(`${SEEDS} seeds, ${LARGE} of them with 70 nodes: after healing everybody agrees and no rule was broken`, {
    timeout: 900_000,
  }, async ({ signal }) => {
    const { results, failed } = await runCampaign({
      seeds: seedsFrom(1, SEEDS),
      jobs: Math.min(4, availableParallelism()),
      signal,
    })
    expect(failed.map(describeFailure)).toEqual([])
    expect(results).toHaveLength(SEEDS)
    expect(results.filter(({ nodes }) => nodes >= 70)).toHaveLength(LARGE)
    expect(Math.min(...results.map(({ entries }) => entries))).toBeGreaterThanOrEqual(200)
  })
})
