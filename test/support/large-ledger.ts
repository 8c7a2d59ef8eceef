/** Entries by the thousand in the folder of a node that does not run: written by its own key, stored and executed as ever. */
import { join } from 'node:path'
import { createSharedState, kindInfo } from '../../packages/core/src/catalogue/index.ts'
import { systemClock } from '../../packages/core/src/clock.ts'
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import {
  generateSealingKey,
  generateSigningKey,
  type SealingKey,
  type SigningKey,
  sign,
} from '../../packages/core/src/crypto/index.ts'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import { type EntryId, idBytes, type NetworkId, type NodeId, nodeIdFromPublicKey } from '../../packages/core/src/ids.ts'
import { makeEntry } from '../../packages/core/src/ledger/entry.ts'
import { createLedger, frontier, type SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { memorySettings, nobodyAround } from '../../packages/core/src/ledger/testing.ts'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { systemRandom } from '../../packages/core/src/random.ts'
import { newFeed, uploadBody } from '../bench/ledger-source.ts'

const BATCH = 1000

/** A member that has no machine: its keys, for what it would do. */
export interface PaperMember {
  readonly node: NodeId
  readonly signing: SigningKey
  readonly sealing: SealingKey
}

/** Files that were shared and purged: two entries each, and nothing that anybody would have to fetch. */
export function addPurgedFiles(dataDir: string, network: NetworkId, count: number): void {
  const pen = takePen(dataDir, network)
  for (let at = 0; at < count; at++) {
    const body = uploadBody(network, pen.feed)
    const upload = pen.write('upload', body)
    pen.write('purge', { file: body.file ?? null, builds: idBytes(upload) })
  }
  pen.close()
}

/** Branches that were invited and let in, none of which ever comes online: `Filial 2` and so on. */
export function addMembers(dataDir: string, network: NetworkId, count: number): PaperMember[] {
  const pen = takePen(dataDir, network)
  const members = Array.from({ length: count }, (_, at): PaperMember => {
    const [key, signing, sealing] = [generateSigningKey(), generateSigningKey(), generateSealingKey()]
    const invite = pen.write('invite', {
      key: key.publicKey,
      branch: `Filial ${at + 2}`,
      role: 'member',
      expires: Date.now() + 72 * 3_600_000,
    })
    const [node, box, invited] = [signing.publicKey, sealing.publicKey, idBytes(invite)]
    pen.write('admit', {
      invite: invited,
      node,
      sealing: box,
      proof: sign(key, 'invite', network, node, box),
      accepts: sign(signing, 'join', network, invited, box),
    })
    return { node: nodeIdFromPublicKey(node), signing, sealing }
  })
  pen.close()
  return members
}

/** Writes into a feed of its own with the node's key; in batches, as a member would hand them over. */
function takePen(dataDir: string, network: NetworkId) {
  const { signing } = loadIdentity(dataDir)
  const db = openDatabase({
    path: join(dataDir, 'network', 'shared.db'),
    migrations: migrationsFolder('shared'),
    synchronous: 'normal',
  })
  const ledger = createLedger({
    db,
    local: memorySettings(),
    network,
    signer: signing,
    clock: systemClock,
    random: systemRandom,
    kinds: kindInfo,
    apply: (entries) => state.apply(entries),
    ...nobodyAround,
  })
  const state = createSharedState({ db, entries: ledger, network: () => ledger.network() })
  const feed = newFeed(signing)
  const ms = Date.now()
  let seen = frontier(ledger.control())
  let batch: SignedBytes[] = []

  function flush(): void {
    const { stored } = ledger.ingest(batch)
    if (stored !== batch.length) throw new Error(`${stored} of ${batch.length} were taken`)
    batch = []
  }

  return {
    feed,
    write(kind: string, body: CborValue): EntryId {
      const { incarnation, seq, prev } = feed
      const isControl = kindInfo(kind)?.isControl === true
      const entry = makeEntry(
        { network, incarnation, seq, prev, ms, counter: seq, kind, seen: isControl ? seen : [], body },
        signing,
      )
      if (isControl) seen = [entry.id]
      feed.seq += 1
      feed.prev = entry.id
      batch.push({ bytes: entry.bytes, sig: entry.sig, cosig: null })
      if (batch.length >= BATCH) flush()
      return entry.id
    },
    close(): void {
      flush()
      db.close()
    },
  }
}
