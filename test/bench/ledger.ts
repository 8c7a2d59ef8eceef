/**
 * `npm run bench -- ledger [entries] [runs]`: the figures of the ledger, each beside a baseline of the same run: plain inserts of the
 * same rows into the same table with the same indexes, 1,000 in a transaction, and one durable insert. Prints a table;
 * asserts nothing. The documented run is `npm run bench -- ledger 1000000`.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { kindInfo } from '../../packages/core/src/catalogue/index.ts'
import { createSharedState } from '../../packages/core/src/catalogue/shared-state.ts'
import { systemClock } from '../../packages/core/src/clock.ts'
import type { SigningKey } from '../../packages/core/src/crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import { type NetworkId, nodeIdFromPublicKey } from '../../packages/core/src/ids.ts'
import { createLedger, type Ledger } from '../../packages/core/src/ledger/index.ts'
import { Claims, fetchFrom } from '../../packages/core/src/ledger/sync-fetch.ts'
import { memorySettings, nobodyAround } from '../../packages/core/src/ledger/testing.ts'
import type { Host } from '../../packages/core/src/network/index.ts'
import { systemRandom } from '../../packages/core/src/random.ts'
import {
  type Feed,
  makeSource,
  newFeed,
  replayingStream,
  type Source,
  signedUpload,
  uploadBody,
} from './ledger-source.ts'

const MiB = 1024 * 1024
const SINGLE = 200
const PLAIN_BATCH = 1000
/** Entries after which it is the baseline's turn, so that whatever else the machine does slows both. */
const TURN = 4000

interface Target {
  readonly db: Database
  readonly ledger: Ledger
  digest(): Uint8Array
  close(): void
}

function openTarget(path: string, network: NetworkId, signer: SigningKey, options: { fold: boolean }): Target {
  const db = openDatabase({ path, migrations: migrationsFolder('shared') })
  const ledger: Ledger = createLedger({
    db,
    local: memorySettings(),
    network,
    signer,
    clock: systemClock,
    random: systemRandom,
    kinds: kindInfo,
    apply: (entries) => {
      if (options.fold) state.apply(entries)
    },
    ...nobodyAround,
  })
  const state = createSharedState({ db, entries: ledger, network: () => ledger.network() })
  return {
    db,
    ledger,
    digest: () => state.digest(),
    close() {
      ledger.close()
      db.close()
    },
  }
}

/** Entries in a second, by the clock on the wall and by what all threads of the process took of the processor. */
interface Rate {
  readonly perSecond: number
  readonly perCpuSecond: number
}

interface CatchUp extends Rate {
  readonly delayMs: { readonly p99: number; readonly max: number }
  readonly peakMiB: number
}

async function catchUp(target: Target, source: Source, plain: PlainInserts): Promise<CatchUp> {
  const delay = monitorEventLoopDelay({ resolution: 2 })
  const watch = stopwatch()
  let peak = 0
  let turns = 0
  /** between two frames */
  const onRead = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
    if (target.ledger.count() < (turns + 1) * TURN) return
    turns += 1
    watch.stop()
    delay.disable()
    plain.step(TURN)
    delay.enable()
    watch.start()
  }
  const host = { open: async () => replayingStream(source.frames, onRead) } as unknown as Host
  delay.enable()
  watch.start()
  const { stored } = await fetchFrom(
    { ledger: target.ledger, host, clock: systemClock, claims: new Claims(systemClock) },
    nodeIdFromPublicKey(source.world.founder.key.publicKey),
    new AbortController().signal,
  )
  watch.stop()
  delay.disable()
  if (stored !== source.entries) throw new Error(`${stored} of ${source.entries} entries were taken`)
  return {
    perSecond: (stored / watch.ms()) * 1000,
    perCpuSecond: (stored / watch.cpu()) * 1e6,
    delayMs: { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
    peakMiB: peak / MiB,
  }
}

