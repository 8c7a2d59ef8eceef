/**
 * What a node shows: plain JSON values (ids and times are text, sizes are bytes), so that the API passes them on
 * unchanged.
 */

/** Names a node: branch name, PeerId, or a unique prefix of it of 6 characters or more. Fails with `not-found`, `ambiguous`. */
export type NodeRef = string
/** Names a file: id, a unique prefix of it of 6 characters or more, or the exact name. Fails with `not-found`, `ambiguous`. */
export type FileRef = string

/** What a member may do: an admin lets others in and out. */
export type Role = 'member' | 'admin'
/** Where a node stands; only `member` takes part. */
export type MemberState = 'member' | 'quarantined' | 'left' | 'expelled'

/**
 * A way to a member: on the LAN, dialled over TCP or UDP, through two NATs by both dialling at once, or over a relay.
 */
export type FinePathView = 'lan' | 'tcp' | 'udp' | 'punched-tcp' | 'punched-udp' | 'relay'

/** One way to a member that stands. */
export interface NodePathView {
  kind: FinePathView
  /** multiaddr of its other end */
  address: string
  /** seconds since it stands */
  ageSeconds: number
  /** round trip, milliseconds; null before the first was measured */
  rttMs: number | null
  /** the most that has come over it in a second of late; null as long as nothing large has */
  bytesPerSecond: number | null
}

/** A node of the network, as this one sees it. */
export interface NodeView {
  /** PeerId */
  id: string
  /** branch name; `name~prefix` when two branches bear one name */
  branch: string
  role: Role
  connected: boolean
  /** ISO 8601, or null when never seen by this node */
  lastSeen: string | null
  path: 'tcp' | 'udp' | 'relay' | null
  /** the same in a finer word: on the LAN, or through two NATs by both dialling at once */
  pathKind: FinePathView | null
  /** round trip of it, milliseconds */
  rttMs: number | null
  /** the most that has come over this path in a second of late; null as long as nothing large has */
  bytesPerSecond: number | null
  /** all that stand, the one in use first */
  paths: NodePathView[]
  self: boolean
  state: MemberState
  /** multiaddrs under which it was last known */
  addresses: string[]
  /** what all members should know about it, e.g. `feed-forked`, `invite-reused` */
  marks: string[]
}

/** A shared file as this node may see it. */
export interface FileView {
  id: string
  /** chosen by another branch: data, never a path (`safeFileName`, `showText`) */
  name: string
  /** plain bytes */
  size: number
  /** media type */
  type: string
  version: number
  owner: { id: string; branch: string }
  /** ISO 8601, of the first version */
  createdAt: string
  /** ISO 8601, of the last change */
  updatedAt: string
  campaign: string | null
  tags: string[]
  audience: 'everyone' | 'except' | 'only'
  /** current node of each denied branch (for `only`: of each branch that is not named) */
  denied: string[]
  /** members that hold all of it, of how many that should */
  copies: { held: number; target: number }
  /** how much of it this node holds */
  local: 'complete' | 'partial' | 'none'
  /** `deleted`: in the trash; `orphaned`: its owner has left */
  state: 'live' | 'deleted' | 'orphaned'
  /** an offer of the file that is still open */
  handoff: { to: { id: string; branch: string }; since: string } | null
  /** its owner has offered it twice and two branches have accepted: one owns it, and an admin may assign it anew */
  disputed: boolean
  hasPreview: boolean
}

/** Who can see a file, by branches; a branch stands for its current node. */
export interface SeenByView {
  /** `everyone`, `everyone except Natal, Rio`, `only Natal, Recife` */
  text: string
  /** members that may read it now */
  readers: { id: string; branch: string }[]
  /** members that may not */
  denied: { id: string; branch: string }[]
  /**
   * Of those denied, who could read it before, and until when: they may have kept a copy. Null for other branches than
   * the owner.
   */
  hadAccess: { id: string; branch: string; until: string }[] | null
  /** since when this branch knows who could read it; null: from the beginning */
  knownSince: string | null
}

/** One version of a file. */
export interface VersionView {
  version: number
  /** plain bytes */
  size: number
  name: string
  /** ISO 8601 */
  createdAt: string
  author: { id: string; branch: string }
  current: boolean
  /** written beside another version that came first */
  conflict: boolean
  local: 'complete' | 'partial' | 'none'
  copies: { held: number; target: number }
}

