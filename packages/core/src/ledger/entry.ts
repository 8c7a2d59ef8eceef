/**
 * Entries as bytes. Spec: docs/specs/entry.md. Pure: what an entry means, whether its author may write it and whether
 * it follows another are decided elsewhere.
 */
import { type CborValue, DecodeError, encodeCbor, shape, viewCbor } from '../codec/index.ts'
import { equalBytes, NO_NETWORK, type SigningKey, sha256, sign, verify } from '../crypto/index.ts'
import {
  type EntryId,
  type FeedId,
  feedIdFrom,
  idBytes,
  idFrom,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
} from '../ids.ts'
import { EntryForeignError, EntryTooLargeError } from './errors.ts'
import type { Entry, SignedBytes } from './types.ts'

/** Bytes of one entry without its signatures. */
export const ENTRY_MAX_BYTES = 65_536
/** Control entries that one entry names as seen. */
export const SEEN_MAX = 64
const KIND_MAX = 32
const ITEMS = 11
/** Kinds are shown and logged, so they are kept to what is harmless there. */
const KIND = /^[a-z][a-z0-9-]*$/
/** The largest time that a JavaScript `Date` can show (ECMA-262, time range). */
export const MS_MAX = 8_640_000_000_000_000
export const COUNTER_MAX = 0xffff_ffff
const FORMAT_PLAIN = 1
/** Authentic only together with the recovery key's signature, so that stripping that signature changes no verdict. */
const FORMAT_COSIGNED = 2
/** The founding entry, whose network field is zeros because its id is the network's. */
export const FOUND = 'found'

const signature = shape.nullable(shape.bytes(64))
/** An entry as it stands in frames and in what is handed over at registering. */
export const signedShape = shape.tuple(shape.bytesUpTo(ENTRY_MAX_BYTES), signature, signature)

export interface EntryDraft {
  /** null for the founding entry */
  network: NetworkId | null
  incarnation: Uint8Array
  seq: number
  prev: EntryId | null
  ms: number
  counter: number
  kind: string
  seen: readonly EntryId[]
  body: CborValue
}

/**
 * Signs a new entry.
 * @param cosignWith the recovery key, for an act that outranks everyone
 * @throws {EntryTooLargeError}
 */
export function makeEntry(draft: EntryDraft, signer: SigningKey, cosignWith?: SigningKey): Entry {
  const bytes = encodeCbor([
    cosignWith === undefined ? FORMAT_PLAIN : FORMAT_COSIGNED,
    idBytes(draft.network ?? NO_NETWORK),
    signer.publicKey,
    draft.incarnation,
    draft.seq,
    draft.prev === null ? null : idBytes(draft.prev),
    draft.ms,
    draft.counter,
    draft.kind,
    [...draft.seen].sort().map(idBytes),
    draft.body,
  ])
  if (bytes.length > ENTRY_MAX_BYTES) throw new EntryTooLargeError(bytes.length, ENTRY_MAX_BYTES)
  const id = sha256(bytes)
  const network = draft.network ?? idFrom<NetworkId>(id)
  const sig = sign(signer, 'entry', network, id)
  const cosig = cosignWith === undefined ? null : sign(cosignWith, 'recovery', network, id)
  return decodeEntry({ bytes, sig, cosig }, network)
}

/**
 * Checks form and network; signatures are checked by `isSigned` and `isCosigned`. Byte strings of the result are views
 * of `signed.bytes`: see `detached`.
 * @throws {DecodeError} for whatever is not an entry
 * @throws {EntryForeignError} (a DecodeError) for an entry of another network
 */
