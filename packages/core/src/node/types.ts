/**
 * The public face of a node: what the SDK, the HTTP API and, through it, the command line see and do. What it shows
 * stands in `view-types.ts`, what it tells in `event-types.ts`, what it is made with in `init-types.ts`.
 *
 * What is expected to fail is a `MaloteError`; its `code` is stable, and named at each verb. Of every verb that needs a
 * network: `not-a-member` where there is none.
 */
import type { Readable } from 'node:stream'
import type { NodeEvents } from './event-types.ts'
import type {
  DigestView,
  DoctorCheck,
  FileRef,
  FileView,
  InviteView,
  LedgerEntryView,
  NodeRef,
  NodeView,
  Page,
  Role,
  SeenByView,
  StatusView,
  TransferView,
  VerificationView,
  VersionView,
} from './view-types.ts'

export type * from './event-types.ts'
export type * from './init-types.ts'
export type * from './view-types.ts'

/** Of every call that may wait. */
export interface CallOptions {
  /** Ends the wait; what was already made durable stays. */
  signal?: AbortSignal
}

/** What a network is founded with. */
export interface InitRequest {
  name: string
  branch: string
  /** copies of each live version: at least so many (where there are so many members), at most so many */
  policy?: { minCopies?: number; maxCopies?: number }
}

/** Founding, joining and leaving a network. */
export interface NetworkVerbs {
  /**
   * Founds a network, with this node's branch as its first admin.
   * @returns the recovery key, which is shown once and kept nowhere
   * @throws MaloteError `already-member`, `name-invalid`, `usage`
   */
  init(request: InitRequest, options?: CallOptions): Promise<{ status: StatusView; recoveryKey: string }>
  /**
   * Joins the network of an invite, and catches up with its ledger before it resolves.
   * @param request.via multiaddr of a member to ask, instead of those that the invite names
   * @throws MaloteError `already-member`, `invite-invalid`, `invite-expired`, `invite-used`, `invite-revoked`, `unreachable`, `clock-skew`
   */
  register(request: { invite: string; via?: string }, options?: CallOptions): Promise<StatusView>
  /**
   * Leaves for good. Resolves when it has begun; progress comes as `leave:progress`. `done` settles when it has ended.
   * The signal cancels it as long as only copies are made; once `leave` is written it goes on. A second call with `force`
   * while one without is under way makes that one forced, and takes over its cancelling.
   * @param request.force also where files would be left without a copy or an owner
   * @throws MaloteError `orphans-left` of the last branch, `conflict` for the only admin
   */
  unregister(request: { force?: boolean }, options?: CallOptions): Promise<{ done: Promise<void> }>
  /** Takes this node's part in the network up again; it is remembered across starts. */
  connect(options?: CallOptions): Promise<StatusView>
  /** Talks to nobody until `connect`, also after a start. What is here stays readable. */
  disconnect(options?: CallOptions): Promise<StatusView>
  /**
   * Activates a rules version for all: admins only, and never taken back. Nodes whose software lacks it execute and write
   * nothing until it is replaced.
   * @param request.rules number of the version; the newest that this software knows by default
   * @throws MaloteError `not-admin`, `usage` for a version that is no later one, or not known here
   */
  upgrade(request?: { rules?: number }, options?: CallOptions): Promise<StatusView>
  /**
   * Makes this node an admin, by the recovery key.
   * @throws MaloteError `usage` when it is no recovery key, `forbidden` when it is another network's
   */
  recover(request: { recoveryKey: string }, options?: CallOptions): Promise<StatusView>
}

