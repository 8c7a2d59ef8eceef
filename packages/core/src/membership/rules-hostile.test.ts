/**
 * What stolen machines can do, by trying everything: random entries, in any of their feeds, forks included, that claim to
 * have seen as little as they like. Spec: docs/specs/control.md, "Attacks".
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EntryId, idBytes, type NodeId } from '../ids.ts'
import { foldControl } from '../ledger/order.ts'
import { createFold, type MembershipFold } from './rules.ts'
import { Author, World } from './testing.ts'
import type { ControlEntry, MembershipState } from './types.ts'
import { areIndependent, NO_STANDING } from './voices.ts'

function fold(entries: readonly ControlEntry[]): MembershipState {
  const { state, waiting } = foldControl<MembershipFold, ControlEntry>({
    entries,
    initial: createFold(),
    apply: (running, entry) => running.apply(entry),
    rank: (running, entry) => running.rank(entry),
  })
  expect(waiting.map(({ kind }) => kind)).toEqual([])
  return state.state()
}

const cutsOf = (...authors: Author[]) => authors.flatMap((author) => [0, 1, 2].map((n) => author.end(1000, n)))

/** Admins by invite and by appointment, of two steps, and members that came through various of them. */
function company() {
  const world = new World()
  const { founder } = world
  const a = world.join(founder, { role: 'admin' })
  const one = world.join(a)
  const b = world.join(founder)
  const two = world.join(founder)
  world.write(founder, 'role', { node: b.key, role: 'admin' })
  const invite = world.invite(b)
  const three = new Author()
  world.admit(two, invite, three)
  const c = world.join(founder, { role: 'admin' })
  const d = world.join(a, { role: 'admin' })
  const four = world.join(d)
  world.write(b, 'quarantine', { node: one.key })
  world.write(c, 'release', { node: one.key })
  // every admin has done something since the others were appointed
  for (const admin of [founder, a, b, c, d, a, founder]) world.invite(admin)
  const admins = [founder, a, b, c, d]
  return { world, founder, a, b, c, d, admins, members: [one, two, three, four] }
}

interface Step {
  kind: number
  by: number
  to: number
  /** how many of the entries before it knows */
  knows: number
  /** knows what its own side has written */
  isInformed: boolean
  incarnation: number
  seq: number
  flag: boolean
}
const step = fc.record<Step>({
  kind: fc.nat(11),
  by: fc.nat(3),
  to: fc.nat(12),
  knows: fc.nat(40),
  isInformed: fc.boolean(),
  incarnation: fc.nat(2),
  seq: fc.nat(12),
  flag: fc.boolean(),
})

/** Entries of the thief and of machines of its own. */
function attack(world: World, thief: Author, honest: readonly Author[], steps: readonly Step[]): ControlEntry[] {
  const before = [...world.entries]
  const gang = [thief, new Author(), new Author(), new Author()]
  const written: ControlEntry[] = []
  const knownTips = (entries: readonly ControlEntry[]): EntryId[] => {
    const named = new Set(entries.flatMap(({ seen }) => seen))
    return entries.filter(({ id }) => !named.has(id)).map(({ id }) => id)
  }
  for (const { kind, by, to, knows, isInformed, incarnation, seq, flag } of steps) {
    // at least its own admission, as every author must
    const known = before.slice(0, Math.max(3, before.length - knows))
    const seen = [...knownTips(known), ...(isInformed ? knownTips(written) : [])]
    const author = gang[by] ?? thief
    const everyone = [...honest, ...gang]
    const target = everyone[to % everyone.length] ?? thief
    const options = { seen, incarnation, seq: seq + (incarnation === 0 ? 1 : 0) }
    const write = (kindName: string, body: unknown) => {
      const entry = author.entry(kindName, body, seen, options)
      written.push(entry)
      return entry
    }
    const invites = [...before, ...written].filter((entry) => entry.kind === 'invite')
    const invite = invites[(knows + seq) % Math.max(1, invites.length)]
    if (kind <= 1) {
      // `world.invite` adds it to the world; here it is kept apart
      const body = kind === 0 ? ({ role: 'admin' } as const) : { replaces: target.key }
      written.push(world.invite(thief, body, options))
      world.entries.length = before.length
    }
    const newcomer = gang[1 + (to % 3)] ?? thief
    if ((kind === 2 || kind === 3) && invite !== undefined)
      write('admit', world.admitBody(invite, newcomer, { cuts: flag ? [] : cutsOf(target) }))
    if (kind === 4) write('role', { node: target.key, role: flag ? 'admin' : 'member' })
    if (kind === 5) write('quarantine', { node: target.key })
    if (kind === 6) write(flag ? 'release' : 'upgrade', flag ? { node: target.key } : { rules: 2 })
    if (kind === 7 || kind === 8) write('expel', { node: target.key, cuts: flag ? [] : cutsOf(target) })
    if (kind === 10) write('leave', {})
    const leave = written.findLast((entry) => entry.kind === 'leave' && entry.author === author.node)
    if (kind === 11 && leave !== undefined)
      write('left', { leave: idBytes(leave.id), accepted: [], orphans: [], force: true, cuts: [] })
    if (kind === 9 && invite !== undefined) write('revoke', { invite: idBytes(invite.id) })
  }
  return written
}

const hostile = fc.array(step, { minLength: 3, maxLength: 30 })
const isPresent = (state: MembershipState, node: NodeId) =>
  ['member', 'quarantined'].includes(state.members.get(node)?.state ?? '')

