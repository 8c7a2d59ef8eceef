/**
 * Real branches that move, sleep, and lose their cable: network namespaces, which only root can make. One of them is a
 * laptop that listens wherever it is.
 */
import { spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type CappedLinks, createLinks, linksMissing } from '../support/links.ts'

const why = linksMissing()
const BRANCHES = 4
const LAPTOP = 3
const UNCAPPED = { up: null, down: null }
/** Mbit/s: a transfer that is still under way when the laptop has moved */
const SLOW = { up: 200, down: 24 }
const BYTES = 12 * 1024 * 1024
/** a member is marked after three heartbeats, at the latest */
const NOTICED_MS = 45_000

describe.skipIf(why !== null)(`a branch${why === null ? '' : ` (not here: ${why})`}`, () => {
  let links: CappedLinks
  let cluster: Cluster
  let laptop: Branch
  let others: Branch[]
  beforeAll(async () => {
    links = createLinks(Array.from({ length: BRANCHES }, () => UNCAPPED))
    const place = (at: number) => ({ ...links.place(at), listen: '/ip4/0.0.0.0/tcp/4373' })
    cluster = await startCluster(BRANCHES, { place })
    laptop = cluster.branches[LAPTOP] as Branch
    others = cluster.branches.filter((branch) => branch !== laptop)
  })
  afterAll(async () => {
    await cluster?.close()
    links?.close()
  })

  /** Runs `ip` where that branch is. */
  function ip(at: number, ...words: string[]): void {
    const [program = '', ...args] = links.place(at).command
    const { status, stderr } = spawnSync(program, [...args, 'ip', ...words])
    if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`)
  }
  /** Another address, as another network gives it. */
  function move(at: number, from: number, to: number): void {
    ip(at, 'addr', 'del', `11.22.33.${from}/24`, 'dev', 'wan')
    ip(at, 'addr', 'add', `11.22.33.${to}/24`, 'dev', 'wan')
  }
  const idOf = ({ ready }: Branch) => ready?.id as string
  const seen = async (by: Branch, of: Branch): Promise<Json> =>
    (await by.api('/nodes')).items.find(({ id }: Json) => id === idOf(of))
  async function allMeet(): Promise<void> {
    const running = cluster.branches.filter(({ isRunning }) => isRunning)
    await eventually(
      'everybody is connected with everybody',
      async () => {
        const views = await Promise.all(running.map((branch) => branch.api('/nodes')))
        return views.every(({ items }) => items.filter(({ connected }: Json) => connected).length === running.length)
      },
      NOTICED_MS,
    )
  }
  it('sleeps, and another loses its cable, of which nobody tells: both are marked, and are back when they can be', async () => {
    const cut = 1
    const unplugged = cluster.branches[cut] as Branch
    const rest = others.filter((branch) => branch !== unplugged)
    process.kill(laptop.pid as number, 'SIGSTOP')
    ip(cut, 'link', 'set', 'wan', 'down')
    const connected = async () =>
      (await Promise.all(rest.flatMap((by) => [laptop, unplugged].map((of) => seen(by, of))))).filter(
        (node) => node.connected,
      )
    await eventually('the others have noticed', async () => (await connected()).length === 0, NOTICED_MS)
    // who is cut off goes on for itself
    expect((await unplugged.api('/status')).members).toEqual({ total: BRANCHES, connected: 1 })
    process.kill(laptop.pid as number, 'SIGCONT')
    ip(cut, 'link', 'set', 'wan', 'up')
    await allMeet()
  })

  it('moves while a file comes: the transfer goes on, and the others find it where it is now', async () => {
    const content = randomFillSync(Buffer.alloc(BYTES))
    links.setRates(LAPTOP, SLOW)
    const { id } = await share(others[0] as Branch, cluster.branches, 'no caminho.mov', content)
    const running = async () =>
      (await laptop.api('/transfers')).items.find(
        ({ fileId, direction, kind }: Json) => fileId === id && direction !== 'out' && kind !== 'upload',
      )
    await laptop.api(`/files/${id}/fetch`, { method: 'POST' })
    const before = await eventually('a part is here', async () => {
      const one = await running()
      return one?.bytes >= BYTES / 8 && one
    })
    move(LAPTOP, LAPTOP + 1, 100 + LAPTOP)
    await eventually(
      'it has gone on',
      async () => {
        const one = await running()
        return one === undefined || one.bytes > before.bytes + BYTES / 4
      },
      NOTICED_MS,
    )
    for (const other of others) {
      await eventually(
        'it is where it is now',
        async () => {
          const { connected, addresses } = await seen(other, laptop)
          return connected && addresses.some((each: string) => each.includes(`/11.22.33.${100 + LAPTOP}/`))
        },
        NOTICED_MS,
      )
    }
    expect((await contentOf(laptop, id)).equals(content)).toBe(true)
    links.setRates(LAPTOP, UNCAPPED)
  })

  it('is found through a third by one that has moved as well, when neither knows where the other is', async () => {
    const [, other] = others as [Branch, Branch]
    const at = 1
    await other.end('SIGKILL')
    move(at, at + 1, 100 + at)
    move(LAPTOP, 100 + LAPTOP, 200 + LAPTOP)
    await eventually(
      'the third knows the laptop’s new address',
      async () =>
        (await seen(others[0] as Branch, laptop)).addresses.some((each: string) =>
          each.includes(`/11.22.33.${200 + LAPTOP}/`),
        ),
      NOTICED_MS,
    )
    await other.up()
    await allMeet()
    expect((await seen(other, laptop)).paths[0].address).toContain('11.22.33.')
  })
})
