/**
 * A member with software of its own that keeps everything it ever saw: the identity and every key in a copy of its data
 * folder, the protocols of the network on the wire, and a try of every key on whatever it can lay hands on.
 */
import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decodeGrants, openList, openOlder } from '../../packages/core/src/catalogue/boxes-format.ts'
import { decodeAnswer, encodeRequest, type KeysRequest } from '../../packages/core/src/catalogue/keys-format.ts'
import { recordsIn } from '../../packages/core/src/catalogue/testing.ts'
import type { SharedEpoch } from '../../packages/core/src/catalogue/types.ts'
import { createVault } from '../../packages/core/src/catalogue/vault.ts'
import { decodeCbor, encodeFrame, FrameDecoder } from '../../packages/core/src/codec/index.ts'
import { encodeBoxRequest } from '../../packages/core/src/content/boxes-protocol.ts'
import {
  deriveEpochKeys,
  type EpochKeys,
  grantSlot,
  openChunk,
  openFileBox,
  openSealedTo,
  proveKey,
  SEAL_OVERHEAD,
  unwrapFileKey,
} from '../../packages/core/src/crypto/index.ts'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import {
  type BoxHash,
  type FileId,
  idBytes,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
} from '../../packages/core/src/ids.ts'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { encodeRequest as encodeTransferRequest } from '../../packages/core/src/transfer/protocol.ts'
import { ask, type Stranger, startStranger } from './stranger.ts'

const FRAME_MAX = 2 * 1024 * 1024

/** Copies a data folder whose node does not run. */
export function keepCopy(dataDir: string, to: string): string {
  cpSync(dataDir, to, { recursive: true })
  return to
}

/** Every 32-byte secret in the local database of a data folder. */
export function secretsIn(dataDir: string): Uint8Array[] {
  const db = openDatabase({ path: join(dataDir, 'network', 'local.db'), migrations: migrationsFolder('local') })
  try {
    const vault = createVault(db)
    const audience = db.prepare<{ secret: Uint8Array }>('SELECT secret FROM audience_secrets').all()
    const slots = db.prepare<{ slot: number }>('SELECT slot FROM file_secrets').all()
    return [...audience.map(({ secret }) => secret), ...slots.map(({ slot }) => Uint8Array.from(vault.get(slot)))]
  } finally {
    db.close()
  }
}

/** The key of a file's access epoch, of the secrets in a data folder. */
export function fileKeyIn(dataDir: string, network: string, file: string, { epoch, proof }: SharedEpoch): Uint8Array {
  const isIt = (secret: Uint8Array) =>
    Buffer.compare(deriveEpochKeys(network as NetworkId, file as FileId, epoch, secret).proof.publicKey, proof) === 0
  const found = secretsIn(dataDir).find(isIt)
  if (found === undefined) throw new Error(`no key of ${file} in ${dataDir}`)
  return found
}

/** What every member's ledger shows of a file, also while the node runs. */
export function sharedRows(
  dataDir: string,
  file: string,
): { epochs: readonly SharedEpoch[]; root: string; meta: string } {
  for (const { file: row, versions, epochs } of recordsOf(dataDir)) {
    if (row.file !== file) continue
    const current = versions.findLast(({ conflict }) => !conflict)
    if (current === undefined) throw new Error(`no version of ${file}`)
    return { epochs, root: current.root, meta: row.meta }
  }
  throw new Error(`no file ${file} in ${dataDir}`)
}

function recordsOf(dataDir: string) {
  const db = new DatabaseSync(join(dataDir, 'network', 'shared.db'), { readOnly: true })
  try {
    return [...recordsIn(db)]
  } finally {
    db.close()
  }
}

export interface Attempt {
  readonly network: string
  readonly file: string
  readonly secrets: readonly Uint8Array[]
  readonly epochs: readonly SharedEpoch[]
}

