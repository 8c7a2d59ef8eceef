/** cbor.json, frames.json, manifest.json, invite.json, placement.json. */
import { sign as nodeSign } from 'node:crypto'
import { drawOrder } from '../../../packages/core/src/catalogue/draw-rank.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../../../packages/core/src/codec/index.ts'
import { createManifestBuilder } from '../../../packages/core/src/content/manifest.ts'
import { sha256, signingKeyFromSeed } from '../../../packages/core/src/crypto/index.ts'
import { type EntryId, feedIdFrom, nodeIdFromPublicKey } from '../../../packages/core/src/ids.ts'
import {
  decodeSyncFrame,
  encodeSyncFrame,
  FRAME_IDS,
  type SyncFrame,
  shortIdOf,
} from '../../../packages/core/src/ledger/sync-frames.ts'
import { fileIdFor } from '../../../packages/core/src/membership/index.ts'
import { formatInvite, parseInvite } from '../../../packages/core/src/membership/invite.ts'
import { negativeLog2, placementList } from '../../../packages/core/src/replication/placement.ts'
import { hex } from '../reader/bytes.ts'
import { filled, NETWORK } from './keys.ts'

export function makeCbor() {
  const nested = (depth: number): CborValue => (depth === 0 ? 1 : [nested(depth - 1)])
  const values: [string, CborValue][] = [
    ['null', null],
    ['true', true],
    ['false', false],
    ...[0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER].map(
      (number): [string, CborValue] => [`${number}`, number],
    ),
    ...[-1, -24, -25, -256, -257, Number.MIN_SAFE_INTEGER].map((number): [string, CborValue] => [`${number}`, number]),
    ['empty text', ''],
    ['text beyond ASCII', 'Verão 🌞'],
    ['empty bytes', new Uint8Array(0)],
    ['32 bytes', filled(32, 1)],
    ['empty list', []],
    ['empty map', {}],
    ['map keys by length, then bytewise', { b: 1, a: 2, aa: 3, B: 4, '': 5 }],
    ['16 levels', nested(16)],
  ]
  const invalid: [string, string][] = [
    ['nothing', ''],
    ['a head that is longer than it need be', '1801'],
    ['a length that is longer than it need be', '580100'],
    ['map keys out of order', 'a2616201616100'],
    ['a longer key before a shorter one', 'a262616101616202'],
    ['a key twice', 'a2616101616102'],
    ['a key that is no text', 'a10101'],
    ['the key __proto__', 'a1695f5f70726f746f5f5f01'],
    ['text that is not UTF-8', '62c328'],
    ['half a surrogate pair', '63eda080'],
    ['a float', 'f93c00'],
    ['undefined', 'f7'],
    ['a simple value', 'e0'],
    ['a tag', 'c000'],
    ['an indefinite list', '9f01ff'],
    ['an indefinite text', '7f6161ff'],
    ['a number of 2^53', '1b0020000000000000'],
    ['bytes behind the end', '0100'],
    ['a list of more than there is', '9b00000000ffffffff'],
    ['bytes of more than there is', '5affffffff'],
    ['a head that is cut short', '19ff'],
    ['17 levels', hex(new Uint8Array(17).fill(0x81)).concat('01')],
  ]
  for (const [name, bytes] of invalid) {
    let isTaken = true
    try {
      decodeCbor(new Uint8Array(Buffer.from(bytes, 'hex')), 1000)
    } catch {
      isTaken = false
    }
    if (isTaken) throw new Error(`taken: ${name}`)
  }
  return {
    valid: values.map(([name, value]) => ({ name, bytes: hex(encodeCbor(value)) })),
    invalid: invalid.map(([name, bytes]) => ({ name, bytes })),
  }
}

/** The made-up name of chunk `index`: SHA-256 over the index as four bytes, big-endian. */
function chunkName(index: number): Uint8Array {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(index)
  return sha256(number)
}

