import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../clock.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import type { NodeId } from '../ids.ts'
import { FactInvalidError } from './errors.ts'
import { type Fact, FactStore, MAX_FACT_VALUE } from './fact-store.ts'
import { createFacts, type FactChange, type Facts } from './facts.ts'
import { ManualClock, peerEvent, startTestHost, type TestHost } from './testing.ts'

const SELF = 'self' as NodeId
const PEER = 'peer' as NodeId
const ROOT = '0f'.repeat(32)
const bytes = (text: string) => new TextEncoder().encode(text)

function memory(path = ':memory:'): Database {
  return openDatabase({ path, migrations: migrationsFolder('local') })
}

describe('fact store', () => {
  it('keeps the newest value under each key, whatever the key looks like', () => {
    const store = new FactStore(memory(), SELF, new ManualClock())
    for (const key of [ROOT, 'ab', 'AB', 'self', '', 'a'.repeat(128)]) {
      expect(store.setOwn('hold', key, bytes('1'))).toBe(true)
      expect(store.setOwn('hold', key, bytes('1'))).toBe(false)
      expect(store.setOwn('hold', key, bytes('2'))).toBe(true)
      expect(store.get(SELF, 'hold', key)).toEqual(bytes('2'))
    }
    expect(store.of(SELF, 'hold')).toHaveLength(6)
    expect(store.of(SELF, 'decline')).toEqual([])
    expect(store.byKey('hold', ROOT)).toEqual([[SELF, bytes('2')]])
  })

  it('refuses what is too large', () => {
    const store = new FactStore(memory(), SELF, new ManualClock())
    expect(() => store.setOwn('hold', 'k', new Uint8Array(MAX_FACT_VALUE + 1))).toThrow(FactInvalidError)
    expect(() => store.setOwn('hold', 'k'.repeat(129), bytes(''))).toThrow(FactInvalidError)
  })

  it('is a log: every set and clear has its place, and only the newest of each is in it', () => {
    const store = new FactStore(memory(), SELF, new ManualClock())
    store.setOwn('hold', 'a', bytes('1'))
    store.setOwn('hold', 'b', bytes('1'))
    const middle = store.position
    store.setOwn('hold', 'a', null)
    store.setOwn('hold', 'c', bytes('1'))
    expect(store.ownSince({ start: 0, counter: 0 }, 10).map(({ key, value }) => [key, value === null])).toEqual([
      ['b', false],
      ['a', true],
      ['c', false],
    ])
    expect(store.ownSince(middle, 1).map(({ key }) => key)).toEqual(['a'])
    expect(store.get(SELF, 'hold', 'a')).toBeNull()
    expect(store.setOwn('hold', 'a', null)).toBe(false)
  })

  it('starts above every former start, also with the clock set back', () => {
    const db = memory()
    const clock = new ManualClock()
    const first = new FactStore(db, SELF, clock).position
    clock.advance(-3_600_000)
    const second = new FactStore(db, SELF, clock)
    expect(second.position.start).toBe(first.start + 1)
    expect(second.knows(first)).toBe(true)
    expect(second.knows({ start: first.start, counter: 1 })).toBe(false)
    expect(second.knows({ start: first.start + 2, counter: 0 })).toBe(false)
  })

  it('forgets what was taken back long ago, and says so to who has not heard', () => {
    const db = memory()
    const clock = new ManualClock()
    const store = new FactStore(db, SELF, clock)
    store.setOwn('hold', 'a', bytes('1'))
    store.setOwn('hold', 'a', null)
    const then = store.position
    clock.advance(31 * 24 * 3_600_000)
    const later = new FactStore(db, SELF, clock)
    expect(later.ownSince({ start: 0, counter: 0 }, 10)).toEqual([])
    expect(later.knows(then)).toBe(false)
  })

  it('takes only what is newer, in any order of batches', () => {
    const log: Fact[] = [1, 2, 3, 4, 5, 6].map((counter) => ({
      topic: 'hold',
      key: counter % 2 === 0 ? 'even' : 'odd',
      start: 1,
      counter,
      value: bytes(String(counter)),
    }))
    fc.assert(
      fc.property(fc.shuffledSubarray(log, { minLength: 6 }), (shuffled) => {
        const store = new FactStore(memory(), SELF, new ManualClock())
        for (const fact of shuffled) store.takeFrom(PEER, [fact], false, fact)
        expect(store.get(PEER, 'hold', 'odd')).toEqual(bytes('5'))
        expect(store.get(PEER, 'hold', 'even')).toEqual(bytes('6'))
      }),
      { numRuns: 20 },
    )
  })

  it('says what a reset has removed, changed and left', () => {
    const store = new FactStore(memory(), SELF, new ManualClock())
    const fact = (key: string, text: string, counter: number): Fact => ({
      topic: 'hold',
      key,
      start: 9,
      counter,
      value: bytes(text),
    })
    store.takeFrom(PEER, [fact('a', '1', 1), fact('b', '1', 2), fact('c', '1', 3)], false, { start: 9, counter: 3 })
    const restored = [fact('a', '1', 1), fact('b', '2', 2)].map((each) => ({ ...each, start: 5 }))
    const changed = store.takeFrom(PEER, restored, true, { start: 5, counter: 2 })
    expect(changed.map(({ key, value }) => [key, value === null])).toEqual([
      ['b', false],
      ['c', true],
    ])
    expect(store.positionOf(PEER)).toEqual({ start: 5, counter: 2 })
    store.forget(PEER)
    expect(store.of(PEER, 'hold')).toEqual([])
    expect(store.positionOf(PEER)).toEqual({ start: 0, counter: 0 })
  })

  it('finds holders of one file among very many by index', () => {
    const db = memory()
    const plan = db
      .prepare<{ detail: string }>(
        "EXPLAIN QUERY PLAN SELECT node, value FROM facts WHERE topic = 1 AND key = x'00' AND value IS NOT NULL ORDER BY node",
      )
      .all()
      .map(({ detail }) => detail)
    expect(plan.join()).not.toContain('SCAN')
    expect(plan.join()).not.toContain('TEMP B-TREE')
  })
})

