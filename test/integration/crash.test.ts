/** SIGKILL at any moment, two of five gone, a reader that was away: nothing acknowledged is lost. */
import { createHash, randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sharedRows } from '../support/adversary.ts'
import type { Branch, Json } from '../support/branch.ts'
import { sha256File } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { makeVideo } from '../support/media.ts'

const MIB = 1024 * 1024
let cluster: Cluster

describe('with five members', () => {
  beforeAll(async () => {
    cluster = await startCluster(5)
  }, 120_000)
  afterAll(() => cluster?.close())

  it('any two may be killed, and every file can still be fetched', async () => {
    const files: { id: string; content: Buffer }[] = []
    for (const [at, branch] of cluster.branches.entries()) {
      const content = randomBytes(200_000 + at)
      const file = await share(branch, cluster.branches, `arquivo-${at}.bin`, content)
      files.push({ id: file.id, content })
    }
    const [first] = cluster.branches as [Branch]
    for (const { id } of files) {
      await eventually('it is replicated', async () => {
        const { copies } = await first.api(`/files/${id}`)
        return copies.held >= 3 && copies.target === 3
      })
    }
    const pairs = [
      [0, 1],
      [2, 4],
      [1, 3],
    ] as const
    for (const [a, b] of pairs) {
      const gone = [cluster.branches[a], cluster.branches[b]] as Branch[]
      await Promise.all(gone.map((branch) => branch.end('SIGKILL')))
      const reader = cluster.branches.find((branch) => branch.isRunning) as Branch
      for (const { id, content } of files) expect((await contentOf(reader, id)).equals(content)).toBe(true)
      await Promise.all(gone.map((branch) => branch.up()))
      await cluster.settled()
    }
  }, 180_000)

  it('a fetch that was killed goes on with what it had', async () => {
    const [owner] = cluster.branches as [Branch]
    const path = cluster.path('film.y4m')
    await makeVideo(path, 110 * MIB)
    const file = await owner.json('upload', path, '--wait', 'replicated')
    const views = await Promise.all(
      cluster.branches.map((branch) => eventually('listed', () => branch.api(`/files/${file.id}`).catch(() => false))),
    )
    const reader = cluster.branches[views.findIndex((view: Json) => view.local === 'none')] as Branch
    await reader.api('/limits', { method: 'PUT', json: { down: 60 * MIB } })
    const transfer = await reader.api(`/files/${file.id}/fetch`, { method: 'POST' })
    await eventually('some of it is here', async () =>
      (await reader.api('/transfers')).items.some((each: Json) => each.id === transfer.id && each.bytes > 50 * MIB),
    )
    await reader.end('SIGKILL')
    await reader.up()
    const out = cluster.path('out.y4m')
    const outcome = await reader.run('fetch', file.id, '-o', out)
    expect(outcome.code, outcome.stderr).toBe(0)
    expect(await sha256File(out)).toBe(await sha256File(path))
    // counted by the process itself since its restart
    const metrics = await (await reader.fetch('/metrics')).text()
    const received = Number(/^malote_transfer_received_bytes_total (\d+)/m.exec(metrics)?.[1])
    expect(received).toBeGreaterThan(0)
    // a crash may cost what was not yet synced, never the whole
    expect(received).toBeLessThan(file.size - 30 * MIB)
  }, 120_000)
})

describe('with three members', () => {
  beforeAll(async () => {
    cluster = await startCluster(3)
  }, 120_000)
  afterAll(() => cluster?.close())

  it('one that was away catches up with 1,000 entries', async () => {
    const [one, two, away] = cluster.branches as [Branch, Branch, Branch]
    await away.end()
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
    for (let n = 0; n < 50; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, at) => write(at % 2 === 0 ? one : two, n + at)))
    }
    const entries = (await one.api('/ledger/digest')).entries
    expect(entries).toBeGreaterThan(1000)
    await away.up()
    await cluster.settled()
    await eventually('it sees all of them', async () => (await away.api('/status')).files.total === 50)
    expect((await away.api('/ledger/verify')).ok).toBe(true)
  }, 180_000)

  it('one that is killed while it writes starts again with everything that it had acknowledged', async () => {
    const [one, two] = cluster.branches as [Branch, Branch]
    const acknowledged: { id: string; content: Buffer }[] = []
    for (const delay of [0, 3, 7, 15, 31]) {
      const uploads = Array.from({ length: 8 }, async (_, n) => {
        const content = randomBytes(500_000)
        const answer = await postFile(one, `corte-${delay}-${n}.bin`, content).catch(() => undefined)
        if (answer?.status !== 201) return
        const file = (await answer.json().catch(() => undefined)) as Json
        if (file !== undefined) acknowledged.push({ id: file.id, content })
      })
      await new Promise((resolve) => setTimeout(resolve, delay))
      await one.end('SIGKILL')
      await Promise.all(uploads)
      await one.up()
      for (const { id, content } of acknowledged) expect((await contentOf(one, id)).equals(content)).toBe(true)
    }
    const after = await share(one, [two], 'depois.txt', Buffer.from('still writes'))
    expect((await contentOf(two, after.id)).toString()).toBe('still writes')
    await cluster.settled()
    expect((await one.api('/ledger/verify')).ok).toBe(true)
    expect((await two.api('/ledger/verify')).ok).toBe(true)
  }, 120_000)

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

  it.each(['SIGINT', 'SIGTERM'] as const)('one ends cleanly on %s and starts again', async (signal) => {
    const [one, two] = cluster.branches as [Branch, Branch]
    const file = await share(one, [two], 'a.txt', Buffer.from('a'))
    expect(await one.end(signal)).toBe(0)
    await one.up()
    expect((await contentOf(one, file.id)).toString()).toBe('a')
    const next = await share(one, [two], 'b.txt', Buffer.from('b'))
    expect((await contentOf(two, next.id)).toString()).toBe('b')
    await cluster.settled()
  })
})
