/** HKDF, AES-256-GCM and HPKE as sealing.md and audiences.md use them; once more without the product. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
} from 'node:crypto'
import { bytesOf, concat, domain } from './bytes.ts'

const text = (value: string) => new TextEncoder().encode(value)
const NONE = new Uint8Array(0)

/** RFC 5869 without salt; info = domain ‖ label. */
export function derive(secret: Uint8Array, purpose: string, network: string, label: string | Uint8Array, length = 32) {
  const info = concat(domain(purpose, network), typeof label === 'string' ? text(label) : label)
  return new Uint8Array(hkdfSync('sha256', secret, NONE, info, length))
}

/** @throws when a bit is wrong */
export function openAesGcm(key: Uint8Array, sealed: Uint8Array, additional: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
  decipher.setAAD(additional)
  decipher.setAuthTag(sealed.subarray(-16))
  return concat(decipher.update(sealed.subarray(12, -16)), decipher.final())
}

/** nonce ‖ ciphertext ‖ tag */
export function sealAesGcm(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, additional: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(additional)
  return concat(nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag())
}

/** RFC 7748 by keys as in RFC 8410. */
export function x25519(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const privateDer = concat(bytesOf('302e020100300506032b656e04220420'), secret)
  const publicDer = concat(bytesOf('302a300506032b656e032100'), publicKey)
  return new Uint8Array(
    diffieHellman({
      privateKey: createPrivateKey({ key: Buffer.from(privateDer), format: 'der', type: 'pkcs8' }),
      publicKey: createPublicKey({ key: Buffer.from(publicDer), format: 'der', type: 'spki' }),
    }),
  )
}

const hmac = (key: Uint8Array, message: Uint8Array) =>
  new Uint8Array(createHmac('sha256', key).update(message).digest())
const twoBytes = (number: number) => Uint8Array.of(number >> 8, number & 255)
/** DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM */
const KEM = concat(text('KEM'), twoBytes(0x20))
const HPKE = concat(text('HPKE'), twoBytes(0x20), twoBytes(1), twoBytes(2))

function extract(suite: Uint8Array, salt: Uint8Array, label: string, secret: Uint8Array): Uint8Array {
  return hmac(salt.length === 0 ? new Uint8Array(32) : salt, concat(text('HPKE-v1'), suite, text(label), secret))
}

/** One block is enough for all that is needed here. */
function expand(suite: Uint8Array, secret: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array {
  const full = concat(twoBytes(length), text('HPKE-v1'), suite, text(label), info)
  return hmac(secret, concat(full, Uint8Array.of(1))).slice(0, length)
}

/** RFC 9180, sections 4.1 and 5.1, base mode. @param dh X25519 of the ephemeral and the recipient's key */
export function hpkeKeys(dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array, info: Uint8Array) {
  const shared = expand(KEM, extract(KEM, NONE, 'eae_prk', dh), 'shared_secret', concat(enc, recipient), 32)
  const context = concat(
    Uint8Array.of(0),
    extract(HPKE, NONE, 'psk_id_hash', NONE),
    extract(HPKE, NONE, 'info_hash', info),
  )
  const secret = extract(HPKE, shared, 'secret', NONE)
  return { key: expand(HPKE, secret, 'key', context, 32), nonce: expand(HPKE, secret, 'base_nonce', context, 12) }
}
