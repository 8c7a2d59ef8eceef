import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateSigningKey } from '../crypto/index.ts'
import type { EntryId, NetworkId } from '../ids.ts'
import { CLOCK_TOLERANCE_MS } from './clock.ts'
import { type EntryDraft, makeEntry } from './entry.ts'
import {
  allOf,
  copy,
  found,
  joined,
  ManualClock,
  note,
  RECOVERY,
  signedBytes,
  type TestLedger,
  testLedger,
} from './testing.ts'
import type { Entry, SignedBytes } from './types.ts'

const unsign = (signed: SignedBytes): SignedBytes => ({ ...signedBytes(signed), sig: null })
const spoil = (signed: SignedBytes): SignedBytes => ({ ...signedBytes(signed), sig: new Uint8Array(64).fill(1) })

function setting(count: number) {
  const a = testLedger()
  const network = found(a)
  const notes = Array.from({ length: count }, (_, index) => a.ledger.append('note', note(index)))
  const b = testLedger({ network })
  return { a, b, network, notes, founding: allOf(a).slice(0, 1) }
}

/** An entry of `author` as a changed client might write it. */
function forge(author: TestLedger, network: NetworkId, change: Partial<EntryDraft>, after?: Entry): Entry {
  const incarnation = new Uint8Array(16).fill(9)
  const place = after === undefined ? { seq: 0, prev: null } : { seq: after.seq + 1, prev: after.id }
  const draft = { network, incarnation, ...place, ms: Date.now(), counter: 0, kind: 'note', seen: [], body: {} }
  return makeEntry({ ...draft, ...change }, author.key)
}

describe('ingest', () => {
  it('takes entries once', () => {
    const { a, b } = setting(5)
    expect(b.ledger.ingest(allOf(a))).toMatchObject({ stored: 6, duplicates: 0, missing: [], refused: [] })
    expect(b.ledger.ingest([...allOf(a), ...allOf(a)])).toMatchObject({ stored: 0, duplicates: 12 })
    expect(b.ledger.count()).toBe(6)
    expect(b.applied.length).toBe(6)
    expect(b.ledger.sync.headsHash()).toEqual(a.ledger.sync.headsHash())
  })

  it('ends with the same set for any order, repetition and batching', () => {
    const a = testLedger()
    const network = found(a)
    const others = [joined(a), joined(a)]
    for (const other of others) {
      copy(a, other)
      for (let index = 0; index < 4; index++) other.ledger.append(index === 2 ? 'role' : 'note', note(index))
      copy(other, a)
    }
    const all = allOf(a)
    fc.assert(
      fc.property(fc.shuffledSubarray([...all, ...all]), fc.integer({ min: 1, max: 7 }), (some, size) => {
        const b = testLedger({ network })
        for (let at = 0; at < some.length; at += size) b.ledger.ingest(some.slice(at, at + size))
        // what came too early comes again, as it does from peers
        for (let round = 0; b.ledger.count() < all.length && round < all.length; round++)
          for (const each of all) b.ledger.ingest([each])
        expect(b.ledger.sync.headsHash()).toEqual(a.ledger.sync.headsHash())
        expect(b.digest()).toEqual(a.digest())
        b.db.close()
      }),
      { numRuns: 30 },
    )
  })

  it('reports a gap', () => {
    const { b, notes, founding } = setting(3)
    b.ledger.ingest(founding)
    const last = notes[2] as Entry
    expect(b.ledger.ingest([signedBytes(last)])).toMatchObject({ stored: 0, missing: [last.feed] })
    expect(b.ledger.ingest(notes.map(signedBytes))).toMatchObject({ stored: 3, missing: [] })
  })

  it('does not store entries of authors that nobody admitted', () => {
    const { a, b, network } = setting(0)
    const c = joined(a)
    const entry = c.ledger.append('note', note(1))
    b.ledger.ingest(allOf(a).slice(0, 1))
    expect(b.ledger.ingest([signedBytes(entry)]).refused).toMatchObject([{ code: 'unknown-author', id: entry.id }])
    // the admission may come in the same batch
    expect(b.ledger.ingest(allOf(c))).toMatchObject({ stored: 2, duplicates: 1, refused: [] })
    expect(b.ledger.network()).toBe(network)
  })

  it('says what is malformed or foreign, and takes the rest', () => {
    const { a, b } = setting(1)
    const foreign = testLedger()
    found(foreign)
    const batch = [{ bytes: new Uint8Array([1, 2, 3]), sig: null, cosig: null }, ...allOf(foreign), ...allOf(a)]
    const result = b.ledger.ingest(batch)
    expect(result.refused.map(({ code }) => code)).toEqual(['malformed', 'foreign'])
    expect(result.stored).toBe(2)
  })

  it('refuses an entry whose clock does not rise', () => {
    const { a, b, network } = setting(0)
    copy(a, b)
    const first = forge(a, network, { ms: 5000, counter: 1 })
    const same = forge(a, network, { ms: 5000, counter: 1, kind: 'note', body: { x: 1 } }, first)
    expect(b.ledger.ingest([first, same].map(signedBytes))).toMatchObject({
      stored: 1,
      refused: [{ code: 'clock', id: same.id }],
    })
  })

  it('keeps both branches of a fork, and both are heads', () => {
    const { a, b, network } = setting(0)
    copy(a, b)
    const root = forge(a, network, {})
    const one = forge(a, network, { ms: root.ms + 1, body: { x: 1 } }, root)
    const two = forge(a, network, { ms: root.ms + 1, body: { x: 2 } }, root)
    const three = forge(a, network, { ms: root.ms + 2 }, one)
    expect(b.ledger.ingest([root, one, two, three].map(signedBytes)).stored).toBe(4)
    const tips = b.ledger.heads().filter(({ feed }) => feed === root.feed)
    expect(tips.map(({ id }) => id).sort()).toEqual([two.id, three.id].sort())
    // and from the branch that is no longer its tip another may leave
    const four = forge(a, network, { ms: root.ms + 2, body: { x: 4 } }, one)
    expect(b.ledger.ingest([signedBytes(four)]).stored).toBe(1)
    expect(b.ledger.heads().filter(({ feed }) => feed === root.feed).length).toBe(3)
    b.ledger.ingest([root, one, two, three, four].map(signedBytes))
    expect(b.ledger.count()).toBe(6)
  })
})

