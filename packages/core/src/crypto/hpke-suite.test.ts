/** HPKE with our primitives under it: the RFC's own vector, and the library with its own primitives at the other end. */
import { randomBytes } from 'node:crypto'
import { Aes128Gcm, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { describe, expect, it } from 'vitest'
import { generateSealingKey } from './audience-keys.ts'
import { exact, hpke, NodeHkdf, NodeKem } from './hpke-suite.ts'

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
})
