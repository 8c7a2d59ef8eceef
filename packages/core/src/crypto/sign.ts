/** Ed25519 (RFC 8032) by node:crypto, with raw 32-byte keys outside. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto'
import type { NetworkId } from '../ids.ts'
import { domain, type Purpose } from './domain.ts'
import { publicKeyFrom, rawPublicKey } from './key-objects.ts'

/** DER prefixes of PKCS #8 and SubjectPublicKeyInfo for Ed25519 (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const MAX_CACHED_KEYS = 4096

export interface SigningKey {
  /** 32 bytes */
  readonly publicKey: Uint8Array
  /** 32-byte seed, for storing */
  readonly seed: Uint8Array
  readonly key: KeyObject
}

export function generateSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  return signingKeyFromSeed(
    new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_PREFIX.length)),
  )
}

/** @param seed 32 bytes */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  return { publicKey: new Uint8Array(rawPublicKey(createPublicKey(key))), seed, key }
}

/** @returns 64 bytes, over the domain string and the parts in order */
export function sign(key: SigningKey, purpose: Purpose, network: NetworkId, ...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(nodeSign(null, Buffer.concat([domain(purpose, network), ...parts]), key.key))
}

const publicKeys = new Map<string, KeyObject>()

/** @param publicKey 32 bytes. False for anything that is not a valid signature; never throws. */
export function verify(
  publicKey: Uint8Array,
  signature: Uint8Array,
  purpose: Purpose,
  network: NetworkId,
  ...parts: Uint8Array[]
): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  try {
    return nodeVerify(null, Buffer.concat([domain(purpose, network), ...parts]), publicKeyObject(publicKey), signature)
  } catch {
    return false
  }
}

function publicKeyObject(raw: Uint8Array): KeyObject {
  const name = Buffer.from(raw).toString('latin1')
  const known = publicKeys.get(name)
  if (known !== undefined) return known
  const key = publicKeyFrom(SPKI_PREFIX, raw)
  if (publicKeys.size >= MAX_CACHED_KEYS) publicKeys.clear()
  publicKeys.set(name, key)
  return key
}
