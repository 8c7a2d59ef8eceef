/** Builders for tests of the folds: members with real keys who write real entries, each knowing what it was told. */

import { hash, randomUUID } from 'node:crypto'
import type { CborValue } from '../codec/index.ts'
import {
  deriveEpochKeys,
  type EpochKeys,
  proveKey,
  type SealingKey,
  type SigningKey,
  sealingKeyFromSecret,
  sign,
  signingKeyFromSeed,
} from '../crypto/index.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import {
  type AudienceId,
  type BranchId,
  type EntryId,
  EVERYONE,
  type FeedId,
  type FileId,
  feedIdFrom,
  feedIncarnation,
  idBytes,
  idFrom,
  type NetworkId,
  type NodeId,
  nodeIdFromPublicKey,
  toHex,
} from '../ids.ts'
import { decodeEntry, makeEntry } from '../ledger/entry.ts'
import { type Entry, type Fork, frontier } from '../ledger/index.ts'
import { fileIdFor, type MembershipState, RULES_VERSION } from '../membership/index.ts'
import { createClosedFeeds } from './closed-feeds.ts'
import { decodeFileRecord } from './file-record.ts'
import { foldFile } from './fold-file.ts'
import { kindInfo } from './kind-info.ts'
import { foldAllControl, type SharedEntries } from './shared-fold.ts'
import { createSharedState, type SharedChange, type SharedState } from './shared-state.ts'
import type { FileFold, FileRecord } from './types.ts'

let serial = 0

/** Bytes that no other call gives. */
export function unique(length: number): Uint8Array {
  serial += 1
  const bytes = Buffer.alloc(length)
  bytes.writeUInt32BE(serial, length - 4)
  return new Uint8Array(bytes)
}

/** The ledger, in memory, in whatever order entries are put in. */
export class MemoryEntries implements SharedEntries {
  readonly verdicts = new Map<EntryId, { code: string; reason: string } | null>()
  /** subjects whose entries were asked for: those that were folded */
  readonly asked = new Set<string>()
  readonly #all = new Map<EntryId, Entry>()
  readonly #arrivals = new Map<EntryId, number>()
  readonly #control: Entry[] = []
  readonly #bySubject = new Map<string, Entry[]>()
  readonly #places = new Map<FeedId, Map<number, EntryId[]>>()
  readonly #forked = new Set<FeedId>()

  /** @returns those that were not here yet */
  add(entries: readonly Entry[]): Entry[] {
    const fresh = entries.filter(
      ({ id }, at) => !this.#all.has(id) && entries.findIndex((each) => each.id === id) === at,
    )
    for (const entry of fresh) {
      this.#all.set(entry.id, entry)
      this.#arrivals.set(entry.id, this.#all.size)
      this.#place(entry)
      const info = kindInfo(entry.kind)
      if (info?.isControl === true) this.#control.push(entry)
      const subject = info?.subject(entry.body, entry.authorKey) ?? null
      if (subject === null) continue
      const name = toHex(subject)
      this.#bySubject.set(name, [...(this.#bySubject.get(name) ?? []), entry])
    }
    return fresh
  }

