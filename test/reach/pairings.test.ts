/**
 * Who reaches whom, and how: the product's own nodes behind every pair of routers. What went directly is what the relay has
 * not counted, whatever the nodes say.
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
const ROW_MS = 180_000

/** Two of each kind, the second ones the other way round; ids grow in this order. */
const OFFICES: readonly NatKind[] = ['fc', 'pr', 'sy', 'fw', 'rej', 'rej', 'fw', 'sy', 'pr', 'fc']
const nameAt = (at: number) => `${OFFICES[at]}${at < OFFICES.length / 2 ? 1 : 2}`

/** Neither better nor worse; `either`, where a way past the relay is not yet sure to be found: then the file has to arrive. */
type How = 'direct' | 'relayed' | 'either'

/** What must be; the first has the smaller id, which decides who begins. */
const PAIRINGS: readonly (readonly [NatKind, NatKind, How])[] = [
  ['fc', 'fc', 'direct'],
  ['pr', 'fc', 'direct'],
  ['pr', 'pr', 'direct'],
  ['fc', 'fw', 'direct'],
  ['fw', 'pr', 'direct'],
  ['fw', 'fw', 'direct'],
  ['fc', 'sy', 'either'],
  ['rej', 'rej', 'either'],
  ['sy', 'pr', 'relayed'],
  ['fw', 'sy', 'relayed'],
  ['sy', 'sy', 'relayed'],
]
describe.skipIf(why !== null)(`every pair of routers${why === null ? '' : ` (not here: ${why})`}`, () => {
  let network: ReachNetwork
  beforeAll(async () => {
    network = await startReachNetwork({
      offices: Object.fromEntries(OFFICES.map((nat, at) => [nameAt(at), { nat }])),
      apart: true,
    })
  }, STARTING_MS)
  afterAll(() => network?.close())

  it.each(PAIRINGS)(
    '%s and %s: %s',
    async (one, other, how) => {
      await meet(network.node(`${one}1`), network.node(`${other}2`), how)
    },
    ROW_MS,
  )

  async function meet(sender: LabBranch, reader: LabBranch, how: How): Promise<void> {
    await Promise.all([sender.up(), reader.up()])
    try {
      await connected([[sender, reader]], MEETING_MS)
      if (how === 'direct')
        await eventually('a direct path', async () => (await sender.viewOf(reader)).path !== 'relay', MEETING_MS)
      const went = await sendsHow(network, sender, reader)
      if (how !== 'either') expect(went).toBe(how)
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${logs([sender, reader])}`)
    } finally {
      await Promise.all([sender.end(), reader.end()])
    }
  }
})