function stopwatch() {
  let ms = 0
  let cpu = 0
  let began = 0
  let before = process.cpuUsage()
  return {
    start() {
      before = process.cpuUsage()
      began = performance.now()
    },
    stop() {
      ms += performance.now() - began
      const { user, system } = process.cpuUsage(before)
      cpu += user + system
    },
    ms: () => ms,
    /** microseconds */
    cpu: () => cpu,
  }
}

interface PlainInserts {
  /** Inserts the next rows; reading them first does not count. */
  step(rows: number): void
  rate(): Rate
  close(): void
}

/** Rows of `entries` as they are in `from`, into an empty table with the same indexes, 1,000 in a transaction. */
function plainInserts(from: string, path: string): PlainInserts {
  const source = openDatabase({ path: from, migrations: migrationsFolder('shared') })
  const db = openDatabase({ path, migrations: migrationsFolder('shared'), synchronous: 'normal' })
  const names = source
    .prepare<{ name: string }>("SELECT name FROM pragma_table_info('entries')")
    .all()
    .map(({ name }) => name)
  const insert = db.prepare(`INSERT INTO entries (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
  const page = source.prepare<Record<string, unknown>>(
    `SELECT ${names.join(', ')} FROM entries WHERE arrival > ? ORDER BY arrival LIMIT ${PLAIN_BATCH}`,
  )
  let rows = 0
  let ms = 0
  let cpu = 0
  return {
    step(wanted) {
      for (const until = rows + wanted; rows < until; ) {
        const batch = page.all(rows).map((row) => Object.values(row))
        if (batch.length === 0) return
        const before = process.cpuUsage()
        const began = performance.now()
        db.write(() => {
          for (const row of batch) insert.run(row)
        })
        ms += performance.now() - began
        const { user, system } = process.cpuUsage(before)
        cpu += user + system
        rows += batch.length
      }
    },
    rate: () => ({ perSecond: (rows / ms) * 1000, perCpuSecond: (rows / cpu) * 1e6 }),
    close() {
      source.close()
      db.close()
    },
  }
}

function removeDatabase(path: string): void {
  for (const name of [path, `${path}-wal`, `${path}-shm`]) rmSync(name, { force: true })
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number

function each(times: number, work: (n: number) => void): number {
  const taken: number[] = []
  for (let n = 0; n < times; n++) {
    const began = performance.now()
    work(n)
    taken.push(performance.now() - began)
  }
  return median(taken)
}

const rows: { what: string; figure: string; baseline: string; ratio: string; wanted: string }[] = []

function rate(what: string, runs: readonly Rate[], plain: readonly Rate[], wanted: string): void {
  const figure = (of: readonly Rate[], which: keyof Rate) => median(of.map((run) => run[which]))
  for (const [which, by] of [
    ['perSecond', ''],
    ['perCpuSecond', ', of processor time'],
  ] as const) {
    const [ours, theirs] = [figure(runs, which), figure(plain, which)]
    rows.push({
      what: `${what}${by}`,
      figure: `${Math.round(ours)}/s`,
      baseline: `plain inserts: ${Math.round(theirs)}/s`,
      ratio: (ours / theirs).toFixed(2),
      wanted,
    })
  }
}

function single(what: string, ms: number, baseline: string, baselineMs: number, wanted: string): void {
  rows.push({
    what,
    figure: `${ms.toFixed(3)} ms`,
    baseline: `${baseline}: ${baselineMs.toFixed(3)} ms`,
    ratio: (ms / baselineMs).toFixed(2),
    wanted,
  })
}

function told(what: string, figure: string): void {
  rows.push({ what, figure, baseline: '', ratio: '', wanted: '' })
}

export async function benchLedger(entries = 100_000, runs = 3): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  try {
    const source = await makeSource(folder, entries)
    const { network } = source.world
    const member = source.world.actors.at(-1)
    if (member === undefined) throw new Error('no members')
    const plain = { stored: [] as Rate[], folded: [] as Rate[] }
    const stored: CatchUp[] = []
    const folded: CatchUp[] = []
    const path = join(folder, 'target.db')
    for (let run = 0; run < runs; run++) {
      for (const fold of [false, true]) {
        for (const name of ['target.db', 'plain.db']) removeDatabase(join(folder, name))
        const baseline = plainInserts(join(folder, 'source.db'), join(folder, 'plain.db'))
        const target = openTarget(path, network, member.key, { fold })
        ;(fold ? folded : stored).push(await catchUp(target, source, baseline))
        target.close()
        ;(fold ? plain.folded : plain.stored).push(baseline.rate())
        baseline.close()
      }
    }
    rate('catch-up: authenticated and stored', stored, plain.stored, '>= 0.5')
    rate('catch-up: the same, and folded', folded, plain.folded, '>= 0.3')
    told('event loop delay meanwhile, p99', `${median(folded.map((run) => run.delayMs.p99)).toFixed(1)} ms`)
    told('event loop delay meanwhile, longest', `${median(folded.map((run) => run.delayMs.max)).toFixed(1)} ms`)
    told('memory meanwhile, at most', `${median(folded.map((run) => run.peakMiB)).toFixed(0)} MiB`)
    told('answering a fetch', `${Math.round(1000 / source.msPerEntry.serve)}/s`)
    benchSingle(path, source, member.key)
    sizes(path, source)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.table(rows)
}

/** Single entries behind, or after, all that is there, and own ones. */
function benchSingle(path: string, source: Source, signer: SigningKey): void {
  const { network, actors } = source.world
  const target = openTarget(path, network, signer, { fold: true })
  const author = actors[1]
  if (author === undefined) throw new Error('no members')
  const ingest = (feed: Feed, from: number, step: number) => {
    const entries = Array.from({ length: SINGLE }, (_, n) => signedUpload(network, feed, from + n * step))
    return each(SINGLE, (n) => target.ledger.ingest(entries.slice(n, n + 1)))
  }
  const inOrder = ingest(newFeed(author.key), Date.now() - SINGLE, 1)
  const late = ingest(newFeed(author.key), source.world.now, 1)
  single('a late file entry behind all others', late, 'one in order', inOrder, '<= 5')
  target.close()

  const own = openTarget(path, network, signer, { fold: true })
  const page = own.db.prepare<Record<string, unknown>>('SELECT * FROM entries ORDER BY arrival DESC LIMIT 200').all()
  const names = Object.keys(page[0] ?? {})
  const plain = openDatabase({ path: `${path}-plain`, migrations: migrationsFolder('shared'), synchronous: 'full' })
  const insert = plain.prepare(`INSERT INTO entries (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
  const durable = each(page.length, (n) => plain.write(() => insert.run(...names.map((name) => page[n]?.[name]))))
  plain.close()
  const bodies = Array.from({ length: SINGLE }, () => uploadBody(network, newFeed(signer)))
  const write = each(SINGLE, (n) => own.ledger.append('upload', bodies[n] ?? {}))
  single('own write, durable', write, 'one durable insert', durable, '<= 3')
  own.close()
}

function sizes(path: string, source: Source): void {
  const db = openDatabase({ path, migrations: migrationsFolder('shared') })
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const tables = db
    .prepare<{ name: string; bytes: number }>('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name')
    .all()
  const files = db.prepare<{ n: number }>('SELECT count(*) AS n FROM files').get()?.n ?? 1
  const ofLedger = (name: string) => name.startsWith('entries') || name === 'tips' || name === 'feeds'
  const sum = (which: (name: string) => boolean) =>
    tables.filter(({ name }) => which(name)).reduce((total, { bytes }) => total + bytes, 0)
  told('an entry as it is signed', `${source.bytesPerEntry.toFixed(0)} B`)
  told('database per entry', `${(sum(ofLedger) / source.entries).toFixed(0)} B`)
  told('database per live file, besides', `${(sum((name) => !ofLedger(name)) / files).toFixed(0)} B`)
  for (const { name, bytes } of tables.sort((a, b) => b.bytes - a.bytes).slice(0, 14)) {
    told(`  ${name}`, `${(bytes / source.entries).toFixed(1)} B per entry`)
  }
  told('the file', `${(statSync(path).size / MiB).toFixed(0)} MiB`)
  db.close()
}
