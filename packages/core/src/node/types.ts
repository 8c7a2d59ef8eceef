/**
 * The public face of a node: what the SDK, the HTTP API and, through it, the command line see and do. What it shows
 * stands in `view-types.ts`.
 */
import type { Readable } from 'node:stream'
import type { Clock } from '../clock.ts'
import type { TransportName } from '../network/index.ts'
import type {
  DigestView,
  DoctorCheck,
  FileView,
  InviteView,
  LedgerEntryView,
  MemberState,
  NodeView,
  Page,
  Role,
  SeenByView,
  StatusView,
  TransferView,
  VerificationView,
  VersionView,
} from './view-types.ts'

export type * from './view-types.ts'

export interface CallOptions {
  /** Ends the wait; what was already made durable stays. */
  signal?: AbortSignal
}

// --------------------------------------------------------------------------------------------------------- events

/** Everything that happens, after it is durable. A reader who must miss nothing uses `events.since`. */
export interface EventMap {
  'network:joined': { network: string; name: string }
  'network:left': { network: string }
  'member:joined': { node: string; branch: string }
  'member:changed': { node: string; branch: string; state: MemberState; role: Role }
  'member:connected': { node: string; branch: string }
  'member:disconnected': { node: string; branch: string }
  'file:published': { fileId: string; name: string; version: number }
  'file:updated': { fileId: string; name: string; version: number }
  'file:hidden': { fileId: string }
  'file:deleted': { fileId: string }
  'file:restored': { fileId: string; version: number }
  'file:purged': { fileId: string }
  'file:owner': { fileId: string; owner: string; branch: string }
  'file:copies': { fileId: string; held: number; target: number }
  'file:durable': { fileId: string; version: number }
  'handoff:offered': { fileId: string; from: string; to: string }
  'handoff:ended': { fileId: string; outcome: 'accepted' | 'declined' | 'cancelled' }
  'transfer:progress': TransferView
  'transfer:ended': TransferView
  'leave:progress': { phase: 'drain' | 'draw' | 'farewell' | 'done'; done: number; total: number; message: string }
  'ledger:entry': LedgerEntryView
  'ledger:diverged': { node: string }
  /** Catching up with other members goes on; at its end `have` is `expected`. */
  'ledger:progress': { have: number; expected: number }
  warning: { code: string; message: string }
}
export type EventName = keyof EventMap
export type NodeEvent = { [K in EventName]: { id: number; time: string; type: K; data: EventMap[K] } }[EventName]

export interface NodeEvents {
  on<K extends EventName>(type: K, listener: (data: EventMap[K]) => void): () => void
  /**
   * Every event after `lastId` (a bounded buffer: the oldest may be gone; all that is kept for an id of another run that
   * is ahead of this one's), then the live ones, until the signal ends it.
   */
  since(lastId: number | undefined, options: { signal: AbortSignal }): AsyncIterable<NodeEvent>
}

// ---------------------------------------------------------------------------------------------------------- verbs

/** A node reference: branch name, PeerId, or a unique prefix (6+). A file reference: id, unique id prefix (6+), exact name. */
export type NodeRef = string
export type FileRef = string

export interface InitRequest {
  name: string
  branch: string
  /** copies of each live version: at least so many (where there are so many members), at most so many */
  policy?: { minCopies?: number; maxCopies?: number }
}

export interface NetworkVerbs {
  /** Founds a network. @returns the recovery key, which is shown once and kept nowhere */
  init(request: InitRequest, options?: CallOptions): Promise<{ status: StatusView; recoveryKey: string }>
  register(request: { invite: string; via?: string }, options?: CallOptions): Promise<StatusView>
  /**
   * Leaves for good. Resolves when it has begun; progress comes as `leave:progress`. `done` settles when it has ended.
   * The signal cancels it as long as only copies are made; once `leave` is written it goes on. A second call with `force`
   * while one without is under way makes that one forced, and takes over its cancelling.
   */
  unregister(request: { force?: boolean }, options?: CallOptions): Promise<{ done: Promise<void> }>
  connect(options?: CallOptions): Promise<StatusView>
  disconnect(options?: CallOptions): Promise<StatusView>
  /**
   * Activates a rules version for all: admins only, and never taken back. Nodes whose software lacks it execute and write
   * nothing until it is replaced. @param request.rules @default the newest that this software knows
   */
  upgrade(request?: { rules?: number }, options?: CallOptions): Promise<StatusView>
  recover(request: { recoveryKey: string }, options?: CallOptions): Promise<StatusView>
}

