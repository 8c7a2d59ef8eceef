/**
 * A network in which nobody has or uses IPv4: joining by an IPv6 address that was typed, and two members behind firewalls
 * that translate nothing and let in only what was asked for.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { labMissing } from './lab.ts'
import { connected, logs, type ReachNetwork, sendsHow, startReachNetwork } from './network.ts'

const why = labMissing()
const STARTING_MS = 120_000
const MEETING_MS = 60_000
const SIX = ['--listen', '/ip6/::/tcp/4373', '--listen', '/ip6/::/udp/4373/quic-v1']
/** of the first public host of a lab */
const RELAY = '2a0b:aaaa:33::10'

describe.skipIf(why !== null)(`IPv6 alone${why === null ? '' : ` (not here: ${why})`}`, () => {
  let network: ReachNetwork
  beforeAll(async () => {
    network = await startReachNetwork({
      offices: { one: { nat: 'fw', version: 6 }, two: { nat: 'fw', version: 6 } },
      flags: () => SIX,
      via: (name) => (name === 'one' ? RELAY : `[${RELAY}]:4373`),
    })
  }, STARTING_MS)
  afterAll(() => network?.close())

  it('who has joined by --via finds the way through two firewalls', async () => {
    const [one, two] = [network.node('one'), network.node('two')]
    try {
      await connected([[one, two]], MEETING_MS)
      await eventually('a direct path', async () => (await one.viewOf(two)).path !== 'relay', MEETING_MS)
      const { pathKind, paths } = await one.viewOf(two)
      expect(pathKind).toMatch(/^punched-/)
      expect(paths.filter(({ address }: { address: string }) => !address.startsWith('/ip6/'))).toEqual([])
      expect(await sendsHow(network, one, two)).toBe('direct')
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${logs([one, two])}`)
    }
  }, 180_000)
})
