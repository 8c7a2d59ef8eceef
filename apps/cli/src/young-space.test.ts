import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { growthFor } from './young-space.ts'

const MiB = 1024 * 1024

/** A process of its own that makes objects of which many live on for a moment. @returns the most that their space took, MiB */
async function youngSpaceOf(isBounded: boolean): Promise<number> {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { boundYoungSpace } from ${JSON.stringify(join(import.meta.dirname, 'young-space.ts'))}
    const look = ${isBounded} ? boundYoungSpace() : () => {}
    const alive = []
    let most = 0
    for (let made = 0; made < 600; made++) {
      for (let each = 0; each < 1000; each++) alive.push({ list: new Array(50).fill(each) })
      if (alive.length > 60000) alive.splice(0, 30000)
      look()
      most = Math.max(most, getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size)
    }
    console.log(most / ${MiB})`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  return Number(stdout)
}

describe('the space for young objects', () => {
  it('may grow up to a size', () => {
    expect([growthFor(0), growthFor(32 * MiB - 1), growthFor(32 * MiB), growthFor(128 * MiB)]).toEqual([2, 2, 1, 1])
  })

  it('stays below that in a process that would let it grow', async () => {
    const [free, bounded] = await Promise.all([youngSpaceOf(false), youngSpaceOf(true)])
    expect(free).toBeGreaterThan(32)
    expect(bounded).toBeLessThanOrEqual(32)
  })
})
