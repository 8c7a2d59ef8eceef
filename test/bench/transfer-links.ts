/**
 * Rows of `npm run bench -- transfer` over capped links: one file from four sources, alike or not, one of which dies; and the
 * first byte of a range of a file that is not here. Each beside what the links offer.
 */
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type CappedLinks, createLinks, linksMissing } from '../support/links.ts'
import { arrival, cpuOf, makeFile, median, peakOf, percent, watchProcessor } from './measure.ts'

export interface Row {
  readonly what: string
  readonly figure: string
  readonly baseline: string
  readonly ratio: string
  readonly wanted: string
}

const SOURCES = 4
/** Files, of which the median is told. */
const RANGES = 3
const BARE_REACH = join(import.meta.dirname, 'bare-reach.ts')
const BARE_PORT = '4999'
const FAST = { up: 1000, down: 1000 }
/** bytes after which a fetch is taken to have begun to receive its file, and what else there is may come to in a second */
const BEGUN_BYTES = 64 * 1024

/**
 * @param megabytes of the file from four; 0 leaves that out @param slower all links by this factor
 * @param rangeMib size of the file whose range is read; 0 leaves that out
 */
export async function benchCappedLinks(megabytes = 500, slower = 1, rangeMib = 2048): Promise<Row[]> {
  const why = linksMissing()
  if (why !== null) {
    console.error(`no rows over capped links: ${why}`)
    return []
  }
  const links = createLinks(Array.from({ length: SOURCES + 1 }, () => ({ up: null, down: null })))
  try {
    const cluster = await startCluster(SOURCES + 1, {
      place: links.place,
      policy: { minCopies: SOURCES, maxCopies: SOURCES },
    })
    try {
      const rows: Row[] = []
      if (megabytes > 0) {
        rows.push(await fromFour(cluster, links, megabytes, [50, 50, 50, 50], slower))
        rows.push(await fromFour(cluster, links, megabytes, [80, 40, 20, 10], slower, 1))
      }
      if (rangeMib > 0) rows.push(await firstByte(cluster, links, rangeMib, slower))
      return [...rows, memory(cluster)]
    } finally {
      await cluster.close()
    }
  } finally {
    links.close()
  }
}

/** @param dies which of the sources, half way */
async function fromFour(
  cluster: Cluster,
  links: CappedLinks,
  megabytes: number,
  rates: readonly number[],
  slower: number,
  dies?: number,
): Promise<Row> {
  const uncap = () => {
    for (const at of cluster.branches.keys()) links.setRates(at, { up: null, down: null })
  }
  uncap()
  const path = cluster.path('film')
  makeFile(path, megabytes * 1e6)
  const [owner] = cluster.branches as [Branch]
  const { id } = await owner.json('upload', path)
  const reader = await whoLacks(cluster, id)
  const sources = cluster.branches.filter((branch) => branch !== reader)
  cluster.branches.forEach((branch, at) => {
    const up = rates[sources.indexOf(branch)]
    links.setRates(at, up === undefined ? FAST : { up: up / slower, down: FAST.down })
  })
  const ended = await arrival(reader, (file) => file === id)
  const processor = watchProcessor(cluster.branches)
  const seen = watchTraffic(links, reader)
  const asked = performance.now()
  await reader.api(`/files/${id}/fetch`, { method: 'POST' })
  let diedAt: number | undefined
  if (dies !== undefined) {
    await eventually('half is here', () => seen.bytes() >= (megabytes * 1e6) / 2, 600_000)
    await (sources[dies] as Branch).end('SIGKILL')
    diedAt = performance.now()
  }
  const whole = (await ended.at) - asked
  const { first, last } = seen.end()
  const all = rates.reduce((sum, rate) => sum + rate, 0) / slower
  const left = all - (dies === undefined ? 0 : (rates[dies] ?? 0) / slower)
  const until = diedAt ?? last
  // megabits that the living could have sent
  const offered = (all * (until - first) + left * (last - until)) / 1000
  const load = processor()
  if (dies !== undefined) await (sources[dies] as Branch).up()
  uncap()
  await owner.json('rm', id, '--purge')
  const names = rates.map((rate) => rate / slower).join('/')
  return {
    what: `${megabytes} MB from four at ${names} Mbit/s${dies === undefined ? '' : `, the one at ${(rates[dies] ?? 0) / slower} dies half way`}`,
    figure: `${((megabytes * 8000) / (last - first)).toFixed(0)} Mbit/s, ${((last - first) / 1000).toFixed(1)} s (from asking: ${(whole / 1000).toFixed(1)})`,
    baseline: `nominal ${all}${left === all ? '' : `, then ${left}`} Mbit/s; processor ${percent(load.all)}, ours ${percent(load.ours)}, load ${loadavg()[0]?.toFixed(1)}`,
    ratio: ((megabytes * 8) / offered).toFixed(3),
    wanted: dies === undefined ? '>= 0.94' : '>= 0.90',
  }
}

/** Of five, four hold it: the fifth. */
async function whoLacks(cluster: Cluster, id: string): Promise<Branch> {
  return await eventually(
    'four hold it',
    async () => {
      const views: Json[] = await Promise.all(cluster.branches.map((branch) => branch.api(`/files/${id}`)))
      const lacking = cluster.branches.filter((_, at) => views[at].local !== 'complete')
      return lacking.length === 1 && views.every(({ copies }) => copies.held === SOURCES) ? lacking[0] : false
    },
    300_000,
  )
}

