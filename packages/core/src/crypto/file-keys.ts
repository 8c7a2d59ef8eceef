/**
 * The key of an access epoch and what is derived from it. Spec: docs/specs/sealing.md.
 *
 * Chunk nonces are a PRF of (file, access epoch, index, length, plain chunk) under a subkey of their own: the same
 * chunk at the same place seals to the same bytes for every reader, and two different chunks meet in one nonce only
 * with the collision probability of a 96-bit PRF.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { type FileId, idBytes, type NetworkId } from '../ids.ts'
import { domain } from './domain.ts'
import { blake3Keyed } from './hash.ts'
import { deriveKey, NONCE_BYTES, seal, sealParts, unseal } from './seal.ts'
import { type SigningKey, sign, signingKeyFromSeed, verify } from './sign.ts'

/** Subkeys of one access epoch of one file. Held by whoever may read it, and by nobody else. */
export interface EpochKeys {
  readonly file: FileId
  readonly epoch: number
  readonly network: NetworkId
  /** the 32-byte file key itself, for wrapping */
  readonly fileKey: Uint8Array
  readonly chunk: KeyObject
  readonly nonce: Uint8Array
  readonly box: KeyObject
  /** Ed25519; its public half stands in the entry that opens the epoch */
  readonly proof: SigningKey
}

export function newFileKey(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}

/** @param fileKey 32 random bytes, one per access epoch */
export function deriveEpochKeys(network: NetworkId, file: FileId, epoch: number, fileKey: Uint8Array): EpochKeys {
  const derive = (label: string) => deriveKey(fileKey, 'epoch', network, label)
  return {
    file,
    epoch,
    network,
    fileKey,
    chunk: createSecretKey(derive('chunk')),
    nonce: derive('nonce'),
    box: createSecretKey(derive('box')),
    proof: signingKeyFromSeed(derive('proof')),
  }
}

/** (network, file, access epoch, index, plain length): what a sealed chunk is bound to. */
function chunkContext(keys: EpochKeys, index: number, plainLength: number): Uint8Array {
  const numbers = Buffer.alloc(20)
  numbers.writeUInt32BE(keys.epoch, 0)
  numbers.writeBigUInt64BE(BigInt(index), 4)
  numbers.writeBigUInt64BE(BigInt(plainLength), 12)
  return Buffer.concat([domain('epoch', keys.network), idBytes(keys.file), numbers])
}

/** @returns nonce, ciphertext, tag, which follow one another: `plain.length + SEAL_OVERHEAD` bytes in all */
export function sealChunk(keys: EpochKeys, index: number, plain: Uint8Array): Uint8Array[] {
  const context = chunkContext(keys, index, plain.length)
  const nonce = blake3Keyed(keys.nonce, context, plain).subarray(0, NONCE_BYTES)
  return sealParts(keys.chunk, nonce, plain, context)
}

/** @throws {SealBrokenError} */
export function openChunk(keys: EpochKeys, index: number, plainLength: number, sealed: Uint8Array): Uint8Array {
  return unseal(keys.chunk, sealed, chunkContext(keys, index, plainLength))
}

function boxContext(keys: EpochKeys, label: string): Uint8Array {
  const epoch = Buffer.alloc(4)
  epoch.writeUInt32BE(keys.epoch)
  return Buffer.concat([domain('epoch', keys.network), idBytes(keys.file), epoch, Buffer.from(`box/${label}`)])
}

/** @param label what the box is ('meta', 'preview'): one cannot be passed off as the other */
export function sealFileBox(keys: EpochKeys, label: string, plain: Uint8Array): Uint8Array {
  return seal(keys.box, randomBytes(NONCE_BYTES), plain, boxContext(keys, label))
}

/** @throws {SealBrokenError} */
export function openFileBox(keys: EpochKeys, label: string, sealed: Uint8Array): Uint8Array {
  return unseal(keys.box, sealed, boxContext(keys, label))
}

/** A publicly checkable proof of having the epoch's key, bound to what it is for. @param parts e.g. offer id, branch id */
export function proveKey(keys: EpochKeys, ...parts: Uint8Array[]): Uint8Array {
  return sign(keys.proof, 'key-proof', keys.network, idBytes(keys.file), ...parts)
}

/** @param proofKey the public half from the entry that opened the epoch */
export function verifyKeyProof(
  network: NetworkId,
  proofKey: Uint8Array,
  file: FileId,
  proof: Uint8Array,
  ...parts: Uint8Array[]
): boolean {
  return verify(proofKey, proof, 'key-proof', network, idBytes(file), ...parts)
}
