import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { idBytes } from '../ids.ts'
import { foldControl } from '../ledger/order.ts'
import { Causality } from './causality.ts'
import { applyControl, createFold, emptyMembership, type MembershipFold } from './rules.ts'
import { Author, World } from './testing.ts'
import type { ControlEntry, MembershipState } from './types.ts'

/** One step of a random history: who does what to whom, having seen how much. */
interface Step {
  kind: number
  by: number
  to: number
  lag: number
  incarnation: number
  cosigned: boolean
}
const step = fc.record<Step>({
  kind: fc.nat(9),
  by: fc.nat(7),
  to: fc.nat(7),
  lag: fc.nat(6),
  incarnation: fc.nat(1),
  cosigned: fc.nat(15).map((n) => n === 0),
})

/** Writes the steps; entries may be refused, fork feeds' knowledge, race each other. */
function play(steps: readonly Step[]): World {
  const world = new World()
  const people = [world.founder]
  for (let i = 0; i < 3; i++) people.push(world.join(world.founder, i < 2 ? { role: 'admin' } : {}))
  const base = world.entries.length
  for (const { kind, by, to, lag, incarnation, cosigned } of steps) {
    const author = people[by % people.length] ?? world.founder
    const target = people[to % people.length] ?? world.founder
    const known = world.entries.slice(0, Math.max(base, world.entries.length - lag))
    const named = new Set(known.flatMap(({ seen }) => seen))
    const seen = known.filter(({ id }) => !named.has(id)).map(({ id }) => id)
    const options = { seen, cosigned, incarnation }
    const cuts = [target.end(to), target.end(by, 1)]
    if (kind === 0) people.push(new Author())
    const invites = world.entries.filter((entry) => entry.kind === 'invite' && known.includes(entry))
    const invite = invites[(by + to + lag) % Math.max(1, invites.length)]
    if (kind === 0) world.invite(author, lag % 2 === 0 ? { role: 'admin' } : { replaces: target.key }, options)
    if ((kind === 1 || kind === 2) && invite !== undefined) {
      world.write(author, 'admit', world.admitBody(invite, target, { cuts }), options)
    }
    if (kind === 3) world.write(author, 'role', { node: target.key, role: lag % 2 === 0 ? 'admin' : 'member' }, options)
    if (kind === 4) world.write(author, 'quarantine', { node: target.key }, options)
    if (kind === 5) world.write(author, 'release', { node: target.key }, options)
    if (kind === 6 || kind === 7) world.write(author, 'expel', { node: target.key, cuts }, options)
    if (kind === 8) world.write(author, 'leave', {}, options)
    const leave = world.entries.findLast((entry) => entry.kind === 'leave' && entry.author === author.node)
    if (kind === 9 && leave !== undefined) {
      world.write(author, 'left', { leave: idBytes(leave.id), accepted: [], orphans: [], force: true }, options)
    }
  }
  return world
}

function fold(entries: readonly ControlEntry[]): { state: MembershipState; order: readonly ControlEntry[] } {
  const { state, order, waiting } = foldControl<MembershipFold, ControlEntry>({
    entries,
    initial: createFold(),
    apply: (running, entry) => running.apply(entry),
    rank: (running, entry) => running.rank(entry),
  })
  expect(waiting).toEqual([])
  return { state: state.state(), order }
}

/** A value that can be compared and kept. */
function snapshot({ hasSeen: _, ...tables }: MembershipState): unknown {
  return structuredClone(tables)
}

describe('fold', () => {
  it('is one for any order of arrival', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 25 }), fc.infiniteStream(fc.nat()), (steps, random) => {
        const { entries } = play(steps)
        const keys = new Map(entries.map(({ id }) => [id, random.next().value as number]))
        const shuffled = [...entries].sort((x, y) => (keys.get(x.id) ?? 0) - (keys.get(y.id) ?? 0))
        const one = fold(entries)
        expect(snapshot(fold(shuffled).state)).toEqual(snapshot(one.state))
        expect(one.state.verdicts.size).toBe(entries.length)
      }),
      { numRuns: 60 },
    )
  })

  it('step by step gives what a whole fold gives, and leaves earlier states alone', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 25 }), fc.nat(), (steps, pick) => {
        const { order } = fold(play(steps).entries)
        const states: { state: MembershipState; kept: unknown }[] = []
        let state = emptyMembership()
        for (const entry of order) {
          state = applyControl(state, entry)
          states.push({ state, kept: snapshot(state) })
        }
        expect(snapshot(state)).toEqual(snapshot(fold(order).state))
        for (const { state: earlier, kept } of states) expect(snapshot(earlier)).toEqual(kept)
        // going on from an earlier state
        const at = pick % order.length
        const earlier = states[at]?.state ?? emptyMembership()
        const next = order[at + 1]
        if (next !== undefined) expect(snapshot(applyControl(earlier, next))).toEqual(states[at + 1]?.kept)
      }),
      { numRuns: 40 },
    )
  })

  it('keeps what must always hold', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 30 }), (steps) => {
        const { state } = fold(play(steps).entries)
        for (const member of state.members.values()) {
          const branch = state.branches.get(member.branch)
          expect(branch).toBeDefined()
          expect(member.role === 'admin').toBe(member.steps !== null)
          expect(member.state === 'left' || member.state === 'expelled').toBe(state.closed.has(member.node))
          if (member.state === 'member' || member.state === 'quarantined') expect(branch?.node).toBe(member.node)
          expect(state.verdicts.get(member.admit)).toBeNull()
        }
        for (const branch of state.branches.values()) expect(state.members.has(branch.node)).toBe(true)
        for (const invite of state.invites.values()) expect(state.verdicts.get(invite.id)).toBeNull()
      }),
      { numRuns: 60 },
    )
  })

  it('takes an entry twice without effect', () => {
    const { entries } = play([])
    const running = createFold()
    for (const entry of [...entries, ...entries]) running.apply(entry)
    expect(snapshot(running.state())).toEqual(snapshot(fold(entries).state))
  })

  it('goes through thousands of entries in a moment', () => {
    const world = new World()
    const rio = world.join(world.founder)
    const running = createFold()
    for (const entry of world.entries) running.apply(entry)
    let last = world.entries.at(-1)?.id ?? world.found.id
    const began = performance.now()
    for (let i = 0; i < 10_000; i++) {
      const entry = world.founder.entry(i % 2 === 0 ? 'quarantine' : 'release', { node: rio.key }, [last])
      running.apply(entry)
      last = entry.id
    }
    expect(running.state().members.get(rio.node)?.state).toBe('member')
    // some 0.2 s; quadratic work would take minutes
    expect(performance.now() - began).toBeLessThan(5000)
  })
})

describe('causality', () => {
  it('equals the closure of what each entry names', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 25 }), (steps) => {
        const { order } = fold(play(steps).entries)
        const graph = Causality.from(order)
        const seen = new Map<string, Set<string>>()
        for (const entry of order) {
          seen.set(entry.id, new Set(entry.seen.flatMap((id) => [id, ...(seen.get(id) ?? [])])))
        }
        for (const later of order) {
          for (const earlier of order) {
            expect(graph.hasSeen(later.id, earlier.id)).toBe(seen.get(later.id)?.has(earlier.id))
          }
        }
      }),
      { numRuns: 40 },
    )
  })
})
