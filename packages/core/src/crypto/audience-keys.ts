/**
 * Audience keys: 32 random bytes that wrap the file keys of everything shared with one audience. Spec: docs/specs/audiences.md.
 */
import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { type AudienceId, type FileId, idBytes, idFrom, type KeyId, type NetworkId } from '../ids.ts'
import { domain } from './domain.ts'
import { SealBrokenError } from './errors.ts'
import { sha256 } from './hash.ts'
import { exact, hpke, PKCS8_PREFIX, x25519PrivateKey, x25519PublicKey } from './hpke-suite.ts'
import { rawPublicKey } from './key-objects.ts'
import { deriveKey, NONCE_BYTES, seal, unseal } from './seal.ts'
import { type SigningKey, signingKeyFromSeed } from './sign.ts'

/** A member's X25519 key, to which audience keys are sealed. */
export interface SealingKey {
  /** 32 bytes */
  readonly publicKey: Uint8Array
  /** 32 bytes, for storing */
  readonly secret: Uint8Array
  readonly key: KeyObject
}

export function generateSealingKey(): SealingKey {
  const { privateKey } = generateKeyPairSync('x25519')
  return sealingKeyFromSecret(
    new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_PREFIX.length)),
  )
}

/** @param secret 32 bytes */
export function sealingKeyFromSecret(secret: Uint8Array): SealingKey {
  const key = x25519PrivateKey(secret)
  return { publicKey: new Uint8Array(rawPublicKey(createPublicKey(key))), secret, key }
}

export function newAudienceKey(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}

/** The public name of an audience key commits to it: a false key is noticed. */
export function keyIdOf(network: NetworkId, audience: AudienceId, key: Uint8Array): KeyId {
  return idFrom<KeyId>(sha256(domain('key-id', network), idBytes(audience), key).subarray(0, 16))
}

/** Signs the renewal of this key: only who had a key can say what comes after it. */
export function audienceProofKey(network: NetworkId, audience: AudienceId, key: Uint8Array): SigningKey {
  return signingKeyFromSeed(
    deriveKey(key, 'audience', network, Buffer.concat([Buffer.from('proof/'), idBytes(audience)])),
  )
}

/** Seals a box that belongs to the audience itself (its list). */
export function sealAudienceBox(
  network: NetworkId,
  audience: AudienceId,
  key: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  return seal(deriveKey(key, 'audience', network, 'box'), randomBytes(NONCE_BYTES), plain, idBytes(audience))
}

/** @throws {SealBrokenError} */
export function openAudienceBox(
  network: NetworkId,
  audience: AudienceId,
  key: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  return unseal(deriveKey(key, 'audience', network, 'box'), sealed, idBytes(audience))
}

function wrapContext(network: NetworkId, file: FileId, epoch: number): Uint8Array {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(epoch)
  return Buffer.concat([domain('file-key', network), idBytes(file), number])
}

/** Wraps an access epoch's file key under an audience key. @returns 60 bytes */
export function wrapFileKey(
  network: NetworkId,
  audienceKey: Uint8Array,
  file: FileId,
  epoch: number,
  fileKey: Uint8Array,
): Uint8Array {
  return seal(
    deriveKey(audienceKey, 'file-key', network, 'wrap'),
    randomBytes(NONCE_BYTES),
    fileKey,
    wrapContext(network, file, epoch),
  )
}

/** @throws {SealBrokenError} */
export function unwrapFileKey(
  network: NetworkId,
  audienceKey: Uint8Array,
  file: FileId,
  epoch: number,
  wrap: Uint8Array,
): Uint8Array {
  return unseal(deriveKey(audienceKey, 'file-key', network, 'wrap'), wrap, wrapContext(network, file, epoch))
}

/** Seals to one member (HPKE base mode, RFC 9180). @param recipient its 32-byte X25519 key @returns enc (32 bytes) and ciphertext */
export async function sealTo(
  network: NetworkId,
  recipient: Uint8Array,
  context: Uint8Array,
  plain: Uint8Array,
): Promise<Uint8Array> {
  const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(recipient))
  const sender = await hpke.createSenderContext({ recipientPublicKey, info: exact(domain('grant', network)) })
  const sealed = new Uint8Array(await sender.seal(exact(plain), exact(context)))
  return Buffer.concat([new Uint8Array(sender.enc), sealed])
}

/** @throws {SealBrokenError} when it was not sealed to this key and context */
export async function openSealedTo(
  network: NetworkId,
  recipient: SealingKey,
  context: Uint8Array,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  try {
    const recipientKey = await hpke.kem.deserializePrivateKey(exact(recipient.secret))
    const receiver = await hpke.createRecipientContext({
      recipientKey,
      enc: exact(sealed.subarray(0, 32)),
      info: exact(domain('grant', network)),
    })
    return new Uint8Array(await receiver.open(exact(sealed.subarray(32)), exact(context)))
  } catch (error) {
    throw new SealBrokenError(error)
  }
}

/**
 * Where in a grants box a member finds its own: only the writer and that member can compute it, so the box does not
 * show who is in the audience.
 * @returns 16 bytes
 */
export function grantSlot(
  network: NetworkId,
  own: SealingKey,
  other: Uint8Array,
  audience: AudienceId,
  keyId: KeyId,
): Uint8Array {
  const shared = diffieHellman({ privateKey: own.key, publicKey: x25519PublicKey(other) })
  return deriveKey(shared, 'grant-slot', network, Buffer.concat([idBytes(audience), idBytes(keyId)]), 16)
}
