import { expect, it } from 'vitest'
import type { NodeId } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { createLaneTickets, TICKET_MS } from './lane-tickets.ts'
import { ManualClock } from './testing.ts'

const [ana, bia] = ['ana', 'bia'] as NodeId[] as [NodeId, NodeId]

it('a ticket opens one lane, once and soon', () => {
  const clock = new ManualClock()
  const tickets = createLaneTickets<string>({ clock, random: systemRandom })
  expect(tickets.isAwaited).toBe(false)
  const [first, second, third] = ['a', 'b', 'c'].map((use) => tickets.issue(ana, 'transfer', use))
  expect(tickets.key(first?.identity ?? '')).toEqual(first?.key)
  expect(tickets.key('00'.repeat(16))).toBe(undefined)
  // looking at a key does not use it up: who has only seen the identity could else void it
  expect(tickets.take(first?.identity ?? '')).toMatchObject({ peer: ana, protocol: 'transfer', use: 'a' })
  expect(tickets.take(first?.identity ?? '')).toBe(undefined)
  tickets.drop(second?.identity ?? '')
  expect(tickets.key(second?.identity ?? '')).toBe(undefined)
  expect(tickets.isAwaited).toBe(true)
  clock.advance(TICKET_MS)
  expect(tickets.take(third?.identity ?? '')).toBe(undefined)
  expect(tickets.isAwaited).toBe(false)
})

it('one member cannot take all of them', () => {
  const tickets = createLaneTickets<string>({ clock: new ManualClock(), random: systemRandom })
  let issued = 0
  while (tickets.issue(ana, 'transfer', '') !== null) issued += 1
  expect(issued).toBe(32)
  expect(tickets.issue(bia, 'transfer', '')).not.toBe(null)
  tickets.clear()
  expect(tickets.isAwaited).toBe(false)
})
