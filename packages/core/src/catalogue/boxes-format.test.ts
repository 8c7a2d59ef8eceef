import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  deriveEpochKeys,
  generateSealingKey,
  grantSlot,
  keyIdOf,
  newAudienceKey,
  newFileKey,
  sealFileBox,
} from '../crypto/index.ts'
import { type BranchId, type FileId, type NetworkId, type NodeId, newAudienceId, nodeIdFromPublicKey } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { audienceList } from './audience-list.ts'
import {
  BOX_MAX,
  decodeGrants,
  encodeGrants,
  openGone,
  openList,
  openMeta,
  openOlder,
  openPreview,
  PREVIEW_MAX,
  pad,
  SLOTS_MAX,
  sealGone,
  sealList,
  sealMeta,
  sealOlder,
  sealPreview,
  unpad,
} from './boxes-format.ts'

const network = 'ab'.repeat(32) as NetworkId
const file = 'cd'.repeat(16) as FileId
const branch = '12'.repeat(32) as BranchId
const keys = deriveEpochKeys(network, file, 1, newFileKey())
const next = deriveEpochKeys(network, file, 2, newFileKey())
const broken = expect.objectContaining({ code: 'damaged' })
const malformed = expect.objectContaining({ code: 'decode' })
const meta = {
  name: 'poster.png',
  type: 'image/png',
  tags: ['a'],
  campaign: null,
  created: 5,
  plainHash: new Uint8Array(32).fill(3),
  list: audienceList('except', ['34'.repeat(32) as BranchId], branch),
}

describe('file boxes', () => {
  test('meta opens with its epoch only, and is not a preview', () => {
    const sealed = sealMeta(keys, meta)
    expect(openMeta(keys, sealed)).toEqual(meta)
    expect(() => openMeta(next, sealed)).toThrow(broken)
    expect(() => openPreview(keys, sealed)).toThrow(broken)
    const flipped = Uint8Array.from(sealed, (byte, i) => (i === 40 ? byte ^ 1 : byte))
    expect(() => openMeta(keys, flipped)).toThrow(broken)
  })

  test('the size of a box does not tell the length of a name', () => {
    const sizes = ['a', 'a'.repeat(100)].map((name) => sealMeta(keys, { ...meta, name }).length)
    expect(sizes[0]).toBe(sizes[1])
  })

  test('a reader that holds the key but lies in the box is refused, not believed', () => {
    for (const plain of [
      new Uint8Array(0),
      pad(new Uint8Array([0xa0])),
      pad(new Uint8Array([0xff])),
      new Uint8Array(8).fill(255),
    ]) {
      expect(() => openMeta(keys, sealFileBox(keys, 'meta', plain))).toThrow(malformed)
    }
    expect(() => openMeta(keys, new Uint8Array(BOX_MAX + 1))).toThrow(malformed)
  })

  test('previews are bounded', () => {
    const preview = { type: 'image/webp', bytes: new Uint8Array(PREVIEW_MAX) }
    const sealed = sealPreview(keys, preview)
    expect(sealed.length).toBeLessThan(BOX_MAX)
    expect(openPreview(keys, sealed)).toEqual(preview)
    expect(() => sealPreview(keys, { ...preview, bytes: new Uint8Array(PREVIEW_MAX + 1) })).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    )
  })

  test('the newer epoch gives the older one', () => {
    expect(openOlder(next, sealOlder(next, keys))).toEqual({ epoch: 1, key: keys.fileKey })
    expect(() => openOlder(keys, sealOlder(next, keys))).toThrow(broken)
  })

  test('padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(unpad(pad(bytes))).toEqual(bytes)
        expect(pad(bytes).length % 256).toBe(0)
      }),
    )
  })
})

describe('audience boxes', () => {
  const audience = newAudienceId()
  const secret = newAudienceKey()
  const key = keyIdOf(network, audience, secret)
  const writer = generateSealingKey()
  const reader = generateSealingKey()
  const stranger = generateSealingKey()

  test('the list', () => {
    expect(openList(network, audience, secret, sealList(network, audience, secret, meta.list))).toEqual(meta.list)
    expect(() => openList(network, audience, newAudienceKey(), sealList(network, audience, secret, meta.list))).toThrow(
      broken,
    )
    expect(() => openList(network, newAudienceId(), secret, sealList(network, audience, secret, meta.list))).toThrow(
      broken,
    )
  })

  test('slots are found by writer and recipient alone, and their number is a multiple of 16', () => {
    const own = grantSlot(network, writer, reader.publicKey, audience, key)
    const sealed = new Uint8Array(80)
    const gone = sealGone(network, audience, secret, [])
    const box = decodeGrants(encodeGrants({ from: writer.publicKey, gone, slots: [[own, sealed]] }, systemRandom.bytes))
    const find = (slot: Uint8Array) => box.slots.some(([name]) => Buffer.compare(name, slot) === 0)
    expect(box.slots).toHaveLength(16)
    expect(find(grantSlot(network, reader, box.from, audience, key))).toBe(true)
    expect(find(grantSlot(network, stranger, box.from, audience, key))).toBe(false)
    expect(find(grantSlot(network, stranger, reader.publicKey, audience, key))).toBe(false)
    const order = box.slots.map(([name]) => Buffer.from(name).toString('hex'))
    expect(order).toEqual(order.toSorted())
  })

  test('the largest box fits; who was gone is for readers', () => {
    const nodes = Array.from({ length: 5000 }, () => nodeIdFromPublicKey(systemRandom.bytes(32)) as NodeId)
    const gone = sealGone(network, audience, secret, nodes)
    const slots = Array.from({ length: SLOTS_MAX }, () => [systemRandom.bytes(16), new Uint8Array(80)] as const)
    const bytes = encodeGrants({ from: writer.publicKey, gone, slots }, systemRandom.bytes)
    expect(bytes.length).toBeLessThan(BOX_MAX)
    expect(openGone(network, audience, secret, decodeGrants(bytes).gone)).toHaveLength(4096)
    expect(() => openGone(network, audience, newAudienceKey(), gone)).toThrow(broken)
  })

  test('arbitrary bytes are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => decodeGrants(bytes)).toThrow(malformed)
      }),
    )
  })
})
