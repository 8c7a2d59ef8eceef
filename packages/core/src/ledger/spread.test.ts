import { describe, expect, it } from 'vitest'
import type { EntryId, NodeId } from '../ids.ts'
import { toHex } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { CREDIT_MAX } from './credit.ts'
import { ANNOUNCE_ALL, ANNOUNCE_SOME, createSpread, OPEN_MS, OPEN_PER_PEER, PULL_MS, PUSH_LINKS } from './spread.ts'
import { type ShortId, shortIdOf } from './sync-frames.ts'
import { ManualClock } from './testing.ts'
import type { Entry } from './types.ts'

type Sent = { to: string; type: 'push' | 'announce' | 'pull'; ids: string[] }

/** Entries are known by their numbers here; what is sent to whom is written down. */
function setUp(peers: readonly string[]) {
  const clock = new ManualClock()
  const sent: Sent[] = []
  const stored = new Map<string, Entry>()
  const link = (to: string) => {
    const write = (type: Sent['type']) => (ids: readonly string[]) => void sent.push({ to, type, ids: [...ids] })
    return {
      peer: to as NodeId,
      rttMs: 0,
      pausedUntil: 0,
      push: (entries: readonly { bytes: Uint8Array }[]) => write('push')(entries.map(({ bytes }) => toHex(bytes))),
      announce: write('announce'),
      pull: write('pull'),
    }
  }
  const links = new Map(peers.map((peer) => [peer as NodeId, link(peer)]))
  const spread = createSpread({
    ledger: {
      get: (id: EntryId) => stored.get(id),
      sync: { hasShort: (id: ShortId) => [...stored.keys()].some((each) => each.startsWith(id)) },
    } as never,
    clock,
    random: systemRandom,
    links,
    later: (ms, work) => void clock.after(ms, work),
  })
  const store = (entry: Entry) => {
    stored.set(entry.id, entry)
    return [entry]
  }
  const taken = () => sent.splice(0)
  return { clock, links, spread, store, taken }
}

function entry(number: number, author = 'author'): Entry {
  const id = number.toString(16).padStart(16, '0').padEnd(64, '0')
  return { id, author, bytes: new Uint8Array(Buffer.from(id.slice(0, 16), 'hex')), sig: null, cosig: null } as never
}

const short = (number: number) => shortIdOf(entry(number).id)
const heardBy = (sent: readonly Sent[], type: Sent['type']) =>
  sent
    .filter((each) => each.type === type)
    .map(({ to }) => to)
    .sort()
const id = (name: string) => name as NodeId

describe('an own entry', () => {
  it('is pushed to all, and given to nobody twice', () => {
    const { spread, store, taken } = setUp(['a', 'b', 'c'])
    spread.own(store(entry(1)))
    expect(heardBy(taken(), 'push')).toEqual(['a', 'b', 'c'])
    spread.asked(id('a'), [short(1)])
    spread.heard(id('b'), [short(1)])
    expect(taken()).toEqual([])
  })

  it('is pushed to so many of very many', () => {
    const { spread, store, taken } = setUp(Array.from({ length: PUSH_LINKS + 50 }, (_, at) => `p${at}`))
    spread.own(store(entry(1)))
    expect(new Set(heardBy(taken(), 'push')).size).toBe(PUSH_LINKS)
  })
})

