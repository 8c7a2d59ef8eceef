/**
 * A decoder that is fed with whatever comes throws nothing but its own error, and takes no more memory than the input
 * is worth: what a length announces costs nothing before it is there.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CborValue, DecodeError, decodeCbor, encodeCbor } from '../codec/index.ts'
import { MaloteError } from '../errors.ts'
import { PROPERTY_TIMEOUT_MS, tries } from '../testing.ts'
import { type Decoder, decoders } from './testing.ts'

const all = await decoders()
const named = all.map((decoder): [string, Decoder] => [decoder.name, decoder])

/** Taken or refused; anything else is a fault. */
async function outcome({ decode }: Decoder, input: Uint8Array): Promise<'taken' | 'refused'> {
  try {
    await decode(input)
    return 'taken'
  } catch (error) {
    if (error instanceof MaloteError) return 'refused'
    throw error
  }
}

/** One change of valid bytes. */
interface Change {
  readonly how: 'flip' | 'cut' | 'insert' | 'remove' | 'announce' | 'double'
  readonly at: number
  readonly value: number
}

/** CBOR heads that announce more than there will ever be (RFC 8949, section 3). */
const ANNOUNCED = ['5affffffff', '7affffffff', '9affffffff', 'baffffffff', '5b001fffffffffffff', '9b001fffffffffffff']
  .concat(['bb001fffffffffffff', '5bffffffffffffffff', '9f', 'bf', '5f'])
  .map((hex) => new Uint8Array(Buffer.from(hex, 'hex')))

const changes = fc.array(
  fc.record<Change>({
    how: fc.constantFrom('flip', 'cut', 'insert', 'remove', 'announce', 'double'),
    at: fc.nat(100_000),
    value: fc.nat(255),
  }),
  { minLength: 1, maxLength: 4 },
)

function changed(bytes: Uint8Array, { how, at, value }: Change): Uint8Array {
  const place = at % (bytes.length + 1)
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)]
  switch (how) {
    case 'flip': {
      const copy = new Uint8Array(bytes)
      if (copy.length > 0) copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ (1 << (value % 8))
      return copy
    }
    case 'cut':
      return before
    case 'insert':
      return Buffer.concat([before, Uint8Array.of(value), after])
    case 'remove':
      return Buffer.concat([before, after.subarray(1 + (value % 8))])
    case 'announce':
      return Buffer.concat([before, ANNOUNCED[value % ANNOUNCED.length] ?? before, after])
    case 'double':
      return Buffer.concat([bytes, bytes])
  }
}

const anyValue: fc.Arbitrary<CborValue> = fc.letrec<{ any: CborValue }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.constantFrom(0, 1, -1, 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
    fc.string(),
    fc.constantFrom('__proto__', 'constructor', 'toString', 'length'),
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(16, 32, 64, 65).map((length) => new Uint8Array(length)),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('any'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).any

/** The value with one of its parts, chosen by a number, replaced. */
function replaced(value: CborValue, at: number, by: CborValue): CborValue {
  let left = at % parts(value)
  const walk = (part: CborValue | undefined): CborValue | undefined => {
    if (left-- === 0) return by
    if (Array.isArray(part)) return part.map((each) => walk(each) ?? null)
    if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return part
    return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, walk(each)]))
  }
  return walk(value) ?? null
}

function parts(value: CborValue | undefined): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1
  return Object.values(value as Record<string, CborValue>).reduce<number>((sum, each) => sum + parts(each), 1)
}

const MIB = 1024 * 1024

/** Bytes that were taken while the work was done; what was given back meanwhile does not count. */
async function memoryOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage()
  await work()
  const after = process.memoryUsage()
  return Math.max(0, after.arrayBuffers - before.arrayBuffers) + Math.max(0, after.heapUsed - before.heapUsed)
}

describe.each(named)('%s', (_name, decoder) => {
  test('takes what is valid', async () => {
    expect(decoder.valid.length).toBeGreaterThan(0)
    for (const input of decoder.valid) expect(await outcome(decoder, input)).toBe('taken')
  })

  test(
    'throws nothing but its own error',
    async () => {
      const arbitrary = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.tuple(fc.nat(), changes).map(([at, made]) => {
          const valid = decoder.valid[at % decoder.valid.length] ?? new Uint8Array(0)
          return made.reduce(changed, valid)
        }),
      )
      await fc.assert(
        fc.asyncProperty(arbitrary, async (input) => void (await outcome(decoder, input))),
        tries(150),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  test('takes no memory for what is only announced', async () => {
    const [valid = new Uint8Array(0)] = decoder.valid
    const inputs = [new Uint8Array(2000).fill(0x81), new Uint8Array(2000).fill(0xa1), new Uint8Array(4).fill(0xff)]
    for (let place = 0; place <= Math.min(valid.length, 64); place += 3) {
      for (const announced of ANNOUNCED) inputs.push(Buffer.concat([valid.subarray(0, place), announced]))
    }
    await outcome(decoder, valid) // what is made once and kept
    for (const input of inputs) {
      expect(await memoryOf(() => outcome(decoder, input))).toBeLessThan(8 * MIB)
    }
  })
})

describe.each(named.filter(([, { isCbor }]) => isCbor === true))('%s, well encoded', (_name, decoder) => {
  test(
    'throws nothing but its own error for any value in any place',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(), fc.nat(), anyValue, async (sample, at, value) => {
          const bytes = decoder.valid[sample % decoder.valid.length] ?? new Uint8Array(0)
          const input = encodeCbor(replaced(decodeCbor(bytes, bytes.length), at, value))
          await outcome(decoder, input)
        }),
        tries(100),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

describe('a message as large as a frame may be', () => {
  /** What costs most when it is built: as many items as bytes. */
  const fillings: [string, number][] = [
    ['empty maps', 0xa0],
    ['empty lists', 0x80],
    ['empty texts', 0x60],
    ['numbers', 0x01],
  ]

  test.each(fillings)('of %s is refused before it is built', async (_name, item) => {
    const input = new Uint8Array(MIB).fill(item)
    input.set([0x9a, 0, 0x0f, 0xff, 0xfb])
    const cost = await memoryOf(async () => expect(() => decodeCbor(input, MIB)).toThrow(/too many items/))
    expect(cost).toBeLessThan(8 * MIB)
  })

  test('with as many items as may be costs a bounded multiple of them', async () => {
    const items = 131_071 // and the list around them
    const input = new Uint8Array(5 + items).fill(0xa0)
    input.set([0x9a, 0, 0x01, 0xff, 0xff])
    const cost = await memoryOf(async () => expect(decodeCbor(input, MIB)).toHaveLength(items))
    expect(cost).toBeLessThan(64 * MIB)
  })

  test('is refused by its size alone when it is larger', () => {
    expect(() => decodeCbor(new Uint8Array(1001), 1000)).toThrow(DecodeError)
  })
})