/** The keys of a file's access epochs that these secrets are, unwrap, or lead to from a newer epoch. */
function epochKeysFrom({ network, file, secrets, epochs }: Attempt): EpochKeys[] {
  const keys: EpochKeys[] = []
  const tried = new Set<string>()
  const add = (epoch: number, secret: Uint8Array) => {
    const name = `${epoch} ${Buffer.from(secret).toString('hex')}`
    if (tried.has(name)) return
    tried.add(name)
    const made = deriveEpochKeys(network as NetworkId, file as FileId, epoch, secret)
    keys.push(made)
    const older = epochs.find((each) => each.epoch === epoch)?.older ?? null
    const found = older === null ? null : orNull(() => openOlder(made, older))
    if (found !== null) add(found.epoch, found.key)
  }
  for (const { epoch, wrap } of epochs) {
    for (const secret of secrets) {
      add(epoch, secret)
      const unwrapped = orNull(() => unwrapFileKey(network as NetworkId, secret, file as FileId, epoch, wrap))
      if (unwrapped !== null) for (const each of epochs) add(each.epoch, unwrapped)
    }
  }
  return keys
}

function orNull<T>(open: () => T): T | null {
  try {
    return open()
  } catch {
    return null // not by this key
  }
}

/** The plain bytes, by whatever key there is, directly or through what one key unwraps; null when none opens it. */
export function tryAll(attempt: Attempt, what: 'chunk' | 'meta', sealed: Uint8Array): Uint8Array | null {
  return tryKeys(epochKeysFrom(attempt), what, sealed)
}

function tryKeys(
  keys: readonly EpochKeys[],
  what: 'chunk' | 'meta' | 'preview',
  sealed: Uint8Array,
): Uint8Array | null {
  for (const each of keys) {
    const plain = orNull(() =>
      what === 'chunk' ? openChunk(each, 0, sealed.length - SEAL_OVERHEAD, sealed) : openFileBox(each, what, sealed),
    )
    if (plain !== null) return plain
  }
  return null
}

/**
 * Of everything that lies sealed in these folders, also of nodes that run, what somebody with these keys can open: one
 * name for each chunk file, box of a file, list of an audience, and audience key that is wrapped for the identity.
 * @param as whose data folder has the identity
 */
export async function openable(
  network: string,
  { as, secrets }: { as: string; secrets: readonly Uint8Array[] },
  folders: readonly string[],
): Promise<string[]> {
  const { sealing } = loadIdentity(as)
  const found = new Set<string>()
  for (const folder of folders) {
    const { chunks, boxes } = sealedIn(folder)
    for (const { file, epochs } of recordsOf(folder)) {
      const keys = epochKeysFrom({ network, file: file.file, secrets, epochs })
      for (const [root, sealed] of chunks) if (tryKeys(keys, 'chunk', sealed) !== null) found.add(`chunk ${root}`)
      for (const [hash, sealed] of boxes) {
        for (const what of ['meta', 'preview'] as const)
          if (tryKeys(keys, what, sealed) !== null) found.add(`${what} ${hash}`)
        for (const { audience, key } of epochs) {
          for (const secret of secrets)
            if (orNull(() => openList(network as NetworkId, audience, secret, sealed)) !== null)
              found.add(`list ${hash}`)
          const grants = orNull(() => decodeGrants(sealed))
          if (grants === null) continue
          const own = grantSlot(network as NetworkId, sealing, grants.from, audience, key)
          const slot = grants.slots.find(([name]) => Buffer.compare(name, own) === 0)
          const context = Buffer.concat([idBytes(audience), idBytes(key)])
          const secret = await (slot && openSealedTo(network as NetworkId, sealing, context, slot[1]).catch(() => null))
          if (secret != null) found.add(`key ${key}`)
        }
      }
    }
  }
  return [...found].sort()
}

/** Every version's first chunk, and every box, by name. */
function sealedIn(dataDir: string): { chunks: [string, Uint8Array][]; boxes: [string, Uint8Array][] } {
  const chunks: [string, Uint8Array][] = []
  for (const name of readdirSync(join(dataDir, 'network', 'store'), { recursive: true, encoding: 'utf8' })) {
    const root = /([0-9a-f]{64})\.sealed$/.exec(name)?.[1]
    const sealed = root === undefined ? null : chunkOnDisk(dataDir, root)
    if (root !== undefined && sealed !== null) chunks.push([root, sealed])
  }
  const db = new DatabaseSync(join(dataDir, 'network', 'local.db'), { readOnly: true })
  try {
    const rows = db.prepare('SELECT hash, bytes FROM boxes').all() as { hash: Uint8Array; bytes: Uint8Array }[]
    return { chunks, boxes: rows.map(({ hash, bytes }) => [Buffer.from(hash).toString('hex'), bytes]) }
  } finally {
    db.close()
  }
}