export function decodeEntry(signed: SignedBytes, network: NetworkId): Entry {
  const items = viewCbor(signed.bytes, ENTRY_MAX_BYTES)
  if (!Array.isArray(items) || items.length !== ITEMS) throw new DecodeError(`an entry must be a list of ${ITEMS}`)
  const [format, net, authorKey, incarnation, seq, prev, ms, counter, kind, seenBytes, body] = items as CborValue[]
  if (format !== FORMAT_PLAIN && format !== FORMAT_COSIGNED)
    throw new DecodeError('the format of an entry is not known')
  if (!isBytes(net, 32)) throw new DecodeError('the network of an entry must be 32 bytes')
  if (!isBytes(authorKey, 32)) throw new DecodeError('the author of an entry must be 32 bytes')
  if (!isBytes(incarnation, 16)) throw new DecodeError('the incarnation of an entry must be 16 bytes')
  if (!isUint(seq, Number.MAX_SAFE_INTEGER)) throw new DecodeError('the sequence number of an entry must be a number')
  if (prev !== null && !isBytes(prev, 32)) throw new DecodeError('what an entry follows must be 32 bytes, or null')
  if (!isUint(ms, MS_MAX)) throw new DecodeError('the time of an entry must be one that a calendar knows')
  if (!isUint(counter, COUNTER_MAX)) throw new DecodeError('the counter of an entry must have 32 bits')
  if (typeof kind !== 'string' || kind.length > KIND_MAX || !KIND.test(kind)) {
    throw new DecodeError('the kind of an entry must be a lower-case word')
  }
  if (!Array.isArray(seenBytes) || seenBytes.length > SEEN_MAX) {
    throw new DecodeError(`an entry must name at most ${SEEN_MAX} as seen`)
  }
  if (!isMap(body)) throw new DecodeError('the body of an entry must be a map')
  if ((prev === null) !== (seq === 0)) throw new DecodeError('only the first entry of a feed has no previous one')
  const seen = seenBytes.length === 0 ? NONE : readSeen(seenBytes)
  const id = idFrom<EntryId>(sha256(signed.bytes))
  if (kind === FOUND) {
    if (seq !== 0 || seen.length > 0 || format !== FORMAT_PLAIN) throw new DecodeError('not a founding entry')
    if (idFrom<NetworkId>(net) !== NO_NETWORK || (id as string) !== network) throw new EntryForeignError()
  } else if (idFrom<NetworkId>(net) !== network) throw new EntryForeignError()
  const writer = writerOf(authorKey, incarnation)
  return {
    id,
    author: writer.author,
    authorKey: writer.authorKey,
    feed: writer.feed,
    seq,
    prev: prev === null ? null : idFrom<EntryId>(prev),
    ms,
    counter,
    kind,
    seen,
    body,
    cosigned: format === FORMAT_COSIGNED,
    bytes: signed.bytes,
    sig: signed.sig,
    cosig: format === FORMAT_COSIGNED ? signed.cosig : null,
  }
}

/** The same entry without a hold on the frame that it came in: for whoever keeps it. */
export function detached(entry: Entry, network: NetworkId): Entry {
  const { bytes, sig, cosig } = entry
  return decodeEntry({ bytes: bytes.slice(), sig: sig?.slice() ?? null, cosig: cosig?.slice() ?? null }, network)
}

const NONE: readonly EntryId[] = []

function readSeen(items: readonly CborValue[]): EntryId[] {
  const seen: EntryId[] = []
  for (const item of items) {
    if (!isBytes(item, 32)) throw new DecodeError('seen entries must be named by 32 bytes')
    const id = idFrom<EntryId>(item)
    // one set of seen entries has one form
    if (id <= (seen.at(-1) ?? '')) throw new DecodeError('seen entries must be in ascending order')
    seen.push(id)
  }
  return seen
}

interface Writer {
  readonly author: NodeId
  readonly authorKey: Uint8Array
  readonly incarnation: Uint8Array
  readonly feed: FeedId
}

/** Entries come in runs of one feed, and the names of feeds are long to make. */
const WRITERS = 256
const writers: (Writer | undefined)[] = new Array(WRITERS).fill(undefined)

function writerOf(authorKey: Uint8Array, incarnation: Uint8Array): Writer {
  const slot = ((incarnation[0] ?? 0) + (authorKey[0] ?? 0)) % WRITERS
  const known = writers[slot]
  if (known !== undefined && equalBytes(known.incarnation, incarnation) && equalBytes(known.authorKey, authorKey)) {
    return known
  }
  const writer: Writer = {
    author: nodeIdFromPublicKey(authorKey),
    authorKey: authorKey.slice(),
    incarnation: incarnation.slice(),
    feed: feedIdFrom(authorKey, incarnation),
  }
  writers[slot] = writer
  return writer
}

/** The author's own signature. An entry without one may still be vouched for by a later entry of its feed. */
export function isSigned(entry: Entry, network: NetworkId): boolean {
  return entry.sig !== null && verify(entry.authorKey, entry.sig, 'entry', network, idBytes(entry.id))
}

/** True for entries that need no second signature. @param recovery null while the founding entry is not here */
export function isCosigned(entry: Entry, network: NetworkId, recovery: Uint8Array | null): boolean {
  if (!entry.cosigned) return true
  return (
    recovery !== null && entry.cosig !== null && verify(recovery, entry.cosig, 'recovery', network, idBytes(entry.id))
  )
}

/** Public half of the recovery key; null when the founding entry has not the body it must have. */
export function recoveryKeyOf(found: Entry): Uint8Array | null {
  return keyIn(found.body, 'recovery')
}

/** Whose entries become known by this one: the founder's by `found`, a newcomer's by `admit`, whatever its verdict. */
export function introducedBy(entry: Entry): Uint8Array | null {
  if (entry.kind === FOUND) return entry.authorKey
  return entry.kind === 'admit' ? keyIn(entry.body, 'node') : null
}

function keyIn(body: CborValue, field: string): Uint8Array | null {
  const value = isMap(body) ? body[field] : undefined
  return value instanceof Uint8Array && value.length === 32 ? value : null
}

function isBytes(value: CborValue | undefined, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length
}

function isUint(value: CborValue | undefined, max: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= max
}

function isMap(value: CborValue | undefined): value is { readonly [key: string]: CborValue | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}