describe('an announced entry', () => {
  it('is pulled from the first, passed on at once, and given to who asked when it comes', () => {
    const { spread, store, taken } = setUp(['a', 'b', 'c', 'd'])
    spread.heard(id('a'), [short(1), short(2)])
    expect(taken()).toEqual([
      ...['b', 'c', 'd'].map((to) => ({ to, type: 'announce', ids: [short(1), short(2)] })),
      { to: 'a', type: 'pull', ids: [short(1), short(2)] },
    ])
    spread.heard(id('b'), [short(1)])
    spread.asked(id('c'), [short(1)])
    expect([taken(), spread.isPulling()]).toEqual([[], true])
    spread.learned(store(entry(1)), id('a'), true)
    spread.learned(store(entry(2)), id('a'), true)
    expect(taken()).toEqual([{ to: 'c', type: 'push', ids: [short(1)] }])
    expect(spread.isPulling()).toBe(false)
    spread.asked(id('d'), [short(2), short(3)])
    spread.asked(id('d'), [short(2)])
    expect(taken()).toEqual([{ to: 'd', type: 'push', ids: [short(2)] }])
  })

  it('is not pulled when it is here, however long', () => {
    const { spread, store, taken } = setUp(['a', 'b'])
    store(entry(1))
    spread.heard(id('a'), [short(1)])
    expect(taken()).toEqual([])
  })

  it('that came by push is announced to those who may lack it', () => {
    const { spread, store, taken } = setUp(['a', 'author', 'c'])
    spread.learned(store(entry(1)), id('a'), true)
    spread.learned(store(entry(2)), id('a'), false)
    expect(taken()).toEqual([{ to: 'c', type: 'announce', ids: [short(1)] }])
  })

  it('is told to a few of many, and pulled only if it does not come by itself', () => {
    const { spread, store, taken, clock } = setUp(Array.from({ length: ANNOUNCE_ALL + 1 }, (_, at) => `p${at}`))
    spread.heard(id('p0'), [short(1), short(2)])
    expect(heardBy(taken(), 'announce').length).toBeGreaterThanOrEqual(ANNOUNCE_SOME)
    spread.learned(store(entry(1)), id('p1'), true)
    clock.advance(50)
    expect(taken()).toEqual([{ to: 'p0', type: 'pull', ids: [short(2)] }])
  })

  it('is asked of the next when the first does not give it, or is gone', () => {
    const { spread, taken, clock, links } = setUp(['a', 'b', 'c', 'd'])
    for (const peer of ['a', 'b', 'c']) spread.heard(id(peer), [short(1)])
    taken()
    clock.advance(PULL_MS)
    expect(taken()).toEqual([{ to: 'b', type: 'pull', ids: [short(1)] }])
    links.delete(id('b'))
    spread.gone(id('b'))
    expect(taken()).toEqual([{ to: 'c', type: 'pull', ids: [short(1)] }])
    // then of those whom we have told ourselves
    clock.advance(PULL_MS)
    expect(taken()).toEqual([{ to: 'd', type: 'pull', ids: [short(1)] }])
    clock.advance(PULL_MS)
    expect([taken(), spread.isPulling()]).toEqual([[], false])
  })

  it('is not waited for from a peer that waits for us', () => {
    const { spread, taken } = setUp(['a', 'b'])
    spread.heard(id('a'), [short(1)])
    spread.heard(id('b'), [short(1)])
    taken()
    spread.asked(id('a'), [short(1)])
    expect(taken()).toEqual([{ to: 'b', type: 'pull', ids: [short(1)] }])
  })

  it('is waited for longer while we do not read from that peer', () => {
    const { spread, taken, clock, links } = setUp(['a', 'b'])
    const link = links.get(id('a'))
    if (link === undefined) throw new TypeError('no link')
    link.pausedUntil = clock.now() + 3 * PULL_MS
    for (const peer of ['a', 'b']) spread.heard(id(peer), [short(1)])
    taken()
    for (let time = 0; time < 3; time++) {
      clock.advance(PULL_MS)
      expect(taken(), `${time}`).toEqual(time < 2 ? [] : [{ to: 'b', type: 'pull', ids: [short(1)] }])
    }
  })

  it('is asked of another when the copy that came was spoilt, and not when it only came too early', () => {
    const { spread, taken } = setUp(['a', 'b'])
    for (const peer of ['a', 'b']) spread.heard(id(peer), [short(1), short(2)])
    taken()
    spread.sent(id('a'), [short(1)], true)
    spread.sent(id('a'), [short(2)], false)
    expect(taken()).toEqual([{ to: 'b', type: 'pull', ids: [short(2)] }])
    spread.again([short(1)])
    expect(taken()).toEqual([{ to: 'b', type: 'pull', ids: [short(1)] }])
  })
})

describe('a peer that announces what does not exist', () => {
  const flood = Array.from({ length: 3000 }, (_, at) => short(1000 + at))

  it('is passed on so often, is asked for so much, and is forgotten', () => {
    const { spread, taken, clock } = setUp(['liar', 'b', 'c'])
    for (const each of flood) spread.heard(id('liar'), [each])
    const first = taken()
    expect(flood.length).toBeGreaterThan(2 * OPEN_PER_PEER)
    expect(first.filter(({ type, to }) => type === 'announce' && to === 'b')).toHaveLength(CREDIT_MAX)
    for (let second = 0; second < 30; second++) {
      clock.advance(1000)
      spread.sweep()
    }
    expect(OPEN_MS).toBeLessThan(30_000)
    expect(spread.isPulling()).toBe(false)
    taken()
    for (const each of flood) spread.heard(id('liar'), [each])
    // it is believed no more: passed on is what a few seconds have earned
    expect(taken().filter(({ type, to }) => type === 'announce' && to === 'b').length).toBeLessThanOrEqual(30)
  })

  it('does not make us give what has been given, nor a mebibyte for one frame', () => {
    const { spread, store, taken } = setUp(['a', 'b'])
    const large = Array.from({ length: 40 }, (_, at) => ({ ...entry(at), bytes: new Uint8Array(64 * 1024) }))
    for (const each of large) store(each)
    spread.learned(large, null, true)
    taken()
    const all = large.map(({ id: each }) => shortIdOf(each))
    spread.asked(id('a'), all)
    expect(taken().flatMap(({ ids }) => ids)).toHaveLength(16)
    spread.asked(id('a'), all.slice(0, 16))
    expect(taken()).toEqual([])
  })
})
