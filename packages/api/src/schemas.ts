/**
 * The shapes of the facade (`MaloteNode`) as schemas. `satisfies`-like checks at the end keep them equal to the
 * facade's types: a field that one has and the other has not fails to compile.
 */
import type {
  DigestView,
  DoctorCheck,
  FileView,
  InviteView,
  LedgerEntryView,
  NodeView,
  RateLimits,
  SeenByView,
  StatusView,
  TransferView,
  VerificationView,
  VersionView,
} from '@malote/core'
import { type Static, type TProperties, type TSchema, Type } from 'typebox'

const time = (description: string) => Type.String({ format: 'date-time', description })
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const bytes = (description: string) => Type.Integer({ minimum: 0, description: `${description}, bytes` })
const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
/** Answers may grow fields within the API's version, so they are open; requests are closed. */
const answer = <P extends TProperties>($id: string, description: string, properties: P) =>
  Type.Object(properties, { $id, description })
/** A body or query: what it does not name is refused. */
export const closed = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false })

const Held = Type.Object({ held: count('verified holders'), target: count('holders wanted') })
const Branch = Type.Object({
  id: Type.String({ description: "PeerId of the branch's current node" }),
  branch: Type.String(),
})

const role = Type.Union([Type.Literal('member'), Type.Literal('admin')])
export const RoleSchema = role
const local = Type.Union([Type.Literal('complete'), Type.Literal('partial'), Type.Literal('none')])

const finePath = Type.Union([
  Type.Literal('lan'),
  Type.Literal('tcp'),
  Type.Literal('udp'),
  Type.Literal('punched-tcp'),
  Type.Literal('punched-udp'),
  Type.Literal('relay'),
])
const roundTrip = nullable(Type.Number({ minimum: 0 }))
const rate = nullable(
  Type.Number({
    minimum: 0,
    description: 'the most that has come in a second of late; null: nothing large',
  }),
)

export const NodeSchema = answer('Node', 'A node of the network', {
  id: Type.String({ description: 'PeerId' }),
  branch: Type.String({ description: '`name~prefix` when two branches bear one name' }),
  role,
  connected: Type.Boolean(),
  lastSeen: nullable(time('when this node last heard of it')),
  path: nullable(Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('relay')])),
  pathKind: nullable(finePath),
  rttMs: roundTrip,
  bytesPerSecond: rate,
  paths: Type.Array(
    Type.Object({
      kind: finePath,
      address: Type.String({ description: 'multiaddr of its other end' }),
      ageSeconds: count('since it stands'),
      rttMs: roundTrip,
      bytesPerSecond: rate,
    }),
    { description: 'all that stand, the one in use first' },
  ),
  self: Type.Boolean(),
  state: Type.Union([
    Type.Literal('member'),
    Type.Literal('quarantined'),
    Type.Literal('left'),
    Type.Literal('expelled'),
  ]),
  addresses: Type.Array(Type.String()),
  marks: Type.Array(Type.String(), { description: 'what all members should know about it' }),
})

export const FileSchema = answer('File', 'A shared file as this node may see it', {
  id: Type.String(),
  name: Type.String({ description: 'chosen by another branch: data, never a path' }),
  size: bytes('plain size'),
  type: Type.String({ description: 'media type' }),
  version: Type.Integer({ minimum: 1 }),
  owner: Branch,
  createdAt: time('first version'),
  updatedAt: time('last change'),
  campaign: nullable(Type.String()),
  tags: Type.Array(Type.String()),
  audience: Type.Union([Type.Literal('everyone'), Type.Literal('except'), Type.Literal('only')]),
  denied: Type.Array(Type.String(), { description: "PeerIds of the denied branches' current nodes" }),
  copies: Held,
  local,
  state: Type.Union([Type.Literal('live'), Type.Literal('deleted'), Type.Literal('orphaned')]),
  handoff: nullable(Type.Object({ to: Branch, since: time('when it was offered') })),
  disputed: Type.Boolean({
    description: 'its owner has offered it twice and two branches have accepted; an admin may assign it anew',
  }),
  hasPreview: Type.Boolean(),
})

