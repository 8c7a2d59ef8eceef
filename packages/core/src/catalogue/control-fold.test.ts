import { describe, expect, it, vi } from 'vitest'
import type { EntryId } from '../ids.ts'
import type { Entry } from '../ledger/index.ts'
import { type Author, World } from '../membership/testing.ts'
import { type FoldedControl, foldControlInTurns, foldInto, noControl } from './control-fold.ts'
import { memberRows } from './member-rows.ts'
import { type ControlState, foldAllControl } from './shared-fold.ts'

/** The same numbers each time. */
function numbers(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

/** Entries of which each had seen the ends of what was there some entries ago: admins at odds, closed feeds, what waits. */
function history(seed: number): Entry[] {
  const below = numbers(seed)
  const world = new World()
  const people: Author[] = [world.founder]
  for (let at = 0; at < 4; at++) people.push(world.join(world.founder, { role: at < 3 ? 'admin' : 'member' }))
  const someone = () => people[below(people.length)] as Author
  const seenThen = (): EntryId[] => {
    const known = world.entries.slice(0, Math.max(9, world.entries.length - below(9)))
    const named = new Set(known.flatMap((entry) => entry.seen))
    return known.flatMap(({ id }) => (named.has(id) ? [] : [id]))
  }
  while (world.entries.length < 90) {
    const [by, other, seen] = [
      someone(),
      someone(),
      below(40) === 0 ? [world.found.id, seenThen()[0] as EntryId] : seenThen(),
    ]
    const options = { seen: [...new Set(seen)] }
    const what = below(12)
    if (what < 5) world.invite(by, {}, options)
    else if (what < 8) world.write(by, 'role', { node: other.key, role: below(2) === 0 ? 'admin' : 'member' }, options)
    else if (what < 9) world.write(by, 'quarantine', { node: other.key }, options)
    else if (what < 10) world.write(by, 'expel', { node: other.key, cuts: [other.end(below(9))] }, options)
    else if (what < 11)
      world.write(world.founder, 'role', { node: other.key, role: 'admin' }, { ...options, cosigned: true })
    else people.push(world.join(world.founder))
  }
  return world.entries as unknown as Entry[]
}

function told({ membership, waiting }: ControlState) {
  return {
    rows: memberRows(membership),
    verdicts: [...membership.verdicts],
    closed: [...membership.closed],
    standings: [...membership.standings],
    waiting: waiting.map(({ id }) => id),
  }
}

describe('control entries that are there', () => {
  it('make the same in turns as in one go', async () => {
    const entries = history(5)
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000)) // a turn for each entry
    const inTurns = await foldControlInTurns(entries)
    const turns = clock.mock.calls.length
    clock.mockRestore()
    expect(turns).toBeGreaterThan(entries.length)
    const inOneGo = foldInto(noControl(), entries, entries)
    expect(inTurns === null ? null : told(inTurns)).toEqual(told(inOneGo))
    expect(inTurns?.order.map(({ id }) => id)).toEqual(inOneGo.order.map(({ id }) => id))
  })
})

describe('control entries that come late', () => {
  it.each([1, 2, 3, 4])('make what a fold of all makes, in whatever order they come (%i)', (seed) => {
    const below = numbers(seed * 77)
    const entries = history(seed)
    // a little out of order, some much, and now and then several at once
    const arrivals = entries
      .map((entry, at) => ({ entry, at: at + (below(12) === 0 ? below(60) : below(6)) }))
      .sort((a, b) => a.at - b.at)
      .map(({ entry }) => entry)
    const here: Entry[] = []
    let folded: FoldedControl = noControl()
    while (here.length < arrivals.length) {
      const added = arrivals.slice(here.length, here.length + 1 + (below(5) === 0 ? below(12) : 0))
      here.push(...added)
      const before = folded
      folded = foldInto(before, here, added)
      const whole = foldAllControl(here)
      expect(told(folded)).toEqual(told(whole))
      expect(folded.order.map(({ id }) => id)).toEqual([...whole.membership.verdicts.keys()])
      // what was rolled back leaves nothing behind
      if (below(4) === 0) expect(told(foldInto(before, here, added))).toEqual(told(whole))
    }
    // so that some of this was folded from a mark
    expect(folded.mark.length).toBeGreaterThan(20)
  })
})