/** The branches of the network, and what admins do with them. */
export interface MemberVerbs {
  /** All that were ever let in, also those that have left. */
  list(): NodeView[]
  /** @throws MaloteError `not-found`, `ambiguous` */
  get(ref: NodeRef): NodeView
  /**
   * Makes a branch admin, or plain member. Admins only. @throws MaloteError `not-admin`, `conflict` for the last admin
   */
  setRole(ref: NodeRef, role: Role, options?: CallOptions): Promise<NodeView>
  /**
   * Takes a branch's part away until `release`: it gets nothing new, and what it writes does not count. Admins only.
   * @throws MaloteError `not-admin`
   */
  quarantine(ref: NodeRef, options?: CallOptions): Promise<NodeView>
  /** Ends a quarantine. Admins only. @throws MaloteError `not-admin`, `conflict` when there is none */
  release(ref: NodeRef, options?: CallOptions): Promise<NodeView>
  /**
   * Quarantines at once. With the recovery key it is final, also when this node is no admin or was expelled itself; `since`
   * then names the first entry of that node which shall count no more, with all that followed from it.
   * @returns what finality waits for, null when final
   * @throws MaloteError `not-admin`, `usage` for a `since` or a recovery key that is none, `forbidden` for another network's key
   */
  expel(
    ref: NodeRef,
    options?: CallOptions & { recoveryKey?: string; since?: string },
  ): Promise<{ node: NodeView; waitsFor: string | null }>
  /**
   * Writes an invite, good for one branch. Admins only.
   * @param request.role `member` by default
   * @param request.expiresInMs milliseconds; 72 hours by default, 1 second to 365 days
   * @param request.replaces the branch whose lost machine the new one takes the place of; an admin's wants `recoveryKey`
   * @returns the invite as text: send it like a password
   * @throws MaloteError `not-admin`, `name-invalid`, `usage`, `conflict`
   */
  invite(
    request: { branch: string; role?: Role; expiresInMs?: number; replaces?: NodeRef; recoveryKey?: string },
    options?: CallOptions,
  ): Promise<{ invite: string; view: InviteView }>
  /** Invites of all admins, also used and ended ones. */
  invites(): InviteView[]
  /** Makes an open invite void. Admins only. @throws MaloteError `not-found`, `not-admin` */
  revokeInvite(id: string, options?: CallOptions): Promise<void>
}

/** Which files to list; what is absent does not narrow. Newest change first. */
export interface FileQuery {
  /** part of the name, the campaign or a tag, in any case */
  q?: string
  /** the whole campaign, in any case */
  campaign?: string
  owner?: NodeRef
  /** a whole tag, in any case */
  tag?: string
  /** the trash instead @default false */
  deleted?: boolean
  /** `next` of the page before */
  cursor?: string
  /** @default 100, at most 1,000 */
  limit?: number
}

/** What a file is published with. */
export interface UploadDetails {
  /** 1 to 255 bytes of UTF-8 */
  name: string
  /** media type; guessed from the name when absent */
  type?: string
  /** branches that must not read it @default nobody */
  denied?: NodeRef[]
  /** the only branches that may, beside this one; not together with `denied` @default everyone */
  only?: NodeRef[]
  campaign?: string
  tags?: string[]
}

/** What is known before the bytes are. */
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
  /**
   * Makes it visible to those who may read it; durable here when it resolves.
   * @throws MaloteError `name-invalid`, `not-found`, `ambiguous`, `owner-cannot-be-denied`, `quarantined`, `clock-skew`
   */
  publish(details: UploadDetails, options?: CallOptions): Promise<FileView>
  /** Drops what was written; nothing after `publish`. */
  abort(): Promise<void>
}

/** The same for a new version; name, type, tags and campaign stay as they are unless given. */
export interface PendingUpdate {
  /** As of `PendingUpload`. */
  write(content: Readable | AsyncIterable<Uint8Array>, options?: CallOptions): Promise<{ size: number }>
  /**
   * @param details.ifMatch number of the version that the caller has seen
   * @throws MaloteError `precondition-failed` when another came first, `not-owner`, `deleted`, `name-invalid`
   */
  publish(
    details?: { name?: string; type?: string; campaign?: string; tags?: string[]; ifMatch?: number },
    options?: CallOptions,
  ): Promise<FileView>
  /** Drops what was written; nothing after `publish`. */
  abort(): Promise<void>
}

/** A version that can be read, here or from other members. */
export interface ContentReader {
  name: string
  /** media type */
  type: string
  /** plain bytes */
  size: number
  version: number
  /** opaque, changes with the content */
  etag: string
  /**
   * Plain bytes of [start, end), chunk by chunk as they arrive from disk or from other members. The chunks are the
   * caller's: `release` of `@malote/core/release` gives back their memory sooner than the collector would.
   * @throws MaloteError `no-source` when no member that has a chunk can be reached, `damaged`, `range-invalid`
   */
  read(range?: { start: number; end: number }, options?: CallOptions): AsyncIterable<Uint8Array>
}

