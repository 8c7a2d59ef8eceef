/** Memory does not grow with file size. Runs by itself: it is a measurement of two processes. */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { type Branch, sha256File } from '../support/branch.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { makeVideo } from '../support/media.ts'

let cluster: Cluster | undefined
afterEach(() => cluster?.close())

describe('a file of 1 GiB', () => {
  it('is uploaded and fetched byte-equal with little memory', async () => {
    cluster = await startCluster(2)
    const [one, two] = cluster.branches as [Branch, Branch]
    const path = cluster.path('longo.y4m')
    await makeVideo(path, 1024 ** 3)
    const peaks = watchMemory(cluster.branches)
    const file = await one.json('upload', path)
    await eventually('it is listed', () => two.api(`/files/${file.id}`).catch(() => false))
    const out = cluster.path('out.y4m')
    const outcome = await two.run('fetch', file.id, '-o', out)
    expect(outcome.code, outcome.stderr).toBe(0)
    expect(await sha256File(out)).toBe(await sha256File(path))
    for (const [name, peak] of peaks()) expect(peak, `${name} used ${peak} MiB`).toBeLessThan(300)
  }, 300_000)
})

/** Peak resident memory of each branch's process since now, MiB; the kernel keeps the high-water mark. */
function watchMemory(branches: readonly Branch[]): () => [string, number][] {
  return () =>
    branches.map((branch) => {
      const status = readProc(branch.pid as number)
      return [branch.name, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024]
    })
}

function readProc(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8')
}
