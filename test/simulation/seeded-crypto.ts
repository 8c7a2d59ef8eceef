/**
 * Makes `node:crypto` repeatable and cheap for this process: random bytes and new keys come from the seed, so that ids,
 * and with them every tie that an id breaks, are the same at every run; and what 70 nodes would each compute of the same
 * bytes (checking a signature, deriving a key, the id of an entry, expanding a row for the set hash) is computed once. The results are those
 * of the real functions. The stop watch stands still. Nothing but the simulation may import this.
 */

import type { KeyObject } from 'node:crypto'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { Prng } from './prng.ts'

const crypto = createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto')
const real = {
  verify: crypto.verify,
  hash: crypto.hash,
  createPrivateKey: crypto.createPrivateKey,
  createPublicKey: crypto.createPublicKey,
  hkdfSync: crypto.hkdfSync,
  sign: crypto.sign,
}
const PKCS8: Record<string, Buffer> = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
}
const SCRATCH_BYTES = 4096

let chance = new Prng('before the first seed')
const verdicts = new Map<string, boolean>()
const expansions = new Map<string, Buffer>()
const digests = new Map<string, Buffer>()
/** a text, for draws */
const texts = new Map<string, string>()
/** of each its results, which are asked for as bytes, and of one as texts */
const ONE_SHOT: Readonly<Record<string, Map<string, Buffer>>> = { shake128: expansions, sha256: digests }
const privateKeys = new Map<string, KeyObject>()
const derived = new Map<string, ArrayBuffer>()
const publicKeys = new WeakMap<object, KeyObject>()
/** the encoded public key, by its object or by that of its private half */
const keyNames = new WeakMap<object, string>()

const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

function latin1(bytes: Uint8Array): string {
  if (bytes.length > SCRATCH_BYTES) return Buffer.from(bytes).toString('latin1')
  scratch.set(bytes)
  return scratch.toString('latin1', 0, bytes.length)
}

/** Without stacks: `node:crypto` asks whether something is a key by an error that it catches. */
function quietly<T>(work: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function remembered<T>(known: Map<string, T>, name: string, make: () => T): T {
  const found = known.get(name)
  if (found !== undefined) return found
  const made = quietly(make)
  known.set(name, made)
  return made
}

function verdictName(key: object, data: Uint8Array, signature: Uint8Array): string | null {
  const name = keyNames.get(key)
  return name === undefined ? null : `${name}${latin1(signature)}${latin1(data)}`
}

function verify(algorithm: null, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  const name = verdictName(key, data, signature)
  const compute = () => real.verify(algorithm, data, key, signature)
  return name === null ? compute() : remembered(verdicts, name, compute)
}

/** What was signed here is valid: it need not be checked to be known. */
function sign(algorithm: null, data: Uint8Array, key: KeyObject): Buffer {
  const signature = real.sign(algorithm, data, key)
  const name = verdictName(key, data, signature)
  if (name !== null) verdicts.set(name, true)
  return signature
}

function hash(algorithm: string, data: Uint8Array, options: unknown): unknown {
  if (options === 'binary') return remembered(texts, latin1(data), () => real.hash(algorithm, data, options))
  const compute = real.hash as unknown as (...args: unknown[]) => Buffer
  const known = ONE_SHOT[algorithm]
  return known === undefined
    ? compute(algorithm, data, options)
    : remembered(known, latin1(data), () => compute(algorithm, data, options))
}

function createPrivateKey(init: { key: Buffer; format: 'der'; type: 'pkcs8' }): KeyObject {
  return remembered(privateKeys, latin1(init.key), () => real.createPrivateKey(init))
}

/** Of a text (PEM), or of a private key the public half, which is only asked for its bytes. */
function createPublicKey(init: KeyObject | string): KeyObject {
  if (typeof init === 'string') {
    const key = real.createPublicKey(init)
    const [, base64 = ''] = init.split('\n')
    keyNames.set(key, latin1(Buffer.from(base64, 'base64')))
    return key
  }
  const known = publicKeys.get(init)
  if (known !== undefined) return known
  const key = real.createPublicKey(init)
  const jwk = key.export({ format: 'jwk' })
  keyNames.set(init, latin1(key.export({ format: 'der', type: 'spki' })))
  Object.defineProperty(key, 'export', { value: () => jwk })
  publicKeys.set(init, key)
  return key
}

function hkdfSync(digest: string, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): ArrayBuffer {
  const name = `${digest} ${length} ${salt.length} ${secret.length} ${latin1(salt)}${latin1(secret)}${latin1(info)}`
  return remembered(derived, name, () => real.hkdfSync(digest, secret, salt, info, length)).slice(0)
}

function generateKeyPairSync(type: string): { privateKey: KeyObject } {
  const prefix = PKCS8[type]
  if (prefix === undefined) throw new TypeError(`the simulation makes no ${type} keys`)
  const der = Buffer.concat([prefix, chance.bytes(32)])
  return { privateKey: real.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }
}

Object.assign(crypto, {
  verify,
  hash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  sign,
  generateKeyPairSync,
  randomBytes: (length: number) => Buffer.from(chance.bytes(length)),
  randomInt: (bound: number) => chance.below(bound),
})
syncBuiltinESMExports()
// how much is stored in one go must not hang on how fast this machine is just now
Object.defineProperty(performance, 'now', { value: () => 0 })

/** From here on all keys and random bytes follow from this seed. */
export function seedCrypto(seed: string): void {
  chance = new Prng(`crypto ${seed}`)
  for (const known of [verdicts, expansions, digests, texts, privateKeys, derived]) known.clear()
}