/** One file that one node may not read. */
export interface BlacklistItem {
  fileId: string
  node: string
}

/**
 * Files: sharing, finding, reading, changing, giving away. Of those that change a file, all but the verbs of offers are
 * its owner's: `not-owner` for others.
 */
export interface FileVerbs {
  /** A page of what this branch may see, of all branches. @throws MaloteError `usage` for a cursor that is none */
  list(query?: FileQuery): Page<FileView>
  /** @throws MaloteError `not-found`, also for a file that this branch may not see; `ambiguous` */
  get(ref: FileRef): FileView
  /** Who can see it. */
  seenBy(ref: FileRef): SeenByView
  /** Those that are kept, oldest first; conflict versions last. */
  versions(ref: FileRef): VersionView[]
  /** @throws MaloteError `quarantined`, `conflict` while this branch leaves */
  beginUpload(options?: BeginOptions): Promise<PendingUpload>
  /** @throws MaloteError `not-owner`, `deleted` */
  beginUpdate(ref: FileRef, options?: BeginOptions): Promise<PendingUpdate>
  /**
   * Shares one file of the disk, read without following links.
   * @param details the name of the path by default
   * @throws MaloteError `unreadable`, `file-changed` when it changed meanwhile, and those of `PendingUpload`
   */
  upload(path: string, details?: Partial<UploadDetails>, options?: CallOptions): Promise<FileView>
  /** Gives a file new content, as `upload` reads it. @param options.ifMatch as of `PendingUpdate` */
  update(ref: FileRef, path: string, options?: CallOptions & { ifMatch?: number }): Promise<FileView>
  /**
   * Opens a version for reading; whence its bytes come is found out as they are read.
   * @param options.version the present one by default
   * @throws MaloteError `not-found`
   */
  content(ref: FileRef, options?: CallOptions & { version?: number }): Promise<ContentReader>
  /**
   * Writes the file into a folder that exists, under a safe form of its name that nothing there bears; the name appears
   * when all bytes are on disk. @returns the path
   */
  export(ref: FileRef, folder: string, options?: CallOptions & { version?: number }): Promise<string>
  /** The small picture beside the version, from here or from a member; null where there is none, or none in reach. */
  preview(ref: FileRef, options?: CallOptions): Promise<{ type: string; bytes: Uint8Array } | null>
  /** Makes a local copy, and keeps it. Resolves when it has begun: `transfer:ended` tells the rest. */
  fetch(ref: FileRef, options?: CallOptions & { version?: number }): Promise<TransferView>
  /**
   * Resolves when the file is held by so many; rejects when the signal ends it.
   * @param level `durable`: enough others have proved that they hold it; `replicated`: all that should have it do
   */
  waitFor(ref: FileRef, level: 'durable' | 'replicated', options?: CallOptions): Promise<FileView>
  /**
   * Into the trash, for 30 days (`Tuning.retentionMs`).
   * @param options.purge at once and for good, on every branch; false by default
   * @throws MaloteError `precondition-failed`, `deleted`
   */
  remove(ref: FileRef, options?: CallOptions & { purge?: boolean; ifMatch?: number }): Promise<void>
  /**
   * Out of the trash; or makes an older version the present one.
   * @throws MaloteError `not-deleted` without `version` when it is in no trash, `not-found` for a version that is not kept
   */
  restore(ref: FileRef, options?: CallOptions & { version?: number }): Promise<FileView>
  /** Who may not read what, of one file or of all that this branch may see. */
  blacklist(ref?: FileRef): BlacklistItem[]
  /**
   * Takes reading away from nodes. What they have read they may have kept.
   * @param options.reseal seals the present version anew, so that what they may have kept of keys opens nothing; false by default
   * @throws MaloteError `owner-cannot-be-denied`, `not-found`
   */
  deny(ref: FileRef, nodes: NodeRef[], options?: CallOptions & { reseal?: boolean }): Promise<FileView>
  /** Gives it back to nodes, or to all. @param options.reseal as of `deny` */
  allow(ref: FileRef, nodes: NodeRef[] | 'all', options?: CallOptions & { reseal?: boolean }): Promise<FileView>
  /** Makes these the nodes that may not read it, and no others. @param options.reseal as of `deny` */
  setBlacklist(ref: FileRef, nodes: NodeRef[], options?: CallOptions & { reseal?: boolean }): Promise<FileView>
  /** Open offers to this branch, and by it. */
  handoffs(): { incoming: FileView[]; outgoing: FileView[] }
  /**
   * Offers a file to another branch, which owns it once it accepts. @throws MaloteError `handoff-pending`, `denied-node`
   */
  offer(ref: FileRef, to: NodeRef, options?: CallOptions): Promise<FileView>
  /** @throws MaloteError `handoff-not-pending` */
  cancelOffer(ref: FileRef, options?: CallOptions): Promise<FileView>
  /** By the branch that it is offered to. @throws MaloteError `handoff-not-pending` */
  acceptOffer(ref: FileRef, options?: CallOptions): Promise<FileView>
  /** By the branch that it is offered to. @throws MaloteError `handoff-not-pending` */
  declineOffer(ref: FileRef, options?: CallOptions): Promise<void>
  /** Takes a file that has no owner any more. @throws MaloteError `not-holder` unless this branch holds it */
  adopt(ref: FileRef, options?: CallOptions): Promise<FileView>
  /** Offers a file without an owner, or a disputed one, to a branch. Admins only. @throws MaloteError `not-admin` */
  assign(ref: FileRef, to: NodeRef, options?: CallOptions): Promise<FileView>
}

