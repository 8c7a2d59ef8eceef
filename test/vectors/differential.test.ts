/** The product and the second reader take and refuse the same, whatever comes: two readings of one spec. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EVERYTHING, play, scripts, tampered, tamperings } from '../../packages/core/src/catalogue/worlds/testing.ts'
import { type CborValue, DecodeError, decodeCbor, encodeCbor } from '../../packages/core/src/codec/index.ts'
import { decodeEntry } from '../../packages/core/src/ledger/entry.ts'
import { PROPERTY_TIMEOUT_MS, tries } from '../../packages/core/src/testing.ts'
import { signedHex, takenByLedger } from './make/entries.ts'
import { decode, encode, hex, type Value } from './reader/bytes.ts'
import { read, take } from './reader/entries.ts'

const anyText = fc
  .oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 6 }).map((text) => text.toWellFormed()),
    fc.constantFrom('constructor', 'length', 'a'.repeat(30), 'ä', 'b', 'aa'),
  )
  .filter((text) => text !== '__proto__')
const anyValue: fc.Arbitrary<CborValue> = fc.letrec<{ any: CborValue }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.constantFrom(23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -24, -25, -256, -257, -(2 ** 32) - 1),
    anyText,
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('any'), { maxLength: 5 }),
    fc.dictionary(anyText, tie('any'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).any

/** Changes of a byte or two, of which most are refused and some are not. */
const edits = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255), fc.constantFrom('set', 'insert', 'remove')), {
  maxLength: 3,
})

function edited(bytes: Uint8Array, made: readonly (readonly [number, number, string])[]): Uint8Array {
  return made.reduce((input, [at, value, how]) => {
    const place = at % (input.length + 1)
    const rest = input.subarray(how === 'insert' ? place : place + 1)
    const middle = how === 'remove' ? [] : [Uint8Array.of(value)]
    return new Uint8Array(Buffer.concat([input.subarray(0, place), ...middle, rest]))
  }, bytes)
}

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}

describe('CBOR', () => {
  test(
    'one value has one encoding, the same in both',
    () => {
      fc.assert(
        fc.property(anyValue, (value) => {
          const bytes = encodeCbor(value)
          expect(hex(encode(value as Value))).toBe(hex(bytes))
          expect(hex(encode(decode(bytes)))).toBe(hex(bytes))
        }),
        tries(400),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  test(
    'the same is refused',
    () => {
      const input = fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.tuple(anyValue, edits).map(([value, made]) => edited(encodeCbor(value), made)),
      )
      fc.assert(
        fc.property(input, (bytes) => {
          const [ours, theirs] = [attempt(() => decodeCbor(bytes, bytes.length)), attempt(() => decode(bytes))] as const
          const isNull = hex(bytes) === 'f6'
          expect(ours === null && !isNull).toBe(theirs === null && !isNull)
        }),
        tries(1500),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

const { world: sample } = play(
  EVERYTHING.map((action, at) => ({ actor: at, action, file: at, other: at + 1, pause: at % 3, sync: at % 2 === 0 })),
  'differential',
)

describe('entries', () => {
  const verdict = (bytes: Uint8Array) => {
    try {
      return decodeEntry({ bytes, sig: null, cosig: null }, sample.network).id
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return error.name === 'EntryForeignError' ? 'foreign' : 'malformed'
    }
  }
  const expectSame = (bytes: Uint8Array) => {
    const other = read({ bytes: hex(bytes), sig: null, cosig: null }, sample.network)
    expect(typeof other === 'string' ? other : other.id).toBe(verdict(bytes))
  }

  test(
    'with changed bytes',
    () => {
      fc.assert(
        fc.property(fc.nat(), edits, (at, made) => {
          const entry = sample.entries[at % sample.entries.length]
          if (entry !== undefined) expectSame(edited(entry.bytes, made))
        }),
        tries(500),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  test(
    'with any value in any of the eleven places',
    () => {
      const special = fc.constantFrom<CborValue>(
        ...[0, 1, 2, 3, 8.64e15, 8.64e15 + 1, 2 ** 32 - 1, 2 ** 32, 'found', 'admit', 'a-1', '-a', 'A', ''],
        ...[16, 31, 32, 33].map((length) => new Uint8Array(length)),
        ...[[new Uint8Array(32)], [new Uint8Array(32), new Uint8Array(32).fill(1)]],
      )
      fc.assert(
        fc.property(fc.nat(), fc.nat(11), fc.oneof(special, anyValue), (at, place, value) => {
          const entry = sample.entries[at % sample.entries.length]
          if (entry === undefined) return
          const items = decodeCbor(entry.bytes, entry.bytes.length) as CborValue[]
          items[place] = value
          expectSame(encodeCbor(items))
        }),
        tries(500),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

test(
  'of what arrives the same is stored, held, refused and missing',
  () => {
    fc.assert(
      fc.property(scripts(EVERYTHING), tamperings, fc.nat(100), fc.nat(5), (script, changes, share, leftOut) => {
        const { world } = play(script)
        const [founding, ...others] = world.entries
        if (founding === undefined) throw new Error('nothing was founded')
        const { network } = world
        const kept = others.filter((_, at) => leftOut === 0 || at % (leftOut + 3) !== 1)
        const arriving = tampered(kept, changes)
        const last = Math.max(...world.entries.map(({ ms }) => ms))
        const now = Math.floor(founding.ms + ((last - founding.ms) * share) / 100)
        const ours = takenByLedger({ network, now, before: [founding], arriving })
        const recovery = hex(world.recovery.publicKey)
        const theirs = take({
          network,
          recovery,
          now,
          before: [signedHex(founding)],
          arriving: arriving.map(signedHex),
        })
        expect(ours).toEqual(theirs)
      }),
      tries(12),
    )
  },
  PROPERTY_TIMEOUT_MS,
)
