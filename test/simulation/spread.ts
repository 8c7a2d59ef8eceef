/**
 * How an entry spreads among very many: the real `createSync` over the simulated network, every node with a few
 * connections, its ledger reduced to what spreading asks of it (the real index of heads, entries in memory).
 */

import { type SigningKey, sha256, signingKeyFromSeed } from '../../packages/core/src/crypto/index.ts'
import {
  type EntryId,
  feedIdFrom,
  idFrom,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
} from '../../packages/core/src/ids.ts'
import { makeEntry } from '../../packages/core/src/ledger/entry.ts'
import { HeadIndex } from '../../packages/core/src/ledger/heads.ts'
import {
  createSync,
  decodeEntry,
  type EntriesEvent,
  type Entry,
  type Ledger,
  type SignedBytes,
  type Sync,
} from '../../packages/core/src/ledger/index.ts'
import { Prng } from './prng.ts'
import { seedCrypto } from './seeded-crypto.ts'
import { SimHost, SimNetwork } from './sim-network.ts'
import { NodeClock, Timeline } from './timeline.ts'

export interface SpreadInit {
  readonly seed: string
  readonly nodes: number
  /** connections of one node at most */
  readonly connections: number
  /** one way, ms; always the same, so that time counts messages */
  readonly delayMs: number
  /** entries written one after the other, each when the one before is everywhere */
  readonly entries: number
}

export interface Spread {
  /** message delays until the last node had the entry, of the slowest entry */
  readonly worstDelays: number
  readonly meanDelays: number
  /** bytes handed to the network for one entry, by node, in multiples of the entry; the idle chatter taken off */
  readonly bytesRatio: number
  readonly entryBytes: number
  /** highest number of connections that a node had */
  readonly connections: number
}

const NETWORK = idFrom<NetworkId>(sha256(new TextEncoder().encode('spread')))
/** Statuses at rest, which say nothing of one entry, come seldom. */
const HEADS_MS = 60_000
const PATIENCE_MS = 120_000

/** What spreading needs of a ledger: entries of feeds in order, all authors known, nothing executed. */
class LightLedger {
  readonly self: NodeId
  readonly heads = new HeadIndex()
  readonly #all: Entry[] = []
  readonly #places = new Map<EntryId, number>()
  readonly #listeners = new Set<(event: EntriesEvent) => void>()

  constructor(self: NodeId) {
    this.self = self
  }

  network(): NetworkId {
    return NETWORK
  }

  count(): number {
    return this.#all.length
  }

  get(id: EntryId): Entry | undefined {
    return this.#all[(this.#places.get(id) ?? 0) - 1]
  }

