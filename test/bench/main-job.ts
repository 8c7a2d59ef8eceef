/**
 * `npm run bench -- main`: the figures of the main job, each beside a baseline of the same run: starting Node.js, one
 * loopback round trip, a plain copy of the file. Prints a table; asserts nothing.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Branch, type Json } from '../support/branch.ts'
import { postFile, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { makeVideo } from '../support/media.ts'
import { peakOf } from './measure.ts'

const MiB = 1024 * 1024
const rows: { what: string; figure: string; baseline: string; ratio: string }[] = []

function row(what: string, ms: number, baseline: string, baselineMs: number): void {
  rows.push({
    what,
    figure: `${ms.toFixed(0)} ms`,
    baseline: `${baseline}: ${baselineMs.toFixed(1)} ms`,
    ratio: (ms / baselineMs).toFixed(1),
  })
}

async function time(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number

async function repeat(times: number, work: () => unknown): Promise<number> {
  const taken: number[] = []
  for (let n = 0; n < times; n++) taken.push(await time(work))
  return median(taken)
}

export async function benchMainJob(bytes = 256 * MiB): Promise<void> {
  const nodeMs = await repeat(7, () => spawnSync(process.execPath, ['-e', '0']))
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  const starter = new Branch('Start', join(folder, 'start'))
  row('`malote up` until ready', await time(() => starter.up()), 'node -e 0', nodeMs)
  await starter.end()

  const cluster = await startCluster(5)
  try {
    const [one, two, three, four, five] = cluster.branches as [Branch, Branch, Branch, Branch, Branch]
    row('`malote status`', await repeat(7, () => one.run('status')), 'node -e 0', nodeMs)
    const rtt = await repeat(50, () => one.fetch('/health'))

    const spread: number[] = []
    for (let n = 0; n < 10; n++) {
      const file = (await (await postFile(one, `n${n}.txt`, Buffer.from(String(n)))).json()) as Json
      spread.push(
        await time(() =>
          Promise.all(
            [two, three, four, five].map((branch) =>
              eventually('it shows', () => branch.api(`/files/${file.id}`).catch(() => false)),
            ),
          ),
        ),
      )
    }
    row('a file shows on four others after its upload', median(spread), 'one HTTP round trip', rtt)

    await five.end()
    for (let batch = 0; batch < 50; batch++) {
      await Promise.all(Array.from({ length: 20 }, (_, n) => postFile(one, `m${batch}-${n}.txt`, Buffer.from('x'))))
    }
    const wanted = (await one.api('/ledger/digest')).entries
    await five.up()
    const caughtUp = await time(() =>
      eventually('equal', async () => (await five.api('/ledger/digest')).entries === wanted, 60_000),
    )
    row('1,000 missed entries, from ready to equal', caughtUp, 'one HTTP round trip', rtt)

    const path = cluster.path('film.y4m')
    await makeVideo(path, bytes)
    const copyMs = await time(() => copyFileSync(path, cluster.path('copy.y4m')))
    let file: Json
    const uploadMs = await time(async () => {
      file = await one.json('upload', path)
    })
    row(`upload of ${bytes / MiB} MiB`, uploadMs, 'plain copy', copyMs)
    await eventually('replicated', async () => (await one.api(`/files/${file.id}`)).copies.held >= 3, 120_000)
    const views: Json[] = await Promise.all(cluster.branches.map((branch) => branch.api(`/files/${file.id}`)))
    const reader = cluster.branches[views.findIndex((view) => view.local === 'none')] as Branch
    const fetchMs = await time(() => reader.json('fetch', file.id, '-o', cluster.path('out.y4m')))
    row(`fetch -o of ${bytes / MiB} MiB from three`, fetchMs, 'plain copy', copyMs)
    for (const branch of cluster.branches) {
      const peak = peakOf(branch)
      rows.push({
        what: `peak memory of ${branch.name}`,
        figure: `${peak.toFixed(0)} MiB`,
        baseline: 'limit: 300 MiB',
        ratio: (peak / 300).toFixed(2),
      })
    }
  } finally {
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  }
  console.table(rows)
}