  #place({ feed, seq, id }: Entry): void {
    const places = this.#places.get(feed) ?? new Map<number, EntryId[]>()
    this.#places.set(feed, places)
    const ids = [...(places.get(seq) ?? []), id]
    places.set(seq, ids)
    if (ids.length > 1) this.#forked.add(feed)
  }

  get(id: EntryId): Entry | undefined {
    return this.#all.get(id)
  }

  control(): readonly Entry[] {
    return this.#control
  }

  bySubject(subject: Uint8Array): Entry[] {
    const name = toHex(subject)
    this.asked.add(name)
    return this.#bySubject.get(name) ?? []
  }

  arrivalsAbout(subject: Uint8Array): number[] {
    const about = new Set(this.#bySubject.get(toHex(subject)) ?? [])
    return [...this.#all.values()].flatMap((entry, at) => (about.has(entry) ? [at + 1] : []))
  }

  entryAt(arrival: number): Entry | undefined {
    return [...this.#all.values()][arrival - 1]
  }

  subjectsBefore(subjects: readonly Uint8Array[], arrival: number): Set<string> {
    const isBefore = (name: string) => {
      const [first] = this.#bySubject.get(name) ?? []
      return first !== undefined && (this.#arrivals.get(first.id) ?? arrival + 1) <= arrival
    }
    return new Set(subjects.map(toHex).filter(isBefore))
  }

  subjectsOf(author: NodeId): Uint8Array[] {
    return [...this.#bySubject]
      .filter(([, entries]) => entries.some((entry) => entry.author === author))
      .map(([name]) => new Uint8Array(Buffer.from(name, 'hex')))
  }

  count(): number {
    return this.#all.size
  }

  forked(): ReadonlySet<FeedId> {
    return this.#forked
  }

  forkOf(feed: FeedId): Fork | null {
    const places = [...(this.#places.get(feed) ?? [])].sort(([one], [other]) => one - other)
    for (const [seq, ids] of places) {
      const [first, second] = ids.sort()
      if (first !== undefined && second !== undefined) return { feed, seq, ids: [first, second] }
    }
    return null
  }

  setVerdict(id: EntryId, refusal: { code: string; reason: string } | null): void {
    this.verdicts.set(id, refusal)
  }

  page(after: number, limit: number): { arrival: number; entry: Entry }[] {
    return [...this.#all.values()].slice(after, after + limit).map((entry, at) => ({ arrival: after + at + 1, entry }))
  }
}

export interface Replica {
  readonly state: SharedState
  readonly entries: MemoryEntries
  readonly changes: SharedChange[]
  deliver(batch: readonly Entry[]): void
  close(): void
}

/** A node's shared state with an empty database. */
export function createReplica(network: NetworkId): Replica {
  const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('shared') })
  const entries = new MemoryEntries()
  const changes: SharedChange[] = []
  const state = createSharedState({ db, entries, network: () => network, onChange: (change) => changes.push(change) })
  return {
    state,
    entries,
    changes,
    deliver: (batch) => db.write(() => state.apply(entries.add(batch))),
    close: () => db.close(),
  }
}

/** A file as its readers know it. */
export interface FileHandle {
  readonly file: FileId
  readonly author: Uint8Array
  readonly salt: Uint8Array
  /** keys by access epoch, from 1 */
  readonly keys: Map<number, EpochKeys>
}

export interface WriteOptions {
  ms?: number
  /** by the recovery key as well */
  cosigned?: boolean
  /** instead of the control frontier that the author knows */
  seen?: readonly EntryId[]
}

export class Actor {
  readonly key: SigningKey
  readonly sealing: SealingKey
  readonly node: NodeId
  readonly known = new MemoryEntries()
  branch = '' as BranchId
  readonly #world: World
  #incarnation: Uint8Array
  #seq = 0
  #prev: EntryId | null = null
  #clock = { ms: 0, counter: 0 }

  /** @param of the machine that this one is a copy of: it goes on where the other stands, so that the feed forks */
  constructor(world: World, of?: Actor) {
    this.#world = world
    this.key = of?.key ?? signingKeyFromSeed(world.unique(32))
    this.sealing = of?.sealing ?? sealingKeyFromSecret(world.unique(32))
    this.node = nodeIdFromPublicKey(this.key.publicKey)
    this.#incarnation = of === undefined ? world.unique(16) : of.#incarnation
    if (of === undefined) return
    this.branch = of.branch
    this.#seq = of.#seq
    this.#prev = of.#prev
    this.#clock = of.#clock
    this.sync(of)
  }

  /** Leaves the feed for a new one, in which nothing is known of the times that were seen. */
  openFeed(): void {
    this.#incarnation = this.#world.unique(16)
    this.#seq = 0
    this.#prev = null
    this.#clock = { ms: 0, counter: 0 }
  }

  get feed() {
    return feedIdFrom(this.key.publicKey, this.#incarnation)
  }

  /** Its own feed as it stands, for closing it. */
  cuts(): [Uint8Array, number, Uint8Array][] {
    return this.#prev === null ? [] : [[feedIncarnation(this.feed), this.#seq - 1, idBytes(this.#prev)]]
  }

  write(kind: string, body: CborValue, options: WriteOptions = {}): Entry {
    const now = options.ms ?? this.#world.now
    this.#clock = now > this.#clock.ms ? { ms: now, counter: 0 } : { ...this.#clock, counter: this.#clock.counter + 1 }
    const isControl = kindInfo(kind)?.isControl === true
    const entry = makeEntry(
      {
        network: kind === 'found' ? null : this.#world.network,
        incarnation: this.#incarnation,
        seq: this.#seq,
        prev: this.#prev,
        ...this.#clock,
        kind,
        seen: options.seen ?? (isControl && kind !== 'found' ? frontier(this.known.control()) : []),
        body,
      },
      this.key,
      options.cosigned === true ? this.#world.recovery : undefined,
    )
    this.#seq += 1
    this.#prev = entry.id
    this.learn([entry])
    this.#world.entries.push(entry)
    return entry
  }

  learn(entries: readonly Entry[]): void {
    for (const { ms, counter } of this.known.add(entries)) {
      if (ms > this.#clock.ms || (ms === this.#clock.ms && counter > this.#clock.counter)) this.#clock = { ms, counter }
    }
  }

  /** Learns all that the others know. */
  sync(...others: Actor[]): void {
    for (const other of others) this.learn(other.known.page(0, Number.MAX_SAFE_INTEGER).map(({ entry }) => entry))
  }

  membership(): MembershipState {
    return foldAllControl(this.known.control()).membership
  }

  /** The file as this member knows it. */
  view(file: FileId): FileFold {
    return foldKnown(this.#world.network, this.known, file)
  }

  head(file: FileId): Uint8Array {
    const head = this.view(file).file?.head
    return head === undefined ? this.#world.unique(32) : idBytes(head)
  }

  upload(size = 10): FileHandle & { entry: Entry } {
    const salt = this.#world.unique(16)
    const { network } = this.#world
    const file = fileIdFor(network, this.key.publicKey, salt)
    const handle: FileHandle = { file, author: this.key.publicKey, salt, keys: new Map() }
    const entry = this.write('upload', {
      file: idBytes(file),
      salt,
      content: this.#content(size),
      opens: this.#opens(handle, 1),
      meta: this.#world.unique(32),
    })
    return { ...handle, entry }
  }

  #content(size: number): CborValue {
    return { root: this.#world.unique(32), size, chunk: 1 << 20 }
  }

  #opens(handle: FileHandle, epoch: number): CborValue {
    const keys = deriveEpochKeys(this.#world.network, handle.file, epoch, this.#world.unique(32))
    handle.keys.set(epoch, keys)
    return {
      epoch,
      audience: this.#world.unique(16),
      key: this.#world.unique(16),
      wrap: this.#world.unique(60),
      proof: keys.proof.publicKey,
    }
  }

  #on(handle: FileHandle, builds?: Entry) {
    return { file: idBytes(handle.file), builds: builds === undefined ? this.head(handle.file) : idBytes(builds.id) }
  }

  update(handle: FileHandle, options: { builds?: Entry; size?: number; opens?: boolean; ms?: number } = {}): Entry {
    const present = this.view(handle.file).file?.epoch ?? 1
    const epoch = options.opens === true ? present + 1 : present
    const opens = options.opens === true ? { opens: this.#opens(handle, epoch) } : {}
    const body = {
      ...this.#on(handle, options.builds),
      content: this.#content(options.size ?? 20),
      epoch,
      meta: this.#world.unique(32),
    }
    return this.write('update', { ...body, ...opens }, options.ms === undefined ? {} : { ms: options.ms })
  }

  share(handle: FileHandle): Entry {
    const epoch = (this.view(handle.file).file?.epoch ?? 0) + 1
    return this.write('share', { ...this.#on(handle), opens: this.#opens(handle, epoch), meta: this.#world.unique(32) })
  }

  change(
    kind: 'trash' | 'restore' | 'purge',
    handle: FileHandle,
    extra: Record<string, CborValue> = {},
    builds?: Entry,
  ): Entry {
    return this.write(kind, { ...this.#on(handle, builds), ...extra })
  }

  offer(handle: FileHandle, to: Actor): Entry {
    return this.write('offer', { ...refOf(handle), to: idBytes(to.branch), builds: this.head(handle.file) })
  }

  accept(handle: FileHandle, of: Entry, options: { epoch?: number; ms?: number } = {}): Entry {
    const proof = this.proof(handle, options.epoch, idBytes(of.id), idBytes(this.branch))
    const body = { of: idBytes(of.id), files: [{ ...refOf(handle), proof }] }
    return this.write('accept', body, options.ms === undefined ? {} : { ms: options.ms })
  }

  close(kind: 'cancel' | 'decline', handle: FileHandle, of: Entry): Entry {
    return this.write(kind, { of: idBytes(of.id), file: idBytes(handle.file) })
  }

  adopt(handle: FileHandle): Entry {
    return this.write('adopt', { ...refOf(handle), proof: this.proof(handle, undefined, idBytes(this.branch)) })
  }

  assign(handle: FileHandle, to: Actor): Entry {
    return this.write('assign', { ...refOf(handle), to: idBytes(to.branch) })
  }

  leave(): Entry {
    return this.write('leave', {})
  }

  left(leave: Entry, orphans: readonly FileHandle[] = []): Entry {
    return this.write('left', {
      leave: idBytes(leave.id),
      accepted: [],
      orphans: orphans.map(({ file }) => idBytes(file)),
      force: orphans.length > 0,
    })
  }

  /** A proof with the key of an access epoch, the newest by default. */
  proof(handle: FileHandle, epoch: number | undefined, ...parts: Uint8Array[]): Uint8Array {
    const keys = handle.keys.get(epoch ?? Math.max(...handle.keys.keys()))
    if (keys === undefined) throw new TypeError('no such epoch')
    return proveKey(keys, ...parts)
  }
}

export interface InviteOptions {
  role?: 'member' | 'admin'
  replaces?: Actor
  branch?: string
}

export interface Invitation {
  readonly entry: Entry
  readonly key: SigningKey
  readonly replaces: Actor | undefined
}

export class World {
  now = 1_700_000_000_000
  /** in the order of writing */
  readonly entries: Entry[] = []
  readonly network: NetworkId
  readonly founder: Actor
  readonly actors: Actor[] = []
  readonly recovery: SigningKey
  readonly #seed: string
  #serial = 0

  /** @param seed one seed and one script make the same entries to the last bit */
  constructor(seed: string = randomUUID()) {
    this.#seed = seed
    this.recovery = signingKeyFromSeed(this.unique(32))
    this.network = '0'.repeat(64) as NetworkId
    const founder = new Actor(this)
    const entry = founder.write('found', {
      name: 'Agência',
      branch: 'Matriz',
      sealing: founder.sealing.publicKey,
      recovery: this.recovery.publicKey,
      policy: {},
      rules: RULES_VERSION,
    })
    this.network = entry.id as string as NetworkId
    founder.branch = entry.id as string as BranchId
    this.founder = founder
    this.actors.push(founder)
  }

  /** Bytes that no other call gives. */
  unique(length: number): Uint8Array {
    this.#serial += 1
    const text = `${this.#seed}/${this.#serial}`
    return new Uint8Array(hash('shake128', text, { outputEncoding: 'buffer', outputLength: length }))
  }

  tick(ms = 1000): void {
    this.now += ms
  }

  /** Invites and admits a new member. It knows what its admitter knows. */
  admit(options: InviteOptions & { by?: Actor } = {}): Actor {
    const by = options.by ?? this.founder
    return this.admitWith(by, this.invite(by, options))
  }

  invite(by: Actor, options: InviteOptions = {}): Invitation {
    const key = signingKeyFromSeed(this.unique(32))
    const { replaces } = options
    const entry = by.write('invite', {
      key: key.publicKey,
      branch: options.branch ?? `Filial ${this.actors.length}`,
      role: options.role ?? 'member',
      expires: this.now + 72 * 3_600_000,
      ...(replaces === undefined ? {} : { replaces: replaces.key.publicKey }),
    })
    return { entry, key, replaces }
  }

  /** Whoever holds the invite's key can come in, as often as somebody lets it. */
  admitWith(by: Actor, { entry: invite, key, replaces }: Invitation): Actor {
    const joiner = new Actor(this)
    const [node, sealing] = [joiner.key.publicKey, joiner.sealing.publicKey]
    const admit = by.write('admit', {
      invite: idBytes(invite.id),
      node,
      sealing,
      proof: sign(key, 'invite', this.network, node, sealing),
      accepts: sign(joiner.key, 'join', this.network, idBytes(invite.id), sealing),
      ...(replaces === undefined ? {} : { cuts: replaces.cuts() }),
    })
    joiner.branch = replaces?.branch ?? (admit.id as string as BranchId)
    joiner.sync(by)
    this.actors.push(joiner)
    return joiner
  }

  /** A copy of a machine, which goes on where the other stands. */
  copyOf(actor: Actor): Actor {
    const copy = new Actor(this, actor)
    this.actors.push(copy)
    return copy
  }

  /** Everyone learns everything. */
  meet(...actors: Actor[]): void {
    const all = actors.length === 0 ? this.actors : actors
    for (const actor of all) actor.sync(...all)
  }

  /** The file from all entries. */
  fold(file: FileId): FileFold {
    const all = new MemoryEntries()
    all.add(this.entries)
    return foldKnown(this.network, all, file)
  }
}

export function audienceBody(audience: AudienceId, key: Uint8Array, proof: SigningKey): Record<string, CborValue> {
  const list = audience === EVERYONE ? {} : { list: unique(32) }
  return { audience: idBytes(audience), key, proof: proof.publicKey, grants: unique(32), ...list }
}

function refOf({ file, author, salt }: FileHandle) {
  return { file: idBytes(file), author, salt }
}

export function foldKnown(network: NetworkId, entries: MemoryEntries, file: FileId): FileFold {
  const { membership } = foldAllControl(entries.control())
  return foldFile({
    file,
    network,
    membership,
    entries: entries.bySubject(idBytes(file)),
    acts: membership.acts.get(file) ?? [],
    leaveOf(branch) {
      const departure = membership.departures.get(branch)
      const seed = departure === undefined ? undefined : entries.get(departure.seed)
      return seed?.author === departure?.node ? (seed ?? null) : null
    },
    isBeyondEnd: createClosedFeeds(entries),
  })
}

export function entryId(bytes: Uint8Array): EntryId {
  return idFrom<EntryId>(bytes)
}

/** Every file's record as it stands in a shared database, also while a node has it open. */
export function recordsIn(db: { prepare(sql: string): { all(...values: unknown[]): unknown[] } }): FileRecord[] {
  type EntryRow = { id: Uint8Array; bytes: Uint8Array; sig: Uint8Array | null; cosig: Uint8Array | null }
  const select = 'SELECT id, bytes, sig, cosig FROM entries WHERE'
  const [founding] = db.prepare(`${select} kind = 'found' ORDER BY arrival LIMIT 1`).all() as EntryRow[]
  if (founding === undefined) return []
  const uploadOf = (id: EntryId) => {
    const [row] = db.prepare(`${select} id = ?`).all(idBytes(id)) as EntryRow[]
    if (row === undefined) return undefined
    return decodeEntry({ ...row, bytes: new Uint8Array(row.bytes) }, idFrom<NetworkId>(founding.id))
  }
  const rows = db.prepare('SELECT record FROM files ORDER BY file_key').all() as { record: Uint8Array }[]
  return rows.map(({ record }) => decodeFileRecord(new Uint8Array(record), uploadOf))
}