  #take(entry: Entry): void {
    this.#all.push(entry)
    this.#places.set(entry.id, this.#all.length)
    this.heads.put({ ...entry, tipKey: this.#all.length }, entry.prev ?? undefined)
  }

  own(entry: Entry): void {
    this.#take(entry)
    this.#tell([entry], 'own', null)
  }

  #tell(entries: readonly Entry[], origin: EntriesEvent['origin'], from: NodeId | null): void {
    for (const listener of this.#listeners) listener({ entries, origin, from })
  }

  ingest(entries: readonly SignedBytes[], from: { peer: NodeId; live: boolean }) {
    const taken: Entry[] = []
    const missing = new Set<Entry['feed']>()
    for (const signed of entries) {
      const entry = decodeEntry(signed, NETWORK)
      if (this.#places.has(entry.id)) continue
      if (entry.prev !== null && !this.#places.has(entry.prev)) missing.add(entry.feed)
      else {
        this.#take(entry)
        taken.push(entry)
      }
    }
    if (taken.length > 0) this.#tell(taken, from.live ? 'live' : 'catch-up', from.peer)
    const duplicates = entries.length - taken.length
    return { stored: taken.length, duplicates, waiting: 0, missing: [...missing], refused: [] }
  }

  onEntries(listener: (event: EntriesEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  readonly sync = {
    headsHash: () => this.heads.hash(),
    buckets: () => this.heads.buckets(),
    headsIn: (bucket: number) => this.heads.inBucket(bucket),
    knows: ({ id }: { id: EntryId }) => this.#places.has(id),
    reach: (feed: Entry['feed']) => this.heads.highest(feed),
    arrivalsAfter: (feed: Entry['feed'], seq: number) =>
      this.#all.flatMap((entry, at) => (entry.feed === feed && entry.seq > seq ? [at + 1] : [])),
    byArrival: (arrival: number) => this.#all[arrival - 1],
    unconfirmedOwn: () => null,
  }
}

interface LightNode {
  readonly key: SigningKey
  readonly ledger: LightLedger
  readonly host: SimHost
  readonly sync: Sync
}

export async function measureSpread(init: SpreadInit): Promise<Spread> {
  seedCrypto(init.seed)
  const random = new Prng(`spread ${init.seed}`)
  const timeline = new Timeline()
  const network = new SimNetwork(timeline, new Prng(`frames ${init.seed}`))
  network.weather = { delay: [init.delayMs, init.delayMs], loss: 0, duplicates: 0, reordering: 0 }
  const nodes = Array.from({ length: init.nodes }, (_, index) => makeNode(index, random, timeline, network))
  connect(nodes, init.connections, random, network)
  for (const { sync } of nodes) sync.start()
  await timeline.pass(5000)

  const idle = await bytesIn(network, timeline, PATIENCE_MS)
  const delays: number[] = []
  let bytes = 0
  let entryBytes = 0
  for (let index = 0; index < init.entries; index++) {
    const author = random.pick(nodes)
    if (author === undefined) throw new TypeError('no nodes')
    const entry = note(author.key, timeline.now, random)
    entryBytes = entry.bytes.length
    const before = network.sent.bytes
    const began = timeline.now
    author.ledger.own(entry)
    const hasAll = () => nodes.every(({ ledger }) => ledger.get(entry.id) !== undefined)
    while (!hasAll() && timeline.now - began < PATIENCE_MS) await timeline.pass(init.delayMs / 4)
    delays.push((timeline.now - began) / init.delayMs)
    // what follows from it: later copies, acknowledgements
    await timeline.pass(PATIENCE_MS - (timeline.now - began))
    bytes += network.sent.bytes - before - idle
  }
  for (const { sync } of nodes) void sync.stop()
  return {
    worstDelays: Math.max(...delays),
    meanDelays: delays.reduce((sum, each) => sum + each, 0) / delays.length,
    bytesRatio: bytes / init.entries / init.nodes / entryBytes,
    entryBytes,
    connections: Math.max(...nodes.map(({ host }) => host.peers.size)),
  }
}

function makeNode(index: number, random: Prng, timeline: Timeline, network: SimNetwork): LightNode {
  const key = signingKeyFromSeed(random.bytes(32))
  const ledger = new LightLedger(nodeIdFromPublicKey(key.publicKey))
  const host = new SimHost({ id: ledger.self, network, admits: () => true })
  network.add(host)
  const sync = createSync({
    ledger: ledger as unknown as Ledger,
    host,
    clock: new NodeClock(timeline, () => 0),
    random: new Prng(`node ${index}`),
    isMember: () => true,
    digest: () => new Uint8Array(32),
    headsIntervalMs: HEADS_MS,
  })
  return { key, ledger, host, sync }
}

/** A ring, so that all hang together, and chords at random up to the limit. */
function connect(nodes: readonly LightNode[], limit: number, random: Prng, network: SimNetwork): void {
  nodes.forEach(({ host }, at) => {
    const next = nodes[(at + 1) % nodes.length]
    if (next !== undefined) network.connect(host, next.host)
  })
  for (const { host } of nodes) {
    for (let tries = 0; tries < 10 * limit && host.peers.size < limit; tries++) {
      const other = random.pick(nodes)
      if (other !== undefined && other.host.peers.size < limit) network.connect(host, other.host)
    }
  }
}

/** As large as the entry of an upload. */
function note(key: SigningKey, now: number, random: Prng): Entry {
  const incarnation = random.bytes(16)
  const clock = { ms: Math.floor(now), counter: 0 }
  const draft = { network: NETWORK, incarnation, seq: 0, prev: null, ...clock, kind: 'note', seen: [] }
  const entry = makeEntry({ ...draft, body: { text: random.bytes(300) } }, key)
  if (entry.feed !== feedIdFrom(key.publicKey, incarnation)) throw new TypeError('not in its feed')
  return entry
}

async function bytesIn(network: SimNetwork, timeline: Timeline, ms: number): Promise<number> {
  const before = network.sent.bytes
  await timeline.pass(ms)
  return network.sent.bytes - before
}
