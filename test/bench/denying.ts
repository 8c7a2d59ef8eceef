/**
 * `npm run bench -- denying [MiB] [members]`: the figures of denying, each beside a baseline of the same run. Five real
 * nodes on loopback and one file of that size (1,024 MiB unless said): when everybody knows of the denial, how fast its
 * readers seal it anew, what goes over the wire. Then one node with that many members (1,000) in its ledger: the wraps of
 * new audience keys, and how long its event loop stood still. Prints a table; asserts nothing.
 *
 * The owner seals, then one reader, then the other, each alone, as branches have machines of their own: two at once on
 * cores that share their units take twice the processor time for the same work.
 */
import { statSync } from 'node:fs'
import { systemClock } from '../../packages/core/src/clock.ts'
import { chunkSizeFor, createStore, readSourceFile, sealStream } from '../../packages/core/src/content/index.ts'
import { deriveEpochKeys, newFileKey } from '../../packages/core/src/crypto/index.ts'
import type { FileId, NetworkId } from '../../packages/core/src/ids.ts'
import { systemRandom } from '../../packages/core/src/random.ts'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, postFile, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type LoopSeen, loopSeen, watchLoop } from '../support/loop-watch.ts'
import { makeVideo } from '../support/media.ts'
import { denyAmongMany } from './denying-many.ts'

const MiB = 1024 * 1024
/** For whole files on a machine that has other things to do. */
const PATIENCE_MS = 15 * 60_000
/** Asking takes of the processor, too. */
const POLL_MS = 20
const CALM_POLL_MS = 100
/** Small files that are shared until one has the branch without keys among its holders. */
const TRIES = 24

const rows: { what: string; figure: string; baseline: string; ratio: string; wanted: string }[] = []

