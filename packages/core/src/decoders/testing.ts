/**
 * Everything in this package that makes sense of bytes or text from outside, in one list: for each a few valid inputs,
 * and what it is asked to do with any others. A decoder that is not listed here is not tried.
 */

import {
  decodeGrants,
  encodeGrants,
  openGone,
  openList,
  openMeta,
  openOlder,
  openPreview,
  pad,
  sealGone,
  sealList,
  sealMeta,
  sealOlder,
  sealPreview,
  unpad,
} from '../catalogue/boxes-format.ts'
import * as keys from '../catalogue/keys-format.ts'
import { ordinaryBodies } from '../catalogue/kinds.ts'
import { World } from '../catalogue/testing.ts'
import { parseCursor } from '../catalogue/views-table.ts'
import { decodeCbor, encodeCbor, encodeFrame, FrameDecoder, type Shape } from '../codec/index.ts'
import { decodeBoxRequest, encodeBoxRequest } from '../content/boxes-protocol.ts'
import { createManifestBuilder, manifestFromBytes } from '../content/manifest.ts'
import {
  deriveEpochKeys,
  openAudienceBox,
  openFileBox,
  openSealedTo,
  seal,
  sealAudienceBox,
  sealFileBox,
  sealingKeyFromSecret,
  sealTo,
  signingKeyFromSeed,
  unseal,
} from '../crypto/index.ts'
import {
  type AudienceId,
  type BoxHash,
  type BranchId,
  type EntryId,
  type FileId,
  fromHex,
  type NetworkId,
  nodeIdFromPublicKey,
  publicKeyFromNodeId,
  type Root,
} from '../ids.ts'
import { decodeEntry } from '../ledger/entry.ts'
import { decodeSyncFrame, encodeSyncFrame, shortIdOf } from '../ledger/sync-frames.ts'
import { formatInvite, parseInvite } from '../membership/invite.ts'
import { controlBodies } from '../membership/kinds.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../membership/recovery.ts'
import { receiveHello, receiveJoin, receiveKnock, receiveReply, send } from '../membership/register-messages.ts'
import { parseAddress, parseMultiaddr } from '../network/addresses.ts'
import { decodeFactsBatch, decodeFactsHello, encodeFactsBatch, encodeFactsHello } from '../network/facts-messages.ts'
import type { FrameStream } from '../network/index.ts'
import { decodePresence, encodePresence } from '../network/presence-messages.ts'
import * as transfer from '../transfer/protocol.ts'

/** One decoder. */
export interface Decoder {
  readonly name: string
  readonly decode: (input: Uint8Array) => unknown
  readonly valid: readonly Uint8Array[]
  /** true where what is given is CBOR, so that it is worth while to change one value of it */
  readonly isCbor?: true
}

const NETWORK = 'ab'.repeat(32) as NetworkId
const FILE = 'cd'.repeat(16) as FileId
const AUDIENCE = 'ef'.repeat(16) as AudienceId
const filled = (length: number, value = 7) => new Uint8Array(length).fill(value)
const SIGNER = signingKeyFromSeed(filled(32, 1))
const SEALING = sealingKeyFromSecret(filled(32, 2))
const NODE = nodeIdFromPublicKey(SIGNER.publicKey)
const EPOCH = deriveEpochKeys(NETWORK, FILE, 2, filled(32, 3))
const OLDER = deriveEpochKeys(NETWORK, FILE, 1, filled(32, 4))
const SECRET = filled(32, 5)
const HASH = 'aa'.repeat(32)
const ADDRESS = '/ip4/192.0.2.7/tcp/4373'
const NOW = 1_700_000_000_000

const bytesOf = (text: string) => new TextEncoder().encode(text)
/** Text as a program has it: also what no UTF-8 would give. */
const textOf = (bytes: Uint8Array) =>
  bytes.some((byte) => byte > 127) ? Buffer.from(bytes).toString('latin1') : Buffer.from(bytes).toString()

/** A stream that gives one frame, and keeps what is written. */
function streamOf(frame: Uint8Array | null): FrameStream & { readonly written: Uint8Array[] } {
  const written: Uint8Array[] = []
  return {
    written,
    peer: NODE,
    path: 'tcp',
    read: async () => frame,
    write: async (bytes) => void written.push(bytes.slice()),
    writeParts: async () => {},
    close: async () => {},
    abort: () => {},
  }
}

async function framesOf(...messages: Parameters<typeof send>[1][]): Promise<Uint8Array[]> {
  const stream = streamOf(null)
  for (const message of messages) await send(stream, message, {})
  return stream.written
}

