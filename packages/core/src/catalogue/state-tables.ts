/**
 * The tables of shared state but for files (`file-table.ts`), once as types and once as data: what a row is, what it is
 * keyed by, and in which order its columns enter the digest. Spec: docs/specs/state-digest.md; meaning of each:
 * database/migrations/shared/0002-state.sql.
 */
export type Scalar = string | number | Uint8Array | null
export type Row = { readonly [column: string]: Scalar }

export interface TableSpec<R extends Row> {
  readonly name: string
  /** how many of the columns, from the first on, are the key */
  readonly keys: number
  readonly columns: readonly (keyof R & string)[]
}

export type NetworkRow = {
  id: Uint8Array
  name: string
  founder: string
  recovery: Uint8Array
  max_copies: number | null
  rules: number
}
export type MemberRow = {
  node: string
  key: Uint8Array
  sealing: Uint8Array
  branch: Uint8Array
  role: string
  steps: number | null
  state: string
  admit: Uint8Array
  invite: Uint8Array | null
  replaced_by: string | null
  marks: string
  closed: number
}
export type BranchRow = { id: Uint8Array; name: string; node: string; state: string }
export type InviteRow = {
  id: Uint8Array
  key: Uint8Array
  branch: string
  role: string
  expires: number
  replaces: string | null
  issuer: string
  revoked: number
  used_by: string
}
export type CutRow = { feed: string; id: Uint8Array; seq: number }
export type DepartureRow = {
  branch: Uint8Array
  seed: Uint8Array
  node: string
  candidates: string
  orphans: Uint8Array | null
}
export type RefusalRow = { subject: Uint8Array; entry: Uint8Array; code: string; reason: string }
export type AudienceKeyRow = {
  audience: Uint8Array
  key: Uint8Array
  place: number
  proof: Uint8Array
  grants: Uint8Array
  list: Uint8Array | null
  author: string
  entry: Uint8Array
}
export type CapacityRow = { node: string; weight: number; entry: Uint8Array }
export type MarkRow = { file: Uint8Array; mark: string; entry: Uint8Array; node: string }
export type ForkRow = { feed: string; node: string; seq: number; first: Uint8Array; second: Uint8Array }

function table<R extends Row>(name: string, keys: number, columns: (keyof R & string)[]): TableSpec<R> {
  return { name, keys, columns }
}

export const tables = {
  network: table<NetworkRow>('network', 1, ['id', 'name', 'founder', 'recovery', 'max_copies', 'rules']),
  members: table<MemberRow>('members', 1, [
    'node',
    'key',
    'sealing',
    'branch',
    'role',
    'steps',
    'state',
    'admit',
    'invite',
    'replaced_by',
    'marks',
    'closed',
  ]),
  branches: table<BranchRow>('branches', 1, ['id', 'name', 'node', 'state']),
  invites: table<InviteRow>('invites', 1, [
    'id',
    'key',
    'branch',
    'role',
    'expires',
    'replaces',
    'issuer',
    'revoked',
    'used_by',
  ]),
  cuts: table<CutRow>('cuts', 2, ['feed', 'id', 'seq']),
  departures: table<DepartureRow>('departures', 1, ['branch', 'seed', 'node', 'candidates', 'orphans']),
  refusals: table<RefusalRow>('refusals', 2, ['subject', 'entry', 'code', 'reason']),
  audienceKeys: table<AudienceKeyRow>('audience_keys', 2, [
    'audience',
    'key',
    'place',
    'proof',
    'grants',
    'list',
    'author',
    'entry',
  ]),
  capacities: table<CapacityRow>('capacities', 1, ['node', 'weight', 'entry']),
  marks: table<MarkRow>('marks', 3, ['file', 'mark', 'entry', 'node']),
  forks: table<ForkRow>('forks', 1, ['feed', 'node', 'seq', 'first', 'second']),
} as const

/** The reasons are for people: the digest covers the codes alone, so that a wording may change. */
export const OUTSIDE_DIGEST: ReadonlySet<string> = new Set(['reason'])
