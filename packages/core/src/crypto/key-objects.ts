/** Raw 32-byte public keys as node:crypto's key objects, and back, in the ways that cost least: there are thousands. */
import { createPublicKey, type KeyObject } from 'node:crypto'

/**
 * As text: bytes come in an object, which is first tried as a key object and as a WebCrypto key, each by an exception.
 * That takes three times as long as all the rest. Not for private keys: a text cannot be zeroed.
 * @param prefix of SubjectPublicKeyInfo in DER (RFC 8410)
 */
export function publicKeyFrom(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  const der = Buffer.concat([prefix, raw]).toString('base64')
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`)
}

/** As a JWK, which for these curves has the bytes as they are (RFC 8037); DER is written by OpenSSL's encoders. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}
