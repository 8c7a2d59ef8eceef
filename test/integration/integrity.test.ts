/** State on disk that somebody has changed: the others notice, the node says what is wrong, one command mends it. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster | undefined
afterEach(() => cluster?.close())

/** While no node runs on it. */
function change(branch: Branch, sql: string): void {
  const db = openDatabase({ path: join(branch.data, 'network', 'shared.db'), migrations: migrationsFolder('shared') })
  db.exec(sql)
  db.close()
}

async function warningsOf(branch: Branch): Promise<Json[]> {
  return (await branch.api('/status')).warnings
}

async function metricOf(branch: Branch, name: string): Promise<number> {
  const text = await (await branch.fetch('/metrics')).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

describe('a node whose state was changed on disk', () => {
  it('raises the alarm on both sides, names it, is mended, and then all are quiet again', async () => {
    cluster = await startCluster(3)
    const [first, second, third] = cluster.branches as [Branch, Branch, Branch]
    const file = await share(first, cluster.branches, 'cartaz.png', randomBytes(10_000))
    await cluster.settled()
    const sound = (await first.api('/ledger/digest')).state

    await third.end()
    change(
      third,
      `UPDATE files SET state = 'purged'; UPDATE digest SET lanes = zeroblob(2048); UPDATE members SET role = 'admin'`,
    )
    await third.up()
    for (const branch of [first, second, third]) {
      await eventually(`${branch.name} warns`, async () =>
        (await warningsOf(branch)).some(({ code }) => code === 'ledger-diverged'),
      )
      expect(await metricOf(branch, 'malote_ledger_diverged')).toBeGreaterThan(0)
      expect(await metricOf(branch, 'malote_ledger_diverged_total')).toBeGreaterThan(0)
    }
    expect((await first.api('/status')).ledger).toMatchObject({ inSyncWith: 1, diverged: 1 })
    const told = await eventually('the alarm is an event', async () => {
      const stream = await first.fetch('/events?lastEventId=0&types=ledger:diverged')
      for await (const part of stream.body ?? []) return Buffer.from(part).toString()
      return false
    })
    expect(told).toContain(third.ready?.id)

    // it has found out by itself, whoever asks
    const damaged = await eventually('it knows what is wrong', async () =>
      (await warningsOf(third)).find(({ code }) => code === 'damaged'),
    )
    expect(damaged.advice).toContain('malote ledger verify --repair')
    expect(await metricOf(third, 'malote_ledger_damaged')).toBe(1)
    const verified = await third.run('ledger', 'verify')
    expect(verified.code).toBe(1)
    expect(verified.stdout).toContain('the rows in members')
    expect(verified.stdout).toContain(`${file.id}: the state beside its record in files`)
    expect((await first.run('ledger', 'verify')).code).toBe(0)
    const doctor = (await third.json('doctor')).items.find(({ name }: Json) => name === 'database')
    expect(doctor).toMatchObject({ state: 'problem', advice: expect.stringContaining('--repair') })

    expect(await third.json('ledger', 'verify', '--repair')).toMatchObject({ ok: true, state: sound, problems: [] })
    expect(await cluster.settled()).toContain(sound)
    for (const branch of [first, second, third]) {
      await eventually(`${branch.name} is quiet`, async () => {
        const codes = (await warningsOf(branch)).map(({ code }) => code)
        return !codes.includes('ledger-diverged') && !codes.includes('damaged')
      })
    }
    expect((await first.api('/status')).ledger).toMatchObject({ inSyncWith: 2, diverged: 0 })
    expect((await third.api(`/files/${file.id}`)).version).toBe(1)
  }, 90_000)
})
