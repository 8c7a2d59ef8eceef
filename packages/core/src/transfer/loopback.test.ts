/** The whole way over libp2p on loopback: two sources, 1 MiB chunks, real stores. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { createStore } from '../content/store.ts'
import type { FileId, NodeId } from '../ids.ts'
import { startTestHost, type TestHost } from '../network/testing.ts'
import { createTransfers } from './manager.ts'
import { copyChunks, sealTestVersion, seededRandom, shapeOf } from './testing.ts'

it('fetches from two members over libp2p, and is refused by a third', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'malote-loopback-'))
  const hosts: TestHost[] = []
  for (let at = 0; at < 4; at++) hosts.push(await startTestHost({ members: hosts }))
  const ids = hosts.map((each) => each.host.id)
  const members = await Promise.all(
    hosts.map(async ({ host, gate }, at) => {
      for (const id of ids) gate.members.add(id)
      const store = await createStore({ folder: join(folder, `${at}`), floorBytes: 0 })
      const problems: [NodeId, string][] = []
      const transfers = createTransfers({
        store,
        host,
        clock: systemClock,
        sourcesOf: () => ids,
        mayFetch: () => at !== 2,
        onSourceProblem: (problem) => problems.push([problem.peer, problem.kind]),
      })
      for (const other of hosts) if (other.host !== host) host.learn(other.host.id, other.host.addresses())
      transfers.start()
      return { store, transfers, problems }
    }),
  )
  try {
    const [first, second, third, reader] = members
    if (first === undefined || second === undefined || third === undefined || reader === undefined)
      throw new Error('four')
    const file = await sealTestVersion(first.store, 24, seededRandom(1), 1024 * 1024)
    const all = Array.from({ length: 24 }, (_, index) => index)
    for (const other of [second, third]) await copyChunks(file, other.store, all)
    const got = await reader.transfers.want(shapeOf(file), { kind: 'fetch', fileId: 'ab'.repeat(16) as FileId }).done
    for (const index of all)
      expect(Buffer.compare(await got.read(index, { verify: true }), await file.read(index))).toBe(0)
    const [status] = reader.transfers.list()
    const delivered = new Map(status?.sources.map((source) => [source.id, source.bytes]))
    expect(delivered.get(ids[0] as NodeId)).toBeGreaterThan(0)
    expect(delivered.get(ids[1] as NodeId)).toBeGreaterThan(0)
    expect(reader.problems).toContainEqual([ids[2], 'refused'])
    expect(third.transfers.totals().sentBytes).toBe(0)
  } finally {
    for (const { transfers, store } of members) {
      await transfers.stop()
      await store.stop()
    }
    await Promise.all(hosts.map((each) => each.host.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}, 60_000)
