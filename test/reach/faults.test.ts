/**
 * What becomes of paths when something breaks of which nobody tells: a relay, a mapping, an address, a line. Each breaks for
 * members of its own, all at the same time, but the relay, which is everybody's and goes last.
 */
import { randomFillSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../support/branch.ts'
import { contentOf, share } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { labMissing } from './lab.ts'
import { connected, logs, type ReachNetwork, sendsHow, startReachNetwork } from './network.ts'

const why = labMissing()
/** on a machine that does something else too */
const STARTING_MS = 120_000
const MEETING_MS = 60_000
const TEST_MS = 180_000
/**
 * docs/specs/paths.md: a path is silent after 3 s, another one is dialled at once and every 4 s, a member whom nothing
 * reaches is gone after 10 s. Less than three heartbeats (30 s), after which silence would be noticed anyway.
 */
const NOTICED_MS = 25_000
/** How long a line stays cut when everybody has noticed: some dials come to nothing meanwhile. */
const CUT_MS = 10_000
/** between two questions of the test: each takes processor time on both sides */
const LOOK_MS = 250
const MiB = 1024 * 1024
/** over a relay, so that it takes ten seconds */
const BYTES = 10 * MiB
const RATE = '1MiB/s'

describe.skipIf(why !== null)(`unannounced${why === null ? '' : ` (not here: ${why})`}`, () => {
  let network: ReachNetwork
  const node = (name: string) => network.node(name)
  beforeAll(async () => {
    network = await startReachNetwork({
      relays: 2,
      offices: {
        still: { nat: 'pr' },
        forgetful: { nat: 'pr' },
        moving: { nat: 'pr' },
        'cut off': { nat: 'sy' },
      },
      // punched TCP alone: where a mapping of it is forgotten, nothing that is sent opens it again
      flags: (name) =>
        name.startsWith('relay') ? ['--relay-limit', RATE] : name === 'forgetful' ? ['--transports', 'tcp'] : [],
    })
    await connected(
      network.all.flatMap((a, at) => network.all.slice(at + 1).map((b) => [a, b] as const)),
      MEETING_MS,
    )
    await Promise.all([
      usesBoth('still', 'forgetful', isDirect, MEETING_MS),
      usesBoth('still', 'moving', isDirect, MEETING_MS),
    ])
  }, STARTING_MS)
  afterAll(() => network?.close())

  const isDirect = ({ connected, path }: Json) => connected && path !== 'relay'
  const isRelayed = ({ connected, path }: Json) => connected && path === 'relay'
  const viewsOf = (one: string, other: string): Promise<Json[]> =>
    Promise.all([node(one).viewOf(node(other)), node(other).viewOf(node(one))])
  async function usesBoth(one: string, other: string, how: (view: Json) => boolean, withinMs: number): Promise<void> {
    await eventually(`${one} and ${other}`, async () => (await viewsOf(one, other)).every(how), withinMs, 100).catch(
      (error: Error) => {
        throw new Error(`${error.message}\n${logs([node(one), node(other)])}`)
      },
    )
  }

  it.concurrent(
    'a NAT forgets the mapping of a hole: the relay takes over within seconds, and another hole is opened',
    async () => {
      const [still, forgetful] = [network.office('still'), network.office('forgetful')]
      // what would open another hole at once does not pass, so that the relay is seen to carry
      network.lab.sever(still.publicAddress, forgetful.publicAddress)
      forgetful.forgetMappings(still.publicAddress)
      still.forgetMappings(forgetful.publicAddress)
      await usesBoth('still', 'forgetful', isRelayed, NOTICED_MS)
      expect(await sendsHow(network, node('still'), node('forgetful'))).toBe('relayed')
      network.lab.join(still.publicAddress, forgetful.publicAddress)
      await usesBoth('still', 'forgetful', isDirect, MEETING_MS)
      expect(await sendsHow(network, node('still'), node('forgetful'))).toBe('direct')
    },
    TEST_MS,
  )

  it.concurrent(
    'a router has another public address: the others find it there, directly again',
    async () => {
      const moved = '11.22.33.201'
      const began = performance.now()
      network.office('moving').moveTo(moved)
      await eventually(
        'all are connected with it where it is now',
        async () => {
          const views = await Promise.all(network.relays.map((relay) => relay.viewOf(node('moving'))))
          return views.every(({ connected, paths }) => connected && paths[0].address.includes(`/${moved}/`))
        },
        NOTICED_MS,
        LOOK_MS,
      )
      // the old path is a direct one, until it is found dead
      const isNew = ({ paths }: Json) => paths[0]?.ageSeconds < Math.floor((performance.now() - began) / 1000)
      await usesBoth('still', 'moving', (view) => view.connected && isNew(view), NOTICED_MS)
      await usesBoth('still', 'moving', (view) => isDirect(view) && isNew(view), MEETING_MS)
      expect(await sendsHow(network, node('still'), node('moving'))).toBe('direct')
    },
    TEST_MS,
  )

  it.concurrent(
    'a line is cut: those at both ends say so within seconds, and are connected again soon after it is mended',
    async () => {
      const office = network.office('cut off')
      const others = network.all.filter((branch) => branch !== node('cut off'))
      office.cut()
      await Promise.all(
        others.map((other) =>
          eventually(
            `${other.name} has noticed`,
            async () => (await viewsOf(other.name, 'cut off')).every((view) => !view.connected),
            NOTICED_MS,
            LOOK_MS,
          ),
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, CUT_MS))
      office.mend()
      await connected(
        others.map((other) => [node('cut off'), other] as const),
        NOTICED_MS,
      )
      expect(await sendsHow(network, node('cut off'), node('still'))).toBe('relayed')
    },
    TEST_MS,
  )

  it(
    'the relay in use dies in the middle of a file: the rest comes over the other one',
    async () => {
      const [from, to] = [node('still'), node('cut off')]
      const carried = () => network.relays.map(({ host }) => host.traffic().get(to.host.publicAddress)?.bytes ?? 0)
      const content = randomFillSync(Buffer.alloc(BYTES))
      const { id } = await share(from, [to], 'a meio caminho.mov', content)
      const before = carried()
      await to.api(`/files/${id}/fetch`, { method: 'POST' })
      const has = async () =>
        (await to.api('/transfers')).items
          .filter(({ fileId, kind }: Json) => fileId === id && kind === 'fetch')
          .reduce((most: number, { bytes }: Json) => Math.max(most, bytes), 0)
      const had = await eventually(
        'a part is there',
        async () => {
          const bytes = await has()
          return bytes >= BYTES / 3 && bytes
        },
        MEETING_MS,
        LOOK_MS,
      )
      const then = carried()
      const passed = then.map((bytes, at) => bytes - (before[at] ?? 0))
      const inUse = passed.indexOf(Math.max(...passed))
      await network.relays[inUse]?.end('SIGKILL')
      expect(passed[inUse]).toBeGreaterThan(had / 2)
      await eventually(
        'it is here',
        async () => (await to.api(`/files/${id}`)).local === 'complete',
        MEETING_MS,
        LOOK_MS,
      )
      expect((await contentOf(to, id)).equals(content)).toBe(true)
      const rest = carried().map((bytes, at) => bytes - (then[at] ?? 0))
      expect(rest[1 - inUse], 'carried by the other relay').toBeGreaterThan(2 * MiB)
      // but what was on its way
      expect(rest[1 - inUse], 'what was there does not come again').toBeLessThan(BYTES - had + 2 * MiB)
    },
    TEST_MS,
  )
})
