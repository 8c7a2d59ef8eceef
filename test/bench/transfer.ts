/**
 * `npm run bench -- transfer [MiB] [MB] [slower] [range MiB]`: one file from one source's store into another's, beside two bare programs that do no
 * more than what has to be done (`bare-pipe.ts`), in the same run on the same file system. Prints a table; asserts nothing.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import type { Branch, Json } from '../support/branch.ts'
import { startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { cpuOf, makeFile } from './measure.ts'
import { benchCappedLinks, type Row } from './transfer-links.ts'

const MiB = 1024 * 1024
const RUNS = 3

interface Run {
  readonly ms: number
  /** seconds of processor time, both sides */
  readonly cpu: number
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number

/**
 * @param mib of the file from one source; 0 leaves that out @param megabytes of those over capped links; 0 leaves them out
 * @param slower makes all links slower by this factor, for a machine that is busy @param rangeMib see `benchCappedLinks`
 */
export async function benchTransfer(mib = 1024, megabytes = 500, slower = 1, rangeMib = 2048): Promise<void> {
  // in memory where there is such a folder: the disk is not what is measured
  process.env.TMPDIR = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const rows = [
    ...(mib === 0 ? [] : await oneSource(mib)),
    ...(megabytes === 0 ? [] : await benchCappedLinks(megabytes, slower, rangeMib)),
  ]
  console.table(rows)
}

async function oneSource(mib: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  try {
    const path = join(folder, 'source')
    makeFile(path, mib * MiB)
    const bare: Run[] = []
    for (let run = 0; run < RUNS; run++) bare.push(await barePipe(path, join(folder, 'copy')))
    const ours = await fetches(path)
    const rate = (runs: Run[]) => mib / (median(runs.map(({ ms }) => ms)) / 1000)
    const cpu = (runs: Run[]) => (median(runs.map((run) => run.cpu)) * 1024) / mib
    return [
      {
        what: 'one source, store to store',
        figure: `${Math.round(rate(ours))} MiB/s`,
        baseline: `bare programs: ${Math.round(rate(bare))} MiB/s`,
        ratio: (rate(ours) / rate(bare)).toFixed(2),
        wanted: '>= 0.7',
      },
      {
        what: 'processor time of both for 1 GiB',
        figure: `${cpu(ours).toFixed(1)} s`,
        baseline: `bare programs: ${cpu(bare).toFixed(1)} s`,
        ratio: (cpu(ours) / cpu(bare)).toFixed(2),
        wanted: '<= 4 s',
      },
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function barePipe(from: string, to: string): Promise<Run> {
  const program = join(import.meta.dirname, 'bare-pipe.ts')
  const sender = spawn(process.execPath, [program, 'send', from], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said = createInterface({ input: sender.stdout })[Symbol.asyncIterator]()
  const port = String((await said.next()).value)
  const began = performance.now()
  const receiver = spawn(process.execPath, [program, 'receive', port, to], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ends: string[] = []
  for await (const line of createInterface({ input: receiver.stdout })) ends.push(line)
  const ms = performance.now() - began
  ends.push(String((await said.next()).value))
  rmSync(to)
  return { ms, cpu: ends.reduce((sum, line) => sum + (JSON.parse(line) as { cpu: number }).cpu, 0) }
}

/** Of a network of four in which two are off: the one that is on and holds nothing fetches from the owner. */
async function fetches(path: string): Promise<Run[]> {
  const cluster = await startCluster(4)
  try {
    const [owner, reader, ...others] = cluster.branches as [Branch, Branch, ...Branch[]]
    for (const branch of others) await branch.end()
    const runs: Run[] = []
    while (runs.length < RUNS) {
      const file = await owner.json('upload', path)
      const seen: Json = await eventually('it shows', () => reader.api(`/files/${file.id}`).catch(() => false))
      await setTimeout(1500) // what is to be held here by placement comes by itself
      const { local } = (await reader.api(`/files/${file.id}`)) as Json
      if (seen.local === 'none' && local === 'none') {
        const before = cpuOf(owner) + cpuOf(reader)
        const began = performance.now()
        await reader.api(`/files/${file.id}/fetch`, { method: 'POST' })
        await eventually(
          'it is here',
          async () => ((await reader.api(`/files/${file.id}`)) as Json).local === 'complete',
          120_000,
        )
        runs.push({ ms: performance.now() - began, cpu: cpuOf(owner) + cpuOf(reader) - before })
      }
      await owner.json('rm', file.id, '--purge')
      await setTimeout(1500)
    }
    return runs
  } finally {
    await cluster.close()
  }
}
