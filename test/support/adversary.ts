/**
 * A member with software of its own that keeps everything it ever saw: the identity and every key in a copy of its data
 * folder, the protocols of the network on the wire, and a try of every key on whatever it can lay hands on.
 */
import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decodeAnswer, encodeRequest, type KeysRequest } from '../../packages/core/src/catalogue/keys-format.ts'
import { recordsIn } from '../../packages/core/src/catalogue/testing.ts'
import type { SharedEpoch } from '../../packages/core/src/catalogue/types.ts'
import { createVault } from '../../packages/core/src/catalogue/vault.ts'
import { decodeCbor, encodeFrame, FrameDecoder } from '../../packages/core/src/codec/index.ts'
import { encodeBoxRequest } from '../../packages/core/src/content/boxes-protocol.ts'
import {
  deriveEpochKeys,
  openChunk,
  openFileBox,
  proveKey,
  SEAL_OVERHEAD,
  unwrapFileKey,
} from '../../packages/core/src/crypto/index.ts'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import {
  type BoxHash,
  type FileId,
  type NetworkId,
  type NodeId,
  publicKeyFromNodeId,
} from '../../packages/core/src/ids.ts'
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

/** What every member's ledger shows of a file, also while the node runs. */
export function sharedRows(
  dataDir: string,
  file: string,
): { epochs: readonly SharedEpoch[]; root: string; meta: string } {
  const db = new DatabaseSync(join(dataDir, 'network', 'shared.db'), { readOnly: true })
  try {
    for (const { file: row, versions, epochs } of recordsIn(db)) {
      if (row.file !== file) continue
      const current = versions.findLast(({ conflict }) => !conflict)
      if (current === undefined) throw new Error(`no version of ${file}`)
      return { epochs, root: current.root, meta: row.meta }
    }
    throw new Error(`no file ${file} in ${dataDir}`)
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

/** The plain bytes, by whatever key there is, directly or through what one key unwraps; null when none opens it. */
export function tryAll(attempt: Attempt, what: 'chunk' | 'meta', sealed: Uint8Array): Uint8Array | null {
  const network = attempt.network as NetworkId
  const file = attempt.file as FileId
  const keys = [...attempt.secrets]
  for (const { epoch, wrap } of attempt.epochs) {
    for (const secret of attempt.secrets) {
      try {
        keys.push(unwrapFileKey(network, secret, file, epoch, wrap))
      } catch {
        // not the key that this one was wrapped by
      }
    }
  }
  for (const secret of keys) {
    for (const { epoch } of attempt.epochs) {
      const epochKeys = deriveEpochKeys(network, file, epoch, secret)
      try {
        return what === 'meta'
          ? openFileBox(epochKeys, 'meta', sealed)
          : openChunk(epochKeys, 0, sealed.length - SEAL_OVERHEAD, sealed)
      } catch {
        // not this one
      }
    }
  }
  return null
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
export function scan(folder: string, needles: readonly string[]): string[] {
  const found: string[] = []
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    if (!statSync(path).isFile()) continue
    const bytes = readFileSync(path)
    for (const needle of needles) {
      if (bytes.includes(needle)) found.push(`${name}: ${needle}`)
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
