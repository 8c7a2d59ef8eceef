/**
 * `npm run bench -- surface [rows] [MiB]`: the figures of what people and programs meet: `malote status`, a page of the
 * file list, an upload by HTTP, what `@malote/cli` takes when installed. Each beside what is wanted, and beside a
 * baseline of the same run. Prints a table; asserts nothing. 0 rows or 0 MiB leaves that part out. A hundred thousand rows take some
 * minutes to be written, folded and opened; a million ten times that, and some gigabytes of temporary files.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { NetworkId } from '../../packages/core/src/ids.ts'
import { packAll } from '../publish/pack.ts'
import { Branch, foundNetwork, type Json } from '../support/branch.ts'
import { postFile } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { addMembers } from '../support/large-ledger.ts'
import { cpuOf, median, peakOf } from './measure.ts'
import { addSharedFiles } from './surface-files.ts'
import { postSlowly, resetPeak, rssOf } from './surface-upload.ts'

const MiB = 1024 * 1024
const BRANCHES = 70
const RUNS = 15
/** Rows of the small node, and of the one whose pages are counted. */
const FEW = 1000
const SOME = 10_000

const rows: { what: string; figure: string; beside: string; wanted: string }[] = []

async function time(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Median and least: what else the machine does only ever adds. */
async function repeat(times: number, work: () => unknown): Promise<{ median: number; least: number }> {
  const taken: number[] = []
  for (let n = 0; n < times; n++) taken.push(await time(work))
  return { median: median(taken), least: Math.min(...taken) }
}

const shown = ({ median, least }: { median: number; least: number }) =>
  `${median.toFixed(0)} ms (least ${least.toFixed(0)})`

export async function benchSurface(files = 100_000, mib = 2048): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  try {
    await benchCommands(folder)
    await benchInstalled(folder)
    if (mib > 0) await benchUpload(folder, mib)
    if (files > 0) await benchPages(folder, files)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.table(rows)
}

/** As a person's shell starts them: with what earlier starts have compiled, once there were some. */
async function benchCommands(folder: string): Promise<void> {
  const branch = new Branch('Matriz', join(folder, 'commands'))
  const bare = await repeat(RUNS, () => spawnSync(process.execPath, ['-e', '0']))
  const starts: number[] = []
  try {
    await branch.up()
    await branch.end()
    for (let n = 0; n < 5; n++) {
      starts.push(await time(() => branch.up()))
      await branch.end()
    }
    await foundNetwork([branch])
    await branch.run('status')
    const status = await repeat(RUNS, () => branch.run('status'))
    const beside = `node -e 0: ${shown(bare)}`
    rows.push({ what: '`malote status`', figure: shown(status), beside, wanted: '< 300 ms' })
    const start = { median: median(starts), least: Math.min(...starts) }
    rows.push({ what: '`malote up` until ready', figure: shown(start), beside, wanted: 'in the README' })
  } finally {
    await branch.end()
  }
}

/** What comes from the npm registry is asked of it. */
async function benchInstalled(folder: string): Promise<void> {
  const project = join(folder, 'installed')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true }))
  const packed = (await packAll(project)).find(({ manifest }) => manifest.name === '@malote/cli')
  if (packed === undefined) throw new Error('@malote/cli was not packed')
  const run = promisify(execFile)
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', packed.tarball]
  await run('npm', args, { cwd: project, timeout: 300_000 })
  const { stdout } = await run('du', ['-sk', 'node_modules'], { cwd: project })
  rows.push({
    what: '`@malote/cli`, installed with npm',
    figure: `${(Number.parseInt(stdout, 10) / 1024).toFixed(1)} MiB`,
    beside: `its own archive: ${(statSync(packed.tarball).size / MiB).toFixed(1)} MiB`,
    wanted: 'in the README',
  })
}

