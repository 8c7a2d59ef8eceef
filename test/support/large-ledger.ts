/** Entries by the thousand in the folder of a node that does not run: written by its own key, stored and executed as ever. */
import { join } from 'node:path'
import { createSharedState, kindInfo } from '../../packages/core/src/catalogue/index.ts'
import { systemClock } from '../../packages/core/src/clock.ts'
import type { CborValue } from '../../packages/core/src/codec/index.ts'
import { migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import { type EntryId, idBytes, type NetworkId } from '../../packages/core/src/ids.ts'
import { makeEntry } from '../../packages/core/src/ledger/entry.ts'
import { createLedger, type SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { memorySettings, nobodyAround } from '../../packages/core/src/ledger/testing.ts'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { systemRandom } from '../../packages/core/src/random.ts'
import { newFeed, uploadBody } from '../bench/ledger-source.ts'

const BATCH = 1000

/** Files that were shared and purged: two entries each, and nothing that anybody would have to fetch. */
export function addPurgedFiles(dataDir: string, network: NetworkId, count: number): void {
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
  let batch: SignedBytes[] = []
  const write = (kind: string, body: CborValue): EntryId => {
    const { incarnation, seq, prev } = feed
    const entry = makeEntry({ network, incarnation, seq, prev, ms, counter: seq, kind, seen: [], body }, signing)
    feed.seq += 1
    feed.prev = entry.id
    batch.push({ bytes: entry.bytes, sig: entry.sig, cosig: null })
    return entry.id
  }
  for (let at = 0; at < count; at++) {
    const body = uploadBody(network, feed)
    const upload = write('upload', body)
    write('purge', { file: body.file ?? null, builds: idBytes(upload) })
    if (batch.length < BATCH && at < count - 1) continue
    const { stored } = ledger.ingest(batch)
    if (stored !== batch.length) throw new Error(`${stored} of ${batch.length} were taken`)
    batch = []
  }
  db.close()
}
