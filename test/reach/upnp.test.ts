/**
 * Behind a router that maps ports (miniupnpd, as in many real ones): the member is dialled where the worst kind of
 * translation on both sides leaves no other way, no relay and no hole.
 */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { labMissing } from './lab.ts'
import { connected, logs, type ReachNetwork, sendsHow, startReachNetwork } from './network.ts'

const noRouter = spawnSync('miniupnpd', ['--version']).error === undefined ? null : 'miniupnpd is missing'
const why = labMissing() ?? noRouter
const STARTING_MS = 120_000
const MEETING_MS = 60_000

describe.skipIf(why !== null)(`UPnP${why === null ? '' : ` (not here: ${why})`}`, () => {
  let network: ReachNetwork
  beforeAll(async () => {
    network = await startReachNetwork({
      offices: { home: { nat: 'sy', upnp: true }, away: { nat: 'sy' } },
      // nobody passes anything on: what arrives has come directly
      flags: (name) => [name === 'relay 0' ? '--no-relay' : '--upnp'],
    })
  }, STARTING_MS)
  afterAll(() => network?.close())

  it('a member behind two strict routers is dialled at the port that its own has mapped, and the port is given back', async () => {
    const [home, away] = [network.node('home'), network.node('away')]
    try {
      const { publicAddress } = home.host
      await eventually('a mapping', async () => (await home.api('/status')).upnp.state === 'mapped', MEETING_MS)
      const status = await home.api('/status')
      expect(status.upnp.address).toBe(`${publicAddress}:4373`)
      expect(status.addresses.join(' ')).toContain(`/ip4/${publicAddress}/udp/4373/quic-v1`)
      expect((await away.api('/status')).upnp.state).not.toBe('mapped')

      await connected([[home, away]], MEETING_MS)
      const seen = await away.viewOf(home)
      expect(['tcp', 'udp']).toContain(seen.pathKind)
      expect(seen.paths.map(({ address }: { address: string }) => address).join(' ')).toContain(
        `/ip4/${publicAddress}/`,
      )
      expect(await sendsHow(network, home, away)).toBe('direct')
      // who has been dialled from outside is reachable, and says so
      const isPublic = async () => Object.values((await home.api('/status')).reachability).includes('public')
      await eventually('it counts as reached', isPublic, MEETING_MS)
      expect((await home.run('status')).stdout).toMatch(/^UPnP +mapped 11\.22\.33\.\d+:4373$/m)
      expect((await home.run('doctor')).stdout).toMatch(/^ok +upnp: mapped 11\.22\.33\.\d+:4373$/m)

      expect(network.office('home').mapped()).toHaveLength(2)
      await home.end()
      expect(network.office('home').mapped()).toEqual([])
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${logs([home, away])}`)
    }
  }, 180_000)
})
