/**
 * One branch machine: a data folder on a memory disk, and, while it runs, the real ledger, shared state, spreading,
 * commands, author, checks and draw over it. A folder can be copied, and a copy be put back or run beside it.
 */
import { type Author, createAuthor } from '../../packages/core/src/catalogue/author.ts'
import { createChecks } from '../../packages/core/src/catalogue/author-checks.ts'
import { createOwnershipAuthor, type OwnershipAuthor } from '../../packages/core/src/catalogue/author-ownership.ts'
import { createSharedState, kindInfo, type SharedState } from '../../packages/core/src/catalogue/index.ts'
import { type SigningKey, sha256 } from '../../packages/core/src/crypto/index.ts'
import type { Database } from '../../packages/core/src/database/index.ts'
import { type FeedId, type NetworkId, type NodeId, nodeIdFromPublicKey } from '../../packages/core/src/ids.ts'
import type { CloseWitness } from '../../packages/core/src/ledger/close-witness.ts'
import {
  createLedger,
  createSync,
  type EntriesEvent,
  type Ledger,
  type LocalSettings,
  type Sync,
} from '../../packages/core/src/ledger/index.ts'
import {
  type Commands,
  createCommands,
  createMembers,
  type Members,
  RULES_VERSION,
  SoftwareTooOldError,
} from '../../packages/core/src/membership/index.ts'
import type { Twin } from '../../packages/core/src/network/index.ts'
import { medianSkew } from '../../packages/core/src/network/skew.ts'
import { beforeEntry } from '../../packages/core/src/node/before-entry.ts'
import { createHandoffs, type Handoffs } from '../../packages/core/src/node/handoffs.ts'
import { createVersions, type Versions } from '../../packages/core/src/node/session-versions.ts'
import { createDraw, type Draw } from '../../packages/core/src/replication/index.ts'
import { Disk } from './disk.ts'
import { createStandIns, type StandIns, type Vault } from './key-stand-ins.ts'
import { Prng } from './prng.ts'
import { SimHost, type SimNetwork } from './sim-network.ts'
import { NodeClock, type Timeline } from './timeline.ts'

/** What a machine keeps on its disk. */
export interface Folder {
  readonly disk: Disk
  /** what a copy does not have: where it lies on which machine */
  readonly place: string
  readonly settings: Map<string, Uint8Array>
}

/** What is the same for all nodes of a run. */
export interface Surroundings {
  readonly seed: string
  readonly timeline: Timeline
  readonly network: SimNetwork
  readonly vault: Vault
  /** soft facts of draws, `seed/file/node`: who has said that it will not take a file */
  readonly passes: Set<string>
  /** what orderly closes have left in the machines' memory, by place */
  readonly nonces: Map<string, Uint8Array>
  readonly headsIntervalMs: number
  /** newest rules version that software executes which is started now */
  readonly rules: number
  /** running nodes, also clones */
  running(): readonly SimNode[]
  /** after each commit on a node */
  onEntries(node: SimNode, event: EntriesEvent): void
  onDiverged(node: SimNode, peer: NodeId): void
  problem(text: string): void
  trace(text: string): void
  /** counts up within the run */
  serial(): number
}

/** Everything that exists only while the machine is on. */
export interface Running {
  readonly db: Database
  readonly clock: NodeClock
  readonly host: SimHost
  readonly ledger: Ledger
  readonly state: SharedState
  readonly members: Members
  readonly versions: Versions
  readonly sync: Sync
  readonly commands: Commands
  readonly author: Author
  readonly ownership: OwnershipAuthor
  readonly standIns: StandIns
  readonly draw: Draw
  readonly handoffs: Handoffs
}

const DRAW_LOOK_MS = 1000
/** The state that a lying node tells. */
const MADE_UP = new Uint8Array(32).fill(1)

export class SimNode {
  readonly name: string
  readonly key: SigningKey
  readonly sealing: Uint8Array
  readonly id: NodeId
  readonly random: Prng
  folder: Folder
  on: Running | null = null
  /** ms that this clock is ahead */
  offset = 0
  /** newest rules version that its software executes */
  rules = RULES_VERSION
  /** it tells others of a state that it made up */
  lies = false
  /** its key signs whatever someone likes */
  hostile = false
  /** two copies of its folder have been running */
  cloned = false
  /** counts up with the starts of all */
  startedAt = 0
  /** in which part of a partition it is */
  side = 0
  #willLook = false
  readonly #around: Surroundings

