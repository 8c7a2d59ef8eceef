import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EntryId, FeedId } from '../ids.ts'
import { type ControlNode, compareOrdinary, foldControl, foldsLast, frontier, hasSeen, seenAmong } from './order.ts'

interface Node extends ControlNode {
  readonly rank: number
}
const id = (name: number) => name.toString(16).padStart(64, '0') as EntryId
const feedOf = (name: number) => `feed-${name}` as FeedId

/** Histories: each entry names some earlier ones. */
const histories = fc
  .array(
    fc.record({
      knows: fc.array(fc.nat(40), { maxLength: 3 }),
      rank: fc.nat(2),
      name: fc.nat(2 ** 20),
    }),
    { maxLength: 24 },
  )
  .map((steps) => {
    const entries: Node[] = []
    steps.forEach(({ knows, rank, name }, index) => {
      const seen = [...new Set(knows.flatMap((at) => (at < index ? [entries[at]?.id ?? id(0)] : [])))].sort()
      entries.push({ id: id(name * 64 + index), seen, rank })
    })
    return entries
  })

const fold = (entries: readonly Node[]) =>
  foldControl<string, Node>({
    entries,
    initial: '',
    apply: (state, entry) => `${state},${entry.id}`,
    // depends on the state, as authority does
    rank: (state, entry) => [(entry.rank + state.length) % 3, entry.rank],
  })

describe('foldControl', () => {
  it('has one result for any order of arrival and any repetition', () => {
    fc.assert(
      fc.property(
        histories.chain((entries) =>
          fc.tuple(
            fc.constant(entries),
            fc.shuffledSubarray(entries, { minLength: entries.length }),
            fc.subarray(entries),
          ),
        ),
        ([entries, shuffled, again]) => {
          expect(fold([...shuffled, ...again]).state).toBe(fold(entries).state)
        },
      ),
    )
  })

  it('puts every entry after all that it had seen', () => {
    fc.assert(
      fc.property(histories, (entries) => {
        const { order, waiting } = fold(entries)
        expect(waiting).toEqual([])
        expect(order.length).toBe(entries.length)
        const seen = seenAmong(entries)
        order.forEach((later, index) => {
          for (const earlier of order.slice(index)) expect(seen(later.id, earlier.id)).toBe(false)
        })
      }),
    )
  })

  it('keeps back what has missing ancestors, and only that', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (entries, pick) => {
        if (entries.length === 0) return
        const lost = entries[pick % entries.length]
        if (lost === undefined) return
        const rest = entries.filter((entry) => entry !== lost)
        const { order, waiting } = fold(rest)
        expect(order.length + waiting.length).toBe(rest.length)
        for (const entry of order) expect(entry.seen).not.toContain(lost.id)
        const seen = seenAmong(rest)
        for (const entry of waiting)
          expect(entry.seen.includes(lost.id) || waiting.some((other) => seen(entry.id, other.id))).toBe(true)
      }),
    )
  })

  it('prefers the lower rank, then the lower id, among concurrent entries', () => {
    const root: Node = { id: id(9), seen: [], rank: 5 }
    const a: Node = { id: id(3), seen: [root.id], rank: 2 }
    const b: Node = { id: id(2), seen: [root.id], rank: 1 }
    const c: Node = { id: id(1), seen: [root.id], rank: 2 }
    const { order } = foldControl<null, Node>({
      entries: [a, b, c, root],
      initial: null,
      apply: () => null,
      rank: (_, e) => [e.rank],
    })
    expect(order).toEqual([root, b, c, a])
  })
})

describe('frontier', () => {
  it('covers everything and nothing twice', () => {
    fc.assert(
      fc.property(histories, (entries) => {
        const ends = frontier(entries)
        const seen = seenAmong(entries)
        for (const entry of entries) {
          expect(ends.includes(entry.id) || ends.some((end) => seen(end, entry.id))).toBe(true)
          if (ends.includes(entry.id)) expect(ends.some((end) => seen(end, entry.id))).toBe(false)
        }
      }),
    )
  })

  it('leaves out an entry that names what does not exist, so that it holds up nobody else', () => {
    const good: Node = { id: id(1), seen: [], rank: 0 }
    const bad: Node = { id: id(2), seen: [id(99), good.id].sort(), rank: 0 }
    expect(frontier([bad, good])).toEqual([good.id])
  })
})

describe('foldsLast', () => {
  it('is right whenever it says yes', () => {
    fc.assert(
      fc.property(histories, (entries) => {
        entries.forEach((entry, index) => {
          const before = entries.slice(0, index)
          const { waiting } = fold(before)
          if (foldsLast(entry, before, waiting)) expect(fold([...before, entry]).order.at(-1)).toBe(entry)
        })
      }),
    )
  })

  it('is right also while some wait for what is not here', () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat(24), { maxLength: 4 }), (entries, gone) => {
        const present = entries.filter((_, index) => !gone.includes(index))
        present.forEach((entry, index) => {
          const before = present.slice(0, index)
          const { order, waiting } = fold(before)
          if (!foldsLast(entry, before, waiting)) return
          const after = fold([...before, entry])
          expect(after.order).toEqual([...order, entry])
          expect(after.waiting).toEqual(waiting)
        })
      }),
    )
  })

  it('is not kept from saying yes by an entry that waits for ever', () => {
    const a: Node = { id: id(5), seen: [], rank: 0 }
    const stray: Node = { id: id(7), seen: [id(9)], rank: 0 }
    expect(foldsLast({ id: id(1), seen: [a.id] }, [a, stray], [stray])).toBe(true)
    expect(foldsLast({ id: id(9), seen: [a.id] }, [a, stray], [stray])).toBe(false) // it waits for this one
    expect(foldsLast({ id: id(1), seen: [stray.id] }, [a, stray], [stray])).toBe(false) // it waits as well
  })

  it('says yes to an entry that has seen the frontier', () => {
    const a: Node = { id: id(5), seen: [], rank: 0 }
    const b: Node = { id: id(6), seen: [a.id], rank: 0 }
    expect(foldsLast({ id: id(1), seen: [b.id] }, [a, b], [])).toBe(true)
    expect(foldsLast({ id: id(1), seen: [a.id] }, [a, b], [])).toBe(false)
    expect(hasSeen([a, b], b.id, a.id)).toBe(true)
    expect(hasSeen([a, b], a.id, b.id)).toBe(false)
  })
})

describe('compareOrdinary', () => {
  it('is a total order by clock, then feed, then id', () => {
    const keys = fc.record({ ms: fc.nat(2), counter: fc.nat(2), feed: fc.nat(2).map(feedOf), id: fc.nat(3).map(id) })
    fc.assert(
      fc.property(fc.array(keys), (list) => {
        const sorted = [...list].sort(compareOrdinary)
        expect([...list].reverse().sort(compareOrdinary)).toEqual(sorted)
        sorted.forEach((key, index) => {
          const next = sorted[index + 1]
          if (next === undefined) return
          const [a, b] = [key, next].map((each) => [each.ms, each.counter, each.feed, each.id] as const)
          if (a !== undefined && b !== undefined) expect(JSON.stringify(a) <= JSON.stringify(b)).toBe(true)
        })
      }),
    )
  })
})
