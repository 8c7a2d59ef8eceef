import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { generateSigningKey } from '../crypto/index.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { CLOCK_TOLERANCE_MS, isLater } from './clock.ts'
import { isCosigned, isSigned } from './entry.ts'
import {
  BuildsOnFutureError,
  ClockSkewError,
  LedgerTakenError,
  NotInNetworkError,
  RunningTwiceError,
} from './errors.ts'
import type { EntriesEvent, LedgerInit } from './ledger.ts'
import {
  allOf,
  copy,
  found,
  joined,
  ManualClock,
  memorySettings,
  memoryWitness,
  note,
  RECOVERY,
  testLedger,
} from './testing.ts'
import type { Head } from './types.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'malote-ledger-'))
  folders.push(folder)
  return join(folder, 'shared.db')
}

describe('founding and joining', () => {
  it('makes the network id of the founding entry', () => {
    const a = testLedger()
    expect(a.ledger.network()).toBeNull()
    const network = found(a)
    expect(a.ledger.network()).toBe(network)
    expect(a.ledger.founding()?.id as string).toBe(network)
    expect(a.applied.map(({ kind }) => kind)).toEqual(['found'])
    expect(() => a.ledger.found({})).toThrow(LedgerTakenError)
    expect(() => a.ledger.join('cc'.repeat(32) as typeof network)).toThrow(LedgerTakenError)
  })

  it('goes on in the feed of the founding entry', () => {
    const a = testLedger()
    found(a)
    expect(a.ledger.append('note', note(1))).toMatchObject({ seq: 1, prev: a.ledger.founding()?.id })
  })

  it('writes nothing before the node belongs to a network', () => {
    const a = testLedger()
    expect(() => a.ledger.append('note', {})).toThrow(NotInNetworkError)
    const network = found(a)
    const stranger = testLedger({ network })
    expect(() => stranger.ledger.append('note', {})).toThrow(NotInNetworkError)
    copy(a, stranger)
    expect(() => stranger.ledger.append('note', {})).toThrow(NotInNetworkError)
  })

  it('leaves no network behind when the founding is rolled back', () => {
    const a = testLedger()
    expect(() =>
      a.db.write(() => {
        found(a)
        throw new Error('disk')
      }),
    ).toThrow('disk')
    expect(a.ledger.network()).toBeNull()
    expect(a.ledger.count()).toBe(0)
    found(a)
    expect(a.ledger.count()).toBe(1)
  })
})