/** When its first and last bytes of bulk came in, as its own interface counted them. */
function watchTraffic(links: CappedLinks, reader: Branch) {
  const pid = reader.pid as number
  const before = links.traffic(pid).down
  const at: { ms: number; bytes: number }[] = []
  const look = () => at.push({ ms: performance.now(), bytes: links.traffic(pid).down - before })
  const timer = setInterval(look, 10)
  return {
    bytes: () => links.traffic(pid).down - before,
    end() {
      clearInterval(timer)
      look()
      const total = at.at(-1)?.bytes ?? 0
      const first = at.findLast(({ bytes }) => bytes < BEGUN_BYTES)?.ms ?? 0
      const last = at.find(({ bytes }) => bytes >= total - BEGUN_BYTES)?.ms ?? 0
      return { first, last }
    },
  }
}

/**
 * Over links on which a chunk takes far longer than a round trip, so that what is not the chunk shows. The links add no
 * delay: the round trip is what the members' own heartbeat measures, or a bare connection, whichever takes longer.
 */
async function firstByte(cluster: Cluster, links: CappedLinks, mib: number, slower: number): Promise<Row> {
  const rate = 100 / slower
  const path = cluster.path('long')
  makeFile(path, mib * 1024 * 1024)
  const load = loadavg()[0]?.toFixed(1)
  const seen: Seen[] = []
  for (let file = 0; file < RANGES; file++) seen.push(await seeFirstByte(cluster, links, path, rate))
  const [ms, rttMs, bareMs, chunkMs] = [
    median(seen.map((each) => each.ms)),
    median(seen.map((each) => Math.max(each.bare.rttMs, each.rttMs))),
    median(seen.map(({ bare }) => bare.rttMs)),
    median(seen.map(({ bare }) => bare.mebibyteMs)),
  ] as const
  return {
    what: `first byte of a range of ${mib} MiB that are not here, links of ${rate} Mbit/s`,
    figure: `${ms.toFixed(0)} ms`,
    baseline: `3 round trips of ${rttMs.toFixed(1)} ms (bare: ${bareMs.toFixed(1)}) and a mebibyte over a bare connection, ${chunkMs.toFixed(0)} ms; load ${load}`,
    ratio: (ms / (3 * rttMs + chunkMs)).toFixed(2),
    wanted: '<= 1',
  }
}

interface Seen {
  readonly ms: number
  /** least that a heartbeat has taken */
  readonly rttMs: number
  readonly bare: { readonly rttMs: number; readonly mebibyteMs: number }
}

/** Of a file of its own, by a branch that has nothing of it. @param rate of every uplink then, Mbit/s */
async function seeFirstByte(cluster: Cluster, links: CappedLinks, path: string, rate: number): Promise<Seen> {
  const [owner] = cluster.branches as [Branch]
  for (const at of cluster.branches.keys()) links.setRates(at, FAST)
  const { id } = await owner.json('upload', path)
  const reader = await whoLacks(cluster, id)
  for (const at of cluster.branches.keys()) links.setRates(at, { ...FAST, up: rate })
  const at = cluster.branches.indexOf(reader)
  await settled(cluster)
  const bare = await bareReach(links, at === 0 ? 1 : 0, at)
  const from = Math.floor((statSync(path).size * 2) / 3)
  const began = performance.now()
  const answer = await reader.fetch(`/files/${id}/content`, { headers: { range: `bytes=${from}-` } })
  const body = (answer.body as ReadableStream<Uint8Array>).getReader()
  await body.read()
  const ms = performance.now() - began
  await body.cancel()
  const nodes: Json = await reader.api('/nodes')
  const rtts = nodes.items.flatMap(({ rttMs }: Json) => (typeof rttMs === 'number' ? [rttMs] : []))
  await owner.json('rm', id, '--purge')
  return { ms, rttMs: Math.min(...rtts), bare }
}

/** What the copies leave to do is over: nobody reads in the second in which a file is copied. */
async function settled(cluster: Cluster): Promise<void> {
  const used = () => cluster.branches.reduce((sum, branch) => sum + cpuOf(branch), 0)
  let before = used()
  const isQuiet = () => {
    const [was, now] = [before, used()]
    before = now
    return now - was < 0.1
  }
  await eventually('the branches have come to rest', isQuiet, 60_000, 1_000)
}

/** The path from one branch to another by two bare programs. */
async function bareReach(links: CappedLinks, from: number, to: number): Promise<{ rttMs: number; mebibyteMs: number }> {
  const host = links.place(from).listen.split('/')[2] as string
  const run = (at: number, mode: string) => {
    const [command = '', ...args] = [...links.place(at).command, process.execPath]
    return spawn(command, [...args, BARE_REACH, mode, host, BARE_PORT], { stdio: ['ignore', 'pipe', 'ignore'] })
  }
  const server = run(from, 'serve')
  try {
    return await eventually('the bare server answers', async () => {
      const said = Buffer.concat(await run(to, 'ask').stdout.toArray()).toString()
      return said === '' ? false : JSON.parse(said)
    })
  } finally {
    server.kill()
  }
}

function memory(cluster: Cluster): Row {
  const peak = Math.max(...cluster.branches.map(peakOf))
  return {
    what: 'most memory of a process in these',
    figure: `${peak.toFixed(0)} MiB`,
    baseline: '300 MiB',
    ratio: (peak / 300).toFixed(2),
    wanted: '<= 1',
  }
}
