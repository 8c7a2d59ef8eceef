import { expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { Dialler } from './dialler.ts'
import type { NetworkHost } from './host-types.ts'
import { ManualClock } from './testing.ts'

const PEER = 'b' as NodeId

/** One member that never answers. @returns the longest pause between two dials in ten minutes, ms */
async function dialsInVain(isAlone: boolean) {
  const clock = new ManualClock()
  const at: number[] = []
  const host: Pick<NetworkHost, 'id' | 'isOpen' | 'connect' | 'find'> = {
    id: 'a' as NodeId,
    isOpen: () => true,
    connect: async () => {
      at.push(clock.now())
      throw new Error('no answer')
    },
    find: async () => [],
  }
  const dialler = new Dialler({
    host: host as NetworkHost,
    clock,
    // the longest of what chance may bring
    random: { bytes: (count) => new Uint8Array(count), below: (limit) => limit - 1 },
    wanted: () => [PEER],
    isAlone: () => isAlone,
  })
  dialler.start()
  for (let half = 0; half < 1_200; half++) {
    clock.advance(500)
    await new Promise(setImmediate)
  }
  await dialler.stop()
  return Math.max(...at.map((ms, index) => ms - (at[index - 1] ?? ms)))
}

it('a member that does not answer is dialled less and less often', async () => {
  expect(await dialsInVain(false)).toBeGreaterThan(60_000)
})

it('with nobody connected, all are dialled every few seconds: the own line may be back', async () => {
  expect(await dialsInVain(true)).toBeLessThan(9_000)
})
