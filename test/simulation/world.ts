/** One run's nodes, network, faults and what is remembered of them, so that it can be judged afterwards. */
import { generateSigningKey, type SigningKey, signingKeyFromSeed } from '../../packages/core/src/crypto/index.ts'
import type { EntryId, NetworkId, NodeId } from '../../packages/core/src/ids.ts'
import { isLater } from '../../packages/core/src/ledger/clock.ts'
import { CLOCK_TOLERANCE_MS, type EntriesEvent, type Entry } from '../../packages/core/src/ledger/index.ts'
import { foundBody, RULES_VERSION } from '../../packages/core/src/membership/index.ts'
import type { Disk } from './disk.ts'
import { Vault } from './key-stand-ins.ts'
import { Prng } from './prng.ts'
import { seedCrypto } from './seeded-crypto.ts'
import { CALM, SimNetwork } from './sim-network.ts'
import { type Folder, SimNode, type Surroundings } from './sim-node.ts'
import { Timeline } from './timeline.ts'

/** An invite as its string says it, for whoever is to use it. */
export interface Ticket {
  readonly id: EntryId
  readonly key: SigningKey
  readonly branch: string
  readonly replaces: NodeId | null
}

export interface Copy {
  readonly node: SimNode
  readonly folder: Folder
}

export interface Written {
  readonly entry: Entry
  readonly node: SimNode
  /** it had its effect when it was written */
  readonly isAcknowledged: boolean
}

export interface WorldInit {
  readonly seed: string
  readonly nodes: number
  /** connections that a node seeks; all others where it is more than there are */
  readonly degree: number
  readonly headsIntervalMs: number
  readonly tracing: boolean
}

const RECONNECT_MS = 4000
/** A clock that a node's skew was judged by may have moved by this much since, ms. */
const SKEW_MARGIN_MS = 1000

export class World implements Surroundings {
  readonly seed: string
  readonly random: Prng
  readonly timeline = new Timeline()
  readonly network: SimNetwork
  readonly vault = new Vault()
  readonly passes = new Set<string>()
  readonly nonces = new Map<string, Uint8Array>()
  readonly headsIntervalMs: number
  readonly recovery: SigningKey
  readonly nodes: SimNode[] = []
  readonly clones: SimNode[] = []
  readonly tickets: Ticket[] = []
  readonly copies: Copy[] = []
  /** machines that are gone for good: left, replaced */
  readonly retired = new Set<SimNode>()
  /** entries that honest nodes wrote, by whom */
  readonly written = new Map<EntryId, Written>()
  /** what each machine had when the healing began */
  readonly atHealing = new Map<EntryId, string>()
  readonly problems: string[] = []
  readonly sizeAtFirst: number
  readonly lines: string[] = []
  readonly degree: number
  networkId = '' as NetworkId
  rules = RULES_VERSION
  /** nodes that were told another state by one that lies about it */
  readonly alarmed = new Set<SimNode>()
  isHealed = false
  readonly #tracing: boolean
  readonly #wanted = new Map<SimNode, Set<SimNode>>()
  /** the latest time that each folder has an entry of */
  readonly #latest = new Map<Disk, { readonly ms: number; readonly counter: number }>()
  #keys = 0
  #serial = 0

  constructor(init: WorldInit) {
    seedCrypto(init.seed)
    this.seed = init.seed
    this.random = new Prng(`world ${init.seed}`)
    this.network = new SimNetwork(this.timeline, new Prng(`network ${init.seed}`))
    this.headsIntervalMs = init.headsIntervalMs
    this.degree = init.degree
    this.sizeAtFirst = init.nodes
    this.#tracing = init.tracing
    this.recovery = generateSigningKey()
  }

  get founder(): SimNode {
    const [founder] = this.nodes
    if (founder === undefined) throw new TypeError('nobody has founded the network')
    return founder
  }

