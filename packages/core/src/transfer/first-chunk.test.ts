/** What a reader waits for, in virtual time: round trips and what else is on its link. */
import { describe, expect, it } from 'vitest'
import {
  type CappedMember,
  type CappedSwarm,
  chunkMs,
  ROUND_TRIP_MS,
  type SwarmInit,
  startSwarm,
} from './swarm/testing.ts'

const LINK = { up: 100, down: 1000 }
const POSITION = 170

/** Four have everything, the fifth reads. */
function startReading(init: Partial<SwarmInit> = {}): { swarm: CappedSwarm; reader: CappedMember } {
  const swarm = startSwarm({
    chunks: 256,
    owner: LINK,
    others: [LINK, LINK, LINK, { up: 100, down: 1000 }],
    complete: 3,
    seed: 1,
    urgent: true,
    position: POSITION,
    ...init,
  })
  return { swarm, reader: swarm.others.at(-1) as CappedMember }
}

async function arrival({ swarm, reader }: ReturnType<typeof startReading>, index: number): Promise<number> {
  await swarm.clock.run(() => reader.cameAt.has(index), 60_000)
  return reader.cameAt.get(index) ?? Number.POSITIVE_INFINITY
}

describe('the chunk at a reader position', () => {
  it('is here after three round trips and what it takes itself', async () => {
    expect(await arrival(startReading(), POSITION)).toBeLessThanOrEqual(3 * ROUND_TRIP_MS + chunkMs(LINK.up))
  })

  it('has the link of the reader to itself, though there are sources enough to fill it', async () => {
    const narrow = { up: 100, down: 100 }
    const reading = startReading({ others: [LINK, LINK, LINK, narrow] })
    expect(await arrival(reading, POSITION)).toBeLessThanOrEqual(3 * ROUND_TRIP_MS + chunkMs(narrow.down))
  })

  it('is asked of another source when the first one has gone, or says nothing', async () => {
    const dead = startReading()
    dead.swarm.clock.after(3, () => dead.swarm.owner.kill())
    expect(await arrival(dead, POSITION)).toBeLessThan(1_000)
    const stuck = startReading()
    stuck.swarm.owner.rates = { up: 0.001, down: 1000 }
    // patience, a tick to notice, and from then on as at first
    expect(await arrival(stuck, POSITION)).toBeLessThan(1_000 + 250 + 3 * ROUND_TRIP_MS + chunkMs(LINK.up))
  })

  it('comes over what is there, and the rest over lanes, without anything being asked twice', async () => {
    const { swarm, reader } = startReading()
    await swarm.clock.run(() => reader.doneAt !== null, 60_000)
    expect(reader.opened).toEqual({ streams: 1, lanes: 4 })
    expect(reader.download?.progress().wasted).toBe(0)
    const least = (256 / 4) * chunkMs(LINK.up)
    expect(reader.doneAt).toBeLessThan(least * 1.15)
  })

  it('comes before what was asked for earlier, after a jump', async () => {
    const reading = startReading({ chunks: 512, others: [LINK, LINK, LINK, { up: 100, down: 100 }] })
    const { swarm, reader } = reading
    await swarm.clock.run(() => reader.cameAt.size > 60, 60_000)
    const to = Array.from({ length: 512 }, (_, index) => index).findLast((index) => !reader.cameAt.has(index)) ?? 0
    const began = swarm.clock.now()
    reader.download?.prioritise([to])
    const waited = (await arrival(reading, to)) - began
    // some two from each of the four are in the hands of the network already
    expect(waited).toBeLessThan(ROUND_TRIP_MS + 9 * chunkMs(100))
  })
})
