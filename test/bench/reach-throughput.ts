/**
 * Rows of `npm run bench -- reach`: how fast a file goes through two NATs by TCP and by UDP, and over a relay, each beside two
 * bare programs that send it the same way, in the same namespaces and in the same run.
 */
import { readFileSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LabHost } from '../reach/host.ts'
import { connected, type LabBranch, type ReachNetwork, startReachNetwork } from '../reach/network.ts'
import type { Json } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { cpuOf, makeFile, median, peakOf } from './measure.ts'
import type { Took } from './passes.ts'

const MiB = 1024 * 1024
/** The first is not told. */
const RUNS = 4
const MEETING_MS = 60_000
const ARRIVING_MS = 300_000
const ASK_MS = 50
/** Until a path that will come has come. */
const PATH_MS = 30_000
const PROGRAM = join(import.meta.dirname, 'bare-paths.ts')
const PORT = 20_400

type Way = 'tcp' | 'tls' | 'quic' | 'dial'

export interface Row {
  readonly what: string
  readonly 'MiB/s': string
  readonly bare: string
  readonly share: string
  readonly 'cpu s/GiB': string
  readonly by: string
}

/** @param mib of the file; half of it over QUIC and the relay, which take longer @param only one of these */
export async function benchThroughput(mib: number, only?: 'tcp' | 'udp' | 'relay'): Promise<Row[]> {
  const network = await startReachNetwork({
    offices: { fc1: { nat: 'fc' }, pr1: { nat: 'pr' }, pr2: { nat: 'pr' }, sy1: { nat: 'sy' }, sy2: { nat: 'sy' } },
    flags: (name) => (name.startsWith('relay') ? ['--relay-limit', 'unlimited'] : []),
    apart: true,
  })
  try {
    const rows = {
      tcp: () => direct(network, ['pr1', 'pr2'], 'tcp', mib),
      udp: () => direct(network, ['fc1', 'pr1'], 'udp', mib / 2),
      relay: () => overRelay(network, ['sy1', 'sy2'], mib / 2),
    }
    const done: Row[] = []
    for (const [name, row] of Object.entries(rows)) if (only === undefined || only === name) done.push(...(await row()))
    return done
  } finally {
    await network.close()
  }
}

async function direct(
  network: ReachNetwork,
  names: readonly [string, string],
  transport: 'tcp' | 'udp',
  mib: number,
): Promise<Row[]> {
  const [a, b] = names.map((name) => network.node(name)) as [LabBranch, LabBranch]
  const ways: Way[] = transport === 'tcp' ? ['tcp', 'tls'] : ['quic']
  return await between(network, [a, b], ['--transports', transport], 'direct', mib, async (path) => {
    const bare: Record<string, Took[]> = {}
    for (const way of ways) bare[way] = [await runBare(way, a.host, b.host, path, mib, targets(way, network))]
    return bare
  })
}

/** Where each is to be met: at the other's router, from the port that it keeps. */
function targets(way: Way, network: ReachNetwork) {
  const relay = network.relays[0]?.host.address ?? ''
  return {
    send: (to: LabHost): [string, number] => (way === 'quic' ? [relay, 9] : [to.publicAddress, PORT]),
    receive: (from: LabHost): [string, number] => [from.publicAddress, PORT],
  }
}

async function overRelay(network: ReachNetwork, names: readonly [string, string], mib: number): Promise<Row[]> {
  const [a, b] = names.map((name) => network.node(name)) as [LabBranch, LabBranch]
  const [relay] = network.relays as [LabBranch]
  return await between(network, [a, b], [], 'relay', mib, async (path) => {
    const at = (): [string, number] => [relay.host.address, PORT]
    const forwarder = relay.host.start([process.execPath, '--no-warnings', PROGRAM, 'forward', `${PORT}`])
    const said = text(forwarder.stdout)
    const took = await runBare('dial', a.host, b.host, path, mib, { send: at, receive: at })
    const { cpu } = JSON.parse(await said) as Took
    return { forwarder: [{ ms: took.ms, cpu: took.cpu + cpu }] }
  })
}