  trace(text: string): void {
    if (this.#tracing) this.lines.push(`${new Date(this.timeline.now).toISOString().slice(5, 23)} ${text}`)
  }

  problem(text: string): void {
    this.trace(`PROBLEM ${text}`)
    this.problems.push(text)
  }

  serial(): number {
    return this.#serial++
  }

  newKey(): SigningKey {
    return signingKeyFromSeed(new Prng(`key ${this.seed} ${this.#keys++}`).bytes(32))
  }

  newNode(name: string): SimNode {
    const node = new SimNode(this, name, this.newKey())
    this.nodes.push(node)
    return node
  }

  async found(): Promise<SimNode> {
    const founder = this.newNode('n0')
    founder.start(null)
    this.networkId = founder.up.ledger.found(
      foundBody({ name: 'Agência', branch: 'Matriz', sealing: founder.sealing, recovery: this.recovery.publicKey }),
    )
    await founder.close()
    founder.start(this.networkId)
    founder.up.standIns.renew('0'.repeat(32) as Parameters<typeof founder.up.standIns.renew>[0])
    this.#keepConnecting()
    return founder
  }

  // ------------------------------------------------------------------------------------------------------ who is there

  all(): SimNode[] {
    return [...this.nodes, ...this.clones]
  }

  running(): SimNode[] {
    return this.all().filter((node) => node.on !== null)
  }

  honest(): SimNode[] {
    return this.nodes.filter((node) => !node.hostile && node.on !== null)
  }

  hostile(): SimNode[] {
    return this.nodes.filter((node) => node.hostile && node.on !== null)
  }

  named(id: NodeId): string {
    return this.nodes.find((node) => node.id === id)?.name ?? id.slice(-6)
  }

  /** Running members, as this one sees it. */
  membersSeenBy(node: SimNode): SimNode[] {
    return this.nodes.filter((each) => each.on !== null && node.up.members.isMember(each.id))
  }

  // ------------------------------------------------------------------------------------------------------ connections

  #keepConnecting(): void {
    this.connectAll()
    for (const node of this.running()) if (node.up.ledger.count() === 0) this.#introduce(node)
    this.timeline.after(RECONNECT_MS, () => this.#keepConnecting())
  }

  /** A newcomer whose first fetch was broken off asks again, one member after the other. */
  #introduce(node: SimNode): void {
    const peer = this.random.pick([...node.up.host.peers.keys()])
    if (peer !== undefined) node.up.sync.fetch(peer).catch(() => undefined)
  }

