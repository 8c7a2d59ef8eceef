/**
 * How an entry spreads among very many: the real `createSync` over the simulated network, every node with a few
 * connections, its ledger reduced to what spreading asks of it (the real index of heads, entries in memory).
 */

import { type SigningKey, sha256, signingKeyFromSeed } from '../../packages/core/src/crypto/index.ts'
import { type EntryId, idFrom, type NetworkId, type NodeId, nodeIdFromPublicKey } from '../../packages/core/src/ids.ts'
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
import { shortIdOf } from '../../packages/core/src/ledger/sync-frames.ts'
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
/** Bytes are counted for so long after an entry was written, and as long before: the difference is what it cost. */
const COUNTED_MS = 3000
const COUNTED_DELAYS = 12

/** What spreading needs of a ledger: entries of feeds in order, all authors known, nothing executed. */
class LightLedger {
  readonly self: NodeId
  readonly heads = new HeadIndex()
  readonly #all: Entry[] = []
  readonly #places = new Map<EntryId, number>()
  readonly #shorts = new Set<string>()
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
    this.#shorts.add(shortIdOf(entry.id))
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
    hasShort: (short: string) => this.#shorts.has(short),
    reach: (feed: Entry['feed']) => this.heads.highest(feed),
    arrivalsAfter: (feed: Entry['feed'], seq: number) =>
      this.#all.flatMap((entry, at) => (entry.feed === feed && entry.seq > seq ? [at + 1] : [])),
    byArrival: (arrival: number) => this.#all[arrival - 1],
    unconfirmedOwn: () => null,
  }
}

export class LightNode {
  readonly key: SigningKey
  readonly ledger: LightLedger
  readonly host: SimHost
  readonly sync: Sync
  readonly #timeline: Timeline
  readonly #incarnation: Uint8Array
  #last: Entry | null = null

  constructor(index: number, random: Prng, { timeline, network }: SpreadWorld) {
    this.#timeline = timeline
    this.key = signingKeyFromSeed(random.bytes(32))
    this.#incarnation = random.bytes(16)
    this.ledger = new LightLedger(nodeIdFromPublicKey(this.key.publicKey))
    this.host = new SimHost({ id: this.ledger.self, network, admits: () => true })
    network.add(this.host)
    this.sync = createSync({
      ledger: this.ledger as unknown as Ledger,
      host: this.host,
      clock: new NodeClock(timeline, () => 0),
      random: new Prng(`node ${index}`),
      isMember: () => true,
      digest: () => new Uint8Array(32),
      headsIntervalMs: HEADS_MS,
    })
  }

  has({ id }: Entry): boolean {
    return this.ledger.get(id) !== undefined
  }

  /** The next entry of its feed, as large as that of an upload. */
  write(random: Prng): Entry {
    const last = this.#last
    const place = { seq: (last?.seq ?? -1) + 1, prev: last?.id ?? null, incarnation: this.#incarnation }
    const clock = { ms: Math.max(Math.floor(this.#timeline.now), (last?.ms ?? 0) + 1), counter: 0 }
    const draft = { network: NETWORK, ...place, ...clock, kind: 'note', seen: [], body: { text: random.bytes(300) } }
    this.#last = makeEntry(draft, this.key)
    this.ledger.own(this.#last)
    return this.#last
  }
}

export class SpreadWorld {
  readonly timeline = new Timeline()
  readonly network: SimNetwork
  readonly nodes: readonly LightNode[]

  /** @param delay of a message, ms, drawn anew for each */
  constructor(seed: string, nodes: number, delay: readonly [number, number], random: Prng) {
    seedCrypto(seed)
    this.network = new SimNetwork(this.timeline, new Prng(`frames ${seed}`))
    this.network.weather = { delay, loss: 0, duplicates: 0, reordering: 0 }
    this.nodes = Array.from({ length: nodes }, (_, index) => new LightNode(index, random, this))
  }

  /** Streams open, and the first statuses have been told. */
  async begin(): Promise<void> {
    for (const { sync } of this.nodes) sync.start()
    await this.timeline.pass(5000)
  }

  end(): void {
    for (const { sync } of this.nodes) void sync.stop()
  }
}

export async function measureSpread(init: SpreadInit): Promise<Spread> {
  const random = new Prng(`spread ${init.seed}`)
  const world = new SpreadWorld(init.seed, init.nodes, [init.delayMs, init.delayMs], random)
  const { timeline, network, nodes } = world
  connect(nodes, init.connections, random, network)
  await world.begin()

  const counted = Math.max(COUNTED_MS, COUNTED_DELAYS * init.delayMs)
  const delays: number[] = []
  let bytes = 0
  let entryBytes = 0
  for (let index = 0; index < init.entries; index++) {
    const author = random.pick(nodes)
    if (author === undefined) throw new TypeError('no nodes')
    const idle = await bytesIn(network, timeline, counted)
    const before = network.sent.bytes
    const began = timeline.now
    const entry = author.write(random)
    entryBytes = entry.bytes.length
    const hasAll = () => nodes.every((node) => node.has(entry))
    while (!hasAll() && timeline.now - began < PATIENCE_MS) await timeline.pass(init.delayMs / 4)
    delays.push((timeline.now - began) / init.delayMs)
    // what follows from it: later copies, acknowledgements
    await timeline.pass(Math.max(0, counted - (timeline.now - began)))
    bytes += network.sent.bytes - before - idle
  }
  world.end()
  return {
    worstDelays: Math.max(...delays),
    meanDelays: delays.reduce((sum, each) => sum + each, 0) / delays.length,
    bytesRatio: bytes / init.entries / init.nodes / entryBytes,
    entryBytes,
    connections: Math.max(...nodes.map(({ host }) => host.peers.size)),
  }
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

async function bytesIn(network: SimNetwork, timeline: Timeline, ms: number): Promise<number> {
  const before = network.sent.bytes
  await timeline.pass(ms)
  return network.sent.bytes - before
}
