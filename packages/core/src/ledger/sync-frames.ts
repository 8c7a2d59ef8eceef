/** Frames of the `ledger` protocol. Spec: docs/specs/ledger-sync.md. Pure. */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, shape, viewCbor } from '../codec/index.ts'
import { type EntryId, type FeedId, feedAuthor, feedIdFrom, feedIncarnation, idBytes, idFrom, toHex } from '../ids.ts'
import { signedShape } from './entry.ts'
import { BUCKET_HASH_BYTES, BUCKETS } from './heads.ts'
import type { Head, SignedBytes } from './types.ts'

export const FRAME_MAX_BYTES = 1024 * 1024
/** Entries in one frame: small enough that a batch does not hold up everything else, large enough to be quick. */
export const FRAME_ENTRIES = 512
export const FRAME_ENTRY_BYTES = 256 * 1024
/** A head takes at most 100 bytes, a range 70: both fit the frame. */
export const FRAME_HEADS = 8192
export const WANT_MAX = 12_288
/** An announced id is its first eight bytes: to collide with a chosen one takes 2⁶⁴ work, and hides it until heads are compared. */
export const SHORT_ID_BYTES = 8
export const FRAME_IDS = 4096

/** The beginning of an entry's id, 16 hex digits. */
export type ShortId = string & { readonly shortId: unique symbol }

export function shortIdOf(id: EntryId): ShortId {
  return id.slice(0, SHORT_ID_BYTES * 2) as ShortId
}

/** What a node has, in short. */
export interface Status {
  readonly heads: Uint8Array
  readonly count: number
  readonly state: Uint8Array
}

/** Entries of a feed with a sequence number above `after`, which may be -1. */
export interface Range {
  readonly feed: FeedId
  readonly after: number
}

export type SyncFrame =
  | ({ readonly type: 'status' } & Status)
  | { readonly type: 'push'; readonly entries: readonly SignedBytes[] }
  | { readonly type: 'ask'; readonly buckets: Uint8Array }
  | { readonly type: 'heads'; readonly differs: Uint8Array; readonly heads: readonly Head[]; readonly more: boolean }
  | { readonly type: 'want'; readonly ranges: readonly Range[] }
  | { readonly type: 'entries'; readonly entries: readonly SignedBytes[] }
  | { readonly type: 'done' }
  | { readonly type: 'announce'; readonly ids: readonly ShortId[] }
  | { readonly type: 'pull'; readonly ids: readonly ShortId[] }

const TYPES = ['status', 'push', 'ask', 'heads', 'want', 'entries', 'done', 'announce', 'pull'] as const

const head = shape.tuple(shape.bytes(32), shape.bytes(16), shape.uint(), shape.bytes(32))
/** `from` is the first sequence number wanted, so that it is never negative. */
const range = shape.tuple(shape.bytes(32), shape.bytes(16), shape.uint())
const entries = shape.array(signedShape, FRAME_ENTRIES)
/** End to end, since nearly all of a frame with one id would otherwise be its wrapping. */
const ids = shape.bytesUpTo(FRAME_IDS * SHORT_ID_BYTES)
const number = shape.uint(TYPES.length - 1)

const layouts = {
  status: shape.tuple(number, shape.bytes(32), shape.uint(), shape.bytes(32)),
  push: shape.tuple(number, entries),
  ask: shape.tuple(number, shape.bytes(BUCKETS * BUCKET_HASH_BYTES)),
  heads: shape.tuple(number, shape.bytes(BUCKETS / 8), shape.array(head, FRAME_HEADS), shape.bool),
  want: shape.tuple(number, shape.array(range, WANT_MAX)),
  entries: shape.tuple(number, entries),
  done: shape.tuple(number),
  announce: shape.tuple(number, ids),
  pull: shape.tuple(number, ids),
}

export function encodeSyncFrame(frame: SyncFrame): Uint8Array {
  return encodeCbor([TYPES.indexOf(frame.type), ...fields(frame)])
}

function fields(frame: SyncFrame): CborValue[] {
  switch (frame.type) {
    case 'status':
      return [frame.heads, frame.count, frame.state]
    case 'push':
    case 'entries':
      return [frame.entries.map(({ bytes, sig, cosig }) => [bytes, sig, cosig])]
    case 'ask':
      return [frame.buckets]
    case 'heads':
      return [frame.differs, frame.heads.map(encodeHead), frame.more]
    case 'want':
      return [frame.ranges.map(({ feed, after }) => [feedAuthor(feed), feedIncarnation(feed), after + 1])]
    case 'announce':
    case 'pull':
      return [new Uint8Array(Buffer.from(frame.ids.join(''), 'hex'))]
    case 'done':
      return []
  }
}

function encodeHead({ feed, seq, id }: Head): CborValue {
  return [feedAuthor(feed), feedIncarnation(feed), seq, idBytes(id)]
}

/** @throws {DecodeError} */
export function decodeSyncFrame(bytes: Uint8Array): SyncFrame {
  // entries of a fetch are stored and forgotten: they need not be copied out of their frame
  const isFetched = bytes[1] === TYPES.indexOf('entries')
  const value = isFetched ? viewCbor(bytes, FRAME_MAX_BYTES) : decodeCbor(bytes, FRAME_MAX_BYTES)
  const type = TYPES[Array.isArray(value) ? number(value[0]) : -1]
  switch (type) {
    case 'status': {
      const [, heads, count, state] = layouts.status(value)
      return { type, heads, count, state }
    }
    case 'push':
    case 'entries':
      return { type, entries: layouts[type](value)[1].map(([bytes, sig, cosig]) => ({ bytes, sig, cosig })) }
    case 'ask':
      return { type, buckets: layouts.ask(value)[1] }
    case 'heads': {
      const [, differs, heads, more] = layouts.heads(value)
      return { type, differs, heads: heads.map(decodeHead), more }
    }
    case 'want': {
      const ranges = layouts.want(value)[1].map(([author, incarnation, from]) => ({
        feed: feedIdFrom(author, incarnation),
        after: from - 1,
      }))
      return { type, ranges }
    }
    case 'announce':
    case 'pull':
      return { type, ids: shortIds(layouts[type](value)[1]) }
    case 'done':
      layouts.done(value)
      return { type }
    default:
      throw new DecodeError('not a frame of the ledger protocol')
  }
}

function shortIds(bytes: Uint8Array): ShortId[] {
  if (bytes.length === 0 || bytes.length % SHORT_ID_BYTES !== 0) throw new DecodeError('a list of ids that is none')
  const all = toHex(bytes)
  const digits = SHORT_ID_BYTES * 2
  return Array.from({ length: all.length / digits }, (_, at) => all.slice(at * digits, (at + 1) * digits) as ShortId)
}

function decodeHead([author, incarnation, seq, id]: [Uint8Array, Uint8Array, number, Uint8Array]): Head {
  return { feed: feedIdFrom(author, incarnation), seq, id: idFrom<EntryId>(id) }
}

/** Cuts entries into frames. Reads them one by one, so that not all need be in memory. */
export function* inFrames(entries: Iterable<SignedBytes>): Generator<SignedBytes[]> {
  let frame: SignedBytes[] = []
  let bytes = 0
  for (const entry of entries) {
    if (frame.length > 0 && (frame.length >= FRAME_ENTRIES || bytes + entry.bytes.length > FRAME_ENTRY_BYTES)) {
      yield frame
      frame = []
      bytes = 0
    }
    frame.push(entry)
    bytes += entry.bytes.length
  }
  if (frame.length > 0) yield frame
}
