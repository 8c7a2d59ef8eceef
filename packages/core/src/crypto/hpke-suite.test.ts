/** HPKE with our primitives under it: the RFC's own vector, and the library with its own primitives at the other end. */
import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { Aes128Gcm, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { describe, expect, it } from 'vitest'
import { generateSealingKey } from './audience-keys.ts'
import { exact, hpke, NodeHkdf, NodeKem, x25519PublicKey } from './hpke-suite.ts'
import { rawPublicKey } from './key-objects.ts'

const hex = (text: string) => exact(Buffer.from(text, 'hex'))
const random = (length: number) => exact(randomBytes(length))
const theirs = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })

/** RFC 9180, appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode, first message. */
const vector = {
  info: '4f6465206f6e2061204772656369616e2055726e',
  recipient: '4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8',
  enc: '37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431',
  additional: '436f756e742d30',
  plain: '4265617574792069732074727574682c20747275746820626561757479',
  sealed: 'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
}

async function passes(from: CipherSuite, to: CipherSuite, plain: ArrayBuffer): Promise<ArrayBuffer> {
  const { publicKey, secret } = generateSealingKey()
  const [info, additional] = [random(40), random(32)]
  const sender = await from.createSenderContext({
    recipientPublicKey: await from.kem.deserializePublicKey(exact(publicKey)),
    info,
  })
  const sealed = await sender.seal(plain, additional)
  const recipientKey = await to.kem.deserializePrivateKey(exact(secret))
  const receiver = await to.createRecipientContext({ recipientKey, enc: sender.enc, info })
  return await receiver.open(sealed, additional)
}

describe('HPKE', () => {
  it('opens what the RFC has sealed', async () => {
    const suite = new CipherSuite({ kem: new NodeKem(), kdf: new NodeHkdf(), aead: new Aes128Gcm() })
    const recipientKey = await suite.kem.deserializePrivateKey(hex(vector.recipient))
    const receiver = await suite.createRecipientContext({ recipientKey, enc: hex(vector.enc), info: hex(vector.info) })
    expect(await receiver.open(hex(vector.sealed), hex(vector.additional))).toEqual(hex(vector.plain))
  })

  it.each([0, 1, 32, 5000])('is the same at both ends, whichever primitives are under it: %i bytes', async (length) => {
    const plain = random(length)
    expect(await passes(hpke, theirs, plain)).toEqual(plain)
    expect(await passes(theirs, hpke, plain)).toEqual(plain)
  })

  it('refuses keys of small order and of another length, at both ends', async () => {
    const one = new Uint8Array(32)
    one[0] = 1
    for (const point of [new Uint8Array(32), one]) {
      const recipientPublicKey = await hpke.kem.deserializePublicKey(exact(point))
      await expect(hpke.createSenderContext({ recipientPublicKey })).rejects.toThrow()
      const recipientKey = await hpke.kem.deserializePrivateKey(exact(generateSealingKey().secret))
      await expect(hpke.createRecipientContext({ recipientKey, enc: exact(point) })).rejects.toThrow()
    }
    await expect(hpke.kem.deserializePublicKey(random(31))).rejects.toThrow(RangeError)
    await expect(hpke.kem.deserializePrivateKey(random(33))).rejects.toThrow(RangeError)
  })

  it('gives each caller bytes of its own, also of what it remembers', async () => {
    const kdf = new NodeHkdf()
    const text = random(20)
    for (const salt of [new ArrayBuffer(0), random(32)]) {
      const first = await kdf.extract(salt, text)
      const kept = first.slice(0)
      expect(kept).toEqual(exact(createHmac('sha256', Buffer.from(salt)).update(Buffer.from(text)).digest()))
      new Uint8Array(first).fill(0)
      expect(await kdf.extract(salt, text)).toEqual(kept)
    }
  })

  it('does not take one text or key for another that came before it', async () => {
    const kdf = new NodeHkdf()
    const [salt, info] = [random(32), random(10)]
    for (const text of [random(16), random(16), random(17)]) {
      const expected = hkdfSync('sha256', new Uint8Array(text), new Uint8Array(salt), new Uint8Array(info), 32)
      expect(await kdf.extractAndExpand(salt, text, info, 32)).toEqual(expected)
    }
    const raw = Buffer.from(generateSealingKey().publicKey)
    const before = rawPublicKey(x25519PublicKey(raw))
    raw.set(generateSealingKey().publicKey) // the caller's bytes are its own
    expect(rawPublicKey(x25519PublicKey(raw))).toEqual(raw)
    expect(before).not.toEqual(raw)
  })
})