/** Caps of all transfers together. */
export interface RateLimits {
  /** bytes per second; null = unlimited */
  up: number | null
  down: number | null
}

/** Bytes on their way, and caps. Of an id that is none: `not-found`. */
export interface TransferVerbs {
  /** Those that run or wait, and the last that have ended. */
  list(): TransferView[]
  /** @throws MaloteError `not-found` */
  get(id: string): TransferView
  /** Until `resume`; what has come stays. @throws MaloteError `conflict` when it has ended */
  pause(id: string): Promise<TransferView>
  /** @throws MaloteError `conflict` unless it is paused or has failed */
  resume(id: string): Promise<TransferView>
  /** It goes before all others of its kind. */
  first(id: string): Promise<TransferView>
  /** Gives it up; what has come goes. @throws MaloteError `conflict` when it has ended */
  cancel(id: string): Promise<TransferView>
  /** Bytes per second; null = unlimited. */
  limits(): RateLimits
  /** What is absent stays. Remembered across starts. @throws MaloteError `usage` */
  setLimits(limits: Partial<RateLimits>): Promise<RateLimits>
}

/** The signed entries that every member has. */
export interface LedgerVerbs {
  /**
   * In the order in which they came to this node.
   * @param query.after arrival number: those that came later; from the first by default
   * @param query.limit 1 to 1,000; 100 by default
   */
  entries(query?: { after?: number; limit?: number }): { items: LedgerEntryView[]; next: number | null }
  /** Heads and state digest: equal on nodes that have the same entries. */
  digest(): DigestView
  /** Checks files, entries and state: recomputes the state from the entries and compares. */
  verify(options?: CallOptions): Promise<VerificationView>
  /** Makes the state anew from the entries, then verifies. Nothing is changed while the entries themselves are damaged. */
  repair(options?: CallOptions): Promise<VerificationView>
}

/** One node, running. Made by `createNode`; its verbs stand in groups. */
export interface MaloteNode {
  /** PeerId */
  readonly id: string
  /** multiaddrs under which others may reach it */
  readonly addresses: string[]
  readonly network: NetworkVerbs
  readonly members: MemberVerbs
  readonly files: FileVerbs
  readonly transfers: TransferVerbs
  readonly ledger: LedgerVerbs
  readonly events: NodeEvents
  /** How it goes: cheap, also without a network. */
  status(): StatusView
  /**
   * Looks at the clock, ports, disk, database and ways to others.
   * @param options.chunks looks through the whole store first; false by default
   */
  doctor(options?: CallOptions & { chunks?: boolean }): Promise<DoctorCheck[]>
  /** Prometheus text exposition. */
  metrics(): string
  /** Ends everything that was started; a second call does no harm. */
  stop(): Promise<void>
}