describe('append', () => {
  it('chains, signs, rises in time, and tells after the commit', () => {
    const clock = new ManualClock()
    const a = testLedger({ clock })
    const network = found(a)
    const events: EntriesEvent[] = []
    a.ledger.onEntries((event) => void events.push(event))
    const [one, two] = a.db.write(() => {
      const both = [a.ledger.append('note', note(1)), a.ledger.append('note', note(2))] as const
      expect(events).toEqual([])
      return both
    })
    expect(two).toMatchObject({ seq: one.seq + 1, prev: one.id, ms: clock.now(), seen: [] })
    expect(two.counter).toBe(one.counter + 1)
    expect(isSigned(two, network)).toBe(true)
    expect(events.map(({ entries, origin }) => [entries[0]?.id, origin])).toEqual([
      [one.id, 'own'],
      [two.id, 'own'],
    ])
    expect(a.ledger.get(two.id)).toEqual(two)
    expect(a.ledger.bySubject(note(2).about)).toEqual([two])
    expect(a.ledger.heads()).toEqual([{ feed: two.feed, seq: two.seq, id: two.id }])
  })

  it('names the control frontier in control entries', () => {
    const a = testLedger()
    found(a)
    const b = joined(a)
    const c = joined(a)
    copy(a, b)
    const fromB = b.ledger.append('role', { x: 1 })
    const fromC = c.ledger.append('role', { x: 2 })
    copy(b, a)
    copy(c, a)
    expect(a.ledger.append('role', { x: 3 }).seen).toEqual([fromB.id, fromC.id].sort())
  })

  it('leaves nothing in memory of what was rolled back', () => {
    const a = testLedger()
    found(a)
    const heads = a.ledger.heads()
    const hash = a.ledger.sync.headsHash()
    expect(() =>
      a.db.write(() => {
        a.ledger.append('admit', { node: generateSigningKey().publicKey })
        a.ledger.append('note', note(1))
        throw new Error('disk')
      }),
    ).toThrow('disk')
    expect(a.ledger.heads()).toEqual(heads)
    expect(a.ledger.sync.headsHash()).toEqual(hash)
    expect(a.ledger.control().length).toBe(1)
    expect(a.ledger.append('note', note(1)).seq).toBe(1)
  })

  it('stores nothing when executing fails', () => {
    let fails = false
    const a = testLedger({
      apply: () => {
        if (fails) throw new Error('rule')
      },
    })
    found(a)
    fails = true
    expect(() => a.ledger.append('note', note(1))).toThrow('rule')
    expect(a.ledger.count()).toBe(1)
    expect(a.ledger.page(0, 10).length).toBe(1)
  })

  it('has the recovery key sign as well', () => {
    const a = testLedger()
    const network = found(a)
    const entry = a.ledger.append('role', {}, { cosignWith: RECOVERY })
    expect(isCosigned(entry, network, RECOVERY.publicKey)).toBe(true)
    const b = testLedger({ network })
    copy(a, b)
    expect(b.ledger.get(entry.id)?.cosigned).toBe(true)
  })

  it.each([
    [61_000, 3, '61 s ahead of that of 3 members'],
    [-120_000, 1, '120 s behind that of 1 member'],
  ])('refuses to write with a clock that is %i ms off', (ms, witnesses, message) => {
    let skew: ReturnType<LedgerInit['skew']> = null
    const a = testLedger({ skew: () => skew })
    found(a)
    skew = { ms, witnesses }
    expect(() => a.ledger.append('note', note(1))).toThrow(ClockSkewError)
    expect(() => a.ledger.append('note', note(1))).toThrow(message)
    skew = { ms: Math.sign(ms) * 60_000, witnesses }
    expect(a.ledger.append('note', note(1)).seq).toBe(1)
  })

  it('passes every clock it has seen, also when its own is behind', () => {
    const late = new ManualClock()
    const a = testLedger()
    const ahead = new ManualClock(late.now() + 50_000)
    const b = testLedger({ clock: ahead })
    const network = found(b)
    const c = testLedger({ network, clock: late, key: a.key })
    b.ledger.append('admit', { node: a.key.publicKey })
    copy(b, c)
    const entry = c.ledger.append('note', note(1))
    expect(entry.ms).toBe(ahead.now())
    expect(entry.counter).toBeGreaterThan(0)
  })
})