describe('an entry with a bad signature', () => {
  it('waits for a later one of its feed', () => {
    const { b, notes, founding } = setting(3)
    b.ledger.ingest(founding)
    const [one, two, three] = notes as [Entry, Entry, Entry]
    expect(b.ledger.ingest([unsign(one), spoil(two)])).toMatchObject({ stored: 0, waiting: 2 })
    expect(b.ledger.count()).toBe(1)
    expect(b.ledger.ingest([signedBytes(three)])).toMatchObject({ stored: 3, missing: [] })
    expect(b.applied.map(({ id }) => id).slice(1)).toEqual([one.id, two.id, three.id])
  })

  it('is taken when it comes again with a good one', () => {
    const { b, notes, founding } = setting(1)
    const [one] = notes as [Entry]
    b.ledger.ingest(founding)
    expect(b.ledger.ingest([unsign(one)]).waiting).toBe(1)
    expect(b.ledger.ingest([signedBytes(one)]).stored).toBe(1)
  })

  it('does not hide a copy with a good one in the same batch', () => {
    const { b, notes, founding } = setting(1)
    const [one] = notes as [Entry]
    expect(b.ledger.ingest([...founding, spoil(one), signedBytes(one), unsign(one)])).toMatchObject({
      stored: 2,
      duplicates: 2,
    })
    expect(b.ledger.get(one.id)?.sig).toEqual(one.sig)
  })

  it('waits also as the founding entry, before which nobody is known', () => {
    const { b, notes, founding } = setting(1)
    const [one] = notes as [Entry]
    expect(b.ledger.ingest(founding.map(spoil))).toMatchObject({ stored: 0, waiting: 1, refused: [] })
    expect(b.ledger.ingest([signedBytes(one)])).toMatchObject({ stored: 2 })
  })

  it('waits also between a founding entry that waits and a later one of that feed', () => {
    const { b, notes, founding } = setting(2)
    const [one, two] = notes as [Entry, Entry]
    for (const signed of [...founding, one].map(spoil)) {
      expect(b.ledger.ingest([signed])).toMatchObject({ waiting: 1, refused: [] })
    }
    expect(b.ledger.ingest([signedBytes(two)])).toMatchObject({ stored: 3 })
  })

  it('is taken up to the last valid signature in bulk', () => {
    const { b, notes, founding } = setting(4)
    const [one, two, three, four] = notes as [Entry, Entry, Entry, Entry]
    const result = b.ledger.ingest([...founding, unsign(one), signedBytes(two), spoil(three), unsign(four)])
    expect(result).toMatchObject({ stored: 3, waiting: 2 })
    expect(b.ledger.heads()).toMatchObject([{ seq: two.seq, id: two.id }])
  })

  it('keeps no false signature of a control entry, which is handed over alone at registering', () => {
    const { a, b, founding } = setting(0)
    const role = a.ledger.append('role', {})
    const after = a.ledger.append('note', note(1))
    b.ledger.ingest([...founding, spoil(role), signedBytes(after)])
    expect(b.ledger.get(role.id)?.sig).toBeNull()
  })

  it("is not vouched for by another feed's entry that names it", () => {
    const { a, network } = setting(0)
    const mallory = joined(a)
    const b = testLedger({ network })
    copy(a, b)
    const stolen = makeEntry(
      {
        network,
        incarnation: new Uint8Array(16),
        seq: 0,
        prev: null,
        ms: 1,
        counter: 0,
        kind: 'role',
        seen: [],
        body: { evil: true },
      },
      a.key,
    )
    const voucher = forge(mallory, network, { seq: 1, prev: stolen.id })
    expect(b.ledger.ingest([unsign(stolen), signedBytes(voucher)])).toMatchObject({ stored: 0, waiting: 1 })
    expect(b.ledger.get(stolen.id)).toBeUndefined()
  })

  it('cannot fill the memory', () => {
    const { a, b, network } = setting(0)
    copy(a, b)
    for (let index = 0; index < 1500; index += 500) {
      const made = Array.from({ length: 500 }, (_, at) => unsign(forge(a, network, { body: { n: index + at } })))
      b.ledger.ingest(made)
    }
    // the newest are still there, so that a true one may follow
    const last = forge(a, network, { body: { n: 1499 }, ms: 5 })
    const next = forge(a, network, { ms: 6 }, last)
    b.ledger.ingest([unsign(last)])
    expect(b.ledger.ingest([signedBytes(next)]).stored).toBe(2)
  })
})