/** The first sealed chunk of a version that a node holds, from its disk; null when it has none. */
export function chunkOnDisk(dataDir: string, root: string): Uint8Array | null {
  try {
    const path = join(dataDir, 'network', 'store', root.slice(0, 2), `${root}.sealed`)
    return new Uint8Array(readFileSync(path)).subarray(0, 1024 * 1024 + SEAL_OVERHEAD)
  } catch {
    return null
  }
}

/** Where any of these byte strings lie in a folder; the files are read whole. */
export function scan(folder: string, needles: readonly (string | Uint8Array)[]): string[] {
  const found: string[] = []
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    if (!statSync(path).isFile()) continue
    const bytes = readFileSync(path)
    for (const needle of needles) {
      if (typeof needle === 'string') {
        if (bytes.includes(needle)) found.push(`${name}: ${needle}`)
      } else if (bytes.includes(Buffer.from(needle))) found.push(`${name}: ${Buffer.from(needle).toString('hex')}`)
    }
  }
  return found
}

/** As that member, on the wire. */
export interface Adversary {
  readonly id: NodeId
  keys(address: string, request: KeysRequest): Promise<ReturnType<typeof decodeAnswer> | null>
  box(address: string, hash: string): Promise<Uint8Array | null>
  /** How a source answers to `open`: `ok`, or why not; null when it says nothing. */
  open(address: string, root: string, proof?: Uint8Array): Promise<string | null>
  /** A proof of having an epoch's key, as the protocol wants it, with a key of the adversary's. */
  proof(init: { file: string; epoch: number; secret: Uint8Array; root: string; server: string }): Uint8Array
  stop(): Promise<void>
}

/** @param dataDir of a node that does not run now */
export async function startAdversary(dataDir: string, network: string): Promise<Adversary> {
  const stranger: Stranger = await startStranger(dataDir)
  const protocol = (name: string) => `/malote/${network.slice(0, 16)}/${name}/1`

  async function exchange(address: string, name: string, message: Uint8Array): Promise<Uint8Array | null> {
    const connection = await stranger.dial(address)
    const { bytes } = await ask(connection, protocol(name), encodeFrame(message), { untilAnswered: true })
    await connection.close()
    const [frame] = new FrameDecoder(FRAME_MAX).push(bytes)
    return frame ?? null
  }

  return {
    id: stranger.id as NodeId,
    async keys(address, request) {
      const frame = await exchange(address, 'keys', encodeRequest(request))
      return frame === null ? null : decodeAnswer(frame)
    },
    async box(address, hash) {
      const frame = await exchange(address, 'boxes', encodeBoxRequest([hash as BoxHash]))
      return frame === null || frame.length === 0 ? null : frame
    },
    async open(address, root, proof) {
      const message = { t: 'open' as const, root: Buffer.from(root, 'hex'), urgent: true }
      const frame = await exchange(
        address,
        'transfer',
        encodeTransferRequest(proof === undefined ? message : { ...message, proof }),
      )
      if (frame === null) return null
      const answer = decodeCbor(frame.subarray(1), FRAME_MAX) as { t: string; code?: string }
      return answer.t === 'no' ? (answer.code ?? 'no') : answer.t
    },
    proof({ file, epoch, secret, root, server }) {
      const keys = deriveEpochKeys(network as NetworkId, file as FileId, epoch, secret)
      const parts = [publicKeyFromNodeId(stranger.id as NodeId), publicKeyFromNodeId(server as NodeId)]
      return proveKey(keys, Buffer.from(root, 'hex'), ...parts)
    },
    stop: () => stranger.stop(),
  }
}
