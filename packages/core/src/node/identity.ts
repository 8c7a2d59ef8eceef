/** This machine's keys: made on first start, kept in one file that only its user can read. Format: docs/specs/identity.md. */

import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import {
  generateSealingKey,
  generateSigningKey,
  type SealingKey,
  type SigningKey,
  sealingKeyFromSecret,
  signingKeyFromSeed,
} from '../crypto/index.ts'
import { type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { makeDataFolder } from './data-folder.ts'
import { IdentityDamagedError } from './errors.ts'

export interface Identity {
  readonly id: NodeId
  readonly signing: SigningKey
  readonly sealing: SealingKey
}

const FILE = 'identity'
const MAX_BYTES = 1024
const identityShape = shape.object({ v: shape.uint(1), signing: shape.bytes(32), sealing: shape.bytes(32) })

/** Reads the identity, or makes one. @throws {IdentityDamagedError} when the file is there but not readable as one */
export function loadIdentity(dataDir: string): Identity {
  makeDataFolder(dataDir)
  const path = join(dataDir, FILE)
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return createIdentity(dataDir)
    throw new IdentityDamagedError(path, error)
  }
  try {
    const identity = decodeIdentity(bytes)
    // a key that others can read is no key; an installer's umask must not decide that
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
    return identity
  } catch (error) {
    throw new IdentityDamagedError(path, error)
  }
}

/** @throws {DecodeError} */
export function decodeIdentity(bytes: Uint8Array): Identity {
  const { signing, sealing } = identityShape(decodeCbor(bytes, MAX_BYTES))
  return identityFrom(signingKeyFromSeed(signing), sealingKeyFromSecret(sealing))
}

/** Makes a new identity in place of the one that is there: a node that left for good comes back as somebody else. */
export function createIdentity(dataDir: string): Identity {
  const signing = generateSigningKey()
  const sealing = generateSealingKey()
  writePrivateFile(join(dataDir, FILE), encodeCbor({ v: 1, signing: signing.seed, sealing: sealing.secret }))
  syncFolder(dirname(resolve(dataDir)))
  return identityFrom(signing, sealing)
}

function identityFrom(signing: SigningKey, sealing: SealingKey): Identity {
  return { id: nodeIdFromPublicKey(signing.publicKey), signing, sealing }
}

/** Whole or not at all, mode 0600, on disk when it returns. */
export function writePrivateFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeSync(file, bytes)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  syncFolder(dirname(path))
}

/** Names that were made in it survive a power cut. */
export function syncFolder(path: string): void {
  // Windows has no such call; NTFS journals names by itself
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
