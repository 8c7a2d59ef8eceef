/**
 * Real branches of which two cannot reach each other, nor be reached: firewalls in network namespaces that only root can
 * make. The others have public addresses and are told nothing.
 */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type CappedLinks, createLinks, linksMissing } from '../support/links.ts'

const why = linksMissing()
const PUBLIC = 3
const UNCAPPED = { up: null, down: null }

/** What was not begun from inside does not come in, and the other hidden branch cannot be spoken to at all. */
function hide(links: CappedLinks, at: number, other: number): void {
  const rules = `table inet hidden {
    chain in {
      type filter hook input priority 0
      iifname "wan" ip saddr 11.22.33.${other + 1} drop
      iifname "wan" ct state new drop
    }
  }`
  const [program = '', ...args] = links.place(at).command
  const { status, stderr } = spawnSync(program, [...args, 'nft', '-f', '-'], { input: rules })
  if (status !== 0) throw new Error(`nft: ${stderr}`)
}

describe.skipIf(why !== null)(`relays${why === null ? '' : ` (not here: ${why})`}`, () => {
  let links: CappedLinks
  let cluster: Cluster
  let serving: Branch[]
  let one: Branch
  let other: Branch
  beforeAll(async () => {
    links = createLinks(Array.from({ length: PUBLIC + 2 }, () => UNCAPPED))
    hide(links, PUBLIC, PUBLIC + 1)
    hide(links, PUBLIC + 1, PUBLIC)
    cluster = await startCluster(PUBLIC + 2, { place: links.place })
    serving = cluster.branches.slice(0, PUBLIC)
    ;[one, other] = cluster.branches.slice(PUBLIC) as [Branch, Branch]
  })
  afterAll(async () => {
    await cluster?.close()
    links?.close()
  })

  const relayOf = async (branch: Branch) => (await branch.api('/status')).reachability.relay
  /** How one of the hidden two sees the other. */
  const seen = async (): Promise<Json> => (await one.api('/nodes')).items.find(({ id }: Json) => id === other.ready?.id)
  const carrier = ({ paths }: Json) =>
    serving.find(({ ready }) => paths[0]?.address.includes(`/${ready?.id}/p2p-circuit`))

  it('serve by themselves where others reach them, and hidden branches keep several', async () => {
    await eventually('those that are reached serve', async () => {
      const said = await Promise.all(serving.map(relayOf))
      return said.every((each) => each === 'server')
    })
    await eventually('three reservations each', async () => {
      const said = await Promise.all([one, other].map(relayOf))
      return said.every((each) => each === '3 reserved')
    })
    const node = await seen()
    expect([node.connected, node.path]).toEqual([true, 'relay'])
    expect(carrier(node)).toBeDefined()
  })

  it('are replaced when they die: the way over another stands already; one that comes back serves again', async () => {
    const dead = carrier(await seen()) as Branch
    await dead.end('SIGKILL')
    const after = await eventually('another relay carries it', async () => {
      const node = await seen()
      return node.connected && node.path === 'relay' && carrier(node) !== dead && node
    })
    expect(carrier(after)?.isRunning).toBe(true)
    await eventually('reservations at all that are left', async () => {
      const said = await Promise.all([one, other].map(relayOf))
      return said.every((each) => each === '2 reserved')
    })
    await dead.up()
    await eventually('and at the one that is back', async () => {
      const said = await Promise.all([dead, one, other].map(relayOf))
      return said.join() === 'server,3 reserved,3 reserved'
    })
  })

  it('bring two back together that have both left, and come back at about the same time', async () => {
    // nothing but a relay leads from one to the other: what else they know of each other swallows packets
    const both = (verb: string) => Promise.all([one, other].map((branch) => branch.run(verb)))
    for (const { code } of await both('disconnect')) expect(code).toBe(0)
    for (const { code } of await both('connect')) expect(code).toBe(0)
    const node = await eventually('each sees the other', async () => {
      const views = await Promise.all([one, other].map((branch) => branch.api('/nodes')))
      const [mine, theirs] = views.map(({ items }, at) =>
        items.find(({ id }: Json) => id === [other, one][at]?.ready?.id),
      )
      return mine.connected && theirs.connected && mine
    })
    expect(node.path).toBe('relay')
  })
})