/** Runs ours and the bare programs in turns, so that what else the machine does meets all alike. */
async function between(
  network: ReachNetwork,
  [a, b]: readonly [LabBranch, LabBranch],
  flags: string[],
  wanted: 'direct' | 'relay',
  mib: number,
  runBares: (path: string) => Promise<Record<string, Took[]>>,
): Promise<Row[]> {
  const relays = wanted === 'relay' ? network.relays : []
  const path = join(a.data, 'file-to-send')
  makeFile(path, mib * MiB)
  await Promise.all([a.up(flags), b.up(flags)])
  try {
    await connected([[a, b]], MEETING_MS)
    if (wanted === 'direct') {
      const isDirect = async () => (await a.viewOf(b)).path !== 'relay' && (await b.viewOf(a)).path !== 'relay'
      await eventually(`${a.name} and ${b.name} have a direct path`, isDirect, PATH_MS)
    }
    const ours: Took[] = []
    const bares = new Map<string, Took[]>()
    for (let run = 0; run < RUNS; run++) {
      for (const [name, took] of Object.entries(await runBares(path)))
        bares.set(name, [...(bares.get(name) ?? []), ...took])
      ours.push(await send(a, b, path, relays))
    }
    const { pathKind } = await b.viewOf(a)
    const by = `${pathKind}, load ${loadavg()[0]?.toFixed(1)}`
    const peak = relays.map((relay) => `; relay at most ${peakOf(relay).toFixed(0)} MiB`).join()
    return [...bares].map(([name, theirs]) =>
      rowOf(`${a.name} to ${b.name} beside ${name}`, ours, theirs, mib, by + peak),
    )
  } finally {
    await Promise.all([a.end(), b.end()])
    rmSync(path)
  }
}

function rowOf(what: string, ours: readonly Took[], theirs: readonly Took[], mib: number, by: string): Row {
  const told = (runs: readonly Took[], of: (run: Took) => number) => median(runs.slice(1).map(of))
  const rate = (runs: readonly Took[]) => (mib * 1000) / told(runs, ({ ms }) => ms)
  const cpu = (runs: readonly Took[]) => ((told(runs, (run) => run.cpu) * 1024) / mib).toFixed(1)
  return {
    what,
    'MiB/s': rate(ours).toFixed(0),
    bare: rate(theirs).toFixed(0),
    share: (rate(ours) / rate(theirs)).toFixed(2),
    'cpu s/GiB': `${cpu(ours)}, bare ${cpu(theirs)}`,
    by,
  }
}

/** One file, from the one's store to the other's; gone again afterwards. */
async function send(a: LabBranch, b: LabBranch, path: string, relays: readonly LabBranch[]): Promise<Took> {
  const file: Json = await a.json('upload', path)
  await eventually('it shows', () => b.api(`/files/${file.id}`).catch(() => false), MEETING_MS)
  const used = () => [a, b, ...relays].reduce((sum, branch) => sum + cpuOf(branch), 0)
  const before = used()
  const began = performance.now()
  await b.api(`/files/${file.id}/fetch`, { method: 'POST' })
  const isHere = async () => (await b.api(`/files/${file.id}`)).local === 'complete'
  await eventually('it is here', isHere, ARRIVING_MS, ASK_MS)
  const took = { ms: performance.now() - began, cpu: used() - before }
  await a.json('rm', file.id, '--purge')
  await sleep(1500) // until both have removed it
  return took
}

async function runBare(
  way: Way,
  sender: LabHost,
  receiver: LabHost,
  path: string,
  mib: number,
  to: { send(other: LabHost): [string, number]; receive(other: LabHost): [string, number] },
): Promise<Took> {
  const copy = `${path}-copy`
  const run = (host: LabHost, role: 'send' | 'receive', file: string, [ip, port]: [string, number]) =>
    host.run([process.execPath, '--no-warnings', PROGRAM, role, way, file, `${mib * MiB}`, `${PORT}`, ip, `${port}`])
  try {
    const both = [run(sender, 'send', path, to.send(receiver)), run(receiver, 'receive', copy, to.receive(sender))]
    const [sent, received] = (await Promise.all(both)).map((said) => JSON.parse(said)) as [Took, Took]
    if (!readFileSync(path).subarray(-MiB).equals(readFileSync(copy).subarray(-MiB)))
      throw new Error(`${way}: it broke`)
    return { ms: received.ms, cpu: sent.cpu + received.cpu }
  } finally {
    rmSync(copy, { force: true })
  }
}

async function text(stream: NodeJS.ReadableStream | null): Promise<string> {
  const parts: string[] = []
  for await (const part of stream ?? []) parts.push(String(part))
  return parts.join('')
}