/** The shape of a body, on the CBOR of one. */
function bodies(
  shapes: Record<string, Shape<unknown>>,
  samples: readonly { kind: string; body: unknown }[],
): Decoder[] {
  return Object.entries(shapes).map(([kind, shape]) => ({
    name: `body of ${kind}`,
    decode: (bytes) => shape(decodeCbor(bytes, 65_536)),
    valid: samples
      .filter((sample) => sample.kind === kind)
      .slice(0, 3)
      .map(({ body }) => encodeCbor(body as Parameters<typeof encodeCbor>[0])),
    isCbor: true,
  }))
}

/** Entries of every kind, one at least. */
function sampleEntries() {
  const world = new World('decoders')
  const { founder } = world
  const [ana, rui] = [world.admit({ role: 'admin' }), world.admit()]
  world.meet()
  const node = rui.key.publicKey
  founder.write('role', { node, role: 'admin' })
  founder.write('role', { node, role: 'member' })
  founder.write('quarantine', { node })
  founder.write('release', { node })
  founder.write('revoke', { invite: filled(32) })
  founder.write('upgrade', { rules: 1 })
  const file = ana.upload()
  ana.update(file, { opens: true })
  ana.share(file)
  ana.change('trash', file)
  ana.change('restore', file, { version: 1 })
  ana.write('describe', { file: fromHex(file.file), builds: ana.head(file.file), epoch: 3, meta: filled(32) })
  ana.write('reseal', {
    file: fromHex(file.file),
    builds: ana.head(file.file),
    version: 1,
    epoch: 3,
    content: { root: filled(32), size: 10, chunk: 1 << 20 },
  })
  const offer = ana.offer(file, founder)
  ana.close('cancel', file, offer)
  founder.sync(ana)
  founder.accept(file, offer)
  founder.close('decline', file, offer)
  founder.adopt(file)
  founder.assign(file, rui)
  founder.change('purge', file)
  rui.write('capacity', { weight: 16 })
  const renews = { key: filled(16), signature: filled(64) }
  rui.write('audience', { audience: filled(16), key: filled(16), proof: filled(32), grants: filled(32), renews })
  founder.write('expel', { node, cuts: [[filled(16), 3, filled(32)]] })
  const leave = rui.leave()
  rui.left(leave, [file])
  return { world, entries: world.entries }
}