export function makeManifests() {
  const shapes = [
    { size: 0, chunk: 1 << 20 },
    { size: 1, chunk: 1 << 16 },
    { size: 1 << 20, chunk: 1 << 20 },
    { size: (1 << 20) + 1, chunk: 1 << 20 },
    { size: 65_536 * (1 << 16) + 1, chunk: 1 << 16 },
  ]
  return {
    chunks: 'the name of chunk i is SHA-256 over i as four bytes, big-endian',
    manifests: shapes.map(({ size, chunk }) => {
      const builder = createManifestBuilder(chunk)
      const count = Math.ceil(size / chunk)
      for (let index = 0; index < count; index++) builder.add(chunkName(index))
      const { root, pages } = builder.finish(size)
      return { size, chunk, count, header: hex(pages[0] ?? new Uint8Array(0)), root }
    }),
    refused: [
      { size: 1, chunk: 3 << 16, why: 'not a power of two' },
      { size: 1, chunk: 1 << 15, why: 'chunks too small' },
      { size: 1, chunk: 1 << 25, why: 'chunks too large' },
      { size: 1_048_576 * (1 << 16) + 1, chunk: 1 << 16, why: 'too many chunks' },
    ],
  }
}

export async function makeInvites() {
  const issuer = signingKeyFromSeed(filled(32, 1))
  const node = nodeIdFromPublicKey(issuer.publicKey)
  const seed = filled(32, 9)
  const expires = 1_700_259_200_000
  const addresses = [`/ip4/192.0.2.7/tcp/4373/p2p/${node}`, `/dns/sp.example/tcp/4373/p2p/${node}`]
  const ticket = { network: NETWORK, networkName: 'Agência Horizonte', branch: 'Rio', expires, addresses, seed }
  const invite = await formatInvite({ ...ticket, invite: 'ab'.repeat(32) as EntryId }, node, issuer)
  const [header = '', payload = '', signature = ''] = invite.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sign = (content: unknown, head: unknown, signer = issuer) => {
    const signed = `${part(head)}.${part(content)}`
    return `${signed}.${nodeSign(null, Buffer.from(signed), signer.key).toString('base64url')}`
  }
  const pinned = { alg: 'EdDSA', typ: 'malote-invite+jwt' }
  const { branch: _, ...withoutBranch } = claims
  const other = signingKeyFromSeed(filled(32, 2))
  const last = signature.at(-1) ?? ''
  const invalid: [string, string][] = [
    ['not a JWT', 'malote'],
    ['algorithm none', `${part({ alg: 'none', typ: pinned.typ })}.${payload}.`],
    ['another type', sign(claims, { alg: 'EdDSA', typ: 'JWT' })],
    ['one more header field', sign(claims, { ...pinned, kid: '1' })],
    ['one more claim', sign({ ...claims, admin: true }, pinned)],
    ['a claim less', sign(withoutBranch, pinned)],
    ['a changed claim', `${header}.${part({ ...claims, branch: 'Bahia' })}.${signature}`],
    ['signed by another', sign(claims, pinned, other)],
    [
      'the same signature in another form',
      `${header}.${payload}.${signature.slice(0, -1)}${last === 'A' ? 'B' : next(last)}`,
    ],
    ['nine addresses', sign({ ...claims, addrs: Array.from({ length: 9 }, () => addresses[0]) }, pinned)],
    ['an issuer that is no PeerId', sign({ ...claims, iss: 'rio' }, pinned)],
    ['a key of 31 bytes', sign({ ...claims, key: Buffer.from(seed.subarray(1)).toString('base64url') }, pinned)],
  ]
  for (const [name, text] of invalid) {
    const isTaken = await parseInvite(text, expires - 1000).then(
      () => true,
      () => false,
    )
    if (isTaken) throw new Error(`taken: ${name}`)
  }
  return {
    valid: [
      {
        issuer: node,
        issuerKey: hex(issuer.publicKey),
        invite,
        claims,
        key: hex(seed),
        publicKey: hex(signingKeyFromSeed(seed).publicKey),
        validUntil: expires,
      },
    ],
    invalid: invalid.map(([name, text]) => ({ name, invite: text })),
  }
}