  #wantedBy(node: SimNode): Set<SimNode> {
    const known = this.#wanted.get(node)
    if (known !== undefined) return known
    const others = this.random.shuffle(this.all().filter((other) => other !== node)).slice(0, this.degree)
    const wanted = new Set(others)
    this.#wanted.set(node, wanted)
    for (const other of others) this.#wanted.get(other)?.add(node)
    return wanted
  }

  /** Seeks each node's connections to others on its side. */
  connectAll(): void {
    const running = this.running()
    for (const node of running) {
      const candidates = this.degree >= running.length - 1 ? running : [...this.#wantedBy(node)]
      for (const other of candidates) {
        if (other === node || other.on === null || node.on === null || other.side !== node.side) continue
        if (!node.up.host.peers.has(other.id)) this.network.connect(node.up.host, other.up.host)
      }
    }
  }

  /** Cuts what is connected across sides. */
  separate(): void {
    for (const node of this.running()) {
      for (const other of this.running()) {
        if (node.side === other.side || node.up.host.peers.get(other.id) !== other.up.host) continue
        this.network.disconnect(node.up.host, other.up.host)
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------ what happens

  onEntries(node: SimNode, { entries, origin, from }: EntriesEvent): void {
    if (origin === 'own') {
      const [entry] = entries
      if (entry === undefined) return
      if (node.hostile) return
      this.written.set(entry.id, { entry, node, isAcknowledged: node.up.state.refusalOf(entry.id) === null })
      this.trace(`${node.name} writes ${entry.kind} ${entry.id.slice(0, 8)}`)
      if (entry.kind !== 'found') this.#judgeClock(node, entry)
      if (node.twin()?.weAreLater === true) this.problem(`one-process: ${node.name} wrote while another process was it`)
      this.#noteLatest(node, entries)
      return
    }
    if (this.#tracing) {
      const kinds = entries.slice(0, 8).map(({ kind, id }) => `${kind} ${id.slice(0, 8)}`)
      const more = entries.length > kinds.length ? ` and ${entries.length - kinds.length} more` : ''
      this.trace(`${node.name} takes ${kinds.join(', ')}${more} from ${from === null ? 'waiting' : this.named(from)}`)
    }
    this.#noteLatest(node, entries)
    const limit = node.up.clock.now() + CLOCK_TOLERANCE_MS
    const early = entries.find(({ ms }) => ms > limit)
    this.#judgeHeld(node, entries)
    if (early !== undefined) this.problem(`held-entries: ${node.name} stored an entry ${early.ms - limit} ms too early`)
  }

  /** What follows or names an entry that is held waits with it. */
  #judgeHeld(node: SimNode, entries: readonly Entry[]): void {
    const held = new Set(node.up.ledger.held().map(({ id }) => id))
    if (held.size === 0) return
    const early = entries.find(({ prev, seen }) => (prev !== null && held.has(prev)) || seen.some((id) => held.has(id)))
    if (early !== undefined) this.problem(`held-entries: ${node.name} stored what names or follows a held entry`)
  }

  /** What a node writes is later than all it has, and no node writes whose clock is off by its peers' judgement. */
  #judgeClock(node: SimNode, entry: Entry): void {
    const before = this.#latest.get(node.folder.disk)
    if (before !== undefined && !isLater(entry, before) && before.ms <= node.up.clock.now() + CLOCK_TOLERANCE_MS) {
      this.problem(`hybrid-clock: ${node.name} wrote an entry that is not later than all it had`)
    }
    const peers = this.running().filter((other) => node.up.host.peers.get(other.id) === other.up.host)
    const ahead = peers.map((other) => node.offset - other.offset).sort((a, b) => a - b)
    if (peers.length < 3) {
      // of two one may lie: it must be off both
      const nearest = Math.min(...ahead.map(Math.abs))
      if (peers.length > 0 && nearest > CLOCK_TOLERANCE_MS + SKEW_MARGIN_MS)
        this.problem(`skewed-silent: ${node.name} wrote with a clock ${nearest} ms off all that it reaches`)
      return
    }
    const middle = Math.floor(ahead.length / 2)
    const off = Math.abs(((ahead[middle] ?? 0) + (ahead[Math.floor((ahead.length - 1) / 2)] ?? 0)) / 2)
    if (off > CLOCK_TOLERANCE_MS + SKEW_MARGIN_MS) {
      this.problem(`skewed-silent: ${node.name} wrote with a clock ${off} ms off the median of its peers`)
    }
  }

  #noteLatest(node: SimNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = this.#latest.get(node.folder.disk)
      if (before === undefined || isLater(entry, before)) this.#latest.set(node.folder.disk, entry)
    }
  }

  onDiverged(node: SimNode, peer: NodeId): void {
    if (node.lies) return
    if (this.nodes.some(({ id, lies }) => id === peer && lies)) return void this.alarmed.add(node)
    this.problem(`equal-digests: ${node.name} and ${this.named(peer)} have equal heads and unequal digests`)
  }

  close(): void {
    for (const node of this.running()) {
      node.up.clock.stop()
      node.up.draw.stop()
      node.up.handoffs.stop()
      this.network.remove(node.up.host)
      void node.up.sync.stop()
      node.up.db.close()
      node.on = null
    }
    for (const { folder } of [...this.all(), ...this.copies]) folder.disk.close()
  }

  /** Fair weather, one side, right clocks. */
  calm(): void {
    this.network.weather = CALM
    for (const node of this.all()) {
      node.side = 0
      node.offset = 0
    }
    this.isHealed = true
    this.connectAll()
  }
}
