/** A transfer whose path changes under it: relayed at first, then direct, then relayed again. Real hosts, real stores. */
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import type { ContentStore } from '../content/index.ts'
import { createStore } from '../content/store.ts'
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import type { FileId } from '../ids.ts'
import { holdWay, portOf, startLine, startTestHost, type TestHost, type TestLine } from '../network/testing.ts'
import { createTransfers } from './manager.ts'
import { sealTestVersion, shapeOf } from './testing.ts'
import type { Transfers } from './types.ts'

const CHUNK = 256 * 1024
const CHUNKS = 56
/** Slow enough that it is under way when its path changes. */
const SLOW = 4 * CHUNK
const FASTER = 32 * CHUNK

/** Nothing is made of what is in the chunks, but that they differ. */
const random = { bytes: (length: number) => randomBytes(length), below: (bound: number) => randomInt(bound) }

interface Member extends TestHost {
  readonly store: ContentStore
  readonly transfers: Transfers
}

describe('a transfer', () => {
  let folder: string
  let relay: TestHost
  let source: Member
  let reader: Member
  /** between the reader and the relay, and between the reader and the source */
  let relayLine: TestLine
  let direct: TestLine
  let way: ReturnType<typeof holdWay>
  const problems: string[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malote-moving-'))
    relay = await startTestHost({ relay: 'always' })
    // lanes would go around the line
    const hosts = [
      await startTestHost({ members: [relay], lanes: false }),
      await startTestHost({ members: [relay], lanes: false }),
    ] as const
    for (const { gate } of hosts) for (const { host } of hosts) gate.members.add(host.id)
    way = holdWay(hosts.map(({ host }) => portOf(host.addresses()[0])))
    const member = async (host: TestHost, sources: readonly TestHost[], name: string): Promise<Member> => {
      const store = await createStore({ folder: join(folder, name), floorBytes: 0 })
      const transfers = createTransfers({
        store,
        host: host.host,
        clock: systemClock,
        sourcesOf: () => sources.map((each) => each.host.id),
        mayFetch: () => true,
        onSourceProblem: ({ kind, error }) => problems.push(`${kind} ${error}`),
      })
      transfers.start()
      return { ...host, store, transfers }
    }
    source = await member(hosts[0], [], 'source')
    reader = await member(hosts[1], [hosts[0]], 'reader')
    relayLine = await startLine(relay.host)
    direct = await startLine(source.host)
    await source.host.dial(relay.host.addresses())
    await reader.host.dial([relayLine.address])
  })
  afterAll(async () => {
    way.restore()
    for (const { transfers, store } of [source, reader]) {
      await transfers.stop()
      await store.stop()
    }
    for (const { host } of [reader, source, relay]) await host.stop()
    for (const line of [relayLine, direct]) await line.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const pathOf = () => reader.host.connections().find(({ peer }) => peer === source.host.id)?.path
  const moved = () => new Promise<void>((resolve) => void reader.host.onPath(() => resolve()))
  const bytesHere = (count: number) =>
    new Promise<void>((resolve) => {
      const off = reader.transfers.onProgress(({ bytes }) => {
        if (bytes < count * CHUNK) return
        off()
        resolve()
      })
    })

  it('goes over to a better path, with nothing sent twice, and to another one when that dies', async () => {
    const circuit = `${relayLine.address}/p2p-circuit/p2p/${source.host.id}`
    const reached = () =>
      reader.host.dial([circuit]).then(
        () => true,
        () => false,
      )
    await expect.poll(reached, { timeout: 10_000 }).toBe(true)
    const file = await sealTestVersion(source.store, CHUNKS, random, CHUNK)
    source.transfers.setLimits({ up: SLOW })
    const wanted = reader.transfers.want(shapeOf(file), { kind: 'replicate', fileId: 'ab'.repeat(16) as FileId })
    await bytesHere(3)
    expect(pathOf()).toBe('relay')
    expect(relayLine.bytes).toBeGreaterThan(3 * CHUNK)

    const better = moved()
    way.line = direct
    reader.host.learn(source.host.id, [`/dns4/localhost/tcp/${portOf(source.host.addresses()[0])}`])
    await better
    expect(pathOf()).toBe('tcp')
    source.transfers.setLimits({ up: FASTER })
    await expect.poll(() => direct.bytes, { timeout: 10_000 }).toBeGreaterThan(3 * CHUNK)
    const overRelay = relayLine.bytes
    await expect.poll(() => direct.bytes, { timeout: 10_000 }).toBeGreaterThan(8 * CHUNK)
    expect(relayLine.bytes - overRelay).toBeLessThan(CHUNK)

    const other = moved()
    direct.freeze()
    await other
    expect(pathOf()).toBe('relay')
    source.transfers.setLimits({ up: null })
    const got = await wanted.done
    for (let index = 0; index < CHUNKS; index++)
      expect(Buffer.compare(await got.read(index, { verify: true }), await file.read(index))).toBe(0)
    // each chunk has come once
    expect(reader.transfers.totals().receivedBytes).toBe(file.size + CHUNKS * SEAL_OVERHEAD)
    expect(problems).toEqual([])
  }, 40_000)
})
