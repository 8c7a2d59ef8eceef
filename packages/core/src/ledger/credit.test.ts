import { expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { CREDIT_FAILED, CREDIT_MAX, createCredit } from './credit.ts'
import { ManualClock } from './testing.ts'

const [ana, bia] = ['ana', 'bia'] as NodeId[] as [NodeId, NodeId]

it('a peer is believed so often, again for what came, and once more each second', () => {
  const clock = new ManualClock()
  const credit = createCredit(clock)
  for (let count = 0; count < CREDIT_MAX; count++) expect(credit.take(ana)).toBe(true)
  expect([credit.take(ana), credit.take(bia)]).toEqual([false, true])
  credit.back(ana)
  expect([credit.take(ana), credit.take(ana)]).toEqual([true, false])
  for (let tenth = 0; tenth < 10; tenth++) {
    clock.advance(100)
    expect(credit.take(ana), `after ${tenth + 1} tenths`).toBe(tenth === 9)
  }
  clock.set(0)
  expect(credit.take(ana)).toBe(false)
})

it('not to give costs more than to have announced', () => {
  const credit = createCredit(new ManualClock())
  for (let count = 0; count < CREDIT_MAX / CREDIT_FAILED; count++) credit.failed(ana)
  expect(credit.take(ana)).toBe(false)
  credit.failed(ana)
  credit.back(ana)
  expect([credit.take(ana), credit.take(ana)]).toEqual([true, false])
})