describe('spreading', () => {
  interface Side extends TestHost {
    facts: Facts
    db: Database
  }
  const sides: Side[] = []
  const folders: string[] = []

  async function side(options: Parameters<typeof startTestHost>[0] & { path?: string } = {}): Promise<Side> {
    const { path, ...rest } = options
    const base = await startTestHost(rest)
    const db = memory(path)
    const facts = createFacts({ db, host: base.host, clock: systemClock, self: base.host.id })
    const one = { ...base, facts, db }
    sides.push(one)
    return one
  }
  async function end(one: Side): Promise<void> {
    sides.splice(sides.indexOf(one), 1)
    await one.facts.stop()
    await one.host.stop()
    one.db.close()
  }
  afterEach(async () => {
    await Promise.all([...sides].map(end))
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
  })

  function change(facts: Facts, matches: (change: FactChange) => boolean): Promise<FactChange> {
    return new Promise((resolve) => {
      const off = facts.onChange((event) => {
        if (!matches(event)) return
        off()
        resolve(event)
      })
    })
  }

  it('tells what stood before, then what is new, then what was taken back', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    a.facts.set('hold', ROOT, bytes('complete'))
    a.facts.start()
    b.facts.start()
    const before = change(b.facts, ({ key }) => key === ROOT)
    await a.host.dial(b.host.addresses())
    expect(await before).toEqual({ node: a.host.id, topic: 'hold', key: ROOT, value: bytes('complete') })
    expect(b.facts.byKey('hold', ROOT)).toEqual([[a.host.id, bytes('complete')]])

    const live = change(b.facts, ({ topic }) => topic === 'decline')
    a.facts.set('decline', ROOT, bytes('quota'))
    expect((await live).value).toEqual(bytes('quota'))

    const back = change(b.facts, ({ value }) => value === null)
    a.facts.clear('hold', ROOT)
    expect((await back).key).toBe(ROOT)
    expect(b.facts.byKey('hold', ROOT)).toEqual([])
  })

  it('goes on where it was, over a reconnect and a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'malote-facts-'))
    folders.push(folder)
    const a = await side()
    let b = await side({ members: [a], path: join(folder, 'b.db') })
    a.facts.start()
    b.facts.start()
    const many = change(b.facts, ({ key }) => key === 'k1499')
    for (let i = 0; i < 1_500; i++) a.facts.set('hold', `k${i}`, bytes(String(i)))
    await a.host.dial(b.host.addresses())
    await many
    expect(b.facts.of(a.host.id, 'hold')).toHaveLength(1_500)

    const { key } = b
    const gone = peerEvent(a.host, 'disconnected', b.host.id)
    await end(b)
    await gone
    a.facts.set('hold', 'while-away', bytes('1'))
    a.facts.clear('hold', 'k7')
    b = await side({ members: [a], path: join(folder, 'b.db'), signingKey: key })
    const heard: FactChange[] = []
    b.facts.onChange((event) => heard.push(event))
    b.facts.start()
    const last = change(b.facts, (event) => event.key === 'k7')
    await a.host.dial(b.host.addresses())
    await last
    // not the 1,500 again
    expect(heard.map((event) => event.key)).toEqual(['while-away', 'k7'])
    expect(b.facts.of(a.host.id, 'hold')).toHaveLength(1_500)
  })

  it('passes on where others are, as a hint that is not kept', async () => {
    const a = await side()
    const b = await side({ members: [a] })
    const c = await side({ members: [a, b] })
    a.gate.members.add(c.host.id)
    b.gate.members.add(c.host.id)
    for (const each of [a, b, c]) each.facts.start()
    a.facts.set('address', 'self', bytes('here'))
    a.facts.set('hold', ROOT, bytes('complete'))
    const known = change(b.facts, ({ topic }) => topic === 'hold')
    await a.host.dial(b.host.addresses())
    await known
    const hint = new Promise<[NodeId, Uint8Array]>((resolve) => c.facts.onHint((node, value) => resolve([node, value])))
    await c.host.dial(b.host.addresses())
    expect(await hint).toEqual([a.host.id, bytes('here')])
    expect(c.facts.of(a.host.id, 'address')).toEqual([])
    expect(c.facts.byKey('hold', ROOT)).toEqual([])
  })

  it('waits in silence for a newcomer, and follows it as soon as it is ready', async () => {
    // pauses between tries end only by what the newcomer does
    const thirdTry = Promise.withResolvers<void>()
    const clock: Clock = {
      now: systemClock.now,
      after(ms, callback) {
        if (ms === 750) thirdTry.resolve()
        return ms < 500 ? systemClock.after(ms, callback) : () => {}
      },
    }
    const log: string[] = []
    const told = (message: string) => void log.push(message)
    const base = await startTestHost({ log: told })
    const db = memory()
    const a: Side = { ...base, db, facts: createFacts({ db, host: base.host, clock, self: base.host.id, log: told }) }
    sides.push(a)
    a.facts.start()
    const newcomer = await startTestHost({ members: [a] })
    await a.host.dial(newcomer.host.addresses())
    await thirdTry.promise

    const ready = memory()
    const { host } = newcomer
    const b: Side = {
      ...newcomer,
      db: ready,
      facts: createFacts({ db: ready, host, clock: systemClock, self: host.id, log: told }),
    }
    sides.push(b)
    const heard = change(a.facts, ({ node }) => node === host.id)
    b.facts.set('hold', ROOT, bytes('complete'))
    b.facts.start()
    await heard
    await end(b)
    await end(a)
    expect(log).toEqual([])
  })

  it('follows nobody who is no member', async () => {
    const a = await side()
    const b = await side()
    b.gate.members.add(a.host.id)
    a.facts.set('hold', ROOT, bytes('complete'))
    a.facts.start()
    b.facts.start()
    const met = peerEvent(b.host, 'connected', a.host.id)
    await b.host.dial(a.host.addresses())
    await met
    await expect(
      b.host.open(a.host.id, 'facts', { maxFrameBytes: 100 }).then((stream) => stream.read()),
    ).rejects.toBeDefined()
    expect(b.facts.byKey('hold', ROOT)).toEqual([])
  })
})
