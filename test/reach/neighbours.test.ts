/**
 * Members behind one router: on one LAN, or in networks of their own between which it lets nothing pass, with and without
 * hairpinning; and what a branch says that nobody can reach.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { labMissing } from './lab.ts'
import { connected, logs, type ReachNetwork, sendsHow, startReachNetwork } from './network.ts'

const why = labMissing()
/** on a machine that does something else too */
const STARTING_MS = 120_000
const MEETING_MS = 60_000
const LOOK_MS = 250
const PAIRS = ['lan', 'turns', 'strict'] as const

describe.skipIf(why !== null)(`behind one router${why === null ? '' : ` (not here: ${why})`}`, () => {
  let network: ReachNetwork
  const pairOf = (name: string) => [network.node(name), network.node(`${name}.1`)] as const
  beforeAll(async () => {
    network = await startReachNetwork({
      offices: {
        lan: { nat: 'pr', hosts: 2 },
        turns: { nat: 'fc', hosts: 2, apart: true, hairpin: true },
        strict: { nat: 'pr', hosts: 2, apart: true },
      },
    })
    await connected(PAIRS.map(pairOf), MEETING_MS)
  }, STARTING_MS)
  afterAll(() => network?.close())

  const viewsOf = (pair: string): Promise<Json[]> => {
    const [one, other] = pairOf(pair)
    return Promise.all([one.viewOf(other), other.viewOf(one)])
  }
  const becomes = (pair: string, how: (view: Json) => boolean) =>
    eventually(pair, async () => (await viewsOf(pair)).every(how), MEETING_MS, LOOK_MS).catch(async (error: Error) => {
      throw new Error(`${error.message} ${JSON.stringify(await viewsOf(pair))}\n${logs(pairOf(pair))}`)
    })

  it('those on one LAN use it, those that are apart the router if it turns packets round, else the relay', async () => {
    await becomes('lan', ({ pathKind }) => pathKind === 'lan')
    await becomes('turns', ({ path }) => path !== null && path !== 'relay')
    const went = PAIRS.map(async (pair) => [pair, await sendsHow(network, ...pairOf(pair))])
    expect(Object.fromEntries(await Promise.all(went))).toEqual({ lan: 'direct', turns: 'direct', strict: 'relayed' })
  })

  it('without a relay in reach, status and doctor say so, and what would help; a LAN needs none', async () => {
    // and those who have no part in it, for whom everybody would look
    await Promise.all([...network.relays, ...pairOf('turns')].map((branch) => branch.end()))
    const [one, other] = pairOf('strict')
    const text = `cannot reach ${other.name}: no relay`
    const found = await eventually(
      text,
      async () => (await one.api('/status')).warnings.find(({ code }: Json) => code === 'unreachable') ?? false,
      MEETING_MS,
      LOOK_MS,
    )
    expect(found.advice).toMatch(/open TCP and UDP port 4373 at one of the two, or start one member .* --relay/)
    const [status, doctor] = await Promise.all([one.run('status'), one.run('doctor')])
    expect(status.stdout).toContain(text)
    expect(status.stdout).toContain('relay none')
    expect(doctor.stdout).toContain(
      'this node is behind a NAT, and nobody serves as relay: only the same LAN reaches it',
    )
    expect(doctor.stdout).toContain('--relay')
    expect((await viewsOf('lan')).map(({ pathKind }) => pathKind)).toEqual(['lan', 'lan'])
  })
})
