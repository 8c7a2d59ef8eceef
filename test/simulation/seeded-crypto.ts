/**
 * Makes `node:crypto` repeatable and cheap for this process: random bytes and new keys come from the seed, so that ids,
 * and with them every tie that an id breaks, are the same at every run; and what 70 nodes would each compute of the same
 * bytes (checking a signature, expanding a row for the set hash) is computed once. The results are those of the real
 * functions. The stop watch stands still. Nothing but the simulation may import this.
 */

import type { KeyObject } from 'node:crypto'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { Prng } from './prng.ts'

const crypto = createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto')
const real = { verify: crypto.verify, hash: crypto.hash, createPrivateKey: crypto.createPrivateKey }
const PKCS8: Record<string, Buffer> = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
}

let chance = new Prng('before the first seed')
const verdicts = new Map<string, boolean>()
const expansions = new Map<string, Buffer>()
const keyNames = new WeakMap<object, string>()
let keys = 0

function keyName(key: object): string {
  const known = keyNames.get(key)
  if (known !== undefined) return known
  keys += 1
  keyNames.set(key, `${keys}`)
  return `${keys}`
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

function verify(algorithm: null, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  const name = `${keyName(key)} ${latin1(signature)}${latin1(data)}`
  let verdict = verdicts.get(name)
  if (verdict === undefined) {
    verdict = real.verify(algorithm, data, key, signature)
    verdicts.set(name, verdict)
  }
  return verdict
}

function hash(algorithm: string, data: Uint8Array, options: unknown): unknown {
  if (algorithm !== 'shake128') return (real.hash as (...args: unknown[]) => unknown)(algorithm, data, options)
  const name = latin1(data)
  let expansion = expansions.get(name)
  if (expansion === undefined) {
    expansion = (real.hash as unknown as (...args: unknown[]) => Buffer)(algorithm, data, options)
    expansions.set(name, expansion)
  }
  return expansion
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
  verdicts.clear()
  expansions.clear()
}
