import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AudienceId, EVERYONE, type FileId, type NetworkId } from '../ids.ts'
import {
  deriveEpochKeys,
  generateSealingKey,
  generateSigningKey,
  grantSlot,
  keyIdOf,
  newAudienceKey,
  newFileKey,
  openChunk,
  openFileBox,
  openSealedTo,
  proveKey,
  SEAL_OVERHEAD,
  SealBrokenError,
  SetHash,
  sealChunk,
  sealFileBox,
  sealTo,
  sha256,
  sha256First48,
  sign,
  signingKeyFromSeed,
  unwrapFileKey,
  verify,
  verifyKeyProof,
  wrapFileKey,
} from './index.ts'

const network = '11'.repeat(32) as NetworkId
const other = '22'.repeat(32) as NetworkId
const file = 'ab'.repeat(16) as FileId
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

describe('draws', () => {
  it('are the first 48 bits of the hash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        expect(sha256First48(data)).toBe(Buffer.from(sha256(data)).readUIntBE(0, 6))
      }),
    )
  })
})

describe('signatures', () => {
  it('hold for one key, purpose, network and message', () => {
    const key = generateSigningKey()
    const signature = sign(key, 'entry', network, bytes('id'))
    expect(verify(key.publicKey, signature, 'entry', network, bytes('id'))).toBe(true)
    expect(verify(key.publicKey, signature, 'recovery', network, bytes('id'))).toBe(false)
    expect(verify(key.publicKey, signature, 'entry', other, bytes('id'))).toBe(false)
    expect(verify(key.publicKey, signature, 'entry', network, bytes('ie'))).toBe(false)
    expect(verify(generateSigningKey().publicKey, signature, 'entry', network, bytes('id'))).toBe(false)
    expect(signingKeyFromSeed(key.seed).publicKey).toEqual(key.publicKey)
  })

  it('are false, never an error, for rubbish', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 70 }), (key, signature) => {
        expect(verify(key, signature, 'entry', network)).toBe(false)
      }),
    )
  })
})

describe('chunks', () => {
  const keys = deriveEpochKeys(network, file, 0, newFileKey())

  it('seal alike for every reader, and open', () => {
    const again = deriveEpochKeys(network, file, 0, keys.fileKey)
    const plain = bytes('hello')
    const sealed = new Uint8Array(Buffer.concat(sealChunk(keys, 3, plain)))
    expect(sealed).toHaveLength(plain.length + SEAL_OVERHEAD)
    expect(new Uint8Array(Buffer.concat(sealChunk(again, 3, plain)))).toEqual(sealed)
    expect(new Uint8Array(openChunk(again, 3, plain.length, sealed))).toEqual(plain)
  })

  it('never share a nonce between two inputs', () => {
    const nonces = new Set<string>()
    const epochs = [
      keys,
      deriveEpochKeys(network, file, 1, keys.fileKey),
      deriveEpochKeys(other, file, 0, keys.fileKey),
    ]
    for (const epoch of epochs) {
      for (let index = 0; index < 3; index++) {
        for (const plain of ['', 'a', 'b', 'ab']) {
          nonces.add(Buffer.concat(sealChunk(epoch, index, bytes(plain))).toString('hex', 0, 12))
        }
      }
    }
    expect(nonces.size).toBe(3 * 3 * 4)
  })

  it('do not open elsewhere or changed', () => {
    const sealed = new Uint8Array(Buffer.concat(sealChunk(keys, 3, bytes('hello'))))
    expect(() => openChunk(keys, 4, 5, sealed)).toThrow(SealBrokenError)
    expect(() => openChunk(keys, 3, 6, sealed)).toThrow(SealBrokenError)
    expect(() => openChunk(deriveEpochKeys(network, file, 0, newFileKey()), 3, 5, sealed)).toThrow(SealBrokenError)
    for (let at = 0; at < sealed.length; at++) {
      const bent = sealed.slice()
      bent[at] = (bent[at] as number) ^ 1
      expect(() => openChunk(keys, 3, 5, bent)).toThrow(SealBrokenError)
    }
    expect(() => openChunk(keys, 3, 5, new Uint8Array(10))).toThrow(SealBrokenError)
  })
})

