/**
 * `npm run bench -- reach [tries] [MiB]`: how often, and how soon, two branches behind routers of each kind have a direct path;
 * how soon a cable that is pulled is noticed, and a direct path that dies replaced; how fast a file goes by each kind of path.
 * What went past the relay is counted there. Needs root and nftables.
 */
import { existsSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { labMissing } from '../reach/lab.ts'
import type { NatKind } from '../reach/nat.ts'
import { connected, type LabBranch, type ReachNetwork, sendsHow, startReachNetwork } from '../reach/network.ts'
import type { Json } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { benchThroughput } from './reach-throughput.ts'

const PAIRINGS: readonly (readonly [NatKind, NatKind, string])[] = [
  ['fc', 'fc', 'direct'],
  ['fc', 'pr', 'direct'],
  ['pr', 'pr', 'direct'],
  ['fc', 'fw', 'direct'],
  ['pr', 'fw', 'direct'],
  ['fw', 'fw', 'direct'],
  ['fc', 'sy', 'direct'],
  ['rej', 'rej', 'direct'],
  ['pr', 'sy', 'direct or relayed'],
  ['fw', 'sy', 'direct or relayed'],
  ['sy', 'sy', 'relayed'],
]
const KINDS: readonly NatKind[] = ['fc', 'pr', 'sy', 'fw', 'rej']
const MEETING_MS = 60_000
/** longer than any path takes that comes at all */
const DIRECT_MS = 10_000
const LOOK_MS = 10
/** until the relayed path beside a direct one is closed, whatever it carries */
const ALONE_MS = 150_000

interface Try {
  readonly kind: string
  /** from when both are connected over the relay to a direct path; null: none came */
  readonly ms: number | null
  readonly went: 'direct' | 'relayed' | number
}

/** @param tries of each pair; 0 leaves out all that has no speed @param mib of the file; 0 leaves out what has */
export async function benchReach(tries = 10, mib = 256): Promise<void> {
  const why = labMissing()
  if (why !== null) throw new Error(`no lab here: ${why}`)
  // in memory where there is such a folder: the disk is not what is measured
  process.env.TMPDIR = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const began = performance.now()
  if (tries > 0) await benchPaths(tries)
  if (mib > 0) console.table(await benchThroughput(mib))
  console.log(
    `took ${((performance.now() - began) / 60_000).toFixed(0)} min, load at the end ${loadavg()[0]?.toFixed(1)}`,
  )
}

async function benchPaths(tries: number): Promise<void> {
  const names = KINDS.flatMap((nat) => [1, 2].map((each) => [`${nat}${each}`, { nat }] as const))
  const network = await startReachNetwork({ offices: Object.fromEntries(names), apart: true })
  try {
    console.log(`load at the start ${loadavg()[0]?.toFixed(1)}; ${tries} tries of each`)
    console.log('| pair | direct | ms after the relayed connection, median (worst) | by | past the relay | wanted |')
    console.log('|---|---|---|---|---|---|')
    for (const [one, other, wanted] of PAIRINGS) {
      const done: Try[] = []
      for (let each = 0; each < tries; each++) {
        // each begins as often as the other: ids grow from the first office to the last
        const [a, b] = each % 2 === 0 || one === other ? [`${one}1`, `${other}2`] : [`${other}1`, `${one}2`]
        done.push(await tryOnce(network, network.node(a), network.node(b)))
      }
      console.log(row(`${one}-${other}`, done, wanted))
    }
    console.log(await cable(network))
    console.log(await failover(network))
  } finally {
    await network.close()
  }
}

async function tryOnce(network: ReachNetwork, a: LabBranch, b: LabBranch): Promise<Try> {
  await Promise.all([a.up(), b.up()])
  try {
    const first = await eventually('a path', () => pathTo(a, b), MEETING_MS, LOOK_MS)
    const began = performance.now()
    const isDirect = async () => {
      const path = await pathTo(a, b)
      return path !== null && path.path !== 'relay' ? path : null
    }
    const path = first.path === 'relay' ? await eventually('', isDirect, DIRECT_MS, LOOK_MS).catch(() => null) : first
    const ms = path === null ? null : performance.now() - began
    await connected([[a, b]], MEETING_MS)
    return { kind: path?.kind ?? 'relay', ms, went: await sendsHow(network, a, b) }
  } finally {
    await Promise.all([a.end(), b.end()])
  }
}

async function pathTo(from: LabBranch, to: LabBranch): Promise<{ path: string; kind: string } | null> {
  const { connected: is, path, pathKind } = await from.viewOf(to)
  return is && path !== null ? { path, kind: pathKind } : null
}

function row(pair: string, done: readonly Try[], wanted: string): string {
  const times = done.flatMap(({ ms }) => (ms === null ? [] : [ms])).sort((a, b) => a - b)
  const text = times.length === 0 ? '-' : `${times[times.length >> 1]?.toFixed(0)} (${times.at(-1)?.toFixed(0)})`
  const kinds = [...new Set(done.map(({ kind }) => kind))].join(', ')
  const past = done.filter(({ went }) => went === 'direct').length
  return `| ${pair} | ${times.length} of ${done.length} | ${text} | ${kinds} | ${past} | ${wanted} |`
}

/** The line of a branch is cut without a word; the other one is asked until it says so. */
async function cable(network: ReachNetwork): Promise<string> {
  const [a, b] = [network.node('pr1'), network.node('sy1')]
  await Promise.all([a.up(), b.up()])
  await connected([[a, b]], MEETING_MS)
  const began = performance.now()
  network.office('sy1').cut()
  await eventually('noticed', async () => !(await a.viewOf(b)).connected, MEETING_MS, LOOK_MS)
  const noticed = performance.now() - began
  network.office('sy1').mend()
  const mended = performance.now()
  await connected([[a, b]], MEETING_MS)
  const back = performance.now() - mended
  await Promise.all([a.end(), b.end()])
  return `cable pulled: marked offline after ${(noticed / 1000).toFixed(1)} s; put in again: connected after ${(back / 1000).toFixed(1)} s`
}

/** The direct path swallows everything from now on, while it stands alone; both must have one over the relay instead. */
async function failover(network: ReachNetwork): Promise<string> {
  const [a, b] = [network.node('pr1'), network.node('pr2')]
  const ends = [a.host.publicAddress, b.host.publicAddress] as const
  const kindsOf = async (from: LabBranch, to: LabBranch): Promise<string[]> =>
    (await from.viewOf(to)).paths.map(({ kind }: Json) => kind)
  await Promise.all([a.up(), b.up()])
  try {
    await connected([[a, b]], MEETING_MS)
    const isAlone = async () => {
      const kinds = [...(await kindsOf(a, b)), ...(await kindsOf(b, a))]
      return kinds.length >= 2 && !kinds.includes('relay')
    }
    await eventually('a direct path alone', isAlone, ALONE_MS, 250)
    const began = performance.now()
    network.lab.sever(...ends)
    const after = async (from: LabBranch, to: LabBranch) => {
      await eventually('a relayed path', async () => (await from.viewOf(to)).path === 'relay', MEETING_MS, LOOK_MS)
      return performance.now() - began
    }
    const took = Math.max(...(await Promise.all([after(a, b), after(b, a)])))
    const went = await sendsHow(network, a, b)
    return `direct path dead: relayed after ${(took / 1000).toFixed(1)} s at both ends, a file then went ${went}`
  } finally {
    network.lab.join(...ends)
    await Promise.all([a.end(), b.end()])
  }
}
