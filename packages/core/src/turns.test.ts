import { describe, expect, it } from 'vitest'
import { createTurns, nextTurn, TURN_MS } from './turns.ts'

describe('createTurns', () => {
  it('says when a turn has taken its time, and begins another after the rest', async () => {
    let now = 1000
    let rested = 0
    const turns = createTurns(
      async () => {
        now += 500 // of everybody else
        return ++rested
      },
      () => now,
    )
    expect(turns.isOver()).toBe(false)
    now += TURN_MS - 1
    expect(turns.isOver()).toBe(false)
    now += 1
    expect(turns.isOver()).toBe(true)
    expect(await turns.next()).toBe(1)
    expect(turns.isOver()).toBe(false)
    now += TURN_MS
    expect(turns.isOver()).toBe(true)
    expect(await turns.next()).toBe(2)
  })

  it('lets everybody else have a turn', async () => {
    const order: string[] = []
    const other = new Promise<void>((resolve) =>
      setImmediate(() => {
        order.push('other')
        resolve()
      }),
    )
    await createTurns(nextTurn).next()
    order.push('own')
    await other
    expect(order).toEqual(['other', 'own'])
  })
})