export const SeenBySchema = answer('SeenBy', 'Who can see a file, by branches', {
  text: Type.String({ description: '`everyone`, `everyone except Natal, Rio`, `only Natal, Recife`' }),
  readers: Type.Array(Branch, { description: 'members that may read it now' }),
  denied: Type.Array(Branch, { description: 'members that may not' }),
  hadAccess: nullable(
    Type.Array(
      Type.Object({
        id: Type.String({ description: "PeerId of the branch's current node" }),
        branch: Type.String(),
        until: time('when it was denied'),
      }),
      {
        description:
          'of those denied, who could read it before, and until when: they may have kept a copy; null for other branches than the owner',
      },
    ),
  ),
  knownSince: nullable(time('since when this branch knows who could read it; null: from the beginning')),
})

export const VersionSchema = answer('Version', 'One version of a file', {
  version: Type.Integer({ minimum: 1 }),
  size: bytes('plain size'),
  name: Type.String(),
  createdAt: time('when it was written'),
  author: Branch,
  current: Type.Boolean(),
  conflict: Type.Boolean({ description: 'written beside another version that came first' }),
  local,
  copies: Held,
})

export const InviteSchema = answer('Invite', 'An invite, without its secret', {
  id: Type.String(),
  branch: Type.String(),
  role,
  expires: time('end of its validity'),
  state: Type.Union([Type.Literal('open'), Type.Literal('used'), Type.Literal('expired'), Type.Literal('revoked')]),
  replaces: nullable(Type.String()),
  usedBy: nullable(Type.String()),
})

export const TransferSchema = answer('Transfer', 'Bytes on their way', {
  id: Type.String(),
  kind: Type.Union([Type.Literal('upload'), Type.Literal('fetch'), Type.Literal('replicate'), Type.Literal('drain')]),
  fileId: Type.String(),
  name: nullable(Type.String({ description: 'null when this node may not know it' })),
  state: Type.Union([
    Type.Literal('queued'),
    Type.Literal('running'),
    Type.Literal('paused'),
    Type.Literal('done'),
    Type.Literal('failed'),
    Type.Literal('cancelled'),
  ]),
  bytes: bytes('done'),
  total: bytes('in all'),
  bytesPerSecond: Type.Number({ minimum: 0 }),
  etaSeconds: nullable(Type.Number({ minimum: 0 })),
  sources: Type.Array(
    Type.Object({ id: Type.String(), branch: Type.String(), bytes: bytes('from it'), path: nullable(finePath) }),
  ),
  startedAt: time('start'),
  finishedAt: nullable(time('end')),
  error: nullable(Type.Object({ code: Type.String(), message: Type.String() })),
})

export const LedgerEntrySchema = answer('LedgerEntry', 'One entry of the ledger', {
  arrival: count('counts local arrivals; the cursor of `after`'),
  id: Type.String(),
  kind: Type.String(),
  author: Type.Object({ id: Type.String(), branch: nullable(Type.String()) }),
  feed: Type.String(),
  seq: count(),
  time: time("the entry's clock"),
  subject: nullable(Type.String()),
  refused: nullable(Type.Object({ code: Type.String(), reason: Type.String() })),
})

export const DigestSchema = answer('Digest', 'Heads and state digest: equal on nodes that have the same entries', {
  heads: Type.Array(Type.Object({ author: Type.String(), feed: Type.String(), seq: count(), id: Type.String() })),
  entries: count(),
  state: Type.String({ description: 'hex' }),
})

export const VerificationSchema = answer('Verification', 'What recomputing everything from the entries has yielded', {
  ok: Type.Boolean(),
  entries: count(),
  state: Type.String(),
  recomputed: Type.String(),
  problems: Type.Array(Type.String()),
  advice: nullable(Type.String()),
})

