/** Real branches behind links of a given speed, each in a network namespace of its own. Only root can make those. */
import { randomFillSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type CappedLinks, createLinks, linksMissing } from '../support/links.ts'

const why = linksMissing()
const BRANCHES = 4
/** Mbit/s */
const SLOW = { up: 12, down: 200 }
/** a film of which little comes while somebody jumps about in it */
const SLOWER = { up: 5, down: 200 }
const STANDSTILL = { up: 0.1, down: 200 }
const QUICK = { up: 200, down: 200 }
const BYTES = 16 * 1024 * 1024

describe.skipIf(why !== null)(`behind capped links${why === null ? '' : ` (not here: ${why})`}`, () => {
  let links: CappedLinks
  let cluster: Cluster
  beforeAll(async () => {
    links = createLinks(Array.from({ length: BRANCHES }, () => ({ up: null, down: null })))
    cluster = await startCluster(BRANCHES, { place: links.place })
  })
  afterAll(async () => {
    await cluster?.close()
    links?.close()
  })

  /** Three hold it. @returns the file's id, and the branch that does not */
  async function shareWith(content: Buffer, name: string): Promise<{ id: string; reader: Branch }> {
    const [owner] = cluster.branches as [Branch]
    const { id } = await share(owner, cluster.branches, name, content)
    const views = async () => await Promise.all(cluster.branches.map((branch) => branch.api(`/files/${id}`)))
    await eventually(
      'three hold it',
      async () => (await views()).filter(({ local }) => local === 'complete').length === 3,
    )
    const at = (await views()).findIndex(({ local }) => local !== 'complete')
    return { id, reader: cluster.branches[at] as Branch }
  }

  it('who jumps about in a film that is not here gets what is there, and when nobody reads on, nothing more comes', async () => {
    const content = randomFillSync(Buffer.alloc(BYTES))
    const { id, reader } = await shareWith(content, 'aos saltos.mov')
    for (let each = 0; each < BRANCHES; each++) links.setRates(each, SLOWER)
    const transfers = () => reader.api('/transfers').then(({ items }) => items.filter((one: Json) => one.fileId === id))
    let leaving = new AbortController()
    for (const at of [0.8, 0.1].map((share) => Math.floor(share * BYTES))) {
      // the next one does not wait until this one has let go
      leaving.abort()
      leaving = new AbortController()
      const headers = { range: `bytes=${at}-` }
      const answer = await reader.fetch(`/files/${id}/content`, { headers, signal: leaving.signal })
      expect([answer.status, answer.headers.get('content-range')]).toEqual([206, `bytes ${at}-${BYTES - 1}/${BYTES}`])
      const { value = Buffer.alloc(0) } = await (answer.body as ReadableStream<Uint8Array>).getReader().read()
      expect(value.length).toBeGreaterThan(0)
      expect(content.subarray(at, at + value.length).equals(value)).toBe(true)
    }
    for (let each = 0; each < BRANCHES; each++) links.setRates(each, STANDSTILL)
    expect(await transfers()).toMatchObject([{ state: 'running' }])
    leaving.abort()
    await eventually('nothing is on its way', async () => (await transfers()).length === 0)
    for (let each = 0; each < BRANCHES; each++) links.setRates(each, { up: null, down: null })
  })

  it('a file arrives whole though one of its sources is killed on the way, and members with public addresses stay in touch', async () => {
    const content = randomFillSync(Buffer.alloc(BYTES))
    const [owner] = cluster.branches as [Branch]
    const { id, reader } = await shareWith(content, 'film.mov')
    const sources = cluster.branches.filter((branch) => branch !== reader)
    for (let each = 0; each < BRANCHES; each++) links.setRates(each, SLOW)
    const before = sources.map((source) => links.traffic(source.pid as number).up)
    await reader.api(`/files/${id}/fetch`, { method: 'POST' })
    const running = () => reader.api('/transfers').then(({ items }) => items.find((one: Json) => one.fileId === id))
    await eventually('a good part is here', async () => (await running()).bytes >= BYTES / 3)
    for (let each = 0; each < BRANCHES; each++) links.setRates(each, STANDSTILL)
    const sent = sources.map((source, n) => links.traffic(source.pid as number).up - (before[n] ?? 0))
    for (const bytes of sent) expect(bytes, 'all three send at the same time').toBeGreaterThan(BYTES / 32)
    const [killed] = sources.filter((source) => source !== owner) as [Branch]
    await killed.end('SIGKILL')
    expect((await running()).state, 'killed in the midst of it').toBe('running')
    for (let each = 0; each < BRANCHES; each++) links.setRates(each, QUICK)
    await eventually('all is here', async () => (await running()).state === 'done')
    expect((await contentOf(reader, id)).equals(content)).toBe(true)
  })
})