export interface MemberVerbs {
  list(): NodeView[]
  get(ref: NodeRef): NodeView
  setRole(ref: NodeRef, role: Role, options?: CallOptions): Promise<NodeView>
  quarantine(ref: NodeRef, options?: CallOptions): Promise<NodeView>
  release(ref: NodeRef, options?: CallOptions): Promise<NodeView>
  /**
   * Quarantines at once. With the recovery key it is final, also when this node is no admin or was expelled itself; `since`
   * then names the first entry of that node which shall count no more, with all that followed from it.
   * @returns what finality waits for, null when final
   */
  expel(
    ref: NodeRef,
    options?: CallOptions & { recoveryKey?: string; since?: string },
  ): Promise<{ node: NodeView; waitsFor: string | null }>
  invite(
    request: { branch: string; role?: Role; expiresInMs?: number; replaces?: NodeRef; recoveryKey?: string },
    options?: CallOptions,
  ): Promise<{ invite: string; view: InviteView }>
  invites(): InviteView[]
  revokeInvite(id: string, options?: CallOptions): Promise<void>
}

export interface FileQuery {
  q?: string
  campaign?: string
  owner?: NodeRef
  tag?: string
  deleted?: boolean
  cursor?: string
  /** @default 100, at most 1,000 */
  limit?: number
}

export interface UploadDetails {
  name: string
  /** media type; guessed from the name when absent */
  type?: string
  denied?: NodeRef[]
  only?: NodeRef[]
  campaign?: string
  tags?: string[]
}

export interface BeginOptions {
  /**
   * About how many bytes will be written, when that is known: very large files are cut into larger chunks. A stream of
   * unknown size may have up to 1 TiB.
   */
  sizeHint?: number
}

/**
 * An upload whose details may come after its bytes (multipart fields in any order): write the bytes, then publish.
 * Nothing is visible to anyone before `publish`; `abort` leaves nothing behind.
 */
export interface PendingUpload {
  /** Seals and stores the stream; memory stays flat. Rejects with `disk-full`, `quota`, … and leaves nothing behind. */
  write(content: Readable | AsyncIterable<Uint8Array>, options?: CallOptions): Promise<{ size: number }>
  publish(details: UploadDetails, options?: CallOptions): Promise<FileView>
  abort(): Promise<void>
}

/** The same for a new version; name, type, tags and campaign stay as they are unless given. */
export interface PendingUpdate {
  write(content: Readable | AsyncIterable<Uint8Array>, options?: CallOptions): Promise<{ size: number }>
  publish(
    details?: { name?: string; type?: string; campaign?: string; tags?: string[]; ifMatch?: number },
    options?: CallOptions,
  ): Promise<FileView>
  abort(): Promise<void>
}

export interface ContentReader {
  name: string
  type: string
  size: number
  version: number
  /** opaque, changes with the content */
  etag: string
  /**
   * Plain bytes of [start, end), chunk by chunk as they arrive from disk or from other members. The chunks are the
   * caller's: `release` of `@malote/core/release` gives back their memory sooner than the collector would.
   */
  read(range?: { start: number; end: number }, options?: CallOptions): AsyncIterable<Uint8Array>
}

export interface BlacklistItem {
  fileId: string
  node: string
}

export interface FileVerbs {
  list(query?: FileQuery): Page<FileView>
  /** @throws NotFoundError also for a file that this branch may not see */
  get(ref: FileRef): FileView
  /** Who can see it. */
  seenBy(ref: FileRef): SeenByView
  versions(ref: FileRef): VersionView[]
  beginUpload(options?: BeginOptions): Promise<PendingUpload>
  beginUpdate(ref: FileRef, options?: BeginOptions): Promise<PendingUpdate>
  /** Reads one file without following links; one that changes meanwhile is an error. */
  upload(path: string, details?: Partial<UploadDetails>, options?: CallOptions): Promise<FileView>
  update(ref: FileRef, path: string, options?: CallOptions & { ifMatch?: number }): Promise<FileView>
  content(ref: FileRef, options?: CallOptions & { version?: number }): Promise<ContentReader>
  /**
   * Writes the file into a folder that exists, under a safe form of its name that nothing there bears; the name appears
   * when all bytes are on disk. @returns the path
   */
  export(ref: FileRef, folder: string, options?: CallOptions & { version?: number }): Promise<string>
  preview(ref: FileRef, options?: CallOptions): Promise<{ type: string; bytes: Uint8Array } | null>
  /** Makes a local copy now. */
  fetch(ref: FileRef, options?: CallOptions & { version?: number }): Promise<TransferView>
  /** Resolves when the file is held by so many; rejects when the signal ends it. */
  waitFor(ref: FileRef, level: 'durable' | 'replicated', options?: CallOptions): Promise<FileView>
  remove(ref: FileRef, options?: CallOptions & { purge?: boolean; ifMatch?: number }): Promise<void>
  restore(ref: FileRef, options?: CallOptions & { version?: number }): Promise<FileView>
  blacklist(ref?: FileRef): BlacklistItem[]
  deny(ref: FileRef, nodes: NodeRef[], options?: CallOptions & { reseal?: boolean }): Promise<FileView>
  allow(ref: FileRef, nodes: NodeRef[] | 'all', options?: CallOptions & { reseal?: boolean }): Promise<FileView>
  setBlacklist(ref: FileRef, nodes: NodeRef[], options?: CallOptions & { reseal?: boolean }): Promise<FileView>
  handoffs(): { incoming: FileView[]; outgoing: FileView[] }
  offer(ref: FileRef, to: NodeRef, options?: CallOptions): Promise<FileView>
  cancelOffer(ref: FileRef, options?: CallOptions): Promise<FileView>
  acceptOffer(ref: FileRef, options?: CallOptions): Promise<FileView>
  declineOffer(ref: FileRef, options?: CallOptions): Promise<void>
  adopt(ref: FileRef, options?: CallOptions): Promise<FileView>
  assign(ref: FileRef, to: NodeRef, options?: CallOptions): Promise<FileView>
}

