/**
 * keys.json and sealing.json: what is derived from what, and what is sealed how. Where the product draws a random nonce
 * or key, the vectors have a fixed one, and the product opens what was sealed with it.
 */
import { pad } from '../../../packages/core/src/catalogue/boxes-format.ts'
import { encodeCbor } from '../../../packages/core/src/codec/index.ts'
import {
  audienceProofKey,
  blake3,
  deriveEpochKeys,
  deriveKey,
  domain,
  grantSlot,
  keyIdOf,
  openAudienceBox,
  openFileBox,
  openSealedTo,
  type Purpose,
  SetHash,
  seal,
  sealChunk,
  sealingKeyFromSecret,
  sign,
  signingKeyFromSeed,
  unwrapFileKey,
} from '../../../packages/core/src/crypto/index.ts'
import {
  type AudienceId,
  EVERYONE,
  idBytes,
  type NetworkId,
  nodeIdFromPublicKey,
} from '../../../packages/core/src/ids.ts'
import { fileIdFor } from '../../../packages/core/src/membership/index.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../../packages/core/src/membership/recovery.ts'
import { hex } from '../reader/bytes.ts'
import { hpkeKeys, x25519 } from '../reader/sealing.ts'

export const NETWORK = 'c0ffee'.repeat(10).padEnd(64, '0') as NetworkId
export const filled = (length: number, first: number) => new Uint8Array(length).map((_, at) => (first + at * 7) & 0xff)
const PURPOSES: Purpose[] = ['entry', 'recovery', 'invite', 'join', 'audience-renewal', 'key-proof', 'notice']
const AUDIENCE = hex(filled(16, 80)) as AudienceId

export function makeKeys() {
  const signers = [1, 2, 3].map((first) => signingKeyFromSeed(filled(32, first)))
  const [signer] = signers
  if (signer === undefined) throw new Error('no signer')
  const parts = [filled(32, 10), filled(16, 20)]
  const epochs = [1, 2, 4_294_967_295].map((epoch) => {
    const file = fileIdFor(NETWORK, signer.publicKey, filled(16, epoch & 0xff))
    const fileKey = filled(32, 50)
    const keys = deriveEpochKeys(NETWORK, file, epoch, fileKey)
    const derive = (label: string) => hex(deriveKey(fileKey, 'epoch', NETWORK, label))
    return {
      file,
      epoch,
      fileKey: hex(fileKey),
      chunk: derive('chunk'),
      nonce: hex(keys.nonce),
      box: derive('box'),
      proofSeed: derive('proof'),
      proof: hex(keys.proof.publicKey),
    }
  })
  const elements = [filled(5, 1), filled(0, 0), filled(300, 9), filled(5, 1)]
  return {
    network: NETWORK,
    domains: PURPOSES.map((purpose) => ({ purpose, bytes: hex(domain(purpose, NETWORK)) })),
    signingKeys: signers.map(({ seed, publicKey }) => ({
      seed: hex(seed),
      publicKey: hex(publicKey),
      node: nodeIdFromPublicKey(publicKey),
    })),
    signatures: PURPOSES.flatMap((purpose) => {
      const signature = sign(signer, purpose, NETWORK, ...parts)
      const base = { purpose, publicKey: hex(signer.publicKey), parts: parts.map(hex) }
      const other = sign(signer, purpose === 'entry' ? 'invite' : 'entry', NETWORK, ...parts)
      return [
        { ...base, signature: hex(signature), valid: true },
        { ...base, signature: hex(other), valid: false, why: 'signed for another purpose' },
        {
          ...base,
          signature: hex(signature.map((byte, at) => (at === 40 ? byte ^ 1 : byte))),
          valid: false,
          why: 'one bit',
        },
      ]
    }),
    sealingKeys: [4, 5].map((first) => {
      const { secret, publicKey } = sealingKeyFromSecret(filled(32, first))
      return { secret: hex(secret), publicKey: hex(publicKey) }
    }),
    fileIds: signers.map(({ publicKey }, at) => ({
      author: hex(publicKey),
      salt: hex(filled(16, at)),
      file: fileIdFor(NETWORK, publicKey, filled(16, at)),
    })),
    audienceKeys: [EVERYONE, AUDIENCE].map((audience) => {
      const key = filled(32, 70)
      return {
        audience,
        key: hex(key),
        id: keyIdOf(NETWORK, audience, key),
        proof: hex(audienceProofKey(NETWORK, audience, key).publicKey),
      }
    }),
    epochKeys: epochs,
    recoveryKeys: [filled(32, 0), filled(32, 200)].map((seed) => {
      const text = formatRecoveryKey(seed)
      const spellings = [
        text,
        text.toLowerCase(),
        text.replaceAll('-', ''),
        text.replaceAll('0', 'O').replaceAll('1', 'l'),
      ]
      for (const each of spellings) parseRecoveryKey(each)
      return { seed: hex(seed), text, spellings, publicKey: hex(signingKeyFromSeed(seed).publicKey) }
    }),
    setHashes: [[], elements.slice(0, 1), elements, [...elements].reverse()].map((each) => {
      const hash = new SetHash()
      for (const element of each) hash.add(element)
      return { elements: each.map(hex), digest: hex(hash.digest()) }
    }),
  }
}

