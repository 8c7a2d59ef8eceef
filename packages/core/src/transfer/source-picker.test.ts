import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bitfieldBytes, getBit, setBit } from '../content/index.ts'
import { MAX_ASKERS } from './late-chunks.ts'
import { SourcePicker, silentAfter } from './source-picker.ts'
import { MAX_WINDOW, MIN_WINDOW } from './source-rate.ts'
import { seededRandom } from './testing.ts'

const CHUNK = 1024 * 1024

function bitsOf(count: number, indexes: Iterable<number>): Uint8Array {
  const bits = new Uint8Array(bitfieldBytes(count))
  for (const index of indexes) setBit(bits, index)
  return bits
}

function pickerOf(count: number, here: readonly number[] = [], seed = 1) {
  const isHere = new Set(here)
  return new SourcePicker<string>({
    count,
    chunkBytes: CHUNK,
    isHere: (index) => isHere.has(index),
    random: seededRandom(seed),
  })
}

function fill(picker: SourcePicker<string>, id: string, now: number): number[] {
  const asked: number[] = []
  for (let index = picker.next(id, now); index !== undefined; index = picker.next(id, now)) asked.push(index)
  return asked
}

function deliver(picker: SourcePicker<string>, id: string, index: number, now: number) {
  const verdict = picker.arrived(id, index, CHUNK, now)
  return { verdict, cancel: verdict === 'fresh' ? picker.landed(index) : [] }
}