const statusFields = {
  id: Type.String(),
  branch: nullable(Type.String()),
  role: nullable(role),
  network: nullable(Type.Object({ id: Type.String(), name: Type.String() })),
  connected: Type.Boolean(),
  members: Type.Object({ total: count(), connected: count() }),
  paths: Type.Array(Type.Object({ kind: finePath, count: count(), rttMs: roundTrip, bytesPerSecond: rate }), {
    description: 'the paths in use to members, by kind: median round trip, best rate',
  }),
  files: Type.Object({
    total: count(),
    bytes: bytes('of all live files'),
    atRisk: count(),
    short: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), copies: Held }), {
      description: 'files at risk that this branch may know of, fewest copies first; at most 100',
    }),
  }),
  ledger: Type.Object({
    entries: count(),
    state: Type.String(),
    inSyncWith: count(),
    held: count(),
    waiting: count(),
    diverged: count(),
    catchingUp: nullable(Type.Object({ have: count(), expected: count() })),
  }),
  reachability: Type.Object({ tcp: Type.String(), udp: Type.String(), relay: Type.String(), nat: Type.String() }),
  upnp: Type.Object({
    state: Type.String({
      description: 'mapped, no-router, no-public-address, refused, failed, not-needed, looking, waiting, off',
    }),
    address: nullable(Type.String({ description: 'IP:port under which others reach this node by the router' })),
    detail: nullable(Type.String()),
  }),
  disk: Type.Object({ used: bytes('used'), free: bytes('free'), capacity: nullable(bytes('offered to the network')) }),
  addresses: Type.Array(Type.String()),
  version: Type.String(),
  rules: Type.Object({ active: nullable(count()), known: count() }),
  uptimeSeconds: Type.Number({ minimum: 0 }),
  warnings: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), advice: nullable(Type.String()) })),
}
export const StatusSchema = answer('Status', 'This node and the health of its network', statusFields)
export const FoundedSchema = answer('Founded', 'The founded network, and its recovery key, shown this once', {
  ...statusFields,
  recoveryKey: Type.String({ description: 'to be kept on paper' }),
})

export const DoctorCheckSchema = answer('DoctorCheck', 'One thing that was looked at', {
  name: Type.String(),
  state: Type.Union([Type.Literal('ok'), Type.Literal('warning'), Type.Literal('problem')]),
  message: Type.String(),
  advice: nullable(Type.String()),
})

export const LimitsSchema = answer('Limits', 'Caps of the transfers, bytes per second; null = unlimited', {
  up: nullable(Type.Integer({ minimum: 1 })),
  down: nullable(Type.Integer({ minimum: 1 })),
})

export const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: 'stable; what a program decides by' }),
    reason: Type.Optional(
      Type.String({ description: 'stable and finer: which failure; what a translation goes by, with further fields' }),
    ),
    advice: Type.Optional(Type.String()),
  },
  { $id: 'Problem', description: 'RFC 9457 problem document; fields of its own per code', additionalProperties: true },
)

/** Everything that stands under `components.schemas`. */
export const sharedSchemas = [
  NodeSchema,
  FileSchema,
  SeenBySchema,
  VersionSchema,
  InviteSchema,
  TransferSchema,
  LedgerEntrySchema,
  DigestSchema,
  VerificationSchema,
  StatusSchema,
  FoundedSchema,
  DoctorCheckSchema,
  LimitsSchema,
  ProblemSchema,
]

/** A reference to a shared schema that keeps its type. */
export function ref<T extends TSchema & { $id?: string }>(schema: T) {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

type Same<A, B> = [A, B] extends [B, A] ? true : never
const sameAsFacade: [
  Same<Static<typeof NodeSchema>, NodeView>,
  Same<Static<typeof FileSchema>, FileView>,
  Same<Static<typeof SeenBySchema>, SeenByView>,
  Same<Static<typeof VersionSchema>, VersionView>,
  Same<Static<typeof InviteSchema>, InviteView>,
  Same<Static<typeof TransferSchema>, TransferView>,
  Same<Static<typeof LedgerEntrySchema>, LedgerEntryView>,
  Same<Static<typeof DigestSchema>, DigestView>,
  Same<Static<typeof VerificationSchema>, VerificationView>,
  Same<Static<typeof StatusSchema>, StatusView>,
  Same<Static<typeof DoctorCheckSchema>, DoctorCheck>,
  Same<Static<typeof LimitsSchema>, RateLimits>,
] = [true, true, true, true, true, true, true, true, true, true, true, true]
void sameAsFacade
