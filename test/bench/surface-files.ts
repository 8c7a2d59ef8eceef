/**
 * Files by the million in the folder of a node that does not run, as another branch has shared them: signed entries,
 * taken in and folded as from a member, and their boxes in the box store. At its start the node opens each box itself.
 */
import { join } from 'node:path'
import { EVERYONE_LIST } from '../../packages/core/src/catalogue/audience-list.ts'
import { sealMeta } from '../../packages/core/src/catalogue/boxes-format.ts'
import { createSharedState, kindInfo } from '../../packages/core/src/catalogue/index.ts'
import { createKeyring, type HeldAudienceKey, type Keyring } from '../../packages/core/src/catalogue/keyring.ts'
import { systemClock } from '../../packages/core/src/clock.ts'
import { createBoxStore } from '../../packages/core/src/content/index.ts'
import { deriveEpochKeys, newFileKey, wrapFileKey } from '../../packages/core/src/crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../../packages/core/src/database/index.ts'
import { idBytes, type NetworkId } from '../../packages/core/src/ids.ts'
import { makeEntry } from '../../packages/core/src/ledger/entry.ts'
import { createLedger, type SignedBytes } from '../../packages/core/src/ledger/index.ts'
import { memorySettings, nobodyAround } from '../../packages/core/src/ledger/testing.ts'
import { fileIdFor } from '../../packages/core/src/membership/index.ts'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'
import { systemRandom } from '../../packages/core/src/random.ts'
import type { PaperMember } from '../support/large-ledger.ts'
import { newFeed } from './ledger-source.ts'

const BATCH = 1000
const CHUNK = 1 << 20
const SIZE = 3_000_000

/** The files are for everyone, with the audience key that the node has: it must have shared a file before. */
export function addSharedFiles(dataDir: string, network: NetworkId, author: PaperMember, count: number): void {
  const folder = join(dataDir, 'network')
  const open = (name: 'shared' | 'local') =>
    openDatabase({ path: join(folder, `${name}.db`), migrations: migrationsFolder(name), synchronous: 'normal' })
  const shared = open('shared')
  const local = open('local')
  try {
    writeFiles({ shared, local, network, author, count, signer: loadIdentity(dataDir).signing })
  } finally {
    local.close()
    shared.close()
  }
}

function keyForEveryone(keyring: Keyring): HeldAudienceKey {
  const found = [...keyring.audienceKeys()].find(({ list }) => list?.mode === 'everyone')
  if (found === undefined) throw new Error('the node has no key for everyone')
  return found
}

interface Writing {
  readonly shared: Database
  readonly local: Database
  readonly network: NetworkId
  readonly author: PaperMember
  readonly count: number
  readonly signer: PaperMember['signing']
}

function writeFiles({ shared, local, network, author, count, signer }: Writing): void {
  const ledger = createLedger({
    db: shared,
    local: memorySettings(),
    network,
    signer,
    clock: systemClock,
    random: systemRandom,
    kinds: kindInfo,
    apply: (entries) => state.apply(entries),
    ...nobodyAround,
  })
  const state = createSharedState({ db: shared, entries: ledger, network: () => ledger.network() })
  const keyring = createKeyring({ db: local, network, reads: state })
  const everyone = keyForEveryone(keyring)
  const boxes = createBoxStore({
    database: local,
    host: { handle: () => () => undefined, open: () => Promise.reject(new Error('not used')) },
    mayServe: () => false,
  })
  const feed = newFeed(author.signing)
  const began = Date.now() - count
  const plainHash = new Uint8Array(32)

  function nextFile(n: number): SignedBytes {
    const salt = systemRandom.bytes(16)
    const file = fileIdFor(network, author.signing.publicKey, salt)
    const keys = deriveEpochKeys(network, file, 1, newFileKey())
    const meta = boxes.put(
      sealMeta(keys, {
        name: `Foto ${String(n).padStart(7, '0')} da campanha.jpg`,
        type: 'image/jpeg',
        tags: ['print', 'aprovado'],
        campaign: `Verão ${n % 40}`,
        created: began + n,
        plainHash,
        list: EVERYONE_LIST,
      }),
    )
    const { incarnation, seq, prev } = feed
    const entry = makeEntry(
      {
        network,
        incarnation,
        seq,
        prev,
        ms: began + n,
        counter: 0,
        kind: 'upload',
        seen: [],
        body: {
          file: idBytes(file),
          salt,
          content: { root: systemRandom.bytes(32), size: SIZE, chunk: CHUNK },
          opens: {
            epoch: 1,
            audience: idBytes(everyone.audience),
            key: idBytes(everyone.key),
            wrap: wrapFileKey(network, everyone.secret, file, 1, keys.fileKey),
            proof: keys.proof.publicKey,
          },
          meta: idBytes(meta),
        },
      },
      author.signing,
    )
    feed.seq += 1
    feed.prev = entry.id
    return { bytes: entry.bytes, sig: entry.sig, cosig: null }
  }

  for (let n = 0; n < count; ) {
    const batch: SignedBytes[] = []
    local.write(() => {
      for (; n < count && batch.length < BATCH; n++) batch.push(nextFile(n))
    })
    const { stored } = ledger.ingest(batch)
    if (stored !== batch.length) throw new Error(`${stored} of ${batch.length} were taken`)
  }
  boxes.stop()
  ledger.close()
}
