import { describe, expect, it } from 'vitest'
import { OFFER_OPEN_MS, type SharedFile } from '../catalogue/index.ts'
import type { BranchId, EntryId, FileId } from '../ids.ts'
import { ManualClock } from '../network/testing.ts'
import { acceptsByItself, createHandoffs, DEFAULT_HANDOFF_POLICY, type HandoffsInit } from './handoffs.ts'
import type { HandoffPolicy } from './types.ts'

const own = 'own' as BranchId
const rio = 'rio' as BranchId
const recife = 'recife' as BranchId
const offered = { size: 100, hasRoom: true, from: rio }

describe('acceptsByItself', () => {
  it.each<[string, Partial<HandoffPolicy>, BranchId[] | null, Partial<typeof offered>, boolean]>([
    ['by default what fits', {}, null, {}, true],
    ['by default not what does not fit', {}, null, { hasRoom: false }, false],
    ['nothing when it is to ask', { accept: 'ask' }, null, {}, false],
    ['a file of exactly the bound', { maxBytes: 100 }, null, {}, true],
    ['no larger file', { maxBytes: 99 }, null, {}, false],
    ['from whom it names', {}, [recife, rio], {}, true],
    ['from nobody else', {}, [recife], {}, false],
    ['from nobody when the names are borne by nobody', {}, [], {}, false],
  ])('%s', (_, policy, named, change, expected) => {
    const full = { ...DEFAULT_HANDOFF_POLICY, ...policy }
    expect(acceptsByItself(full, named, { ...offered, ...change })).toBe(expected)
  })
})

describe('createHandoffs', () => {
  function fileWith(change: Partial<SharedFile> = {}): SharedFile {
    return {
      file: 'f1' as FileId,
      owner: rio,
      offer: { entry: 'o1' as EntryId, to: own, ms: 0 },
      ...change,
    } as SharedFile
  }

  function setup(files: SharedFile[], change: Partial<HandoffsInit> = {}) {
    const clock = new ManualClock()
    const acts: string[] = []
    const problems: unknown[] = []
    const handoffs = createHandoffs({
      clock,
      policy: DEFAULT_HANDOFF_POLICY,
      actingFor: () => own,
      offered: () => files,
      describe: () => offered,
      offeredBy: () => rio,
      named: () => null,
      accept: (file) => void acts.push(`accept ${file}`),
      cancel: (file) => void acts.push(`cancel ${file}`),
      onProblem: (error) => void problems.push(error),
      ...change,
    })
    return { clock, acts, problems, handoffs, files }
  }

  it('accepts what is offered to its branch, as soon as it can be read', () => {
    let readable = false
    const { handoffs, acts } = setup([fileWith()], { describe: () => (readable ? offered : null) })
    handoffs.start()
    expect(acts).toEqual([])
    readable = true
    handoffs.look()
    expect(acts).toEqual(['accept f1'])
  })

  it('does nothing before its start, after its stop, and while it acts for nobody', () => {
    let acting: BranchId | null = null
    const { handoffs, acts } = setup([fileWith()], { actingFor: () => acting })
    handoffs.start()
    expect(acts).toEqual([])
    handoffs.stop()
    acting = own
    handoffs.look()
    expect(acts).toEqual([])
  })

  it('leaves offers to others alone', () => {
    const { handoffs, acts } = setup([fileWith({ offer: { entry: 'o1' as EntryId, to: recife, ms: 0 } })])
    handoffs.start()
    expect(acts).toEqual([])
  })

  it('takes its own offer back when nobody has answered in time, and no assignment by an admin', () => {
    const clock = new ManualClock()
    const mine = (entry: string) =>
      fileWith({ owner: own, file: entry as FileId, offer: { entry: entry as EntryId, to: rio, ms: clock.now() } })
    const { handoffs, acts } = setup([mine('offered'), mine('assigned')], {
      clock,
      offeredBy: (entry) => (entry === 'offered' ? own : recife),
    })
    handoffs.start()
    clock.advance(OFFER_OPEN_MS - 60_000)
    expect(acts).toEqual([])
    clock.advance(60_000)
    expect(acts).toEqual(['cancel offered'])
  })

  it('tries again after a failure, but not at every change', () => {
    let tries = 0
    const { handoffs, clock, problems } = setup([fileWith()], {
      accept() {
        tries++
        if (tries < 3) throw new Error('clock skew')
      },
    })
    handoffs.start()
    handoffs.look()
    expect(tries).toBe(1)
    clock.advance(60_000)
    expect(tries).toBe(2)
    clock.advance(60_000)
    expect(tries).toBe(3)
    expect(problems).toHaveLength(2)
  })

  it('survives that the open offers cannot be read', () => {
    const closed = new Error('database closed')
    const { handoffs, problems } = setup([], {
      offered() {
        throw closed
      },
    })
    handoffs.start()
    expect(problems).toEqual([closed])
    handoffs.stop()
  })
})
