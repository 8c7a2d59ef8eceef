/**
 * Who reaches whom, and how: the product's own nodes behind every pair of routers, either of them beginning. What went
 * directly is what the relay has not counted, whatever the nodes say.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { labMissing } from './lab.ts'
import type { NatKind } from './nat.ts'
import { connected, type LabBranch, logs, type ReachNetwork, sendsHow, startReachNetwork } from './network.ts'

const why = labMissing()
/** on a machine that does something else too */
const STARTING_MS = 180_000
const MEETING_MS = 60_000
const GROUP_MS = 240_000
const LOOK_MS = 250

/** Ids grow in this order, and the smaller id begins. */
const OFFICES = ['fc1', 'pr1', 'sy1', 'fw1', 'rej1', 'rej2', 'fw2', 'sy2', 'pr2', 'fc2'] as const
type Office = (typeof OFFICES)[number]
const natOf = (office: Office) => office.slice(0, -1) as NatKind

/** Neither better nor worse. */
type How = 'direct' | 'relayed'

/** What must be, whoever of the two begins. */
const PAIRINGS: readonly (readonly [NatKind, NatKind, How])[] = [
  ['fc', 'fc', 'direct'],
  ['fc', 'pr', 'direct'],
  ['pr', 'pr', 'direct'],
  ['fc', 'fw', 'direct'],
  ['pr', 'fw', 'direct'],
  ['fw', 'fw', 'direct'],
  ['fc', 'sy', 'direct'],
  ['rej', 'rej', 'direct'],
  ['pr', 'sy', 'relayed'],
  ['fw', 'sy', 'relayed'],
  ['sy', 'sy', 'relayed'],
]

/** Switched on together; the pairs of each, the first of which begins. More at a time would make more pairs than are asked about. */
const GROUPS: readonly (readonly (readonly [Office, Office])[])[] = [
  pairsOf('fc1', 'pr1', 'fc2'),
  pairsOf('pr1', 'fw1', 'pr2'),
  [
    ['fc1', 'fw1'],
    ['fw1', 'fc2'],
  ],
  [
    ['sy1', 'fw1'],
    ['fw1', 'fw2'],
    ['fw1', 'sy2'],
    ['sy1', 'sy2'],
  ],
  [
    ['fc1', 'sy1'],
    ['sy1', 'fc2'],
  ],
  [
    ['pr1', 'sy1'],
    ['sy1', 'pr2'],
  ],
  [['rej1', 'rej2']],
]

function pairsOf(...offices: Office[]): (readonly [Office, Office])[] {
  return offices.flatMap((one, at) => offices.slice(at + 1).map((other) => [one, other] as const))
}

function howOf([one, other]: readonly [Office, Office]): How {
  const kinds = [natOf(one), natOf(other)]
  const found = PAIRINGS.find(([a, b]) => kinds.includes(a) && kinds.includes(b) && (a !== b || kinds[0] === kinds[1]))
  if (found === undefined) throw new RangeError(`nobody says what ${kinds.join(' and ')} become`)
  return found[2]
}

const textOf = (pair: readonly [Office, Office]) => `${natOf(pair[0])}-${natOf(pair[1])} ${howOf(pair)}`
const NAMED = GROUPS.map((pairs) => [pairs.map(textOf).join(', '), pairs] as const)

describe.skipIf(why !== null)(`every pair of routers${why === null ? '' : ` (not here: ${why})`}`, () => {
  let network: ReachNetwork
  beforeAll(async () => {
    network = await startReachNetwork({
      // behind each router are the same private addresses, as behind most
      offices: Object.fromEntries(OFFICES.map((office) => [office, { nat: natOf(office), lan: 1 }])),
      apart: true,
    })
  }, STARTING_MS)
  afterAll(() => network?.close())

  it('is asked about, either side beginning', () => {
    const ways = PAIRINGS.flatMap(([one, other]) => [`${one} ${other}`, `${other} ${one}`])
    const asked = GROUPS.flat().map(([one, other]) => `${natOf(one)} ${natOf(other)}`)
    expect([...new Set(asked)].sort()).toEqual([...new Set(ways)].sort())
    for (const [one, other] of GROUPS.flat()) expect(OFFICES.indexOf(one)).toBeLessThan(OFFICES.indexOf(other))
  })

  it.each(NAMED)(
    '%s',
    async (_text, pairs) => {
      const branches = [...new Set(pairs.flat())].map((office) => network.node(office))
      await Promise.all(branches.map((branch) => branch.up()))
      try {
        const both = pairs.map((pair) => [network.node(pair[0]), network.node(pair[1]), howOf(pair)] as const)
        await connected(
          both.map(([one, other]) => [one, other] as const),
          MEETING_MS,
        )
        for (const [one, other, how] of both) await meet(one, other, how)
      } catch (error) {
        throw new Error(`${error instanceof Error ? error.message : error}\n${logs(branches)}`)
      } finally {
        await Promise.all(branches.map((branch) => branch.end()))
      }
    },
    GROUP_MS,
  )

  async function meet(sender: LabBranch, reader: LabBranch, how: How): Promise<void> {
    if (how === 'direct') {
      const both = async () => await Promise.all([sender.viewOf(reader), reader.viewOf(sender)])
      const isDirect = async () => (await both()).every(({ path }) => path !== null && path !== 'relay')
      await eventually(`${sender.name} and ${reader.name}: a direct path`, isDirect, MEETING_MS, LOOK_MS)
    }
    const went = await sendsHow(network, sender, reader)
    expect(`${sender.name} to ${reader.name}: ${went}`).toBe(`${sender.name} to ${reader.name}: ${how}`)
  }
})
