/** SIGKILL at any moment, any two of four gone, a reader that was away: nothing acknowledged is lost. */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sharedRows } from '../support/adversary.ts'
import type { Branch, Json } from '../support/branch.ts'
import { sha256File } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { CAMPAIGN_MEMBERS, crashCampaign } from '../support/crash-campaign.ts'
import { eventually } from '../support/eventually.ts'
import { makeVideo } from '../support/media.ts'

const MIB = 1024 * 1024
const KILLS = 20
const NOTES = 20
let cluster: Cluster

describe('with four members', () => {
  beforeAll(async () => {
    cluster = await startCluster(CAMPAIGN_MEMBERS)
  }, 120_000)
  afterAll(() => cluster?.close())

  it(`${KILLS} times one is killed: it has lost nothing, and goes on`, async () => {
    const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000)
    console.log(
      `crashes: seed ${seed} (again: CRASH_SEED=${seed}, or npm run crash -- --seed ${seed} --kills ${KILLS})`,
    )
    const result = await crashCampaign({ cluster, seed, kills: KILLS, say: () => {} })
    expect(result.kills).toBe(KILLS)
  }, 300_000)
})

describe('with three members', () => {
  beforeAll(async () => {
    cluster = await startCluster(3)
  }, 120_000)
  afterAll(() => cluster?.close())

  it('one that was stopped and away catches up with hundreds of entries, and others stop cleanly, too', async () => {
    const [one, two, away] = cluster.branches as [Branch, Branch, Branch]
    expect(await away.end('SIGINT')).toBe(0)
    const write = async (branch: Branch, n: number) => {
      const answer = await postFile(branch, `nota-${n}.txt`, Buffer.from(String(n)))
      expect(answer.status).toBe(201)
      const { id } = (await answer.json()) as Json
      for (let times = 0; times < 9; times++) {
        await branch.api(`/files/${id}`, { method: 'DELETE' })
        await branch.api(`/files/${id}/restore`, { method: 'POST', json: {} })
      }
      const blacklist = { fileId: id, node: (branch === one ? two : one).ready?.id }
      await branch.api('/files/blacklist', { method: 'POST', json: blacklist })
    }
    // twenty entries for each file
    for (let n = 0; n < NOTES; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, at) => write(at % 2 === 0 ? one : two, n + at)))
    }
    expect((await one.api('/ledger/digest')).entries).toBeGreaterThan(20 * NOTES)
    await away.up()
    await cluster.settled()
    await eventually('it sees all of them', async () => (await away.api('/status')).files.total === NOTES)
    expect((await away.api('/ledger/verify')).ok).toBe(true)

    const file = await share(one, [two], 'a.txt', Buffer.from('a'))
    expect(await one.end('SIGTERM')).toBe(0)
    await one.up()
    expect((await contentOf(one, file.id)).toString()).toBe('a')
    const next = await share(one, [two, away], 'b.txt', Buffer.from('b'))
    expect((await contentOf(two, next.id)).toString()).toBe('b')
    await cluster.settled()
  }, 180_000)

  it('a reader that is killed while it seals a file anew goes on where it was, and fetches nothing', async () => {
    const [owner, reader, denied] = cluster.branches as [Branch, Branch, Branch]
    await denied.api('/disconnect', { method: 'POST', json: {} })
    const path = cluster.path('sealed-anew.y4m')
    await makeVideo(path, 200 * MIB)
    const { id, size } = await owner.json('upload', path)
    await eventually('the reader has it', async () => {
      const view = await reader.api(`/files/${id}`).catch(() => null)
      return view?.local === 'complete'
    })
    const { root } = sharedRows(reader.data, id)
    // off meanwhile: it gets the new key only when it is back
    await reader.end()
    await owner.api('/files/blacklist', { method: 'POST', json: { fileId: id, node: denied.ready?.id, reseal: true } })
    await reader.up()
    const done = join(reader.data, 'network', 'store', root.slice(0, 2), `${root}.anew-done`)
    while ((statSync(done, { throwIfNoEntry: false })?.size ?? 0) <= 80)
      await new Promise((next) => setTimeout(next, 1))
    await reader.end('SIGKILL')
    expect((await owner.api(`/files/${id}`)).copies.held).toBe(1)

    await reader.up()
    // whoever wants it meanwhile gets it from what is here
    const content = createHash('sha256')
    for await (const part of (await reader.fetch(`/files/${id}/content`)).body ?? []) content.update(part)
    expect(content.digest('hex')).toBe(await sha256File(path))
    await reader.api(`/files/${id}/fetch`, { method: 'POST' })
    await eventually('it is sealed', async () => (await owner.api(`/files/${id}`)).copies.held === 2)
    const metrics = await (await reader.fetch('/metrics')).text()
    const metric = (name: string) => Number(new RegExp(`^malote_${name} (\\d+)`, 'm').exec(metrics)?.[1])
    const left = metric('sealed_anew_left_bytes_total')
    expect(left).toBeGreaterThanOrEqual(64 * MIB)
    expect(metric('sealed_anew_bytes_total')).toBe(size - left)
    expect(metric('transfer_received_bytes_total')).toBe(0)
    expect(reader.log).toMatch(new RegExp(`goes on: ${left / MIB} of \\d+ chunks are here`))
    await owner.api(`/files/${id}?purge=true`, { method: 'DELETE' })
    await denied.api('/connect', { method: 'POST', json: {} })
    await cluster.settled()
  }, 120_000)
})