export async function decoders(): Promise<Decoder[]> {
  const { world, entries } = sampleEntries()
  const signed = entries.slice(0, 3).map(({ bytes, sig, cosig }) => ({ bytes, sig, cosig }))
  const feed = entries[0]?.feed ?? ('' as never)
  const list = { mode: 'except', branches: [HASH, 'bb'.repeat(32)] as BranchId[] } as const
  const meta = {
    name: 'photo.jpg',
    type: 'image/jpeg',
    tags: ['verão'],
    campaign: 'Natal',
    created: NOW,
    plainHash: filled(32),
    list,
  }
  const builder = createManifestBuilder(1 << 16)
  for (let i = 0; i < 3; i++) builder.add(filled(32, i))
  const manifest = builder.finish(3 << 16)
  const invite = await formatInvite(
    {
      network: NETWORK,
      networkName: 'Agência',
      invite: HASH as EntryId,
      branch: 'Rio',
      expires: NOW + 72 * 3_600_000,
      addresses: [`${ADDRESS}/p2p/${NODE}`],
      seed: filled(32, 9),
    },
    NODE,
    SIGNER,
  )
  return [
    {
      name: 'CBOR',
      decode: (bytes) => decodeCbor(bytes, 65_536),
      valid: signed.map(({ bytes }) => bytes),
      isCbor: true,
    },
    {
      name: 'frames',
      decode: (bytes) => new FrameDecoder(4096).push(bytes),
      valid: [Buffer.concat([encodeFrame(filled(10)), encodeFrame(filled(0)), encodeFrame(filled(300))])],
    },
    {
      name: 'entry',
      decode: (bytes) => decodeEntry({ bytes, sig: null, cosig: null }, world.network),
      valid: entries.map(({ bytes }) => bytes),
      isCbor: true,
    },
    ...bodies(controlBodies, entries),
    ...bodies(ordinaryBodies, entries),
    {
      name: 'frame of ledger',
      decode: decodeSyncFrame,
      valid: [
        encodeSyncFrame({ type: 'status', heads: filled(32), count: 3, state: filled(32) }),
        encodeSyncFrame({ type: 'push', entries: signed }),
        encodeSyncFrame({ type: 'ask', buckets: filled(1024) }),
        encodeSyncFrame({
          type: 'heads',
          differs: filled(8),
          heads: [{ feed, seq: 4, id: HASH as EntryId }],
          more: false,
        }),
        encodeSyncFrame({ type: 'want', ranges: [{ feed, after: -1 }] }),
        encodeSyncFrame({ type: 'entries', entries: signed }),
        encodeSyncFrame({ type: 'done' }),
        encodeSyncFrame({ type: 'announce', ids: [shortIdOf(HASH as EntryId)] }),
        encodeSyncFrame({ type: 'pull', ids: [shortIdOf(HASH as EntryId), shortIdOf(HASH as EntryId)] }),
      ],
      isCbor: true,
    },
    {
      name: 'register: hello',
      decode: (bytes) => receiveHello(streamOf(bytes), {}),
      valid: await framesOf({ v: 1, invite: filled(32) }),
      isCbor: true,
    },
    {
      name: 'register: knock',
      decode: (bytes) => receiveKnock(streamOf(bytes), {}),
      valid: await framesOf({ knock: filled(64) }),
      isCbor: true,
    },
    {
      name: 'register: join',
      decode: (bytes) => receiveJoin(streamOf(bytes), {}),
      valid: await framesOf({ node: filled(32), sealing: filled(32), proof: filled(64), accepts: filled(64) }),
      isCbor: true,
    },
    {
      name: 'register: answer',
      decode: (bytes) => receiveReply(streamOf(bytes), {}),
      valid: await framesOf(
        { t: 'challenge', nonce: filled(32) },
        { t: 'entries', entries: signed.map(({ bytes, sig, cosig }) => [bytes, sig, cosig]) },
        { t: 'admitted', admit: filled(32) },
        { t: 'addresses', peers: [[NODE, [ADDRESS]]] },
        { t: 'grants', bytes: filled(100) },
        { t: 'error', code: 'invite-used' },
        { t: 'done' },
      ),
      isCbor: true,
    },
    {
      name: 'frame of presence',
      decode: decodePresence,
      valid: [
        encodePresence({ t: 'hello', v: 1, addresses: [ADDRESS], version: '1', ms: NOW, run: filled(16), since: NOW }),
        encodePresence({ t: 'prove', run: filled(16) }),
        encodePresence({ t: 'proof', run: filled(16), since: NOW, sig: filled(64) }),
        encodePresence({ t: 'twice', run: filled(16), since: NOW, sig: filled(64) }),
        encodePresence({ t: 'sole', run: filled(16) }),
        encodePresence({ t: 'beat', n: 1, ms: NOW }),
        encodePresence({ t: 'bye' }),
      ],
      isCbor: true,
    },
    {
      name: 'facts: hello',
      decode: decodeFactsHello,
      valid: [encodeFactsHello({ start: 1, counter: 2 })],
      isCbor: true,
    },
    {
      name: 'facts: batch',
      decode: decodeFactsBatch,
      valid: [
        encodeFactsBatch({
          reset: true,
          facts: [{ topic: 'hold', key: HASH, start: 1, counter: 1, value: filled(1) }],
          at: { start: 1, counter: 1 },
          others: [[NODE, filled(20)]],
        }),
      ],
      isCbor: true,
    },
    {
      name: 'keys: request',
      decode: keys.decodeRequest,
      valid: [
        keys.encodeRequest({ ask: [[filled(16), filled(16)]] }),
        keys.encodeRequest({ notice: { file: filled(16), entry: filled(32), node: filled(32), sig: filled(64) } }),
      ],
      isCbor: true,
    },
    {
      name: 'keys: answer',
      decode: keys.decodeAnswer,
      valid: [keys.encodeAnswer({ grants: [filled(80), null] }), keys.encodeAnswer({ notice: 'kept' })],
      isCbor: true,
    },
    { name: 'boxes: request', decode: decodeBoxRequest, valid: [encodeBoxRequest([HASH as BoxHash])], isCbor: true },
    {
      name: 'transfer: request',
      decode: transfer.decodeRequest,
      valid: [
        transfer.encodeRequest({ t: 'open', root: filled(32), urgent: true, proof: filled(64) }),
        transfer.encodeRequest({ t: 'manifest', page: 0 }),
        transfer.encodeRequest({ t: 'get', indexes: [1, 2] }),
        transfer.encodeRequest({ t: 'challenge', index: 1, nonce: filled(32) }),
      ],
      isCbor: true,
    },
    {
      name: 'transfer: answer',
      decode: transfer.decodeReply,
      valid: [
        transfer.encodeControl({ t: 'ok', count: 9, bits: filled(2) }),
        transfer.encodeControl({ t: 'gone', indexes: [1] }),
        transfer.encodeControl({ t: 'answer', index: 1, hash: null }),
        Buffer.concat([transfer.chunkHeader(3), filled(40)]),
        Buffer.concat([transfer.pageHeader(1), filled(64)]),
      ],
    },
    {
      name: 'manifest',
      decode: (bytes) => manifestFromBytes({ root: manifest.root as Root, size: 3 << 16, chunk: 1 << 16 }, bytes),
      valid: [Buffer.concat(manifest.pages)],
    },
    {
      name: 'grants box',
      decode: decodeGrants,
      valid: [encodeGrants({ from: filled(32), gone: filled(40), slots: [] }, filled)],
      isCbor: true,
    },
    {
      name: 'sealed bytes',
      decode: (bytes) => unseal(filled(32), bytes, filled(4)),
      valid: [seal(filled(32), filled(12), filled(20), filled(4))],
    },
    { name: 'meta box', decode: (bytes) => openMeta(EPOCH, bytes), valid: [sealMeta(EPOCH, meta)] },
    {
      name: 'meta box, by who has the key',
      decode: (bytes) => openMeta(EPOCH, sealFileBox(EPOCH, 'meta', bytes)),
      valid: [openFileBox(EPOCH, 'meta', sealMeta(EPOCH, meta))],
    },
    {
      name: 'meta box, padded',
      decode: (bytes) => openMeta(EPOCH, sealFileBox(EPOCH, 'meta', pad(bytes))),
      valid: [unpad(openFileBox(EPOCH, 'meta', sealMeta(EPOCH, meta)))],
      isCbor: true,
    },
    {
      name: 'preview box, padded',
      decode: (bytes) => openPreview(EPOCH, sealFileBox(EPOCH, 'preview', pad(bytes))),
      valid: [unpad(openFileBox(EPOCH, 'preview', sealPreview(EPOCH, { type: 'image/png', bytes: filled(30) })))],
      isCbor: true,
    },
    {
      name: 'older key, by who has the key',
      decode: (bytes) => openOlder(EPOCH, sealFileBox(EPOCH, 'older', bytes)),
      valid: [openFileBox(EPOCH, 'older', sealOlder(EPOCH, OLDER))],
      isCbor: true,
    },
    {
      name: 'list box, padded',
      decode: (bytes) => openList(NETWORK, AUDIENCE, SECRET, sealAudienceBox(NETWORK, AUDIENCE, SECRET, pad(bytes))),
      valid: [unpad(openAudienceBox(NETWORK, AUDIENCE, SECRET, sealList(NETWORK, AUDIENCE, SECRET, list)))],
      isCbor: true,
    },
    {
      name: 'who was gone, padded',
      decode: (bytes) => openGone(NETWORK, AUDIENCE, SECRET, sealAudienceBox(NETWORK, AUDIENCE, SECRET, pad(bytes))),
      valid: [unpad(openAudienceBox(NETWORK, AUDIENCE, SECRET, sealGone(NETWORK, AUDIENCE, SECRET, [NODE])))],
      isCbor: true,
    },
    {
      name: 'what is sealed to this node',
      decode: (bytes) => openSealedTo(NETWORK, SEALING, filled(4), bytes),
      valid: [await sealTo(NETWORK, SEALING.publicKey, filled(4), filled(32))],
    },
    { name: 'invite', decode: (bytes) => parseInvite(textOf(bytes), NOW), valid: [bytesOf(invite)] },
    {
      name: 'recovery key',
      decode: (bytes) => parseRecoveryKey(textOf(bytes)),
      valid: [bytesOf(formatRecoveryKey(filled(32)))],
    },
    {
      name: 'address',
      decode: (bytes) => parseAddress(textOf(bytes)),
      valid: ['192.0.2.7:80', '[2001:db8::1]:4373', 'fe80::1%eth0', 'node.example:1', `${ADDRESS}/p2p/${NODE}`].map(
        bytesOf,
      ),
    },
    {
      name: 'multiaddr',
      decode: (bytes) => parseMultiaddr(textOf(bytes)).toString(),
      valid: [ADDRESS, `/dns4/node.example/tcp/1/p2p/${NODE}/p2p-circuit`, '/ip6zone/eth0/ip6/fe80::1/tcp/1'].map(
        bytesOf,
      ),
    },
    { name: 'PeerId', decode: (bytes) => publicKeyFromNodeId(textOf(bytes)), valid: [bytesOf(NODE)] },
    { name: 'hex', decode: (bytes) => fromHex(textOf(bytes), 32), valid: [bytesOf(HASH)] },
    {
      name: 'cursor',
      decode: (bytes) => parseCursor(textOf(bytes)),
      valid: [bytesOf('loyw3v28.AAAAAAAAAAAAAAAAAAAAAA')],
    },
  ]
}
