/** What a newcomer catches up with: a founded network of 70 branches whose entries are uploads, and the frames that a member answers with. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { kindInfo } from '../../packages/core/src/catalogue/index.ts'
import { unique, World } from '../../packages/core/src/catalogue/testing.ts'
import { systemClock } from '../../packages/core/src/clock.ts'
import { type CborValue, encodeCbor } from '../../packages/core/src/codec/index.ts'
import { type SigningKey, sha256, sign } from '../../packages/core/src/crypto/index.ts'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import { type EntryId, idBytes, idFrom, type NetworkId } from '../../packages/core/src/ids.ts'
import { BUCKET_HASH_BYTES, BUCKETS } from '../../packages/core/src/ledger/heads.ts'
import { createLedger, type SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { encodeSyncFrame } from '../../packages/core/src/ledger/sync-frames.ts'
import { serveFetch } from '../../packages/core/src/ledger/sync-serve.ts'
import { memorySettings, nobodyAround } from '../../packages/core/src/ledger/testing.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import type { FrameStream } from '../../packages/core/src/network/index.ts'
import { systemRandom } from '../../packages/core/src/random.ts'

const AUTHORS = 70
/** Entries that one author writes before another one does: somebody shares a folder. */
const BURST = 8

export interface Feed {
  readonly key: SigningKey
  readonly incarnation: Uint8Array
  seq: number
  prev: EntryId | null
}

export interface Source {
  readonly world: World
  readonly feeds: readonly Feed[]
  /** recorded answer of a member to one who has nothing */
  readonly frames: string
  readonly entries: number
  readonly bytesPerEntry: number
  readonly msPerEntry: { readonly serve: number }
}

/** One signed upload, as every node writes them. */
export function signedUpload(network: NetworkId, feed: Feed, ms: number): SignedBytes {
  return signedEntry(network, feed, ms, 'upload', uploadBody(network, feed))
}

export function uploadBody(network: NetworkId, feed: Feed): { readonly [key: string]: CborValue } {
  const salt = unique(16)
  const file = fileIdFor(network, feed.key.publicKey, salt)
  return {
    file: idBytes(file),
    salt,
    content: { root: systemRandom.bytes(32), size: 3_000_000, chunk: 1 << 20 },
    opens: {
      epoch: 1,
      audience: new Uint8Array(16),
      key: new Uint8Array(16).fill(3),
      wrap: systemRandom.bytes(60),
      proof: systemRandom.bytes(32),
    },
    meta: systemRandom.bytes(32),
  }
}

function signedEntry(network: NetworkId, feed: Feed, ms: number, kind: string, body: CborValue): SignedBytes {
  const prev = feed.prev === null ? null : idBytes(feed.prev)
  const bytes = new Uint8Array(
    encodeCbor([1, idBytes(network), feed.key.publicKey, feed.incarnation, feed.seq, prev, ms, 0, kind, [], body]),
  )
  const id = sha256(bytes)
  feed.seq += 1
  feed.prev = idFrom<EntryId>(id)
  return { bytes, sig: sign(feed.key, 'entry', network, id), cosig: null }
}

export function newFeed(key: SigningKey): Feed {
  return { key, incarnation: systemRandom.bytes(16), seq: 0, prev: null }
}

/** Makes the network, stores it as its members do, and records the frames with which a member hands it over. */
export async function makeSource(folder: string, uploads: number): Promise<Source> {
  const world = new World()
  world.now = Date.now() - uploads - 3_600_000
  while (world.actors.length < AUTHORS) world.admit()
  const { network } = world
  const db = openDatabase({
    path: join(folder, 'source.db'),
    migrations: migrationsFolder('shared'),
    synchronous: 'normal',
  })
  const ledger = createLedger({
    db,
    local: memorySettings(),
    network,
    signer: world.founder.key,
    clock: systemClock,
    random: systemRandom,
    kinds: kindInfo,
    apply: () => undefined,
    ...nobodyAround,
  })
  ledger.ingest(world.entries)
  const feeds = world.actors.map(({ key }) => newFeed(key))
  const began = Date.now() - uploads - 1_800_000
  let batch: SignedBytes[] = []
  let bytes = 0
  for (let n = 0; n < uploads; n++) {
    const feed = feeds[Math.floor(n / BURST) % AUTHORS] as Feed
    const entry = signedUpload(network, feed, began + n)
    bytes += entry.bytes.length
    batch.push(entry)
    if (batch.length === 1000 || n === uploads - 1) {
      const { stored } = ledger.ingest(batch)
      if (stored !== batch.length) throw new Error(`the source took ${stored} of ${batch.length}`)
      batch = []
    }
  }
  const frames = join(folder, 'frames')
  const beganServing = performance.now()
  const recorder = recordingStream(frames, [
    encodeSyncFrame({
      type: 'want',
      ranges: ledger.heads().map(({ feed }) => ({ feed, after: -1 })),
    }),
  ])
  await serveFetch(ledger, recorder, new Uint8Array(BUCKETS * BUCKET_HASH_BYTES), new AbortController().signal)
  const serve = (performance.now() - beganServing) / ledger.count()
  const entries = ledger.count()
  ledger.close()
  db.close()
  return { world, feeds, frames, entries, bytesPerEntry: bytes / uploads, msPerEntry: { serve } }
}

function recordingStream(path: string, reads: Uint8Array[]): FrameStream {
  const file = openSync(path, 'w')
  return {
    peer: '' as FrameStream['peer'],
    path: 'tcp',
    async write(frame) {
      const header = Buffer.alloc(4)
      header.writeUInt32BE(frame.length)
      writeSync(file, header)
      writeSync(file, frame)
    },
    writeParts: () => Promise.reject(new Error('not used')),
    read: async () => reads.shift() ?? null,
    close: async () => closeSync(file),
    abort: () => closeSync(file),
  }
}

/** The other end: gives the recorded frames, one for each read, as a network would that is never the slower one. */
export function replayingStream(path: string, onRead: () => void): FrameStream {
  const file = openSync(path, 'r')
  const header = Buffer.alloc(4)
  return {
    peer: '' as FrameStream['peer'],
    path: 'tcp',
    write: async () => undefined,
    writeParts: async () => undefined,
    async read() {
      onRead()
      if (readSync(file, header, 0, 4, null) < 4) return null
      const frame = new Uint8Array(header.readUInt32BE(0))
      readSync(file, frame, 0, frame.length, null)
      return frame
    },
    close: async () => closeSync(file),
    abort: () => closeSync(file),
  }
}