function numbers(...values: [number, 4 | 8][]): Uint8Array {
  return Buffer.concat(values.map(([value, width]) => Buffer.from(value.toString(16).padStart(width * 2, '0'), 'hex')))
}

/** What the product has sealed and opened again; `plain` is what comes out. */
export async function makeSealing() {
  const signer = signingKeyFromSeed(filled(32, 1))
  const file = fileIdFor(NETWORK, signer.publicKey, filled(16, 2))
  const epoch = 3
  const fileKey = filled(32, 50)
  const keys = deriveEpochKeys(NETWORK, file, epoch, fileKey)
  const audienceKey = filled(32, 70)
  const nonce = filled(12, 90)

  const wrapContext = Buffer.concat([domain('file-key', NETWORK), idBytes(file), numbers([epoch, 4])])
  const wrap = seal(deriveKey(audienceKey, 'file-key', NETWORK, 'wrap'), nonce, fileKey, wrapContext)
  assertEqual(unwrapFileKey(NETWORK, audienceKey, file, epoch, wrap), fileKey)

  const chunks = [filled(0, 0), filled(1, 5), filled(3000, 6)].map((plain, index) => {
    const sealed = Buffer.concat(sealChunk(keys, index * 70_000, plain))
    return { index: index * 70_000, plain: hex(plain), sealed: hex(sealed), name: hex(blake3(sealed)) }
  })

  const meta = {
    name: 'Verão 🌞.jpg',
    type: 'image/jpeg',
    tags: ['praia', 'capa'],
    campaign: null,
    created: 1_700_000_000_000,
    hash: filled(32, 33),
    list: { mode: 'except', branches: [filled(32, 34), filled(32, 35)] },
  }
  const contents: [string, Uint8Array][] = [
    ['meta', pad(encodeCbor(meta))],
    ['preview', pad(encodeCbor({ type: 'image/webp', bytes: filled(300, 1) }))],
    ['older', encodeCbor({ epoch: 2, key: filled(32, 51) })],
  ]
  const boxes = contents.map(([label, plain]) => {
    const context = Buffer.concat([
      domain('epoch', NETWORK),
      idBytes(file),
      numbers([epoch, 4]),
      Buffer.from(`box/${label}`),
    ])
    const sealed = seal(deriveKey(fileKey, 'epoch', NETWORK, 'box'), nonce, plain, context)
    assertEqual(openFileBox(keys, label, sealed), plain)
    return { label, plain: hex(plain), sealed: hex(sealed), name: hex(blake3(sealed)) }
  })

  const list = pad(encodeCbor(meta.list))
  const listBox = seal(deriveKey(audienceKey, 'audience', NETWORK, 'box'), nonce, list, idBytes(AUDIENCE))
  assertEqual(openAudienceBox(NETWORK, AUDIENCE, audienceKey, listBox), list)

  const [writer, reader] = [sealingKeyFromSecret(filled(32, 4)), sealingKeyFromSecret(filled(32, 5))]
  const keyId = keyIdOf(NETWORK, AUDIENCE, audienceKey)
  const slot = grantSlot(NETWORK, writer, reader.publicKey, AUDIENCE, keyId)
  const ephemeral = sealingKeyFromSecret(filled(32, 6))
  const context = Buffer.concat([idBytes(AUDIENCE), idBytes(keyId)])
  const dh = x25519(ephemeral.secret, reader.publicKey)
  const hpke = hpkeKeys(dh, ephemeral.publicKey, reader.publicKey, domain('grant', NETWORK))
  const grant = Buffer.concat([ephemeral.publicKey, seal(hpke.key, hpke.nonce, audienceKey, context).subarray(12)])
  assertEqual(await openSealedTo(NETWORK, reader, context, grant), audienceKey)

  return {
    network: NETWORK,
    file,
    epoch,
    fileKey: hex(fileKey),
    wraps: [{ audienceKey: hex(audienceKey), nonce: hex(nonce), wrap: hex(wrap) }],
    chunks,
    boxes,
    audienceBoxes: [
      { audience: AUDIENCE, key: hex(audienceKey), nonce: hex(nonce), plain: hex(list), sealed: hex(listBox) },
    ],
    grants: [
      {
        audience: AUDIENCE,
        key: hex(audienceKey),
        keyId,
        writerSecret: hex(writer.secret),
        readerSecret: hex(reader.secret),
        slot: hex(slot),
        ephemeralSecret: hex(ephemeral.secret),
        sealed: hex(grant),
      },
    ],
  }
}

function assertEqual(a: Uint8Array, b: Uint8Array): void {
  if (Buffer.compare(a, b) !== 0) throw new Error('the product does not open what was sealed by the spec')
}
