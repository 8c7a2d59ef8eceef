/** Damage as an operator meets it: what `up` says, what one command brings back, and what a crash may lose. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { malote } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster | undefined
afterEach(() => cluster?.close())

const database = (branch: Branch, name: string) => join(branch.data, 'network', name)

describe('a branch whose databases are damaged', () => {
  it('says so in one line, comes back with --rebuild, and has lost nothing', async () => {
    cluster = await startCluster(2)
    const [first, second] = cluster.branches as [Branch, Branch]
    const before = await share(first, cluster.branches, 'antes.bin', randomBytes(5000))
    await cluster.settled()
    // where the other looks for it afterwards
    const listen = first.ready?.addresses[0]?.replace(/\/p2p\/.*$/, '') ?? ''
    await first.end()
    // nobody hears of it
    const content = randomBytes(300_000)
    const unsent = await share(second, [second], 'depois.bin', content)
    await second.end()
    const id = second.ready?.id

    for (const name of ['shared.db', 'local.db']) {
      const bytes = readFileSync(database(second, name))
      writeFileSync(database(second, name), Buffer.concat([Buffer.alloc(100), bytes.subarray(100)]))
    }
    const refused = await malote(['up', '--data', second.data, '--no-mdns', '--api', '127.0.0.1:0', '--port', '0'])
    expect(refused.code).toBe(8)
    expect(refused.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(refused.stderr).toMatch(/shared\.db is damaged.*malote up --rebuild/)

    await second.up(['--rebuild'])
    expect(second.ready?.id).toBe(id)
    expect(existsSync(join(second.data, 'network', 'damaged-1', 'shared.db'))).toBe(true)
    await first.up(['--listen', listen])
    await cluster.settled()
    await eventually('its unsent file is shown to the other', () => first.api(`/files/${unsent.id}`).catch(() => false))
    for (const branch of [first, second]) {
      expect((await contentOf(branch, unsent.id)).equals(content)).toBe(true)
      expect((await branch.api(`/files/${before.id}`)).name).toBe('antes.bin')
      expect((await branch.run('ledger', 'verify')).code).toBe(0)
    }
    // it goes on, in a feed of its own
    await share(second, [first, second], 'agora.bin', randomBytes(1000))
    const { heads } = await first.api('/ledger/digest')
    const feeds = heads.filter(({ author }: Json) => author === id).map(({ feed }: Json) => feed)
    expect(feeds.length).toBeGreaterThan(1)
    expect(new Set(feeds).size).toBe(feeds.length)
  }, 90_000)
})

describe('a branch that was killed and whose logs are gone', () => {
  it('comes back with what was on disk, and gets the rest from the other', async () => {
    cluster = await startCluster(2)
    const [first, second] = cluster.branches as [Branch, Branch]
    const file = await share(second, cluster.branches, 'foto.bin', randomBytes(5000))
    await cluster.settled()
    await second.end('SIGKILL')
    for (const name of ['shared.db', 'local.db'])
      for (const part of ['-wal', '-shm']) rmSync(database(second, name) + part, { force: true })
    try {
      await second.up()
    } catch (error) {
      // what was on disk may be no whole database: exit code 8
      expect(String(error)).toContain('up ended (8)')
      await second.up(['--rebuild'])
    }
    await cluster.settled()
    await eventually('it is shown again', () => second.api(`/files/${file.id}`).catch(() => false))
    await share(second, cluster.branches, 'outra.bin', randomBytes(1000))
    await cluster.settled()
    const { heads } = await first.api('/ledger/digest')
    expect(new Set(heads.map(({ feed }: Json) => feed)).size, 'no fork').toBe(heads.length)
    expect((await second.run('ledger', 'verify')).code).toBe(0)
  }, 90_000)
})
