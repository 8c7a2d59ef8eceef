/**
 * Rows of `npm run bench -- transfer` with one source: from its store into another's, further to a path by `fetch -o`,
 * over libp2p alone, and over UDP alone; each beside programs that do no more than what has to be done, in the same run on the same file system.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Branch, Json } from '../support/branch.ts'
import { startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { findLibtorrent, runBare, runLibtorrent } from './bare.ts'
import { cpuOf, cpuOfEnded, makeFile, median } from './measure.ts'
import type { Took } from './passes.ts'
import type { Row } from './transfer-links.ts'

const MiB = 1024 * 1024
/** The first is not told: the nodes have run before then, as the programs beside them have. */
const RUNS = 4
/** Asking costs the node a millisecond. */
const ASK_MS = 50
/** One copy each: the other of the two gets what it asks for and nothing else. */
const POLICY = { maxCopies: 1 }

interface Compared {
  readonly what: string
  readonly ours: readonly Took[]
  readonly name: string
  readonly theirs: readonly Took[]
  readonly wanted: string
  /** of the processor time */
  readonly wantedCpu?: string
}

/** @param mib of the file */
export async function benchOneSource(mib: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  try {
    const path = join(folder, 'source')
    makeFile(path, mib * MiB)
    const copy = join(folder, 'copy')
    const libtorrent = findLibtorrent()
    const [pipe, stored, out, torrent]: Took[][] = [[], [], [], []]
    await between([], async (owner, reader) => {
      // in turns, so that what else the machine does meets all alike
      for (let run = 0; run < RUNS; run++) {
        pipe?.push(await runBare('bare-pipe', path, copy))
        if (libtorrent !== null) torrent?.push(await runLibtorrent(path, join(folder, 'torrent')))
        stored?.push(await measured(owner, reader, path, (id) => toStore(reader, id)))
        out?.push(await measured(owner, reader, path, (id) => toPath(reader, id, copy)))
      }
    })
    const [bare, streamed]: Took[][] = [[], []]
    await between(['--no-lanes'], async (owner, reader) => {
      for (let run = 0; run < RUNS; run++) {
        bare?.push(await runBare('bare-libp2p', path, copy))
        streamed?.push(await measured(owner, reader, path, (id) => toStore(reader, id)))
      }
    })
    const [quic, overUdp]: Took[][] = [[], []]
    await between(['--transports', 'udp', '--listen', '/ip4/127.0.0.1/udp/0/quic-v1'], async (owner, reader) => {
      for (let run = 0; run < RUNS; run++) {
        quic?.push(await runBare('bare-quic', path, copy))
        overUdp?.push(await measured(owner, reader, path, (id) => toStore(reader, id)))
      }
    })
    const one = { what: 'one source, store to store', ours: stored ?? [] }
    const programs = { name: 'bare programs', theirs: pipe ?? [] }
    const rows: Compared[] = [{ ...one, ...programs, wanted: '>= 0.7', wantedCpu: '<= 4 s' }]
    if (libtorrent !== null)
      rows.push({ ...one, name: `libtorrent ${libtorrent}`, theirs: torrent ?? [], wanted: '> 1' })
    rows.push({ what: 'one source, fetch -o', ours: out ?? [], ...programs, wanted: '>= 0.45' })
    rows.push({
      what: 'one source, store to store, libp2p streams only',
      ours: streamed ?? [],
      name: 'bare programs over libp2p',
      theirs: bare ?? [],
      wanted: '>= 0.9',
    })
    rows.push({
      what: 'one source, store to store, over QUIC only',
      ours: overUdp ?? [],
      name: 'bare programs over QUIC',
      theirs: quic ?? [],
      wanted: '>= 0.6',
    })
    return rows.flatMap((row) => compare(row, mib))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function compare({ what, ours, name, theirs, wanted, wantedCpu = '' }: Compared, mib: number): Row[] {
  const told = (runs: readonly Took[], of: (run: Took) => number) => median(runs.slice(1).map(of))
  const rate = (runs: readonly Took[]) => mib / (told(runs, ({ ms }) => ms) / 1000)
  const cpu = (runs: readonly Took[]) => (told(runs, (run) => run.cpu) * 1024) / mib
  return [
    {
      what,
      figure: `${Math.round(rate(ours))} MiB/s`,
      baseline: `${name}: ${Math.round(rate(theirs))} MiB/s; load ${loadavg()[0]?.toFixed(1)}`,
      ratio: (rate(ours) / rate(theirs)).toFixed(2),
      wanted,
    },
    {
      what: '  its processor time for 1 GiB, all processes',
      figure: `${cpu(ours).toFixed(1)} s`,
      baseline: `${name}: ${cpu(theirs).toFixed(1)} s`,
      ratio: (cpu(ours) / cpu(theirs)).toFixed(2),
      wanted: wantedCpu,
    },
  ]
}

/** In a network of two. */
async function between(flags: string[], work: (owner: Branch, reader: Branch) => Promise<void>): Promise<void> {
  const cluster = await startCluster(2, { flags, policy: POLICY })
  try {
    const [owner, reader] = cluster.branches as [Branch, Branch]
    await work(owner, reader)
  } finally {
    await cluster.close()
  }
}

/** One file of its own, that is gone again afterwards. */
async function measured(
  owner: Branch,
  reader: Branch,
  path: string,
  fetch: (id: string) => Promise<void>,
): Promise<Took> {
  const file: Json = await owner.json('upload', path)
  await eventually('it shows', () => reader.api(`/files/${file.id}`).catch(() => false))
  const used = () => cpuOf(owner) + cpuOf(reader) + cpuOfEnded()
  const before = used()
  const began = performance.now()
  await fetch(file.id)
  const run = { ms: performance.now() - began, cpu: used() - before }
  await owner.json('rm', file.id, '--purge')
  await setTimeout(1500) // until both have removed it
  return run
}

async function toStore(reader: Branch, id: string): Promise<void> {
  await reader.api(`/files/${id}/fetch`, { method: 'POST' })
  await eventually(
    'it is here',
    async () => ((await reader.api(`/files/${id}`)) as Json).local === 'complete',
    120_000,
    ASK_MS,
  )
}

async function toPath(reader: Branch, id: string, path: string): Promise<void> {
  await reader.json('fetch', id, '-o', path)
  rmSync(path)
}
