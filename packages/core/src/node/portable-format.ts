/**
 * The text of an exported identity: keys, settings, and to which network they belong. No feed, no entry, no file.
 * Pure. Spec: docs/specs/identity.md, "Export".
 */
import { createCipheriv, createDecipheriv, randomBytes, type ScryptOptions, scryptSync } from 'node:crypto'
import { DecodeError, decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import { NotAnExportError, PassphraseError } from './errors.ts'

export interface Portable {
  /** the bytes of `<data>/identity` */
  readonly identity: Uint8Array
  /** those of `<data>/network/anchor`; null: a member of no network */
  readonly anchor: Uint8Array | null
  /** `<data>/config.toml`; null: there is none */
  readonly config: string | null
}

const PREFIX = 'malote-identity-1:'
const MAX_IDENTITY = 1024
const MAX_ANCHOR = 256 * 1024
export const MAX_CONFIG = 64 * 1024
const MAX_BODY = MAX_IDENTITY + MAX_ANCHOR + MAX_CONFIG + 1024
/** base64url, an end of line, and what the sealing adds */
export const MAX_EXPORT_TEXT = Math.ceil((MAX_BODY * 4) / 3) + 1024
const SALT = 16
const NONCE = 12
const TAG = 16
/** Fixed by the version, so that no file can ask for more. 128 MiB, about 0.4 s. */
const SCRYPT: ScryptOptions = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }

const bodyShape = shape.object({
  identity: shape.bytesUpTo(MAX_IDENTITY),
  anchor: shape.nullable(shape.bytesUpTo(MAX_ANCHOR)),
  config: shape.nullable(shape.text(MAX_CONFIG)),
})
const sealedShape = shape.object({
  salt: shape.bytes(SALT),
  nonce: shape.bytes(NONCE),
  body: shape.bytesUpTo(MAX_BODY + TAG),
})
const openShape = shape.object({ body: shape.bytesUpTo(MAX_BODY) })

interface Sealed {
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
  readonly body: Uint8Array
}
interface Open {
  readonly salt?: never
  readonly body: Uint8Array
}

/** One line of text. @param passphrase null: it is not sealed */
export function encodePortable({ identity, anchor, config }: Portable, passphrase: string | null): string {
  const body = encodeCbor({ identity, anchor, config })
  if (passphrase === null) return lineOf(encodeCbor({ body }))
  const salt = randomBytes(SALT)
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', keyOf(passphrase, salt), nonce).setAAD(Buffer.from(PREFIX))
  const sealed = Buffer.concat([cipher.update(body), cipher.final(), cipher.getAuthTag()])
  return lineOf(encodeCbor({ salt, nonce, body: sealed }))
}

/** @throws {NotAnExportError} @throws {PassphraseError} missing or wrong */
export function decodePortable(text: string, passphrase: string | null): Portable {
  const outer = reading((): Sealed | Open => {
    const line = text.trim()
    if (line.length > MAX_EXPORT_TEXT || !line.startsWith(PREFIX)) throw new NotAnExportError()
    const bytes = Buffer.from(line.slice(PREFIX.length), 'base64url')
    const value = decodeCbor(bytes, MAX_EXPORT_TEXT)
    const isSealed = typeof value === 'object' && value !== null && 'salt' in value
    return isSealed ? sealedShape(value) : openShape(value)
  })
  const body = outer.salt !== undefined ? unsealed(outer, passphrase) : outer.body
  return reading(() => bodyShape(decodeCbor(body, MAX_BODY)))
}

function unsealed(sealed: Sealed, passphrase: string | null): Uint8Array {
  if (passphrase === null) throw new PassphraseError('the export is sealed with a passphrase')
  const { salt, nonce, body } = sealed
  if (body.length < TAG) throw new NotAnExportError()
  const decipher = createDecipheriv('aes-256-gcm', keyOf(passphrase, salt), nonce).setAAD(Buffer.from(PREFIX))
  decipher.setAuthTag(body.subarray(body.length - TAG))
  try {
    return Buffer.concat([decipher.update(body.subarray(0, body.length - TAG)), decipher.final()])
  } catch {
    throw new PassphraseError('the passphrase does not open the export, or it was changed')
  }
}

/** The same whichever way a keyboard composes its letters. */
function keyOf(passphrase: string, salt: Uint8Array): Buffer {
  return scryptSync(passphrase.normalize('NFKC'), salt, 32, SCRYPT)
}

function lineOf(bytes: Uint8Array): string {
  return `${PREFIX}${Buffer.from(bytes).toString('base64url')}\n`
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) throw new NotAnExportError(error)
    throw error
  }
}