function row(what: string, figure: string, wanted = '', baseline = '', ratio?: number): void {
  rows.push({ what, figure, baseline, ratio: ratio?.toFixed(2) ?? '', wanted })
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function metric(branch: Branch, name: string): Promise<number> {
  const text = await (await fetch(`${branch.ready?.api}/metrics`, { headers: auth(branch) })).text()
  return Number(new RegExp(`^malote_${name} (\\d+)`, 'm').exec(text)?.[1])
}

const auth = (branch: Branch) => ({ authorization: `Bearer ${branch.token}` })
const received = (branch: Branch) => metric(branch, 'transfer_received_bytes_total')
const sent = (branch: Branch) => metric(branch, 'transfer_sent_bytes_total')

/** Milliseconds until it holds. */
async function until(began: number, holds: () => Promise<boolean>, pollMs = POLL_MS): Promise<number> {
  while (!(await holds())) {
    if (performance.now() - began > PATIENCE_MS) throw new Error('that never held')
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  return performance.now() - began
}

interface Speed {
  /** MiB in a second on the wall */
  readonly wall: number
  /** MiB in a second of processor time, of all threads */
  readonly cpu: number
}

/** The core of an upload in this process: read, cut, seal, hash, write. */
async function uploadCore(path: string, folder: string): Promise<Speed> {
  const store = await createStore({ folder, clock: systemClock, random: systemRandom })
  const keys = deriveEpochKeys('ab'.repeat(32) as NetworkId, 'cd'.repeat(16) as FileId, 1, newFileKey())
  const { size, source, close } = await readSourceFile(path)
  const before = process.cpuUsage()
  const ms = await time(async () => {
    const { file } = await sealStream({ store, keys, source, chunk: chunkSizeFor(size) })
    await close()
    await store.remove(file.root)
  })
  const { user, system } = process.cpuUsage(before)
  await store.stop()
  return speed(size, ms, (user + system) / 1000)
}

function speed(bytes: number, ms: number, cpuMs: number): Speed {
  return { wall: ((bytes / MiB) * 1000) / ms, cpu: ((bytes / MiB) * 1000) / cpuMs }
}

/** A small file that the branch without keys holds; given its content later, it keeps its place. */
async function shareFor(cluster: Cluster, owner: Branch, keyless: Branch): Promise<Json> {
  for (let tries = 0; tries < TRIES; tries++) {
    const fields: [string, string][] = [['denied', keyless.ready?.id ?? '']]
    const before = await received(keyless)
    const file = (await (await postFile(owner, `film-${tries}.y4m`, Buffer.from('film'), fields)).json()) as Json
    await eventually('it has its copies', async () => {
      const { held, target } = (await owner.api(`/files/${file.id}`)).copies
      return held >= target
    })
    if ((await received(keyless)) > before) return file
    await cluster.settled()
  }
  throw new Error('the branch without keys never was a holder')
}

async function denyOne(mib: number): Promise<void> {
  const cluster = await startCluster(5, { prepare: watchLoop })
  try {
    const [owner, one, two, former, keyless] = cluster.branches as [Branch, Branch, Branch, Branch, Branch]
    const readers = [one, two]
    const path = cluster.path('film.y4m')
    await makeVideo(path, mib * MiB)
    const { size } = statSync(path)
    const core = await uploadCore(path, cluster.path('core'))
    const { id } = await shareFor(cluster, owner, keyless)
    await loopSeen(owner)
    const uploadMs = await time(() => owner.json('update', id, path))
    const upload = speed(size, uploadMs, (await loopSeen(owner)).cpuMs)
    for (const branch of [...readers, former]) {
      await eventually('it shows', async () => (await branch.api(`/files/${id}`)).version === 2)
      await branch.api(`/files/${id}/fetch`, { method: 'POST', json: {} })
    }
    for (const branch of [...readers, former]) {
      await eventually('it is here', async () => (await branch.api(`/files/${id}`)).local === 'complete', PATIENCE_MS)
    }
    await eventually('the holder has it', async () => (await received(keyless)) >= size, PATIENCE_MS)
    await cluster.settled()

    // out of the way until the readers have finished, so that what they take is theirs
    await keyless.api('/disconnect', { method: 'POST', json: {} })
    const roundTrip = await time(() => owner.fetch('/health'))
    const all = [owner, ...readers, former]
    for (const branch of all) await loopSeen(branch)
    const before = await Promise.all(readers.map(received))
    const denied = former.ready?.id
    const began = performance.now()
    // a reader hides it, too, until it has the new key
    const knows = (branch: Branch) => async () => {
      const answer = await branch.fetch(`/files/${id}`)
      return ((await answer.json()) as Json).denied?.includes(denied) === true
    }
    const resealed = owner.api('/files/blacklist', { method: 'POST', json: { fileId: id, node: denied, reseal: true } })
    const [atOwner, ...atReaders] = await Promise.all([
      until(began, knows(owner)),
      ...readers.map((reader) => until(began, knows(reader))),
      until(began, async () => (await former.fetch(`/files/${id}`)).status === 404).then(async (ms) => {
        against('hidden at the denied branch', ms, roundTrip)
        // it never gets the new key: for the new seal it is a holder as good as any, and would fetch it
        await former.api('/disconnect', { method: 'POST', json: {} })
        return ms
      }),
    ])
    against('known to the owner', atOwner, roundTrip)
    against('known to all readers and gone at the denied branch', Math.max(...atReaders), roundTrip)
    // each in its turn
    for (const reader of readers) await reader.api('/disconnect', { method: 'POST', json: {} })
    const denying = await loopSeen(owner)
    row('longest turn of the owner’s event loop until then', turns(denying), '< 50 ms')
    await resealed
    const ownerMs = performance.now() - began
    await sealing('the owner', ownerMs, owner, denying.cpuMs)
    const { entries } = await owner.api('/ledger/digest')
    for (const [at, reader] of readers.entries()) {
      await loopSeen(reader)
      const connected = performance.now()
      await reader.api('/connect', { method: 'POST', json: {} })
      const ms = await until(
        connected,
        async () => {
          const known = (await reader.api('/ledger/digest')).entries >= entries
          return known && (await reader.api(`/files/${id}`)).local === 'complete'
        },
        CALM_POLL_MS,
      )
      await sealing(`reader ${at + 1}`, ms, reader)
    }
    const after = await Promise.all(readers.map(received))
    const between = after.reduce((sum, bytes, at) => sum + bytes - (before[at] ?? 0), 0)
    row('chunks that readers received', `${between} B`, '0 B')

    const had = await Promise.all([received(keyless), received(former)])
    const gave = await Promise.all([owner, ...readers].map(sent))
    for (const branch of [keyless, former]) await branch.api('/connect', { method: 'POST', json: {} })
    await eventually(
      'the holder has the new seal',
      async () => (await received(keyless)) >= (had[0] ?? 0) + size,
      PATIENCE_MS,
    )
    await eventually('all copies', async () => {
      const { held, target } = (await owner.api(`/files/${id}`)).copies
      return held >= target
    })
    for (const [at, [name, branch]] of [
      ['the holder without keys', keyless] as const,
      ['the denied branch', former] as const,
    ].entries()) {
      row(
        `chunks that ${name} fetched of the new seal`,
        `${(((await received(branch)) - (had[at] ?? 0)) / MiB).toFixed(0)} MiB`,
      )
    }
    for (const [at, branch] of [owner, ...readers].entries()) {
      row(
        `  of which ${at === 0 ? 'the owner' : `reader ${at}`} served`,
        `${(((await sent(branch)) - (gave[at] ?? 0)) / MiB).toFixed(0)} MiB`,
      )
    }

    function against(what: string, ms: number, baselineMs: number): void {
      row(
        what,
        `${ms.toFixed(0)} ms`,
        '<= 1000 ms',
        `one HTTP round trip: ${baselineMs.toFixed(1)} ms`,
        ms / baselineMs,
      )
    }
    /** @param cpuMs processor time that was asked for before */
    async function sealing(who: string, ms: number, branch: Branch, cpuMs = 0): Promise<void> {
      const loop = await loopSeen(branch)
      const { wall, cpu } = speed(size, ms, cpuMs + loop.cpuMs)
      for (const [by, baseline, wanted, ours, theirs] of [
        ['', 'whole upload', '>= 1', wall, upload.wall],
        [', of processor time', 'whole upload', '>= 1', cpu, upload.cpu],
        [', of processor time', 'upload core', '>= 0.9', cpu, core.cpu],
      ] as const) {
        const beside = `${baseline}: ${theirs.toFixed(0)} MiB/s`
        row(`sealed anew by ${who}${by}`, `${ours.toFixed(0)} MiB/s`, wanted, beside, ours / theirs)
      }
      row('  longest turn of its event loop meanwhile', turns(loop), '< 50 ms')
    }
    row(
      'the whole upload, of processor time',
      `${upload.cpu.toFixed(0)} MiB/s`,
      '',
      `upload core: ${core.cpu.toFixed(0)} MiB/s`,
      upload.cpu / core.cpu,
    )
  } finally {
    await cluster.close()
  }
}

function turns({ maxMs, ownMaxMs, collectorMs }: LoopSeen): string {
  return `${maxMs.toFixed(0)} ms, ${ownMaxMs.toFixed(0)} ms of processor time (collector: ${collectorMs.toFixed(0)} ms)`
}

async function denyMany(members: number): Promise<void> {
  const steps = await denyAmongMany(members)
  const plain = steps.find(({ what }) => what === 'an upload to everyone')
  for (const { what, ms, loop } of steps) {
    const cpu = `${(ms / 1000).toFixed(2)} s, ${(loop.cpuMs / 1000).toFixed(2)} s of processor time`
    const baseline = plain === undefined ? '' : `an upload to everyone: ${plain.ms.toFixed(0)} ms`
    row(`${members} members: ${what}`, cpu, '< 4 s', baseline, plain === undefined ? undefined : ms / plain.ms)
    row(
      '  longest turn of the event loop',
      turns(loop),
      '< 50 ms',
      `p99: ${loop.p99Ms.toFixed(1)} ms; longer than 50 ms of processor time: ${loop.longTurns}`,
    )
  }
}

export async function benchDenying(mib = 1024, members = 1000): Promise<void> {
  if (mib > 0) await denyOne(mib)
  if (members > 0) await denyMany(members)
  console.table(rows)
}
