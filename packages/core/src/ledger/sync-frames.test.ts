import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, encodeCbor } from '../codec/index.ts'
import { type EntryId, feedIdFrom, toHex } from '../ids.ts'
import { ENTRY_MAX_BYTES } from './entry.ts'
import {
  decodeSyncFrame,
  encodeSyncFrame,
  FRAME_ENTRIES,
  FRAME_HEADS,
  FRAME_IDS,
  FRAME_MAX_BYTES,
  inFrames,
  type SyncFrame,
  shortIdOf,
  WANT_MAX,
} from './sync-frames.ts'

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value)
const feed = feedIdFrom(bytes(32), bytes(16, 2))
const id = toHex(bytes(32, 3)) as EntryId
const big = Number.MAX_SAFE_INTEGER

const samples: SyncFrame[] = [
  { type: 'status', heads: bytes(32), count: 7, state: bytes(32, 2) },
  { type: 'push', entries: [{ bytes: bytes(5), sig: bytes(64), cosig: null }] },
  { type: 'ask', buckets: bytes(1024) },
  { type: 'heads', differs: bytes(8), heads: [{ feed, seq: 9, id }], more: true },
  {
    type: 'want',
    ranges: [
      { feed, after: -1 },
      { feed, after: 12 },
    ],
  },
  { type: 'entries', entries: [{ bytes: bytes(5), sig: null, cosig: bytes(64) }] },
  { type: 'done' },
  { type: 'announce', ids: [shortIdOf(id)] },
  { type: 'pull', ids: [shortIdOf(id), shortIdOf(toHex(bytes(32, 4)) as EntryId)] },
]

describe('frames', () => {
  it.each(samples)('of type $type come out as they went in', (frame) => {
    expect(decodeSyncFrame(encodeSyncFrame(frame))).toEqual(frame)
  })

  it('fit their limit when they are as full as they may be', () => {
    const heads = Array.from({ length: FRAME_HEADS }, () => ({ feed, seq: big, id }))
    const ranges = Array.from({ length: WANT_MAX }, () => ({ feed, after: big - 1 }))
    const entries = Array.from({ length: FRAME_ENTRIES * 2 }, () => ({
      bytes: bytes(ENTRY_MAX_BYTES),
      sig: bytes(64),
      cosig: bytes(64),
    }))
    expect(encodeSyncFrame({ type: 'heads', differs: bytes(8), heads, more: true }).length).toBeLessThan(
      FRAME_MAX_BYTES,
    )
    expect(encodeSyncFrame({ type: 'want', ranges }).length).toBeLessThan(FRAME_MAX_BYTES)
    for (const part of inFrames(entries))
      expect(encodeSyncFrame({ type: 'entries', entries: part }).length).toBeLessThan(FRAME_MAX_BYTES)
  })

  it('throw nothing but DecodeError for arbitrary bytes', () => {
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.constantFrom(...samples), fc.nat(300), fc.nat(255)).map(([frame, at, value]) => {
        const encoded = new Uint8Array(encodeSyncFrame(frame))
        encoded[at % encoded.length] = value
        return encoded
      }),
    )
    fc.assert(
      fc.property(any, (frame) => {
        try {
          decodeSyncFrame(frame)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['no array', 0],
    ['an unknown type', [9]],
    ['ids that are none', [7, new Uint8Array(0)]],
    ['half an id', [8, bytes(12)]],
    ['too many ids', [7, bytes(8 * (FRAME_IDS + 1))]],
    ['a field too many', [6, 0]],
    ['a field too few', [0, bytes(32), 1]],
    ['too many entries', [1, Array.from({ length: FRAME_ENTRIES + 1 }, () => [bytes(1), null, null])]],
  ])('refuse %s', (_, value) => {
    expect(() => decodeSyncFrame(encodeCbor(value as never))).toThrow(DecodeError)
  })
})
