/**
 * `npm run bench -- swarm [MB] [members] [slower]`: one new file to every other member by replication, each behind a capped
 * link, beside the least time in which any way of sending could do it (Kumar and Ross, 2006). Prints a table; asserts nothing.
 */
import { existsSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { leastMs, startSwarm } from '../../packages/core/src/transfer/swarm/testing.ts'
import type { Branch, Json } from '../support/branch.ts'
import { startCluster } from '../support/cluster.ts'
import { createLinks, linksMissing } from '../support/links.ts'
import { arrival, eventOf, makeFile, peakOf, percent, watchProcessor } from './measure.ts'

interface Case {
  /** members beside the owner */
  readonly members: number
  /** Mbit/s of each link */
  readonly up: number
  readonly down: number
  readonly wanted: string
}

const CASES: readonly Case[] = [
  { members: 8, up: 100, down: 100, wanted: '<= 1.25' },
  { members: 23, up: 50, down: 100, wanted: '<= 1.35, owner <= 1.5' },
]

/** @param members only the case with so many @param slower all links by this factor, for a machine that is busy or slow */
export async function benchSwarm(megabytes = 100, members = 0, slower = 1): Promise<void> {
  const why = linksMissing()
  if (why !== null) throw new Error(`no capped links here: ${why}`)
  process.env.TMPDIR = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const rows: Json[] = []
  for (const each of CASES.filter((one) => members === 0 || one.members === members)) {
    rows.push(await run({ ...each, up: each.up / slower, down: each.down / slower }, megabytes))
    rows.push(await model(each))
  }
  console.table(rows)
}

/** max(F/u_s, F/d_min, N·F/(u_s+Σu_i)) in seconds, nominal rates. */
function leastSeconds({ members, up, down }: Case, megabytes: number): number {
  const megabits = megabytes * 8
  return Math.max(megabits / up, megabits / down, (members * megabits) / (up + members * up))
}

/** The same with 96 chunks in virtual time, whatever this machine is doing: what the way of sending makes of it. */
async function model({ members, up, down, wanted }: Case): Promise<Json> {
  const init = { chunks: 96, owner: { up, down }, others: Array(members).fill({ up, down }), seed: 1 }
  const { clock, others, owner, bytes } = startSwarm(init)
  await clock.run(() => others.every(({ doneAt }) => doneAt !== null), 3_600_000)
  const ends = others.map(({ doneAt }) => (doneAt ?? 0) / 1000)
  const least = leastMs(init) / 1000
  return {
    what: `modelled: 1 to ${members}, ${up}/${down} Mbit/s, 101 MB`,
    'first, last (s)': `${Math.min(...ends).toFixed(1)}, ${Math.max(...ends).toFixed(1)}`,
    'bound (s)': least.toFixed(1),
    ratio: (Math.max(...ends) / least).toFixed(2),
    'owner sent': `${(owner.sent / bytes).toFixed(2)} x`,
    wanted,
  }
}

async function run(of: Case, megabytes: number): Promise<Json> {
  const size = of.members + 1
  const links = createLinks(Array.from({ length: size }, () => ({ up: null, down: null })))
  try {
    const cluster = await startCluster(size, { place: links.place, policy: { minCopies: size } })
    try {
      const [owner, ...others] = cluster.branches as [Branch, ...Branch[]]
      const path = cluster.path('film')
      makeFile(path, megabytes * 1e6)
      await setTimeout(3000) // what they have to tell each other after joining
      for (let at = 0; at < size; at++) links.setRates(at, of)
      const told = await eventOf(owner, (type) => type === 'file:published')
      const arrivals = await Promise.all(others.map((branch) => arrival(branch, () => true)))
      const sent = links.traffic(owner.pid as number).up
      const processor = watchProcessor(cluster.branches)
      await owner.json('upload', path)
      const began = await told.at
      const ends = (await Promise.all(arrivals.map(({ at }) => at))).map((at) => (at - began) / 1000)
      const load = processor()
      const [first, last] = [Math.min(...ends), Math.max(...ends)]
      const least = leastSeconds(of, megabytes)
      return {
        what: `1 to ${of.members}, ${of.up}/${of.down} Mbit/s, ${megabytes} MB`,
        'first, last (s)': `${first.toFixed(1)}, ${last.toFixed(1)}`,
        'bound (s)': least.toFixed(1),
        ratio: (last / least).toFixed(2),
        'owner sent': `${((links.traffic(owner.pid as number).up - sent) / 1e6 / megabytes).toFixed(2)} x`,
        wanted: of.wanted,
        'peak memory': `${Math.round(Math.max(...cluster.branches.map(peakOf)))} MiB`,
        'processor, ours': `${percent(load.all)}, ${percent(load.ours)}`,
        load: loadavg()[0]?.toFixed(1),
      }
    } finally {
      await cluster.close()
    }
  } finally {
    links.close()
  }
}