/** An invite, without what would let anybody in. */
export interface InviteView {
  id: string
  branch: string
  role: Role
  /** ISO 8601 */
  expires: string
  state: 'open' | 'used' | 'expired' | 'revoked'
  /** PeerId of the machine whose place it takes */
  replaces: string | null
  /** PeerId of who came with it */
  usedBy: string | null
}

/**
 * `upload`: sealing on this node; `fetch`: asked for; `replicate`: this node is to hold it; `drain`: before it leaves.
 */
export type TransferKind = 'upload' | 'fetch' | 'replicate' | 'drain'
/** The last three have ended. */
export type TransferState = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled'

/** A transfer, as it is now. */
export interface TransferView {
  id: string
  kind: TransferKind
  fileId: string
  /** null when this node may not know it */
  name: string | null
  state: TransferState
  /** bytes that have come, of `total` */
  bytes: number
  total: number
  /** of the last seconds */
  bytesPerSecond: number
  /** seconds that are left at that rate; null when that cannot be said */
  etaSeconds: number | null
  /** `path`: the one in use to it now; null when there is none */
  sources: { id: string; branch: string; bytes: number; path: FinePathView | null }[]
  /** ISO 8601 */
  startedAt: string
  /** ISO 8601; null while it has not ended */
  finishedAt: string | null
  error: { code: string; message: string } | null
}

/** A signed entry, as it is listed. */
export interface LedgerEntryView {
  /** counts local arrivals; the cursor of `after` */
  arrival: number
  id: string
  kind: string
  author: { id: string; branch: string | null }
  feed: string
  seq: number
  /** ISO 8601 time of the entry's clock */
  time: string
  /** file, node or audience that it is about */
  subject: string | null
  refused: { code: string; reason: string } | null
}

/** Heads and state: equal on nodes that have the same entries. `state` is hex. */
export interface DigestView {
  heads: { author: string; feed: string; seq: number; id: string }[]
  entries: number
  state: string
}

/** What recomputing everything from the entries has yielded. */
export interface VerificationView {
  ok: boolean
  entries: number
  /** the state digest that is kept, and as the entries make it */
  state: string
  recomputed: string
  problems: string[]
  /** what to do about them; null when there are none */
  advice: string | null
}

/** This node, and the health of its network. */
export interface StatusView {
  id: string
  branch: string | null
  role: Role | null
  network: { id: string; name: string } | null
  connected: boolean
  members: { total: number; connected: number }
  /** the paths in use to members, by kind: median round trip, best rate */
  paths: { kind: FinePathView; count: number; rttMs: number | null; bytesPerSecond: number | null }[]
  files: {
    /** that this branch may see, without the trash */
    total: number
    /** plain bytes of them */
    bytes: number
    /** with fewer copies than they should have */
    atRisk: number
    /** those of them that this branch may know of, the first hundred */
    short: { id: string; name: string; copies: { held: number; target: number } }[]
  }
  ledger: {
    entries: number
    state: string
    /** connected members with the same entries */
    inSyncWith: number
    /** entries that wait for one before them */
    held: number
    /** control entries that name one which is not here */
    waiting: number
    /** connected members with the same entries and another state */
    diverged: number
    /** null while nothing, or little, is on its way from other members */
    catchingUp: { have: number; expected: number } | null
  }
  reachability: { tcp: string; udp: string; relay: string; nat: string }
  /** the port that a router leads here: `state` as in docs/specs/upnp.md, `address` where others reach this node by it */
  upnp: { state: string; address: string | null; detail: string | null }
  /** bytes; `capacity`: what is offered to the network, null = what the disk has */
  disk: { used: number; free: number; capacity: number | null }
  addresses: string[]
  version: string
  /** rules version of the network (null without one), and the newest that this software knows */
  rules: { active: number | null; known: number }
  uptimeSeconds: number
  /** what the operator should know, each with a stable code */
  warnings: { code: string; message: string; advice: string | null }[]
}

/** One thing that was looked at. */
export interface DoctorCheck {
  name: string
  state: 'ok' | 'warning' | 'problem'
  message: string
  advice: string | null
}

/** A page of a list. */
export interface Page<T> {
  items: T[]
  /** pass as `cursor` for what follows; null at the end */
  next: string | null
}
