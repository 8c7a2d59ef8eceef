import { describe, expect, it } from 'vitest'
import { CATCH_UP_MIN, type CatchUp, createSyncProgress } from './sync-progress.ts'
import { ManualClock } from './testing.ts'

function setUp() {
  const told: CatchUp[] = []
  const clock = new ManualClock()
  const state = { count: 10 }
  const progress = createSyncProgress({ clock, count: () => state.count, tell: (each) => told.push(each) })
  return { told, clock, state, progress }
}

describe('progress of catching up', () => {
  it('adds what all fetches still have to bring', () => {
    const { progress, state } = setUp()
    expect(progress.now()).toBeNull()
    const [one, two] = [progress.begin(), progress.begin()]
    one.left(5000)
    two.left(2000)
    expect(progress.now()).toEqual({ have: 10, expected: 7010 })
    state.count = 4010
    one.left(1000)
    expect(progress.now()).toEqual({ have: 4010, expected: 7010 })
    one.end()
    two.end()
    expect(progress.now()).toBeNull()
  })

  it('says nothing of a few entries', () => {
    const { progress, told } = setUp()
    const fetch = progress.begin()
    fetch.left(CATCH_UP_MIN - 1)
    fetch.end()
    expect(progress.now()).toBeNull()
    expect(told).toEqual([])
  })

  it('is told at the begin, then now and then, and at the end', () => {
    const { progress, told, clock, state } = setUp()
    const fetch = progress.begin()
    fetch.left(CATCH_UP_MIN)
    fetch.left(900)
    clock.advance(600)
    fetch.left(500)
    state.count = 1010
    fetch.end()
    fetch.end()
    expect(told).toEqual([
      { have: 10, expected: 10 + CATCH_UP_MIN },
      { have: 10, expected: 510 },
      { have: 1010, expected: 1010 },
    ])
  })
})