describe('a cosigned entry', () => {
  it('is not taken without the signature of the recovery key', () => {
    const { a, b, network } = setting(0)
    const act = a.ledger.append('role', {}, { cosignWith: RECOVERY })
    copy(a, testLedger({ network }))
    expect(b.ledger.ingest([allOf(a)[0] as SignedBytes, { ...signedBytes(act), cosig: null }]).refused).toMatchObject([
      { code: 'not-cosigned' },
    ])
    const other = forge(a, network, { kind: 'role' })
    const wrong = makeEntry(
      {
        network,
        incarnation: new Uint8Array(16),
        seq: 0,
        prev: null,
        ms: other.ms,
        counter: 0,
        kind: 'role',
        seen: [],
        body: {},
      },
      a.key,
      generateSigningKey(),
    )
    expect(b.ledger.ingest([signedBytes(wrong)]).refused).toMatchObject([{ code: 'not-cosigned' }])
    expect(b.ledger.ingest([signedBytes(act)]).stored).toBe(1)
  })
})

describe('an entry ahead of our time', () => {
  const ahead = () => {
    const clock = new ManualClock()
    const a = testLedger({ clock })
    const network = found(a)
    const b = testLedger({ network, clock })
    const c = joined(a, { clock })
    copy(a, b)
    return { a, b, c, network, clock }
  }

  it('is held with all that follows or names it, outside heads, until its time comes', () => {
    const { a, b, c, network, clock } = ahead()
    const start = clock.now()
    const future = forge(a, network, { kind: 'role', ms: start + CLOCK_TOLERANCE_MS + 5000 })
    const after = forge(a, network, { ms: future.ms + 1 }, future)
    const names = forge(c, network, { kind: 'role', ms: start, seen: [future.id] as EntryId[] })
    const hash = b.ledger.sync.headsHash()
    expect(b.ledger.ingest([future, after, names].map(signedBytes))).toMatchObject({ stored: 0, waiting: 3 })
    expect(b.ledger.held().length).toBe(3)
    expect(b.ledger.sync.headsHash()).toEqual(hash)
    expect(b.ledger.sync.knows(future)).toBe(true)
    expect(b.ledger.ingest([signedBytes(future)]).duplicates).toBe(1)
    clock.advance(4000)
    expect(b.ledger.held().length).toBe(3)
    clock.advance(2000)
    expect(b.ledger.held()).toEqual([])
    expect(b.applied.slice(-3).map(({ id }) => id)).toEqual([future.id, after.id, names.id])
  })

  it('is held with what names it, also where that comes first or its own time is earlier', () => {
    const { a, b, c, network, clock } = ahead()
    const start = clock.now()
    const future = forge(a, network, { kind: 'role', ms: start + CLOCK_TOLERANCE_MS + 5000 })
    const past = forge(c, network, { kind: 'role', ms: start, seen: [future.id] as EntryId[] })
    const sooner = forge(c, network, { kind: 'role', ms: start + CLOCK_TOLERANCE_MS + 1000, seen: [future.id] })
    expect(b.ledger.ingest([signedBytes(sooner)])).toMatchObject({ stored: 0, waiting: 1 })
    expect(b.ledger.ingest([past, future].map(signedBytes))).toMatchObject({ stored: 0, waiting: 2 })
    clock.advance(3000)
    expect(b.ledger.held().length).toBe(3)
    clock.advance(3000)
    expect(b.ledger.held()).toEqual([])
  })

  it('is taken at once within the tolerance', () => {
    const { a, b, network, clock } = ahead()
    expect(b.ledger.ingest([signedBytes(forge(a, network, { ms: clock.now() + CLOCK_TOLERANCE_MS }))]).stored).toBe(1)
  })

  it('is not held over a gap, which is asked for at once', () => {
    const { a, b, network, clock } = ahead()
    const first = forge(a, network, { ms: clock.now() })
    const future = forge(a, network, { ms: clock.now() + 10 * CLOCK_TOLERANCE_MS }, first)
    expect(b.ledger.ingest([signedBytes(future)])).toMatchObject({ waiting: 0, missing: [future.feed] })
  })

  it('cannot fill the memory', () => {
    const { a, b, network, clock } = ahead()
    const made = Array.from({ length: 1100 }, (_, at) =>
      signedBytes(forge(a, network, { ms: clock.now() + 1e9, body: { n: at } })),
    )
    expect(b.ledger.ingest(made).waiting).toBe(1024)
    expect(b.ledger.held().length).toBe(1024)
  })
})
