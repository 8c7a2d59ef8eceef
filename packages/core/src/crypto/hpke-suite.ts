/**
 * HPKE (RFC 9180) by `@hpke/core`: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The library does what the RFC
 * says; the three primitives under it are node:crypto's own calls instead of WebCrypto's, which give each of some twenty
 * steps to a thread and take ten times as long (docs/decisions/0029-keys-for-a-thousand-branches.md).
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { type AeadEncryptionContext, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { equalBytes } from './hash.ts'
import { publicKeyFrom, rawPublicKey } from './key-objects.ts'

/** DER prefixes of PKCS #8 and SubjectPublicKeyInfo for X25519 (RFC 8410). */
export const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')
/** RFC 9180, section 4.1: `KEM` and the number of DHKEM(X25519, HKDF-SHA256). */
const KEM_SUITE_ID = Uint8Array.of(0x4b, 0x45, 0x4d, 0x00, 0x20)
const KEY_BYTES = 32
const TAG_BYTES = 16

type Bytes = ArrayBufferLike | ArrayBufferView

/** The last one: who seals to a member also asks for its slot. */
let lastPublic: { readonly raw: Uint8Array; readonly key: KeyObject } | undefined

/** @param raw 32 bytes */
export function x25519PublicKey(raw: Uint8Array): KeyObject {
  if (lastPublic !== undefined && equalBytes(lastPublic.raw, raw)) return lastPublic.key
  const key = publicKeyFrom(SPKI_PREFIX, raw)
  lastPublic = { raw: new Uint8Array(raw), key }
  return key
}

/** @param raw 32 bytes */
export function x25519PrivateKey(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: 'der', type: 'pkcs8' })
}

/** Keys as the library passes them on, from one of the functions below to another. */
interface PublicKey {
  readonly raw: ArrayBuffer
}
interface PrivateKey {
  readonly key: KeyObject
}

/**
 * What the key schedule (RFC 9180, section 5.1) asks for with each message, of public texts that hardly ever change: two
 * extracts without a salt, and three expansions of a text that says "secret" and names no psk, with the secret for a salt.
 * Every key object and hash object costs the collector some microseconds when it is dead, and there are thousands.
 */
const EXTRACTS_MAX = 16
const extracts = new Map<string, ArrayBuffer>()
let lastText: { readonly bytes: Uint8Array; readonly key: KeyObject } | undefined

function publicText(text: Bytes): KeyObject {
  const bytes = view(text)
  if (lastText === undefined || !equalBytes(lastText.bytes, bytes)) {
    lastText = { bytes: new Uint8Array(bytes), key: createSecretKey(bytes) }
  }
  return lastText.key
}

/** An empty salt stands for zeros (RFC 5869), to which HMAC fills its key up anyway. */
function extract(salt: Bytes, ikm: Bytes): ArrayBuffer {
  return exact(createHmac('sha256', secretKey(salt)).update(view(ikm)).digest())
}

export class NodeHkdf extends HkdfSha256 {
  override async extract(salt: Bytes, ikm: Bytes): Promise<ArrayBuffer> {
    if (salt.byteLength > 0) return extract(salt, ikm)
    const name = Buffer.from(view(ikm)).toString('latin1')
    const known = extracts.get(name) ?? extract(salt, ikm)
    if (extracts.size >= EXTRACTS_MAX) extracts.clear()
    extracts.set(name, known)
    return known.slice(0)
  }

  override async extractAndExpand(salt: Bytes, ikm: Bytes, info: Bytes, length: number): Promise<ArrayBuffer> {
    const key = salt.byteLength > 0 ? publicText(ikm) : secretKey(ikm)
    return hkdfSync('sha256', key, view(salt), view(info), length)
  }
}

export class NodeKem extends DhkemX25519HkdfSha256 {
  constructor() {
    super()
    this._kdf = new NodeHkdf()
    this._kdf.init(KEM_SUITE_ID)
    this._prim = {
      serializePublicKey: async ({ raw }: PublicKey) => raw,
      deserializePublicKey: async (raw): Promise<PublicKey> => ({ raw: exact(sized(raw)) }),
      deserializePrivateKey: async (raw): Promise<PrivateKey> => ({ key: x25519PrivateKey(sized(raw)) }),
      derivePublicKey: async ({ key }: PrivateKey) => publicHalf(createPublicKey(key)),
      async generateKeyPair() {
        const { privateKey, publicKey } = generateKeyPairSync('x25519')
        return { privateKey: { key: privateKey }, publicKey: publicHalf(publicKey) }
      },
      /** Fails for a public key of small order, as the RFC demands (section 7.1.4): OpenSSL gives no shared zeros. */
      dh: async ({ key }: PrivateKey, { raw }: PublicKey) =>
        exact(diffieHellman({ privateKey: key, publicKey: x25519PublicKey(view(raw)) })),
      serializePrivateKey: notUsed,
      importKey: notUsed,
      deriveKeyPair: notUsed,
    }
  }
}

class NodeAes256Gcm extends Aes256Gcm {
  override createEncryptionContext(key: Bytes): AeadEncryptionContext {
    const secret = secretKey(key)
    return {
      async seal(nonce, plain, additional) {
        const cipher = createCipheriv('aes-256-gcm', secret, view(nonce))
        cipher.setAAD(view(additional))
        return exact(Buffer.concat([cipher.update(view(plain)), cipher.final(), cipher.getAuthTag()]))
      },
      async open(nonce, sealed, additional) {
        const bytes = view(sealed)
        const body = Math.max(0, bytes.length - TAG_BYTES)
        const decipher = createDecipheriv('aes-256-gcm', secret, view(nonce), { authTagLength: TAG_BYTES })
        decipher.setAAD(view(additional))
        decipher.setAuthTag(bytes.subarray(body))
        return exact(Buffer.concat([decipher.update(bytes.subarray(0, body)), decipher.final()]))
      },
    }
  }
}

export const hpke = new CipherSuite({ kem: new NodeKem(), kdf: new NodeHkdf(), aead: new NodeAes256Gcm() })

function publicHalf(key: KeyObject): PublicKey {
  return { raw: exact(rawPublicKey(key)) }
}

function notUsed(): Promise<never> {
  return Promise.reject(new TypeError('keys are random, or 32 bytes'))
}

function sized(raw: Bytes): Uint8Array {
  const bytes = view(raw)
  if (bytes.length !== KEY_BYTES) throw new RangeError(`${bytes.length} bytes are no X25519 key`)
  return bytes
}

/** Bytes as they are would first be tried as a key object, which takes longer than the rest. */
function secretKey(bytes: Bytes): KeyObject {
  return createSecretKey(view(bytes))
}

function view(bytes: Bytes): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)
}

/** The library wants an ArrayBuffer of exactly these bytes. */
export function exact(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length)
  new Uint8Array(copy).set(bytes)
  return copy
}