async function benchUpload(folder: string, mib: number): Promise<void> {
  const branch = new Branch('Matriz', join(folder, 'upload'))
  try {
    await foundNetwork([branch])
    const small = Math.min(64, mib)
    const first = await postSlowly(branch, 'klein.bin', small * MiB)
    resetPeak(branch)
    const before = rssOf(branch)
    const cpu = cpuOf(branch)
    const { listedBefore, eventsBefore, seconds } = await postSlowly(branch, 'longo.bin', mib * MiB)
    const peak = peakOf(branch)
    rows.push({
      what: `memory at its highest while ${mib} MiB are posted`,
      figure: `${peak.toFixed(0)} MiB`,
      beside: `before: ${before.toFixed(0)} MiB; while ${small} MiB were posted: ${first.peak.toFixed(0)} MiB`,
      wanted: 'flat',
    })
    rows.push({
      what: 'the same upload: rate',
      figure: `${(mib / seconds).toFixed(0)} MiB/s`,
      beside: `processor: ${(cpuOf(branch) - cpu).toFixed(1)} s`,
      wanted: '',
    })
    rows.push({
      what: 'files listed and told of before its closing boundary',
      figure: `${listedBefore} and ${eventsBefore}`,
      beside: 'after it: 1 and 1',
      wanted: '0 and 0',
    })
  } finally {
    await branch.end()
    rmSync(branch.data, { recursive: true, force: true })
  }
}

/** The first pages of nodes with few and with many files, one after the other, again and again: so both are disturbed alike. */
async function benchPages(folder: string, files: number): Promise<void> {
  const nodes: Branch[] = []
  try {
    for (const count of new Set([FEW, SOME, files])) nodes.push(await nodeWith(join(folder, `n${count}`), count))
    const [few, some, many] = nodes as [Branch, Branch, Branch]
    const taken = new Map<string, number[]>()
    const take = async (name: string, work: () => unknown) => {
      const all = taken.get(name) ?? []
      taken.set(name, all)
      all.push(await time(work))
    }
    for (let run = 0; run < RUNS; run++) {
      for (const [branch, name] of [
        [few, 'few'],
        [some, 'some'],
        [many ?? some, 'many'],
      ] as const) {
        await take(`${name} 100`, () => branch.api('/files'))
        await take(`${name} 1000`, () => branch.api('/files?limit=1000'))
      }
      await take('health', () => some.fetch('/health'))
      await take('all', () => everyPage(some))
    }
    const of = (name: string) => {
      const all = taken.get(name) as number[]
      return shown({ median: median(all), least: Math.min(...all) })
    }
    const health = `GET /health: ${of('health')}`
    rows.push(
      { what: `a page of 100 of ${SOME} files`, figure: of('some 100'), beside: health, wanted: '< 100 ms' },
      { what: `a page of 1,000 of ${SOME} files`, figure: of('some 1000'), beside: health, wanted: '< 100 ms' },
      { what: `all ${SOME} files, in pages of 1,000`, figure: of('all'), beside: health, wanted: '' },
      {
        what: `first page of ${files} files`,
        figure: of('many 100'),
        beside: `of ${FEW}: ${of('few 100')}`,
        wanted: 'equal',
      },
      {
        what: `first 1,000 of ${files} files`,
        figure: of('many 1000'),
        beside: `of ${FEW}: ${of('few 1000')}`,
        wanted: 'equal',
      },
    )
  } finally {
    await Promise.all(nodes.map((branch) => branch.end()))
  }
}

async function everyPage(branch: Branch): Promise<void> {
  for (let cursor = ''; ; ) {
    const { next } = await branch.api(`/files?limit=1000${cursor}`)
    if (next === null) return
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
}

/** A branch of a network of many, none of whom is online, with files that another one has shared with everyone. */
async function nodeWith(folder: string, files: number): Promise<Branch> {
  const branch = new Branch('Matriz', folder)
  // it is to hold few of them: nobody is there who could give it what it wants
  await foundNetwork([branch], undefined, [], { maxCopies: 1 })
  // makes the key for everyone
  const made = await postFile(branch, 'primeiro.txt', Buffer.from('x'))
  if (made.status !== 201) throw new Error(`upload: ${made.status}`)
  const { network } = await branch.api('/status')
  await branch.end()
  const [author] = addMembers(branch.data, network.id as NetworkId, BRANCHES - 1)
  if (author === undefined) throw new Error('no members')
  addSharedFiles(branch.data, network.id as NetworkId, author, files)
  await branch.up()
  const isListed = async () => ((await branch.api('/status')) as Json).files.total > files
  await eventually(`${files} files are listed`, isListed, 60_000 + files)
  return branch
}