describe('the own feed', () => {
  /** What a restart on one machine finds again; a copy of the folder has another `machine`. */
  const restart = (path: string, options: Parameters<typeof testLedger>[0]) => testLedger({ path, ...options })
  const peers = Array.from({ length: 3 }, () => nodeIdFromPublicKey(generateSigningKey().publicKey))
  const [one, two, three] = peers as [NodeId, NodeId, NodeId]

  function machine() {
    return { key: generateSigningKey(), local: memorySettings(), closeWitness: memoryWitness(), path: newPath() }
  }

  it('is continued after an orderly close, and the mark is used up', () => {
    const { path, ...same } = machine()
    const first = restart(path, same)
    found(first)
    const last = first.ledger.append('note', note(1))
    first.ledger.close()
    first.db.close()
    const marked = new Map(same.local.values)
    const second = restart(path, same)
    expect(second.ledger.ownFeed()).toMatchObject({ feed: last.feed, reason: 'orderly-close' })
    const next = second.ledger.append('note', note(2))
    expect(next).toMatchObject({ feed: last.feed, seq: last.seq + 1, prev: last.id })
    second.db.close()
    // the settings as they were at the close, laid over those that are here: nothing outside of the folder fits them
    for (const [name, value] of marked) same.local.values.set(name, value)
    const third = restart(path, same)
    expect(third.ledger.ownFeed().reason).toBe('unconfirmed')
    expect(third.ledger.append('note', note(3)).seq).toBe(0)
    third.db.close()
  })

  it('is left for a new one where an old copy was laid over it in place', () => {
    const { path, ...same } = machine()
    const first = restart(path, same)
    found(first)
    first.ledger.close()
    first.db.exec(`VACUUM INTO '${path}-old'`)
    first.db.close()
    const old = new Map(same.local.values)
    const second = restart(path, same)
    second.ledger.append('note', note(1))
    second.ledger.close()
    second.db.close()
    writeFileSync(path, readFileSync(`${path}-old`))
    same.local.values.clear()
    for (const [name, value] of old) same.local.values.set(name, value)
    const restored = restart(path, same)
    expect(restored.ledger.ownFeed().reason).toBe('unconfirmed')
    expect(restored.ledger.append('note', note(2))).toMatchObject({ seq: 0, prev: null })
    restored.db.close()
  })

  it('is left for a new one after a power cut', () => {
    const { path, ...same } = machine()
    const first = restart(path, same)
    found(first)
    const last = first.ledger.append('note', note(1))
    first.db.close()
    const second = restart(path, same)
    expect(second.ledger.sync.unconfirmedOwn()).toMatchObject({ feed: last.feed, id: last.id })
    const next = second.ledger.append('note', note(2))
    expect(next.feed).not.toBe(last.feed)
    expect(next).toMatchObject({ seq: 0, prev: null })
    // and stays with the new one
    expect(second.ledger.append('note', note(3))).toMatchObject({ feed: next.feed, seq: 1 })
    second.db.close()
  })

  it('is left for a new one in a copy of the folder, whoever confirms it', () => {
    const { path, ...same } = machine()
    const first = restart(path, same)
    found(first)
    const last = first.ledger.append('note', note(1))
    first.ledger.close()
    first.db.exec(`VACUUM INTO '${path}-copy'`)
    first.db.close()
    const witnesses = { members: () => peers, isSole: () => true }
    const elsewhere = { ...same, closeWitness: memoryWitness(new Uint8Array(32).fill(8)), witnesses }
    const copied = restart(`${path}-copy`, elsewhere)
    for (const peer of peers) copied.ledger.confirmOwnFeed(last, peer)
    expect(copied.ledger.ownFeed()).toMatchObject({ feed: null, reason: 'moved' })
    expect(copied.ledger.append('note', note(2)).seq).toBe(0)
    copied.db.close()
  })

  it('is continued when a majority ends it where we do, and nobody sees us twice', () => {
    const { path, ...same } = machine()
    const first = restart(path, same)
    found(first)
    const last = first.ledger.append('note', note(1))
    first.db.close()
    const sole = new Set(peers)
    const second = restart(path, { ...same, witnesses: { members: () => peers, isSole: (node) => sole.has(node) } })
    const confirm = (head: Head, by: NodeId) => second.ledger.confirmOwnFeed(head, by)
    confirm(last, one)
    confirm({ ...last, seq: 0 }, two)
    confirm(last, nodeIdFromPublicKey(generateSigningKey().publicKey))
    expect(second.ledger.ownFeed()).toMatchObject({ feed: null, reason: 'unconfirmed', confirmedBy: 1, members: 3 })
    sole.delete(three)
    confirm(last, three)
    expect(second.ledger.ownFeed()).toMatchObject({ feed: null, confirmedBy: 1 })
    confirm(last, two)
    expect(second.ledger.ownFeed()).toMatchObject({ feed: last.feed, reason: 'confirmed' })
    expect(second.ledger.append('note', note(2)).prev).toBe(last.id)
    second.db.close()
  })

  it('is never continued once entries that this folder lost have come back', () => {
    const key = generateSigningKey()
    const a = testLedger({ key })
    const network = found(a)
    const backup = allOf(a)
    const lost = a.ledger.append('note', note(1))
    const restored = testLedger({ key, network, witnesses: { members: () => peers, isSole: () => true } })
    restored.ledger.ingest(backup)
    restored.ledger.ingest(allOf(a), { peer: one, live: false })
    expect(restored.ledger.get(lost.id)).toBeDefined()
    for (const peer of peers) restored.ledger.confirmOwnFeed(lost, peer)
    expect(restored.ledger.ownFeed()).toMatchObject({ feed: null, reason: 'regained', regained: 1 })
    const next = restored.ledger.append('note', note(2))
    expect(next.feed).not.toBe(lost.feed)
    // what else comes back of older feeds does not end the one that was begun here
    a.ledger.append('note', note(3))
    copy(a, restored)
    expect(restored.ledger.append('note', note(4))).toMatchObject({ feed: next.feed, seq: 1 })
  })

  it('is left for a new one when it is stuck in the future', () => {
    const clock = new ManualClock()
    const real = clock.now()
    const a = testLedger({ clock })
    found(a)
    clock.set(real + 3_600_000)
    const future = a.ledger.append('note', note(1))
    clock.set(real)
    const now = a.ledger.append('note', note(2))
    expect(now.feed).not.toBe(future.feed)
    expect(now.ms).toBeLessThan(real + CLOCK_TOLERANCE_MS)
  })
})