describe('boxes and proofs', () => {
  const keys = deriveEpochKeys(network, file, 2, newFileKey())

  it('boxes are bound to their label', () => {
    const sealed = sealFileBox(keys, 'meta', bytes('name'))
    expect(new Uint8Array(openFileBox(keys, 'meta', sealed))).toEqual(bytes('name'))
    expect(() => openFileBox(keys, 'preview', sealed)).toThrow(SealBrokenError)
  })

  it('a key proof says who accepts what', () => {
    const proof = proveKey(keys, bytes('offer'), bytes('branch'))
    expect(verifyKeyProof(network, keys.proof.publicKey, file, proof, bytes('offer'), bytes('branch'))).toBe(true)
    expect(verifyKeyProof(network, keys.proof.publicKey, file, proof, bytes('offer'), bytes('brench'))).toBe(false)
  })
})

describe('audience keys', () => {
  const key = newAudienceKey()

  it('have an id that commits to them', () => {
    expect(keyIdOf(network, EVERYONE, key)).toBe(keyIdOf(network, EVERYONE, key.slice()))
    expect(keyIdOf(network, EVERYONE, key)).not.toBe(keyIdOf(network, EVERYONE, newAudienceKey()))
    expect(keyIdOf(network, EVERYONE, key)).not.toBe(keyIdOf(network, 'aa'.repeat(16) as AudienceId, key))
  })

  it('wrap file keys for one file and access epoch', () => {
    const fileKey = newFileKey()
    const wrap = wrapFileKey(network, key, file, 1, fileKey)
    expect(wrap).toHaveLength(60)
    expect(new Uint8Array(unwrapFileKey(network, key, file, 1, wrap))).toEqual(fileKey)
    expect(() => unwrapFileKey(network, key, file, 2, wrap)).toThrow(SealBrokenError)
    expect(() => unwrapFileKey(network, newAudienceKey(), file, 1, wrap)).toThrow(SealBrokenError)
  })

  it('are sealed to one member and one context', async () => {
    const member = generateSealingKey()
    const sealed = await sealTo(network, member.publicKey, bytes('context'), key)
    expect(await openSealedTo(network, member, bytes('context'), sealed)).toEqual(key)
    await expect(openSealedTo(network, member, bytes('another'), sealed)).rejects.toThrow(SealBrokenError)
    await expect(openSealedTo(network, generateSealingKey(), bytes('context'), sealed)).rejects.toThrow(SealBrokenError)
    await expect(openSealedTo(other, member, bytes('context'), sealed)).rejects.toThrow(SealBrokenError)
    await expect(openSealedTo(network, member, bytes('context'), new Uint8Array(7))).rejects.toThrow(SealBrokenError)
  })

  it('have a slot that only writer and recipient can find', () => {
    const writer = generateSealingKey()
    const member = generateSealingKey()
    const id = keyIdOf(network, EVERYONE, key)
    const slot = grantSlot(network, writer, member.publicKey, EVERYONE, id)
    expect(grantSlot(network, member, writer.publicKey, EVERYONE, id)).toEqual(slot)
    expect(grantSlot(network, generateSealingKey(), writer.publicKey, EVERYONE, id)).not.toEqual(slot)
  })
})

describe('SetHash', () => {
  it('depends on the set, not on the order or the way', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 8 }),
        fc.nat(),
        (words, at) => {
          const one = new SetHash()
          const two = new SetHash()
          for (const word of words) one.add(bytes(word))
          for (const word of [...words].reverse()) two.add(bytes(word))
          expect(two.digest()).toEqual(one.digest())
          const gone = bytes(words[at % words.length] as string)
          two.remove(gone)
          expect(two.digest()).not.toEqual(one.digest())
          const restored = new SetHash(two.save())
          restored.add(gone)
          expect(restored.digest()).toEqual(one.digest())
        },
      ),
      { numRuns: 30 },
    )
  })

  it('counts an element twice, where XOR would lose both', () => {
    const twice = new SetHash()
    twice.add(bytes('a'))
    twice.add(bytes('a'))
    expect(twice.digest()).not.toEqual(new SetHash().digest())
  })
})
