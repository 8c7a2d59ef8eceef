/**
 * Membership as rows. Places in control order are left out: they shift when an entry arrives late, and follow from the
 * entries anyway.
 */
import { idBytes } from '../ids.ts'
import type { MembershipState } from '../membership/index.ts'
import { type Row, type TableSpec, tables } from './state-tables.ts'

export interface TableRow {
  readonly spec: TableSpec<Row>
  readonly row: Row
}

const NO_SUBJECT = new Uint8Array(0)

/** One table's part of the state: from which map its rows come, and how. */
interface Source {
  readonly name: string
  rows(state: MembershipState): Iterable<{ readonly key: string; readonly from: readonly unknown[]; make(): TableRow }>
}

function of<R extends Row>(spec: TableSpec<R>, row: R): TableRow {
  return { spec: spec as unknown as TableSpec<Row>, row }
}

const sources: readonly Source[] = [
  {
    name: 'network',
    *rows({ network }) {
      if (network === null) return
      const { id, name, founder, recovery, maxCopies, rules } = network
      const row = { id: idBytes(id), name, founder, recovery, max_copies: maxCopies, rules }
      yield { key: id, from: [network], make: () => of(tables.network, row) }
    },
  },
  {
    name: 'members',
    *rows({ members, closed }) {
      for (const member of members.values()) {
        const isClosed = closed.has(member.node)
        const make = () =>
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
            closed: isClosed ? 1 : 0,
          })
        yield { key: member.node, from: [member, isClosed], make }
      }
    },
  },
  {
    name: 'branches',
    *rows({ branches }) {
      for (const branch of branches.values()) {
        const { id, name, node, state } = branch
        yield { key: id, from: [branch], make: () => of(tables.branches, { id: idBytes(id), name, node, state }) }
      }
    },
  },
  {
    name: 'invites',
    *rows({ invites }) {
      for (const invite of invites.values()) {
        const make = () =>
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
          })
        yield { key: invite.id, from: [invite], make }
      }
    },
  },
  {
    name: 'cuts',
    *rows({ cuts }) {
      for (const [feed, ends] of cuts) {
        for (const { id, seq } of ends)
          yield { key: `${feed} ${id}`, from: [seq], make: () => of(tables.cuts, { feed, id: idBytes(id), seq }) }
      }
    },
  },
  {
    name: 'departures',
    *rows({ departures }) {
      for (const departure of departures.values()) {
        const { branch, seed, node, candidates, left } = departure
        const orphans = left === null ? null : new Uint8Array(Buffer.concat(left.orphans.map((id) => idBytes(id))))
        const row = { branch: idBytes(branch), seed: idBytes(seed), node, candidates: candidates.join(' '), orphans }
        yield { key: branch, from: [departure], make: () => of(tables.departures, row) }
      }
    },
  },
  {
    name: 'refusals',
    *rows({ verdicts }) {
      for (const [entry, refusal] of verdicts) {
        if (refusal === null) continue
        const { code, reason } = refusal
        const row = { subject: NO_SUBJECT, entry: idBytes(entry), code, reason }
        yield { key: entry, from: [code, reason], make: () => of(tables.refusals, row) }
      }
    },
  },
]

/** All rows of a state. */
export function memberRows(state: MembershipState): TableRow[] {
  return sources.flatMap((source) => [...source.rows(state)].map((row) => row.make()))
}

export interface RowChange {
  readonly spec: TableSpec<Row>
  /** null when there was none */
  readonly before: Row | null
  /** null when it is gone */
  readonly after: Row | null
}

/**
 * Rows that may differ between two states; what is gone comes first. What is one and the same object in both is not
 * looked into; after a fold of all entries everything is another object, and most of it says the same.
 */
export function changedRows(before: MembershipState, after: MembershipState): RowChange[] {
  const written: RowChange[] = []
  const removed: RowChange[] = []
  for (const source of sources) {
    const old = new Map<string, { readonly from: readonly unknown[]; make(): TableRow }>()
    for (const row of source.rows(before)) old.set(row.key, row)
    for (const row of source.rows(after)) {
      const known = old.get(row.key)
      old.delete(row.key)
      if (known?.from.every((value, index) => value === row.from[index]) === true) continue
      const made = row.make()
      written.push({ spec: made.spec, before: known?.make().row ?? null, after: made.row })
    }
    for (const row of old.values()) {
      const made = row.make()
      removed.push({ spec: made.spec, before: made.row, after: null })
    }
  }
  return [...removed, ...written]
}