describe('one stolen admin, with machines of its own', () => {
  const play = (thiefAt: number, steps: readonly Step[]) => {
    const all = company()
    const { world, admins, members } = all
    const thief = admins[1 + (thiefAt % (admins.length - 1))] ?? all.a
    const honest = [...admins, ...members].filter((author) => author !== thief)
    const entries = [...world.entries]
    const before = fold(entries)
    return { ...all, thief, honest, before, hostile: attack(world, thief, honest, steps), entries }
  }

  it('expels nobody, ends no admin’s voice, takes no admin’s place, changes no rules', () => {
    fc.assert(
      fc.property(fc.nat(3), hostile, (thiefAt, steps) => {
        const { entries, hostile: bad, honest, before } = play(thiefAt, steps)
        const state = fold([...entries, ...bad])
        expect(state.network?.rules).toBe(1)
        for (const { node } of honest) {
          expect(state.members.get(node)?.state).not.toBe('expelled')
          const old = before.standings.get(node)?.voice ?? null
          if (old === null) continue
          expect(isPresent(state, node)).toBe(true)
          const voice = state.standings.get(node)?.voice ?? null
          expect(voice?.under.filter((each) => !old.under.includes(each))).toEqual([])
        }
      }),
      { numRuns: 20 },
    )
  })

  it('undoes nothing that anybody had done', () => {
    fc.assert(
      fc.property(fc.nat(3), hostile, (thiefAt, steps) => {
        const { entries, hostile: bad } = play(thiefAt, steps)
        const state = fold([...entries, ...bad])
        for (const { id, kind } of entries) expect([kind, state.verdicts.get(id)]).toEqual([kind, null])
      }),
      { numRuns: 20 },
    )
  })

  it('is expelled when two who agree have had enough, with what it writes afterwards in secret', () => {
    fc.assert(
      fc.property(fc.nat(3), hostile, hostile, fc.nat(5), (thiefAt, steps, more, pick) => {
        const { world, entries, hostile: bad, honest, admins, thief, before } = play(thiefAt, steps)
        const standing = (node: NodeId) => before.standings.get(node) ?? NO_STANDING
        const pairs = admins.flatMap((x) =>
          admins
            .filter((y) => ![x, y].includes(thief) && x !== y && areIndependent(standing, x.node, y.node))
            .map((y) => [x, y] as const),
        )
        const [x, y] = pairs[pick % pairs.length] ?? [world.founder, world.founder]
        const tips = (known: readonly ControlEntry[]) => {
          const named = new Set(known.flatMap(({ seen }) => seen))
          return known.filter(({ id }) => !named.has(id)).map(({ id }) => id)
        }
        const known = [...entries, ...bad]
        const body = { node: thief.key, cuts: cutsOf(thief) }
        const first = x.entry('expel', body, tips(known), { seq: 500 })
        const second = y.entry('expel', body, tips([...known, first]), { seq: 500 })
        const expelled = fold([...known, first, second])
        expect(isPresent(expelled, thief.node)).toBe(false)
        const secret = attack(world, thief, honest, more)
        const after = fold([...known, first, second, ...secret])
        expect(isPresent(after, thief.node)).toBe(false)
        for (const { id, author } of secret) {
          if (author === thief.node && !known.some((each) => each.id === id))
            expect(after.verdicts.get(id)).not.toBeNull()
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('a stolen founder', () => {
  it('alone expels nobody by pretending that it still was the only admin', () => {
    fc.assert(
      fc.property(fc.nat(10), fc.nat(8), (knows, to) => {
        const { world, founder, admins, members } = company()
        const known = world.entries.slice(0, Math.max(1, world.entries.length - knows))
        const target = [...admins.slice(1), ...members][to % 8] ?? founder
        const named = new Set(known.flatMap(({ seen }) => seen))
        const seen = known.filter(({ id }) => !named.has(id)).map(({ id }) => id)
        const expel = founder.entry('expel', { node: target.key, cuts: [] }, seen, { incarnation: 1 })
        expect(fold([...world.entries, expel]).members.get(target.node)?.state).not.toBe('expelled')
      }),
      { numRuns: 15 },
    )
  })

  it('is undone by the recovery key from the first entry that is named, whatever it did', () => {
    fc.assert(
      fc.property(hostile, fc.nat(6), (steps, pick) => {
        const { world, founder, admins, members } = company()
        const honest = [...admins.slice(1), ...members]
        const entries = [...world.entries]
        const before = fold(entries)
        const last = entries.findLast(({ author }) => author === founder.node) ?? world.found
        const bad = attack(world, founder, honest, steps)
        // machines of its own, whose votes count: it made them, and nothing tells them from those it made before
        const gang = [new Author(), new Author()]
        const puppets = gang.flatMap((puppet) => {
          const invite = world.invite(founder, { role: 'admin' })
          const admit = world.admit(founder, invite, puppet)
          return [invite, admit]
        })
        const votes = honest.flatMap((target) =>
          gang.map((puppet) => world.write(puppet, 'expel', { node: target.key, cuts: [] })),
        )
        const ruin = [...entries, ...bad, ...puppets, ...votes]
        const named = new Set(ruin.flatMap(({ seen }) => seen))
        const seen = ruin.filter(({ id }) => !named.has(id)).map(({ id }) => id)
        const holder = honest[pick % honest.length] ?? world.founder
        const body = {
          node: founder.key,
          cuts: [[founder.incarnation(), last.seq, idBytes(last.id)]],
          last: idBytes(last.id),
        }
        const rescue = holder.entry('expel', body, seen, { cosigned: true, seq: 500 })
        const state = fold([...ruin, rescue])
        expect(state.members.get(founder.node)?.state).toBe('expelled')
        for (const { node } of honest) expect(state.members.get(node)).toEqual(before.members.get(node))
        for (const { node } of gang) expect(state.members.has(node)).toBe(false)
      }),
      { numRuns: 15 },
    )
  })
})