describe('SourcePicker', () => {
  it('asks for the rarest chunk first', () => {
    const picker = pickerOf(8)
    picker.addSource('a', bitsOf(8, [0, 1, 2, 3, 4, 5, 6, 7]), 0)
    picker.addSource('b', bitsOf(8, [0, 1, 2, 4, 5, 6, 7]), 0)
    expect(picker.next('a', 0)).toBe(3)
  })

  it('asks for the reader position before anything rarer, in order', () => {
    const picker = pickerOf(8)
    picker.addSource('a', bitsOf(8, [0, 1, 2, 3, 4, 5, 6, 7]), 0)
    picker.addSource('b', bitsOf(8, [0, 1, 2, 4, 5, 6, 7]), 0)
    picker.prioritise([5, 6])
    expect(fill(picker, 'a', 0)).toEqual([5, 6])
  })

  it('breaks ties by chance, so that replicas begin with different chunks', () => {
    const first = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      const picker = pickerOf(64, [], seed)
      picker.addSource('a', null, 0)
      const index = picker.next('a', 0)
      if (index !== undefined) first.add(index)
    }
    expect(first.size).toBeGreaterThan(15)
  })

  it('never asks for what is here, and asks nothing of a stranger', () => {
    const picker = pickerOf(4, [0, 1, 2])
    picker.addSource('a', null, 0)
    expect(fill(picker, 'a', 0)).toEqual([3])
    expect(picker.next('nobody', 0)).toBeUndefined()
  })

  it('takes work back from a silent source, and asks it elsewhere', () => {
    const picker = pickerOf(2)
    picker.addSource('silent', null, 0)
    expect(fill(picker, 'silent', 0)).toHaveLength(2)
    picker.addSource('other', null, 0)
    const late = silentAfter(CHUNK)
    expect(picker.sweep(late - 1)).toEqual([])
    const [cancel] = picker.sweep(late)
    expect(cancel?.source).toBe('silent')
    expect(cancel?.indexes.toSorted()).toEqual([0, 1])
    expect(picker.isSilent('silent')).toBe(true)
    expect(fill(picker, 'silent', late)).toEqual([])
    expect(fill(picker, 'other', late).toSorted()).toEqual([0, 1])
    // what was taken back is welcome all the same
    expect(picker.arrived('silent', 0, CHUNK, late)).toBe('fresh')
    expect(picker.isSilent('silent')).toBe(false)
  })

  it('asks the last chunks twice once they are late, and at most twice', () => {
    const picker = pickerOf(1)
    for (const id of ['a', 'b', 'c']) picker.addSource(id, null, 0)
    expect(picker.next('a', 0)).toBe(0)
    expect(picker.next('b', 0)).toBeUndefined()
    // it may still wait at the other: that is tried first
    expect(picker.next('b', 1000)).toBeUndefined()
    expect(picker.recall('b', 1000)).toEqual({ source: 'a', indexes: [0] })
    expect(picker.recall('c', 1000)).toBeUndefined()
    expect(picker.next('b', 1299)).toBeUndefined()
    expect(picker.next('b', 1300)).toBe(0)
    expect(picker.next('c', 1300)).toBeUndefined()
    expect(picker.states.askers(0)).toBe(MAX_ASKERS)
    const { cancel } = deliver(picker, 'b', 0, 1301)
    expect(cancel).toEqual([{ source: 'a', indexes: [0] }])
    expect(deliver(picker, 'a', 0, 1302).verdict).toBe('known')
  })

  it('asks nobody for a chunk that is being verified, though another still owes it', () => {
    const picker = pickerOf(1)
    picker.addSource('a', null, 0)
    expect(picker.next('a', 0)).toBe(0)
    picker.addSource('b', null, 60_000)
    expect(picker.recall('b', 60_000)).toEqual({ source: 'a', indexes: [0] })
    expect(picker.next('b', 60_400)).toBe(0)
    picker.addSource('c', null, 60_400)
    expect(picker.arrived('b', 0, CHUNK, 60_401)).toBe('fresh')
    expect(picker.next('c', 120_000)).toBeUndefined()
    picker.failed(0)
    expect(picker.next('c', 120_000)).toBe(0)
  })

  it('lets a fast source help a slow one before the end', () => {
    const picker = pickerOf(40)
    picker.addSource('slow', null, 0)
    picker.addSource('fast', null, 0)
    const [first] = fill(picker, 'slow', 0)
    let now = 0
    // one chunk of the slow source takes as long as all of the fast one's
    while (picker.states.missing > 0) {
      now += 10
      for (const index of fill(picker, 'fast', now)) deliver(picker, 'fast', index, now + 5)
    }
    deliver(picker, 'slow', first ?? 0, now)
    expect(picker.states.left).toBe(1)
    const recalled = picker.recall('fast', now + 1)
    expect(recalled?.source).toBe('slow')
    expect(picker.confirmed('slow', recalled?.indexes ?? [], now + 2)).toEqual(recalled?.indexes)
    expect(picker.next('fast', now + 2)).toBe(recalled?.indexes[0])
  })

  it('recalls a chunk three times at most, so that it does not wander for ever', () => {
    const picker = pickerOf(1)
    for (const id of ['a', 'b']) picker.addSource(id, null, 0)
    let holder = 'a'
    let recalls = 0
    expect(picker.next('a', 0)).toBe(0)
    for (let now = 1000; now < 20_000; now += 1000) {
      const other = holder === 'a' ? 'b' : 'a'
      const recalled = picker.recall(other, now)
      if (recalled === undefined) continue
      recalls += 1
      picker.confirmed(holder, recalled.indexes, now)
      expect(picker.next(other, now)).toBe(0)
      holder = other
    }
    expect(recalls).toBe(3)
  })

  it('shares what only a complete source has among those who fetch it, and takes over from who vanishes', () => {
    const ids = ['a', 'b', 'c', 'd']
    const nothing = bitsOf(64, [])
    const pickers = ids.map((self, seed) => {
      const picker = new SourcePicker<string>({
        count: 64,
        chunkBytes: CHUNK,
        isHere: () => false,
        random: seededRandom(seed),
        self,
      })
      picker.setSparing(true)
      picker.addSource('owner', null, 0)
      for (const id of ids) if (id !== self) picker.addSource(id, nothing, 0)
      return picker
    })
    const take = (picker: SourcePicker<string>) => {
      const index = picker.next('owner', 0) ?? -1
      deliver(picker, 'owner', index, 1)
      return index
    }
    const first = pickers.map((picker) => Array.from({ length: 8 }, () => take(picker)))
    expect(new Set(first.flat()).size).toBe(32)
    for (const picker of pickers) for (const id of ids.slice(1)) picker.removeSource(id)
    const [alone] = pickers
    if (alone !== undefined) for (let left = 64 - 8; left > 0; left--) take(alone)
    expect(alone?.states.isDone).toBe(true)
  })

  it('asks a complete source to drop what a partial one has by now, when nobody waits', () => {
    const picker = pickerOf(2)
    picker.addSource('owner', null, 0)
    picker.addSource('b', bitsOf(2, []), 0)
    expect(fill(picker, 'owner', 0)).toHaveLength(2)
    expect(picker.spared([0])).toEqual([])
    picker.setSparing(true)
    expect(picker.spared([0])).toEqual([{ source: 'owner', indexes: [0] }])
    picker.have('b', [0], 1)
    expect(picker.next('b', 1)).toBeUndefined()
    picker.confirmed('owner', [0], 2)
    expect(picker.next('b', 2)).toBe(0)
  })

  it('turns first to who would have served one more chunk soonest', () => {
    const picker = pickerOf(40)
    picker.addSource('slow', null, 0)
    picker.addSource('quick', null, 0)
    for (const index of fill(picker, 'slow', 0)) deliver(picker, 'slow', index, 900)
    for (const index of fill(picker, 'quick', 0)) deliver(picker, 'quick', index, 30)
    expect(picker.inTurn(['slow', 'quick'])).toEqual(['quick', 'slow'])
  })

  it('gives a source as much as it delivers', () => {
    const picker = pickerOf(4000)
    picker.addSource('far', null, 0)
    picker.addSource('near', null, 0)
    // far: 100 ms away, delivers everything asked at once; near: 1 ms away, 10 ms a chunk
    let now = 0
    for (let round = 0; round < 10; round++) {
      const far = fill(picker, 'far', now)
      fill(picker, 'near', now).forEach((index, place) => {
        deliver(picker, 'near', index, now + 1 + (place + 1) * 10)
      })
      now += 100
      for (const index of far) deliver(picker, 'far', index, now)
    }
    expect(picker.room('far')).toBe(MAX_WINDOW)
    expect(picker.room('near')).toBeLessThan(8)
    picker.setMaxWindow(MIN_WINDOW)
    expect(picker.room('far')).toBe(MIN_WINDOW)
  })

  it('counts a full source chunk by chunk once it has lost something', () => {
    const picker = pickerOf(3)
    picker.addSource('a', null, 0)
    const [first] = fill(picker, 'a', 0)
    expect(picker.gone('a', first ?? -1, 0)).toBe(true)
    expect(picker.states.isMissing(first ?? -1)).toBe(true)
    expect(fill(picker, 'a', 0)).not.toContain(first)
    picker.have('a', [first ?? -1], 0)
    expect(fill(picker, 'a', 0)).toEqual(picker.room('a') === 0 ? [] : [first])
  })

  it('takes a source that was asked before it has said what it has for a complete one until then', () => {
    const picker = pickerOf(4)
    picker.addSource('a', null, 0)
    picker.first(2)
    expect(fill(picker, 'a', 0)).toEqual([2])
    picker.hasOnly('a', bitsOf(4, [2, 3]))
    expect(deliver(picker, 'a', 2, 10).verdict).toBe('fresh')
    expect(fill(picker, 'a', 10)).toEqual([3])
  })

  it('asks for nothing beside the chunk at a reader position, until it has come or took too long', () => {
    const picker = pickerOf(8)
    for (const id of ['a', 'b']) picker.addSource(id, null, 0)
    const before = fill(picker, 'a', 0)
    const index = [0, 1, 2, 3].find((each) => !before.includes(each)) ?? 0
    expect(picker.first(index)).toEqual([{ source: 'a', indexes: before }])
    expect(fill(picker, 'a', 0)).toEqual([index])
    expect(fill(picker, 'b', 500)).toEqual([])
    expect(fill(picker, 'b', 700)).toEqual([index])
    expect(picker.awaited(1_999)).toBe(index)
    expect(fill(picker, 'b', 2_000 + CHUNK / 512).length).toBeGreaterThan(0)
    expect(picker.awaited(2_000)).toBeNull()
    // none of those that can be asked has it
    const other = pickerOf(8)
    other.addSource('a', bitsOf(8, [0, 1]), 0)
    other.first(7)
    expect(fill(other, 'a', 0)).toEqual([])
    expect(fill(other, 'a', 500)).toHaveLength(MIN_WINDOW)
  })

  it('calls an unasked chunk a violation', () => {
    const picker = pickerOf(3)
    picker.addSource('a', null, 0)
    expect(picker.arrived('a', 0, CHUNK, 0)).toBe('unasked')
  })

  it('fetches everything that some source has, in bounded steps, whatever happens', () => {
    const event = fc.record({
      source: fc.nat(5),
      act: fc.constantFrom(
        'deliver',
        'deliver',
        'deliver',
        'wrong',
        'vanish',
        'gone',
        'have',
        'pass',
        'confirm',
        'jump',
      ),
      pick: fc.nat(1000),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.option(fc.array(fc.nat(59), { maxLength: 60 })), { minLength: 1, maxLength: 6 }),
        fc.array(event, { maxLength: 200 }),
        fc.nat(),
        (count, holdings, events, seed) => {
          const picker = pickerOf(count, [], seed)
          const model = new Map<string, Set<number>>()
          const owed = new Map<string, Set<number>>()
          holdings.forEach((indexes, at) => {
            const held =
              indexes === null ? Array.from({ length: count }, (_, i) => i) : indexes.filter((i) => i < count)
            model.set(`s${at}`, new Set(held))
            owed.set(`s${at}`, new Set())
            picker.addSource(`s${at}`, indexes === null ? null : bitsOf(count, held), 0)
          })
          if (seed % 2 === 1) picker.setSparing(true)
          const cancelled = (cancels: readonly { source: string; indexes: number[] }[], now: number) => {
            for (const { source, indexes } of cancels) {
              for (const index of indexes) owed.get(source)?.delete(index)
              picker.confirmed(source, indexes, now)
            }
          }
          const ask = (id: string, now: number) => {
            const alone = picker.awaited(now)
            for (const index of fill(picker, id, now)) {
              if (alone !== null) expect(index, 'asked beside the chunk at a reader position').toBe(alone)
              expect(model.get(id)?.has(index), 'asked of a source that lacks it').toBe(true)
              expect(picker.states.of(index), 'asked for what is here').not.toBe('here')
              expect(picker.states.askers(index)).toBeLessThanOrEqual(MAX_ASKERS)
              owed.get(id)?.add(index)
            }
            expect(picker.outstanding(id), 'above its window').toBeLessThanOrEqual(MAX_WINDOW)
            const recalled = picker.recall(id, now)
            if (alone !== null) expect(recalled).toBeUndefined()
            if (recalled === undefined) return
            expect(recalled.source, 'moved from and to the same').not.toBe(id)
            for (const index of recalled.indexes) expect(model.get(id)?.has(index), 'moved to who lacks it').toBe(true)
            // every other one was on its way already
            if (now % 2 === 0) cancelled([recalled], now)
          }
          let now = 0
          for (const { source, act, pick } of events) {
            now += 1 + (pick % 50)
            const id = `s${source % holdings.length}`
            const mine = model.get(id)
            if (mine === undefined) continue
            ask(id, now)
            const list = [...(owed.get(id) ?? [])]
            const index = list[pick % Math.max(1, list.length)]
            if (act === 'vanish' && model.size > 1) {
              model.delete(id)
              picker.removeSource(id)
            } else if (act === 'have') {
              mine.add(pick % count)
              picker.have(id, [pick % count], now)
              cancelled(picker.spared([pick % count]), now)
            } else if (act === 'jump') {
              const at = pick % count
              picker.prioritise([at])
              const cancels = picker.first(at)
              expect(cancels.some(({ indexes }) => indexes.includes(at))).toBe(false)
              // every other time nothing waits any more
              if (now % 2 === 0) cancelled(cancels, now)
            } else if (act === 'pass') {
              now += 20_000
              cancelled(picker.sweep(now), now)
            } else if (index !== undefined) {
              owed.get(id)?.delete(index)
              if (act === 'gone') {
                mine.delete(index)
                picker.gone(id, index, now)
              } else if (act === 'wrong') {
                if (picker.arrived(id, index, CHUNK, now) === 'fresh') picker.failed(index)
              } else if (act === 'confirm') picker.confirmed(id, [index], now)
              else cancelled(deliver(picker, id, index, now).cancel, now)
            }
          }
          // from here on everybody left does its work
          const reachable = new Set([...model.values()].flatMap((held) => [...held]))
          let steps = 0
          for (let idle = 0; idle < 3; ) {
            now += 300
            let moved = false
            for (const id of model.keys()) {
              picker.heard(id, now)
              ask(id, now)
              for (const index of [...(owed.get(id) ?? [])]) {
                moved = true
                owed.get(id)?.delete(index)
                cancelled(deliver(picker, id, index, now).cancel, now)
              }
            }
            idle = moved ? 0 : idle + 1
            steps += 1
            expect(steps).toBeLessThan(10 * count + 50)
          }
          for (const index of reachable) expect(picker.states.of(index)).toBe('here')
        },
      ),
      { numRuns: 300 },
    )
  })

  it('keeps the order of rarity right under any change', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(19), { maxLength: 20 }), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        (holdings, seed) => {
          const picker = pickerOf(20, [], seed)
          const bits = holdings.map((indexes) => bitsOf(20, indexes))
          bits.forEach((each, at) => {
            picker.addSource(`s${at}`, each, 0)
          })
          picker.removeSource('s0')
          const rarity = (index: number) => bits.slice(1).filter((each) => getBit(each, index)).length
          picker.addSource(
            'all',
            bitsOf(
              20,
              Array.from({ length: 20 }, (_, i) => i),
            ),
            0,
          )
          const asked = fill(picker, 'all', 0)
          for (let at = 1; at < asked.length; at++) {
            expect(rarity(asked[at - 1] ?? 0)).toBeLessThanOrEqual(rarity(asked[at] ?? 0))
          }
        },
      ),
    )
  })
})
