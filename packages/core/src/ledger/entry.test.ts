import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, encodeCbor } from '../codec/index.ts'
import { generateSigningKey, sha256 } from '../crypto/index.ts'
import { type EntryId, idBytes, idFrom, type NetworkId, toHex } from '../ids.ts'
import {
  decodeEntry,
  ENTRY_MAX_BYTES,
  type EntryDraft,
  introducedBy,
  isCosigned,
  isSigned,
  makeEntry,
  recoveryKeyOf,
} from './entry.ts'
import { EntryForeignError, EntryTooLargeError } from './errors.ts'

const network = 'aa'.repeat(32) as NetworkId
const key = generateSigningKey()
const recovery = generateSigningKey()
const draft: EntryDraft = {
  network,
  incarnation: new Uint8Array(16).fill(1),
  seq: 0,
  prev: null,
  ms: 1000,
  counter: 2,
  kind: 'note',
  seen: [],
  body: { text: 'hello' },
}
const idOf = (byte: number) => toHex(new Uint8Array(32).fill(byte)) as EntryId

describe('makeEntry and decodeEntry', () => {
  it('agree on every field', () => {
    fc.assert(
      fc.property(
        fc.record({
          seq: fc.integer({ min: 1, max: 2 ** 40 }),
          ms: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
          counter: fc.integer({ min: 0, max: 0xffffffff }),
          seen: fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { maxLength: 64 }),
          text: fc.string(),
        }),
        ({ seq, ms, counter, seen, text }) => {
          const ids = seen.map(idOf)
          const entry = makeEntry({ ...draft, seq, prev: idOf(9), ms, counter, seen: ids, body: { text } }, key)
          const read = decodeEntry(entry, network)
          expect(read).toEqual(entry)
          expect(read).toMatchObject({
            seq,
            prev: idOf(9),
            ms,
            counter,
            kind: 'note',
            seen: [...ids].sort(),
            body: { text },
          })
          expect(read.id).toBe(toHex(sha256(entry.bytes)))
          expect(isSigned(read, network)).toBe(true)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('names the network by the founding entry', () => {
    const entry = makeEntry({ ...draft, network: null, kind: 'found', body: { recovery: recovery.publicKey } }, key)
    expect(decodeEntry(entry, entry.id as string as NetworkId).kind).toBe('found')
    expect(isSigned(entry, entry.id as string as NetworkId)).toBe(true)
    expect(recoveryKeyOf(entry)).toEqual(recovery.publicKey)
    expect(introducedBy(entry)).toEqual(key.publicKey)
    expect(() => decodeEntry(entry, network)).toThrow(EntryForeignError)
  })

  it('refuses an entry of another network', () => {
    expect(() => decodeEntry(makeEntry(draft, key), 'bb'.repeat(32) as NetworkId)).toThrow(EntryForeignError)
  })

  it('refuses to make an entry that no one would take', () => {
    expect(() => makeEntry({ ...draft, body: { text: 'x'.repeat(ENTRY_MAX_BYTES) } }, key)).toThrow(EntryTooLargeError)
  })

  it('throws nothing but DecodeError for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          decodeEntry({ bytes, sig: null, cosig: null }, network)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('throws nothing but DecodeError for an entry with any byte changed, cut or added', () => {
    const good = makeEntry({ ...draft, seq: 3, prev: idOf(1), seen: [idOf(2), idOf(3)] }, key).bytes
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
        const bytes = good.slice(0, length)
        if (at < bytes.length) bytes[at] = value
        try {
          decodeEntry({ bytes, sig: null, cosig: null }, network)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  const fields = (change: Record<number, unknown>) => {
    const good: unknown[] = [
      1,
      idBytes(network),
      key.publicKey,
      draft.incarnation,
      0,
      null,
      1000,
      2,
      'note',
      [],
      { text: 'x' },
    ]
    for (const [index, value] of Object.entries(change)) good[Number(index)] = value
    return { bytes: encodeCbor(good as never), sig: null, cosig: null }
  }
  it.each([
    ['format 0', { 0: 0 }],
    ['format 3', { 0: 3 }],
    ['a short author', { 2: new Uint8Array(31) }],
    ['a predecessor at seq 0', { 5: new Uint8Array(32) }],
    ['no predecessor later', { 4: 1 }],
    ['a time beyond any date', { 6: 8_640_000_000_000_001 }],
    ['a counter beyond 32 bits', { 7: 2 ** 32 }],
    ['an empty kind', { 8: '' }],
    ['a kind with terminal codes', { 8: '\u001b[2J' }],
    ['a kind that is too long', { 8: 'k'.repeat(33) }],
    ['too many seen', { 9: Array.from({ length: 65 }, (_, index) => new Uint8Array(32).fill(index)) }],
    ['seen out of order', { 9: [new Uint8Array(32).fill(2), new Uint8Array(32).fill(1)] }],
    ['seen twice', { 9: [new Uint8Array(32), new Uint8Array(32)] }],
    ['a body that is no map', { 10: [] }],
    ['one field more', { 11: 1 }],
    ['a founding entry with a network', { 8: 'found' }],
  ])('refuses %s', (_, change) => {
    expect(decodeEntry(fields({}), network).kind).toBe('note')
    expect(() => decodeEntry(fields(change), network)).toThrow(DecodeError)
  })
})

describe('the second signature', () => {
  it('cannot be stripped: without it the entry is not authentic', () => {
    const entry = makeEntry({ ...draft, kind: 'role' }, key, recovery)
    expect(entry.cosigned).toBe(true)
    expect(isCosigned(entry, network, recovery.publicKey)).toBe(true)
    expect(isCosigned({ ...entry, cosig: null }, network, recovery.publicKey)).toBe(false)
    expect(isCosigned(entry, network, key.publicKey)).toBe(false)
    expect(isCosigned(entry, network, null)).toBe(false)
  })

  it('cannot be added to an entry that does not ask for it', () => {
    const plain = makeEntry({ ...draft, kind: 'role' }, key)
    const cosigned = makeEntry({ ...draft, kind: 'role' }, key, recovery)
    const read = decodeEntry({ ...plain, cosig: cosigned.cosig }, network)
    expect(read.cosigned).toBe(false)
    expect(read.cosig).toBeNull()
    expect(idFrom<EntryId>(sha256(plain.bytes))).not.toBe(cosigned.id)
  })
})
