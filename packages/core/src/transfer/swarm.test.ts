/** Behind capped links in virtual time: what is compared is the same in each run and on each machine. */
import { describe, expect, it } from 'vitest'
import { type CappedSwarm, leastMs, type SwarmInit, startSwarm } from './swarm/testing.ts'

const MOST_MS = 600_000

async function finish(init: SwarmInit, during?: (swarm: CappedSwarm) => void) {
  const swarm = startSwarm(init)
  during?.(swarm)
  const living = () => swarm.others.filter(({ isDown, download }) => !isDown && download !== undefined)
  await swarm.clock.run(() => living().every(({ doneAt }) => doneAt !== null), MOST_MS)
  const last = Math.max(...living().map(({ doneAt }) => doneAt ?? 0))
  return { swarm, last, ratio: last / leastMs(init), ownerSent: swarm.owner.sent / swarm.bytes }
}

describe('a new version behind capped links', () => {
  const even = { up: 100, down: 100 }

  it('reaches eight others near the least possible time, having left its owner about once', async () => {
    const { ratio, ownerSent } = await finish({ chunks: 96, owner: even, others: Array(8).fill(even), seed: 1 })
    expect(ratio).toBeLessThan(1.25)
    expect(ownerSent).toBeLessThan(1.2)
  })

  it('and more of them, whose links are slower up than down', async () => {
    const slow = { up: 50, down: 100 }
    const { ratio, ownerSent } = await finish({ chunks: 64, owner: slow, others: Array(12).fill(slow), seed: 2 })
    expect(ratio).toBeLessThan(1.35)
    expect(ownerSent).toBeLessThan(1.5)
  })

  it('reaches all others when one of them dies on the way with chunks that only it was given', async () => {
    const { ratio, ownerSent } = await finish(
      { chunks: 48, owner: even, others: Array(5).fill(even), seed: 3 },
      (swarm) => swarm.clock.after(2_000, () => swarm.others[2]?.kill()),
    )
    expect(ratio).toBeLessThan(1.6)
    expect(ownerSent).toBeLessThan(1.6)
  })

  it('comes from four sources as fast as those that live, whatever the differences', async () => {
    const rates = [80, 40, 20, 10].map((up) => ({ up, down: 1000 }))
    const [owner = even, ...others] = rates
    const swarm = startSwarm({
      chunks: 256,
      owner,
      others: [...others, { up: 1000, down: 1000 }],
      complete: 3,
      seed: 4,
      urgent: true,
    })
    const reader = swarm.others[3]
    let diedAt = 0
    const half = () => {
      if ((reader?.download?.progress().bytes ?? 0) * 2 < (reader?.download?.progress().total ?? 0)) {
        swarm.clock.after(20, half)
        return
      }
      diedAt = swarm.clock.now()
      swarm.others[0]?.kill()
    }
    half()
    await swarm.clock.run(() => reader?.doneAt !== null, MOST_MS)
    const took = reader?.doneAt ?? 0
    const offered = 150 * 125 * diedAt + 110 * 125 * (took - diedAt)
    expect(swarm.bytes / offered).toBeGreaterThan(0.9)
  })
})
