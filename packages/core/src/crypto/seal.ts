/** AES-256-GCM (NIST SP 800-38D) and HKDF-SHA256 (RFC 5869) by node:crypto. */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { NetworkId } from '../ids.ts'
import { domain, type Purpose } from './domain.ts'
import { SealBrokenError } from './errors.ts'

export const NONCE_BYTES = 12
export const TAG_BYTES = 16
/** What sealing adds: the nonce in front, the tag behind. */
export const SEAL_OVERHEAD = NONCE_BYTES + TAG_BYTES

type AesKey = Uint8Array | KeyObject

/** @returns `length` bytes for one label of one purpose */
export function deriveKey(
  secret: Uint8Array,
  purpose: Purpose,
  network: NetworkId,
  label: string | Uint8Array,
  length = 32,
): Uint8Array {
  const info = Buffer.concat([domain(purpose, network), typeof label === 'string' ? Buffer.from(label) : label])
  // bytes as they are would first be tried as a key object, which takes longer than the rest
  return new Uint8Array(hkdfSync('sha256', createSecretKey(secret), new Uint8Array(0), info, length))
}

/** @returns nonce, ciphertext, tag */
export function seal(key: AesKey, nonce: Uint8Array, plain: Uint8Array, additional: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat(sealParts(key, nonce, plain, additional)))
}

/**
 * The same in three pieces, not joined: each mebibyte outside of the heap costs the collector about as much as its
 * sealing does.
 */
export function sealParts(key: AesKey, nonce: Uint8Array, plain: Uint8Array, additional: Uint8Array): Uint8Array[] {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(additional)
  const body = cipher.update(plain)
  cipher.final()
  return [nonce, body, cipher.getAuthTag()]
}

/** @throws {SealBrokenError} when key, additional data or a single bit is wrong */
export function unseal(key: AesKey, sealed: Uint8Array, additional: Uint8Array): Uint8Array {
  if (sealed.length < SEAL_OVERHEAD) throw new SealBrokenError()
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES))
  decipher.setAAD(additional)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES))
  try {
    decipher.final()
  } catch (error) {
    throw new SealBrokenError(error)
  }
  return plain
}