describe('a clock that was a day ahead and has been corrected', () => {
  const DAY = 86_400_000

  function corrected() {
    const clock = new ManualClock()
    const real = clock.now()
    const others = testLedger({ clock: new ManualClock(real) })
    found(others)
    const a = joined(others, { clock })
    clock.set(real + DAY)
    const future = a.ledger.append('note', note(1))
    const act = a.ledger.append('role', { x: 1 })
    clock.set(real)
    return { a, clock, others, future, act, real }
  }

  it('stays behind what it wrote shortly before now, also where the end of that feed is far ahead', () => {
    const clock = new ManualClock()
    const real = clock.now()
    const others = testLedger({ clock: new ManualClock(real) })
    found(others)
    const a = joined(others, { clock })
    clock.set(real + 40_000)
    const soon = a.ledger.append('note', note(1))
    clock.set(real + DAY)
    a.ledger.append('note', note(2))
    clock.set(real)
    expect(isLater(a.ledger.append('note', note(1)), soon)).toBe(true)
  })

  it('writes on at once, and what it writes is held by nobody', () => {
    const { a, others, future, act } = corrected()
    expect(a.ledger.ownFeed().aheadUntil).toBe(act.ms)
    const now = [a.ledger.append('note', note(2)), a.ledger.append('role', { x: 2 })]
    expect(now[1]?.seen).not.toContain(act.id)
    copy(a, others)
    expect(others.ledger.held().map(({ id }) => id)).toEqual([future.id, act.id])
    for (const { id } of now) expect(others.ledger.get(id)).toBeDefined()
    // what others hold does not pull their clocks, nor is it in their heads
    const theirs = others.ledger.append('note', note(3))
    expect(theirs.ms).toBeLessThan(future.ms)
    expect(others.ledger.heads().map(({ feed }) => feed)).not.toContain(future.feed)
  })

  it('changes nothing that was last changed in the future, until that time', () => {
    const { a, clock, future, real } = corrected()
    expect(() => a.ledger.append('note', note(1))).toThrow(BuildsOnFutureError)
    expect(() => a.ledger.append('note', note(1))).toThrow(new Date(future.ms).toISOString())
    expect(a.ledger.append('note', note(2)).seq).toBe(0)
    clock.set(real + DAY)
    expect(a.ledger.append('note', note(1)).ms).toBeGreaterThanOrEqual(future.ms)
  })

  it('is like all others the day after', () => {
    const { a, clock, others, real } = corrected()
    a.ledger.append('role', { x: 2 })
    copy(a, others)
    const later = others.ledger.append('note', note(4))
    expect(others.ledger.sync.headsHash()).not.toEqual(a.ledger.sync.headsHash())
    clock.set(real + DAY)
    const day = testLedger({ clock, network: a.ledger.network() })
    day.ledger.ingest(allOf(others))
    day.ledger.ingest(allOf(a))
    others.ledger.close()
    copy(others, a)
    expect(a.ledger.get(later.id)).toBeDefined()
    expect(day.ledger.held()).toEqual([])
    expect(day.ledger.sync.headsHash()).toEqual(a.ledger.sync.headsHash())
    expect(day.digest()).toEqual(a.digest())
    expect(a.ledger.ownFeed().aheadUntil).toBeNull()
    expect(a.ledger.append('role', { x: 3 }).seen.length).toBeGreaterThan(0)
  })
})

