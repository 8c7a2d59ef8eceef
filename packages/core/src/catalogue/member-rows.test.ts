import { describe, expect, it } from 'vitest'
import { idBytes, toHex } from '../ids.ts'
import { createFold, type MembershipState } from '../membership/index.ts'
import { type Author, World } from '../membership/testing.ts'
import { changedRows, memberRows } from './member-rows.ts'
import type { Row, TableSpec } from './state-tables.ts'

function nameOf({ name, columns, keys }: TableSpec<Row>, row: Row): string {
  const key = columns.slice(0, keys).map((column) => row[column] ?? null)
  return `${name} ${key.map((each) => (each instanceof Uint8Array ? toHex(each) : each)).join(' ')}`
}

function rowsOf(state: MembershipState): Map<string, Row> {
  return new Map(memberRows(state).map(({ spec, row }) => [nameOf(spec, row), row]))
}

function whole(world: World): MembershipState {
  const fold = createFold()
  for (const entry of world.entries) fold.apply(entry)
  return fold.state()
}

/** A network of which every table has rows; each state that it went through. */
function history(): { world: World; states: MembershipState[] } {
  const world = new World()
  const states = [world.state]
  const step = (work: () => unknown) => {
    work()
    states.push(world.state)
  }
  const { founder } = world
  const people: Author[] = []
  for (let at = 0; at < 6; at++) step(() => people.push(world.join(founder, { branch: `b${at}` })))
  const [first, second, third] = people as [Author, Author, Author]
  step(() => world.write(founder, 'role', { node: first.key, role: 'admin' }))
  step(() => world.write(second, 'role', { node: third.key, role: 'admin' })) // refused
  step(() => world.write(first, 'quarantine', { node: second.key }))
  const unused = world.invite(first)
  step(() => world.write(founder, 'revoke', { invite: idBytes(unused.id) }))
  step(() => world.write(third, 'leave', {}))
  step(() => world.write(founder, 'expel', { node: first.key, cuts: [first.end(1)] }, { cosigned: true }))
  return { world, states }
}

describe('membership as rows', () => {
  it('has what a change says, and nothing else, from each state to any other', () => {
    const { states } = history()
    for (const before of states) {
      for (const after of states) {
        const rows = rowsOf(before)
        for (const change of changedRows(before, after)) {
          const name = nameOf(change.spec, (change.after ?? change.before) as Row)
          expect(rows.get(name) ?? null).toEqual(change.before)
          if (change.after === null) rows.delete(name)
          else rows.set(name, change.after)
        }
        expect(rows).toEqual(rowsOf(after))
      }
    }
  })

  it('makes no row of what is as it was, also when all was folded anew', () => {
    const { world, states } = history()
    const last = states.at(-1) as MembershipState
    expect([...new Set(memberRows(last).map(({ spec }) => spec.name))].sort()).toEqual([
      'branches',
      'cuts',
      'departures',
      'invites',
      'members',
      'network',
      'refusals',
    ])
    const refolded = changedRows(last, whole(world)).map(({ spec }) => spec.name)
    // a departure tells its place in control order, which is no part of its row
    expect(refolded.filter((name) => name !== 'departures')).toEqual([])
  })

  it('makes one row of a member whose role changes', () => {
    const world = new World()
    const people = [1, 2, 3].map(() => world.join(world.founder))
    const before = world.state
    world.write(world.founder, 'role', { node: (people[1] as Author).key, role: 'admin' })
    const changes = changedRows(before, world.state)
    expect(changes.map(({ spec, after }) => [spec.name, after?.node, after?.role])).toEqual([
      ['members', people[1]?.node, 'admin'],
    ])
  })
})
