/**
 * Two real branches with a direct path, which is cut without a word to anybody while a relay lives, and mended: firewalls in
 * network namespaces, which only root can make.
 */
import { spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type CappedLinks, createLinks, linksMissing } from '../support/links.ts'

const why = linksMissing()
/** a relay; one whom nobody can dial from outside; one whom anybody can */
const [HIDDEN, OPEN] = [1, 2]
const UNCAPPED = { up: null, down: null }
/** Mbit/s, so that a file is under way for some seconds */
const SLOW = { up: 12, down: null }
const BYTES = 12 * 1024 * 1024
const WITHIN_MS = 45_000

describe.skipIf(why !== null)(`a direct path${why === null ? '' : ` (not here: ${why})`}`, () => {
  let links: CappedLinks
  let cluster: Cluster
  let hidden: Branch
  let open: Branch
  beforeAll(async () => {
    links = createLinks([UNCAPPED, UNCAPPED, UNCAPPED])
    isolate(false)
    cluster = await startCluster(3, { place: links.place })
    hidden = cluster.branches[HIDDEN] as Branch
    open = cluster.branches[OPEN] as Branch
  })
  afterAll(async () => {
    await cluster?.close()
    links?.close()
  })

  /** What was not begun from inside does not come in; `isCut`: nor anything from the open branch. */
  function isolate(isCut: boolean): void {
    const rules = `table inet hidden
      delete table inet hidden
      table inet hidden {
        chain in {
          type filter hook input priority 0
          ${isCut ? `iifname "wan" ip saddr 11.22.33.${OPEN + 1} drop` : ''}
          iifname "wan" ct state new drop
        }
      }`
    const [program = '', ...args] = links.place(HIDDEN).command
    const { status, stderr } = spawnSync(program, [...args, 'nft', '-f', '-'], { input: rules })
    if (status !== 0) throw new Error(`nft: ${stderr}`)
  }
  const seen = async (by: Branch, of: Branch): Promise<Json> =>
    (await by.api('/nodes')).items.find(({ id }: Json) => id === of.ready?.id)
  const both = () => Promise.all([seen(hidden, open), seen(open, hidden)])
  const areBoth = (...paths: string[]) =>
    eventually(
      `both use ${paths.join(' or ')}`,
      async () => (await both()).every(({ path }) => paths.includes(path)),
      WITHIN_MS,
    )

  it('that is cut gives way to a relayed one, what is under way arrives, and it comes back when it can', async () => {
    await areBoth('tcp', 'udp')
    const { items } = await hidden.api('/doctor')
    expect(items.filter(({ name }: Json) => name === 'nat' || name === 'paths')).toMatchObject([
      { name: 'nat', state: 'ok', message: expect.stringContaining(`11.22.33.${HIDDEN + 1}`) },
      { name: 'paths', state: 'ok' },
    ])
    await eventually(
      'a relay is kept',
      async () => (await hidden.api('/status')).reachability.relay !== 'none',
      WITHIN_MS,
    )
    links.setRates(HIDDEN, SLOW)
    const content = randomFillSync(Buffer.alloc(BYTES))
    const { id } = await share(hidden, [hidden], 'campanha.mov', content)
    await eventually('it is under way', async () => {
      const { items } = await open.api('/transfers')
      return items.some(({ fileId, bytes, total }: Json) => fileId === id && bytes > 0 && bytes < total)
    })
    isolate(true)
    await areBoth('relay')
    expect((await both()).map(({ connected }) => connected)).toEqual([true, true])
    links.setRates(HIDDEN, UNCAPPED)
    await eventually('it has arrived', async () => (await open.api(`/files/${id}`)).local === 'complete', WITHIN_MS)
    expect(Buffer.compare(await contentOf(open, id), content)).toBe(0)
    isolate(false)
    await areBoth('tcp', 'udp')
  })
})