describe('a second process with our identity', () => {
  it('stops what is written here if it was there first', () => {
    let twin: ReturnType<LedgerInit['twin']> = null
    const a = testLedger({ twin: () => twin })
    found(a)
    const other = { run: new Uint8Array(16), since: 1_800_000_000_000, by: a.ledger.self, heard: 0 }
    twin = { ...other, weAreLater: false }
    a.ledger.append('note', note(1))
    twin = { ...other, weAreLater: true }
    expect(() => a.ledger.append('note', note(2))).toThrow(RunningTwiceError)
    expect(() => a.ledger.append('note', note(2))).toThrow('since 2027-01-15T08:00:00.000Z')
    twin = null
    expect(a.ledger.append('note', note(2)).seq).toBe(2)
  })
})

describe('the store', () => {
  it('has everything again after a restart', () => {
    const path = newPath()
    const a = testLedger({ path })
    const network = found(a)
    const b = joined(a)
    b.ledger.append('note', note(3))
    const refused = b.ledger.append('note', note(4))
    copy(b, a)
    a.ledger.setVerdict(refused.id, { code: 'not-owner', reason: 'someone else is' })
    const before = [
      a.ledger.heads(),
      a.ledger.sync.headsHash(),
      a.ledger.control(),
      a.ledger.count(),
      a.ledger.page(0, 100),
    ]
    a.db.close()
    const again = testLedger({ path, key: a.key, network: null })
    const { ledger } = again
    expect(ledger.network()).toBe(network)
    expect([ledger.heads(), ledger.sync.headsHash(), ledger.control(), ledger.count(), ledger.page(0, 100)]).toEqual(
      before,
    )
    expect(ledger.page(4, 1)).toMatchObject([{ arrival: 5, refusal: null }].slice(0, ledger.page(4, 1).length))
    expect(ledger.page(0, 100).at(-1)).toMatchObject({ entry: { id: refused.id }, refusal: { code: 'not-owner' } })
    ledger.setVerdict(refused.id, null)
    expect(ledger.page(0, 100).at(-1)?.refusal).toBeNull()
    expect(ledger.subjectsOf(b.ledger.self).map((each) => each.length)).toEqual([16, 16])
    expect(ledger.subjectsOf(a.ledger.self)).toEqual([])
    again.db.close()
  })

  it('keeps entries of kinds that it does not know', () => {
    const a = testLedger()
    const network = found(a)
    const b = testLedger({
      network,
      kinds: (kind) => (kind === 'found' ? { isControl: true, subject: () => null } : undefined),
    })
    a.ledger.append('note', note(1))
    copy(a, b)
    expect(b.ledger.count()).toBe(2)
    expect(b.ledger.sync.headsHash()).toEqual(a.ledger.sync.headsHash())
  })

  it('refuses a database that a newer version wrote', () => {
    const path = newPath()
    openDatabase({ path, migrations: migrationsFolder('shared') }).close()
    const db = openDatabase({ path, migrations: migrationsFolder('shared') })
    db.exec('PRAGMA user_version = 9999')
    db.close()
    expect(() => openDatabase({ path, migrations: migrationsFolder('shared') })).toThrow('newer')
  })
})