  constructor(around: Surroundings, name: string, key: SigningKey, folder?: Folder) {
    this.#around = around
    this.name = name
    this.key = key
    this.id = nodeIdFromPublicKey(key.publicKey)
    this.random = new Prng(`${around.seed} ${name} ${around.serial()}`)
    this.sealing = this.random.bytes(32)
    this.folder = folder ?? this.#newFolder(new Disk(), new Map())
  }

  /** @throws {TypeError} while the machine is off */
  get up(): Running {
    if (this.on === null) throw new TypeError(`${this.name} is off`)
    return this.on
  }

  #newFolder(disk: Disk, settings: Map<string, Uint8Array>): Folder {
    return { disk, place: `${this.name}-${this.#around.serial()}`, settings }
  }

  /** Memory that no disk holds and no power cut survives. */
  #witness(): CloseWitness {
    const { nonces } = this.#around
    const { place } = this.folder
    return {
      folder: () => sha256(new TextEncoder().encode(place)),
      take() {
        const nonce = nonces.get(place) ?? null
        nonces.delete(place)
        return nonce
      },
      leave(nonce) {
        nonces.set(place, nonce)
        return true
      },
    }
  }

  /** Other processes with this identity that somebody on this side can reach. */
  #twins(): SimNode[] {
    return this.#around.running().filter((node) => node !== this && node.id === this.id && node.side === this.side)
  }

  twin(): Twin | null {
    const [other] = this.#twins()
    if (other === undefined || this.on === null || this.on.host.peers.size === 0) return null
    const by = [...this.on.host.peers.keys()][0] ?? this.id
    const weAreLater = this.startedAt > other.startedAt
    return { by, heard: this.#around.timeline.now, run: new Uint8Array(16), since: other.startedAt, weAreLater }
  }

  hasDisk(): boolean {
    return this.folder.disk.isUsed
  }

  start(network: NetworkId | null): void {
    if (this.on !== null) return
    this.#willLook = false
    this.startedAt = this.#around.serial()
    this.rules = Math.max(this.rules, this.#around.rules)
    const { timeline } = this.#around
    const clock = new NodeClock(timeline, () => this.offset)
    const db = this.folder.disk.open()
    const ledger: Ledger = createLedger({
      db,
      local: settingsOf(this.folder),
      network,
      signer: this.key,
      clock,
      random: this.random,
      kinds: kindInfo,
      apply: (entries) => state.apply(entries),
      skew: () => this.#skew(),
      twin: () => this.twin(),
      closeWitness: this.#witness(),
      witnesses: {
        members: () => members.currentMembers().flatMap(({ node }) => (node === this.id ? [] : [node])),
        isSole: (node) => this.on?.host.peers.has(node) === true && this.#twins().length === 0,
      },
      assertMayWrite: () => {
        const active = state.membership().network?.rules ?? 0
        if (state.isBehind()) throw new SoftwareTooOldError(active, this.rules)
      },
      onProblem: (error) => this.#around.problem(`${this.name}: ${error}`),
    })
    const state: SharedState = createSharedState({
      db,
      entries: ledger,
      network: () => ledger.network(),
      rules: this.rules,
      onChange: (change) => {
        // newer software executes at its start what it could not before
        if (this.on === null) return
        if ((change.members || change.files.length > 0) && state.membership().departures.size > 0) this.#lookAtDraws()
      },
    })
    const members = createMembers(() => state.membership())
    const versions = createVersions({ state, members })
    const host = new SimHost({
      id: this.id,
      network: this.#around.network,
      admits: (peer) => ledger.count() === 0 || members.isMember(peer),
    })
    const sync = createSync({
      ledger,
      host,
      clock,
      random: this.random,
      isMember: members.isMember,
      digest: () => (this.lies ? MADE_UP : state.isBehind() ? null : state.digest()),
      headsIntervalMs: this.#around.headsIntervalMs,
      onDiverged: (peer) => this.#around.onDiverged(this, peer),
    })
    const commands = createCommands({
      state: () => state.membership(),
      append: (kind, body, options) => ledger.append(kind, body, options),
      self: this.id,
      rules: this.rules,
      signer: this.key,
      clock,
      cutsOf: versions.cutsOf(ledger),
      inviteAddresses: () => [],
      ...beforeEntry(ledger),
    })
    this.on = {
      db,
      clock,
      host,
      ledger,
      state,
      members,
      versions,
      sync,
      commands,
      ...this.#writers(ledger, state, versions, clock),
    }
    ledger.onEntries((event) => this.#around.onEntries(this, event))
    this.#around.network.add(host)
    sync.start()
    this.on.handoffs.start()
  }

  /** Soon, once for all that changes meanwhile. */
  #lookAtDraws(): void {
    const { on } = this
    if (on === null || this.#willLook) return
    this.#willLook = true
    on.clock.after(DRAW_LOOK_MS, () => {
      this.#willLook = false
      on.draw.look()
    })
  }

  #writers(ledger: Ledger, state: SharedState, versions: Versions, clock: NodeClock) {
    const network = ledger.network() ?? ('' as NetworkId)
    const { vault, passes } = this.#around
    const standIns = createStandIns({ network, self: this.id, state, ledger, vault, random: this.random })
    const checks = createChecks({ self: this.id, reads: state, views: standIns.views })
    const common = {
      reads: state,
      checks,
      append: (kind: string, body: Parameters<Ledger['append']>[1]) => ledger.append(kind, body),
    }
    const author = createAuthor({
      ...common,
      ...standIns,
      db: { write: (work) => work() },
      network,
      signer: this.key,
      clock,
      random: this.random,
      notify: () => undefined,
    })
    const ownership = createOwnershipAuthor({ ...common, keyring: standIns.keyring })
    const branchOf = (node: NodeId | undefined) =>
      (node === undefined ? undefined : state.membership().members.get(node)?.branch) ?? null
    const passName = (seed: string, file: string, node: string) => `${seed}/${file}/${node}`
    const draw = createDraw({
      clock,
      self: this.id,
      openDraws: () => (this.hostile ? [] : versions.openDraws()),
      order: (seed, file, candidates) => versions.drawOrder(seed, file, candidates),
      canAccept: (file) => state.membership().members.get(this.id)?.state === 'member' && ownership.canAccept(file),
      accept: (seed, files) => void ownership.acceptDrawn(seed, files),
      hasPassed: (seed, file, node) => passes.has(passName(seed, file, node)),
      pass: (seed, file) => void passes.add(passName(seed, file, this.id)),
      isOnline: (node) => node === this.id || this.on?.host.peers.has(node) === true,
      onProblem: () => undefined, // a wrong clock, a quarantine: it looks again
    })
    // people answer offers; what is not answered in time the owner's node takes back
    const handoffs = createHandoffs({
      clock,
      policy: { accept: 'ask', maxBytes: null, from: null },
      offered: () => state.offered(),
      describe: () => null,
      named: () => null,
      offeredBy: (offer) => branchOf(ledger.get(offer)?.author),
      actingFor: () => (this.hostile || checks.isLeaving() ? null : branchOf(this.id)),
      accept: () => undefined,
      cancel: (file) => void ownership.cancel(file),
      onProblem: () => undefined, // as with draws
    })
    return { standIns, author, ownership, draw, handoffs }
  }

  #skew() {
    // of two clones only the one that is connected is heard
    const offsets = this.#around.running().filter((node) => this.on?.host.peers.get(node.id) === node.on?.host)
    return medianSkew(offsets.map((node) => ({ offsetMs: node.offset - this.offset })))
  }

  /** Orderly: leaves the mark. */
  async close(): Promise<void> {
    const { on } = this
    if (on === null) return
    on.draw.stop()
    on.handoffs.stop()
    this.#around.network.remove(on.host)
    await on.sync.stop()
    on.ledger.close()
    on.clock.stop()
    on.db.close()
    this.on = null
  }

  /** Power cut: what was committed is on the disk, no mark is. */
  async crash(): Promise<void> {
    const { on } = this
    if (on === null) return
    on.clock.stop()
    on.draw.stop()
    on.handoffs.stop()
    this.#around.network.remove(on.host)
    await on.sync.stop()
    on.db.close()
    this.on = null
  }

  /** Gets the other's entries as a copy of its disk. */
  takeDisk(of: SimNode): void {
    this.folder = { ...this.folder, disk: of.folder.disk.copy() }
  }

  /** A copy of the folder as it is on the disk now, also while the node runs. */
  copyFolder(): Folder {
    return this.#newFolder(this.folder.disk.copy(), new Map(this.folder.settings))
  }

  /** The machine is off; its disk becomes this copy, here or laid over the old files. */
  putBack(copy: Folder, isInPlace: boolean): void {
    if (this.on !== null) throw new TypeError(`${this.name} is on`)
    this.folder = { ...copy, place: isInPlace ? this.folder.place : copy.place }
  }

  /** The newest sequence numbers of this node's own feeds. */
  feeds(): { feed: FeedId; seq: number }[] {
    return this.up.ledger.heads().filter(({ feed }) => feed.startsWith(Buffer.from(this.key.publicKey).toString('hex')))
  }
}

function settingsOf({ settings }: Folder): LocalSettings {
  return {
    getSetting: (name) => settings.get(name) ?? null,
    setSetting: (name, value) => void (value === null ? settings.delete(name) : settings.set(name, value)),
  }
}
