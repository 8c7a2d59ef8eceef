import { describe, expect, it } from 'vitest'
import type { SealedFile } from '../content/index.ts'
import type { Root } from '../ids.ts'
import { createNews, type Informed } from './provider-news.ts'
import { VirtualClock } from './swarm/testing.ts'

const root = 'ab'.repeat(32) as Root
const COUNT = 96

/** A node into which a chunk comes every so often, and so many clients that want to know. */
async function swarmOf(clients: number, everyMs: number) {
  const clock = new VirtualClock()
  const here = new Set<number>()
  const file = { count: COUNT, has: (index: number) => here.has(index) } as SealedFile
  const all = Array.from({ length: clients }, (): Informed => ({ root, file, told: new Uint8Array(COUNT / 8) }))
  const complete: Informed = { root, file, told: null }
  const said = new Map<Informed, number[]>()
  let messages = 0
  let latest = 0
  const arrivedAt = new Map<number, number>()
  const news = createNews({
    clock,
    clients: new Set([...all, complete]),
    tell(client, indexes) {
      messages += 1
      said.set(client, [...(said.get(client) ?? []), ...indexes])
      for (const index of indexes) latest = Math.max(latest, clock.now() - (arrivedAt.get(index) ?? 0))
    },
  })
  for (let index = 0; index < COUNT; index++) {
    clock.after(index * everyMs, () => {
      here.add(index)
      arrivedAt.set(index, clock.now())
      news.add(root, index)
    })
  }
  await clock.run(() => all.every((client) => said.get(client)?.length === COUNT), 3_600_000)
  return { said, all, complete, messages, latest }
}

describe('news of what has come', () => {
  it('reaches each client once, and nobody who was told that all is here', async () => {
    const { said, all, complete } = await swarmOf(5, 80)
    for (const client of all) expect(said.get(client)).toEqual(Array.from({ length: COUNT }, (_, index) => index))
    expect(said.has(complete)).toBe(false)
  })

  it('comes in fewer messages to each the more there are, and never late', async () => {
    const few = await swarmOf(8, 80)
    const many = await swarmOf(23, 80)
    const most = await swarmOf(70, 80)
    expect(few.messages / 8).toBe(COUNT)
    expect(few.latest).toBeLessThanOrEqual(50)
    expect(many.messages / 23).toBeLessThan(COUNT / 4)
    expect(many.latest).toBeLessThanOrEqual(350)
    expect(most.messages / 70).toBeLessThan(COUNT / 6)
    expect(most.latest).toBeLessThanOrEqual(500)
  })
})
