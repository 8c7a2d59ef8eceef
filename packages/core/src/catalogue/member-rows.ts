/**
 * Membership as rows. Places in control order are left out: they shift when an entry arrives late, and follow from the
 * entries anyway.
 */
import { type EntryId, type FeedId, idBytes, type NodeId } from '../ids.ts'
import type {
  Branch,
  Departure,
  FeedEnd,
  Invite,
  Member,
  MembershipState,
  NetworkFacts,
  Refusal,
} from '../membership/index.ts'
import { type Row, type TableSpec, tables } from './state-tables.ts'

export interface TableRow {
  readonly spec: TableSpec<Row>
  readonly row: Row
}

const NO_SUBJECT = new Uint8Array(0)

/** One table's part of the state: what its rows are made of, by keys that stay. */
interface Source<T = unknown> {
  /** null: no row */
  parts(state: MembershipState): ReadonlyMap<string, T | null>
  make(part: T, key: string, state: MembershipState): TableRow
  /** what a row tells besides its part */
  beside?(key: string, state: MembershipState): unknown
}

function source<T>(init: Source<T>): Source {
  return init as Source
}

function of<R extends Row>(spec: TableSpec<R>, row: R): TableRow {
  return { spec: spec as unknown as TableSpec<Row>, row }
}

const sources: readonly Source[] = [
  source<NetworkFacts>({
    parts: ({ network }) => new Map(network === null ? [] : [[network.id, network]]),
    make: ({ id, name, founder, recovery, maxCopies, rules }) =>
      of(tables.network, { id: idBytes(id), name, founder, recovery, max_copies: maxCopies, rules }),
  }),
  source<Member>({
    parts: ({ members }) => members,
    beside: (node, { closed }) => closed.has(node as NodeId),
    make: (member, _node, { closed }) =>
      of(tables.members, {
        node: member.node,
        key: member.key,
        sealing: member.sealing,
        branch: idBytes(member.branch),
        role: member.role,
        steps: member.steps,
        state: member.state,
        admit: idBytes(member.admit),
        invite: member.invite === null ? null : idBytes(member.invite),
        replaced_by: member.replacedBy,
        marks: member.marks.join(' '),
        closed: closed.has(member.node) ? 1 : 0,
      }),
  }),
  source<Branch>({
    parts: ({ branches }) => branches,
    make: ({ id, name, node, state }) => of(tables.branches, { id: idBytes(id), name, node, state }),
  }),
  source<Invite>({
    parts: ({ invites }) => invites,
    make: (invite) =>
      of(tables.invites, {
        id: idBytes(invite.id),
        key: invite.key,
        branch: invite.branch,
        role: invite.role,
        expires: invite.expires,
        replaces: invite.replaces,
        issuer: invite.issuer,
        revoked: invite.revoked ? 1 : 0,
        used_by: invite.usedBy.join(' '),
      }),
  }),
  source<FeedEnd & { readonly feed: FeedId }>({
    parts: ({ cuts }) =>
      new Map([...cuts].flatMap(([feed, ends]) => ends.map((end) => [`${feed} ${end.id}`, { ...end, feed }]))),
    make: ({ feed, id, seq }) => of(tables.cuts, { feed, id: idBytes(id), seq }),
  }),
  source<Departure>({
    parts: ({ departures }) => departures,
    make({ branch, seed, node, candidates, left }) {
      const orphans = left === null ? null : new Uint8Array(Buffer.concat(left.orphans.map((id) => idBytes(id))))
      const row = { branch: idBytes(branch), seed: idBytes(seed), node, candidates: candidates.join(' '), orphans }
      return of(tables.departures, row)
    },
  }),
  source<Refusal>({
    parts: ({ verdicts }) => verdicts,
    make: ({ code, reason }, entry) =>
      of(tables.refusals, { subject: NO_SUBJECT, entry: idBytes(entry as EntryId), code, reason }),
  }),
]

/** All rows of a state. */
export function memberRows(state: MembershipState): TableRow[] {
  return [...eachMemberRow(state)]
}

/** The same, row by row. */
export function* eachMemberRow(state: MembershipState): Generator<TableRow> {
  for (const { parts, make } of sources) {
    for (const [key, part] of parts(state)) if (part !== null) yield make(part, key, state)
  }
}

export interface RowChange {
  readonly spec: TableSpec<Row>
  /** null when there was none */
  readonly before: Row | null
  /** null when it is gone */
  readonly after: Row | null
}

/**
 * Rows that may differ between two states; what is gone comes first. Asked for every control entry, of as many members as
 * there are: of what has not changed nothing is made.
 */
export function changedRows(before: MembershipState, after: MembershipState): RowChange[] {
  const written: RowChange[] = []
  const removed: RowChange[] = []
  for (const { parts, make, beside } of sources) {
    const [old, now] = [parts(before), parts(after)]
    if (old === now && beside === undefined) continue
    for (const [key, part] of now) {
      if (part === null) continue
      const known = old.get(key) ?? null
      if (isSame(known, part) && beside?.(key, before) === beside?.(key, after)) continue
      const { spec, row } = make(part, key, after)
      written.push({ spec, before: known === null ? null : make(known, key, before).row, after: row })
    }
    for (const [key, part] of old) {
      if (part === null || (now.get(key) ?? null) !== null) continue
      const { spec, row } = make(part, key, before)
      removed.push({ spec, before: row, after: null })
    }
  }
  return [...removed, ...written]
}

/** After a fold of all entries everything is another object, and most of it says the same. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  const [x, y] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  for (const name in y) if (x[name] !== y[name] && !isSameList(x[name], y[name])) return false
  return true
}

function isSameList(a: unknown, b: unknown): boolean {
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((each, at) => each === b[at])
}
