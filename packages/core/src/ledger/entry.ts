/**
 * Entries as bytes. Spec: docs/specs/entry.md. Pure: what an entry means, whether its author may write it and whether
 * it follows another are decided elsewhere.
 */
import { type CborValue, DecodeError, decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { NO_NETWORK, type SigningKey, sha256, sign, verify } from '../crypto/index.ts'
import { type EntryId, feedIdFrom, idBytes, idFrom, type NetworkId, nodeIdFromPublicKey } from '../ids.ts'
import { EntryForeignError, EntryTooLargeError } from './errors.ts'
import type { Entry, SignedBytes } from './types.ts'

/** Bytes of one entry without its signatures. */
export const ENTRY_MAX_BYTES = 65_536
/** Control entries that one entry names as seen. */
export const SEEN_MAX = 64
const KIND_MAX = 32
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

const layout = shape.tuple(
  shape.uint(FORMAT_COSIGNED),
  shape.bytes(32),
  shape.bytes(32),
  shape.bytes(16),
  shape.uint(),
  shape.nullable(shape.bytes(32)),
  shape.uint(MS_MAX),
  shape.uint(COUNTER_MAX),
  shape.text(KIND_MAX, 1),
  shape.array(shape.bytes(32), SEEN_MAX),
  bodyMap,
)
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
  // a copy, since the encoder gives a part of a pooled buffer, and control entries are kept in memory
  const encoded = encodeCbor([
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
  if (encoded.length > ENTRY_MAX_BYTES) throw new EntryTooLargeError(encoded.length, ENTRY_MAX_BYTES)
  const bytes = new Uint8Array(encoded)
  const id = sha256(bytes)
  const network = draft.network ?? idFrom<NetworkId>(id)
  const sig = sign(signer, 'entry', network, id)
  const cosig = cosignWith === undefined ? null : sign(cosignWith, 'recovery', network, id)
  return decodeEntry({ bytes, sig, cosig }, network)
}

/**
 * Checks form and network; signatures are checked by `isSigned` and `isCosigned`.
 * @throws {DecodeError} for whatever is not an entry
 * @throws {EntryForeignError} (a DecodeError) for an entry of another network
 */
export function decodeEntry(signed: SignedBytes, network: NetworkId): Entry {
  const value = decodeCbor(signed.bytes, ENTRY_MAX_BYTES)
  const [format, net, authorKey, incarnation, seq, prev, ms, counter, kind, seenBytes, body] = layout(value, 'entry')
  if (format < FORMAT_PLAIN) throw new DecodeError(`entry format ${format} is not known`)
  if (!KIND.test(kind)) throw new DecodeError('the kind of an entry must be a lower-case word')
  if ((prev === null) !== (seq === 0)) throw new DecodeError('only the first entry of a feed has no previous one')
  const seen = seenBytes.map((each) => idFrom<EntryId>(each))
  // one set of seen entries has one form
  if (seen.some((each, index) => index > 0 && each <= (seen[index - 1] ?? ''))) {
    throw new DecodeError('seen entries must be in ascending order')
  }
  const id = idFrom<EntryId>(sha256(signed.bytes))
  if (kind === FOUND) {
    if (seq !== 0 || seen.length > 0 || format !== FORMAT_PLAIN) throw new DecodeError('not a founding entry')
    if (idFrom<NetworkId>(net) !== NO_NETWORK || (id as string) !== network) throw new EntryForeignError()
  } else if (idFrom<NetworkId>(net) !== network) throw new EntryForeignError()
  return {
    id,
    author: nodeIdFromPublicKey(authorKey),
    authorKey,
    feed: feedIdFrom(authorKey, incarnation),
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
  if (typeof body !== 'object' || body === null || Array.isArray(body) || body instanceof Uint8Array) return null
  const value = (body as { readonly [key: string]: CborValue | undefined })[field]
  return value instanceof Uint8Array && value.length === 32 ? value : null
}

function bodyMap(value: CborValue | undefined, path = ''): CborValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new DecodeError(`${path} must be a map`)
  }
  return value
}