export interface RateLimits {
  /** bytes per second; null = unlimited */
  up: number | null
  down: number | null
}

export interface TransferVerbs {
  list(): TransferView[]
  get(id: string): TransferView
  pause(id: string): Promise<TransferView>
  resume(id: string): Promise<TransferView>
  /** It goes before all others of its kind. */
  first(id: string): Promise<TransferView>
  cancel(id: string): Promise<TransferView>
  limits(): RateLimits
  setLimits(limits: Partial<RateLimits>): Promise<RateLimits>
}

export interface LedgerVerbs {
  /** @param after arrival number; entries that arrived later follow */
  entries(query?: { after?: number; limit?: number }): { items: LedgerEntryView[]; next: number | null }
  digest(): DigestView
  /** Checks files, entries and state: recomputes the state from the entries and compares. */
  verify(options?: CallOptions): Promise<VerificationView>
  /** Makes the state anew from the entries, then verifies. Nothing is changed while the entries themselves are damaged. */
  repair(options?: CallOptions): Promise<VerificationView>
}

export interface MaloteNode {
  readonly id: string
  readonly addresses: string[]
  readonly network: NetworkVerbs
  readonly members: MemberVerbs
  readonly files: FileVerbs
  readonly transfers: TransferVerbs
  readonly ledger: LedgerVerbs
  readonly events: NodeEvents
  status(): StatusView
  /** @param options.chunks looks through the whole store first */
  doctor(options?: CallOptions & { chunks?: boolean }): Promise<DoctorCheck[]>
  /** Prometheus text exposition. */
  metrics(): string
  /** Ends everything that was started; a second call does no harm. */
  stop(): Promise<void>
}

/** Which offered files this branch accepts by itself; the others wait for `acceptOffer` or `declineOffer`. */
export interface HandoffPolicy {
  /** `ask`: none. `fits`: what it holds already or has room for */
  accept: 'ask' | 'fits'
  /** largest file, bytes; null = whatever fits */
  maxBytes: number | null
  /** from these branches only; null = from all */
  from: NodeRef[] | null
}

export interface NodeInit {
  /** made when absent, mode 0700 */
  dataDir: string
  /** swarm port, TCP and UDP; 0 = any that is free for both @default 4373 */
  port?: number
  /** multiaddrs to listen on, instead of every interface at `port` */
  listen?: string[]
  /** others are neither listened for nor dialled @default `['tcp', 'udp']` */
  transports?: readonly TransportName[]
  /** addresses under which others reach this node (port forward), bare IP, `IP:port`, DNS name or multiaddr */
  announce?: string[]
  /** serve as relay for other members: once others have been seen to reach this node, always, or never @default 'auto' */
  relay?: 'auto' | 'always' | 'never'
  /** bytes per second of everything that it passes on as relay; null: no bound @default 10 MiB */
  relayLimit?: number | null
  /** find members on the LAN by multicast DNS @default true */
  mdns?: boolean
  /** have the router lead a port here, where this machine has no public address (spec: upnp.md) @default true */
  upnp?: boolean
  /** carry bulk over sockets of their own (spec: lane.md); false: all of it over libp2p, either way @default true */
  lanes?: boolean
  /** bytes that this node offers to the network; null = what the disk has, less the free-space floor */
  capacity?: number | null
  /** told of what went wrong without anybody having asked; names and keys are never part of it @default nobody */
  log?: (message: string, error?: unknown) => void
  /** which offered files this branch takes by itself @default what it has room for, from anybody */
  handoffs?: Partial<HandoffPolicy>
  /**
   * Makes the databases anew: damaged ones are set aside, what proves itself in them is kept, the rest is fetched from
   * the other members. @default false
   */
  rebuild?: boolean
  /** ends a start that waits for other members, as a rebuild may */
  signal?: AbortSignal
  /** time, as a parameter @default the system's */
  clock?: Clock
  /** defaults that tests and policies may want to change */
  tuning?: Partial<Tuning>
}

/** Times in milliseconds; see docs/LIMITS.md for every default and why. */
export interface Tuning {
  heartbeatMs: number
  headsIntervalMs: number
  repairGraceMs: number
  repairIntervalMs: number
  retentionMs: number
  drawSilenceMs: number
  /** after the start, until the store is looked through for damage */
  storeCheckMs: number
  /** newest rules version that this node executes: for trying out an upgrade @default what the software knows */
  rulesVersion: number
}