/** The next digit of base64url: of the last one only some bits count. */
function next(digit: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return digits[digits.indexOf(digit) ^ 1] ?? 'A'
}

export function makePlacement() {
  const nodes = Array.from({ length: 12 }, (_, at) =>
    nodeIdFromPublicKey(signingKeyFromSeed(filled(32, at + 1)).publicKey),
  )
  const members = nodes.map((node, at) => ({
    node,
    weight: [16, 16, 16, 48, 1, 0, 4096, 16, 16, 16, 16, 16][at] ?? 16,
  }))
  const files = Array.from({ length: 8 }, (_, at) => fileIdFor(NETWORK, filled(32, 1), filled(16, at)))
  const seed = 'de'.repeat(32) as EntryId
  return {
    network: NETWORK,
    negativeLog2: [1, 2, 3, 2 ** 24 + 1, 2 ** 47, 2 ** 48 - 1, 2 ** 48].map((value) => ({
      value,
      result: negativeLog2(value),
    })),
    members,
    placements: files.map((file, at) => {
      const owner = at === 7 ? null : (nodes[at] ?? null)
      const aside = nodes.filter((_, index) => index % 5 === 4 && at % 2 === 1)
      const standsAside = (node: string) => aside.some((each) => each === node)
      const list = placementList({ network: NETWORK, file, owner, members, standsAside, target: 5 })
      return { file, owner, target: 5, aside, list }
    }),
    draws: files.slice(0, 3).map((file) => ({
      seed,
      file,
      candidates: nodes.slice(0, 6),
      order: drawOrder(NETWORK, seed, file, nodes.slice(0, 6)),
    })),
  }
}

/** One of each frame that `ledger` has, from its fields in the order of the spec. */
export function makeFrames() {
  const id = hex(filled(32, 3)) as EntryId
  const other = hex(filled(32, 4)) as EntryId
  const feed = feedIdFrom(filled(32, 1), filled(16, 2))
  const signed = { bytes: filled(5, 6), sig: filled(64, 7), cosig: null }
  const frames: SyncFrame[] = [
    { type: 'status', heads: filled(32, 1), count: 7, state: filled(32, 2) },
    { type: 'push', entries: [signed] },
    { type: 'ask', buckets: filled(1024, 1) },
    { type: 'heads', differs: filled(8, 5), heads: [{ feed, seq: 9, id }], more: true },
    { type: 'want', ranges: [-1, 12].map((after) => ({ feed, after })) },
    { type: 'entries', entries: [signed, { ...signed, sig: null, cosig: filled(64, 8) }] },
    { type: 'done' },
    { type: 'announce', ids: [shortIdOf(id)] },
    { type: 'pull', ids: [shortIdOf(id), shortIdOf(other)] },
  ]
  const invalid: [string, CborValue][] = [
    ['an unknown type', [9]],
    ['a field too many', [6, 0]],
    ['a field too few', [0, filled(32, 1), 1]],
    ['no ids', [7, new Uint8Array(0)]],
    ['half an id', [8, filled(12, 1)]],
    ['more ids than a frame has', [7, filled(8 * (FRAME_IDS + 1), 1)]],
  ]
  for (const [name, value] of invalid) {
    let isTaken = true
    try {
      decodeSyncFrame(encodeCbor(value))
    } catch {
      isTaken = false
    }
    if (isTaken) throw new Error(`taken: ${name}`)
  }
  return {
    valid: frames.map((frame) => ({ ...shown(frame), bytes: hex(encodeSyncFrame(frame)) })),
    invalid: invalid.map(([name, value]) => ({ name, bytes: hex(encodeCbor(value)) })),
  }
}

/** Bytes as hex, at any depth. */
function shown(value: unknown): object {
  return JSON.parse(JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? hex(part) : part)))
}
