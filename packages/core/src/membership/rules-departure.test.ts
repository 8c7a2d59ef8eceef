import { describe, expect, it } from 'vitest'
import { idBytes } from '../ids.ts'
import { fileIdFor } from './file-id.ts'
import { Author, placesOf, START_MS, World } from './testing.ts'

function company() {
  const world = new World()
  const [a, b, c] = [0, 1, 2].map(() => world.join(world.founder, { role: 'admin' })) as [Author, Author, Author]
  return { world, founder: world.founder, a, b, c, rio: world.join(world.founder) }
}
type Company = ReturnType<typeof company>

const expel = ({ world }: Company, by: Author, target: Author, options = {}, seq = 9) =>
  world.write(by, 'expel', { node: target.key, cuts: [target.end(seq)] }, options)
const stateOf = ({ world }: Company, who: Author) => world.state.members.get(who.node)?.state

describe('expulsion', () => {
  it('is final at once when the network has one admin', () => {
    const world = new World()
    const rio = world.join(world.founder)
    const seed = world.write(world.founder, 'expel', { node: rio.key, cuts: [rio.end(9)] })
    const branch = world.state.members.get(rio.node)?.branch
    expect(world.state.members.get(rio.node)?.state).toBe('expelled')
    expect(branch && world.state.branches.get(branch)?.state).toBe('expelled')
    expect(branch && world.state.departures.get(branch)).toMatchObject({
      seed: seed.id,
      node: rio.node,
      candidates: [world.founder.node],
      left: null,
    })
    expect(placesOf(world.state)).toEqual([9])
    expect(world.verdict(world.write(rio, 'leave', {}))).toBe('feed-closed')
  })

  it.each<[string, (it: Company) => [Author, Author], string]>([
    ['two admins that a third appointed', ({ a, b }) => [a, b], 'expelled'],
    ['the same admin twice', ({ a }) => [a, a], 'quarantined'],
    ['an admin and the one it appointed', ({ founder, a }) => [founder, a], 'quarantined'],
    ['an admin and the one that appointed it', ({ founder, a }) => [a, founder], 'quarantined'],
    [
      'an admin and one appointed by its appointee',
      ({ world, a }) => [a, world.join(world.join(a, { role: 'admin' }), { role: 'admin' })],
      'quarantined',
    ],
  ])('by %s', (_, pick, state) => {
    const all = company()
    const [first, second] = pick(all)
    expel(all, first, all.rio)
    expect(stateOf(all, all.rio)).toBe('quarantined')
    expel(all, second, all.rio)
    expect(stateOf(all, all.rio)).toBe(state)
  })

  it('is final by the recovery key', () => {
    const all = company()
    expel(all, all.rio, all.founder, { cosigned: true })
    expect(stateOf(all, all.founder)).toBe('expelled')
  })

  it('of a machine that was replaced leaves its branch to the new one', () => {
    const { world, founder, a, rio } = company()
    const fresh = new Author()
    const invite = world.invite(a, { replaces: rio.key })
    world.write(a, 'admit', world.admitBody(invite, fresh, { cuts: [rio.end(9)] }))
    const branch = world.state.members.get(fresh.node)?.branch ?? ('' as never)
    expect(world.state.branches.get(branch)).toMatchObject({ node: fresh.node, state: 'member' })
    const expel = world.write(founder, 'expel', { node: rio.key, cuts: [rio.end(9)] }, { cosigned: true })
    expect(world.verdict(expel)).toBeNull()
    expect(world.state.members.get(rio.node)).toMatchObject({ state: 'expelled', replacedBy: fresh.node })
    expect(world.state.branches.get(branch)).toMatchObject({ node: fresh.node, state: 'member' })
    expect(world.state.departures.has(branch)).toBe(false)
    // which leaves when it wants to
    expect(world.verdict(world.write(fresh, 'leave', {}))).toBeNull()
    expect(world.state.departures.get(branch)?.node).toBe(fresh.node)
  })

  it('is not for members', () => {
    const all = company()
    expect(all.world.verdict(expel(all, all.rio, all.a))).toBe('not-admin')
    expect(stateOf(all, all.a)).toBe('member')
  })

  it('a withdrawn vote does not count', () => {
    const all = company()
    expel(all, all.a, all.rio)
    all.world.write(all.a, 'release', { node: all.rio.key })
    expel(all, all.b, all.rio)
    expect(stateOf(all, all.rio)).toBe('quarantined')
  })

  it('cannot be had alone by taking the others’ roles or quarantining them', () => {
    const all = company()
    const { world, founder, a, b, c } = all
    for (const other of [a, b]) world.write(founder, 'role', { node: other.key, role: 'member' })
    world.write(founder, 'quarantine', { node: c.key })
    for (const other of [a, b, c]) expel(all, founder, other)
    expect([a, b, c].map((other) => stateOf(all, other))).toEqual(['quarantined', 'quarantined', 'quarantined'])
    // they can answer
    expel(all, a, founder)
    expel(all, c, founder)
    expect(stateOf(all, founder)).toBe('expelled')
  })

  it('a role given up is no voice any more, one taken by an admin alone still is, one taken by two is not', () => {
    const all = company()
    const { world, founder, a, b, c, rio } = all
    const d = world.join(founder, { role: 'admin' })
    world.write(d, 'role', { node: d.key, role: 'member' })
    expect(world.verdict(expel(all, d, rio))).toBe('not-admin')
    world.write(a, 'role', { node: b.key, role: 'member' })
    expect(world.verdict(expel(all, b, rio))).toBeNull()
    // a vote, but not a quarantine
    expect(stateOf(all, rio)).toBe('member')
    world.write(c, 'role', { node: b.key, role: 'member' })
    expect(world.verdict(expel(all, b, rio))).toBe('not-admin')
    // nor does the vote of before count any more
    expel(all, a, rio)
    expect(stateOf(all, rio)).toBe('quarantined')
  })

  it('undoes what the expelled one wrote beyond the cut as if it had seen nothing', () => {
    const all = company()
    const { world, founder, a, b, rio } = all
    const seen = world.tips()
    const puppet = new Author()
    const invite = world.invite(founder, { role: 'admin' }, { seen, seq: 100 })
    const admit = world.admit(founder, invite, puppet, { seq: 101 })
    const attack = world.write(founder, 'quarantine', { node: rio.key }, { seen, seq: 102 })
    expect(world.verdict(admit)).toBeNull()
    expel(all, a, founder, { seen })
    expel(all, b, founder, { seen: [...seen, world.entries.at(-1)?.id ?? world.found.id] }, 50)
    expect(stateOf(all, founder)).toBe('expelled')
    expect([invite, admit, attack].map((entry) => world.verdict(entry))).toEqual([
      'feed-closed',
      'feed-closed',
      'feed-closed',
    ])
    expect(world.state.members.has(puppet.node)).toBe(false)
    expect(stateOf(all, rio)).toBe('member')
  })

  it('lets stand what the undone had prevented, with all that follows from it', () => {
    const all = company()
    const { world, founder, a, b, c, rio } = all
    const bahia = world.join(founder)
    const invite = world.invite(founder, { replaces: c.key }, { cosigned: true })
    const seen = world.tips()
    const secret = world.write(founder, 'quarantine', { node: bahia.key }, { seen, seq: 100 })
    const unseen = world.write(c, 'quarantine', { node: rio.key }, { seen, seq: 50 })
    const body = world.admitBody(invite, new Author(), { cuts: [c.end(1)] })
    const replacement = world.write(bahia, 'admit', body, { seen: [...seen, secret.id] })
    expect([unseen, replacement].map((entry) => world.verdict(entry))).toEqual([null, 'quarantined'])
    const first = expel(all, a, founder, { seen })
    expel(all, b, founder, { seen: [...seen, first.id] }, 60)
    expect([unseen, replacement].map((entry) => world.verdict(entry))).toEqual(['feed-closed', null])
    expect(stateOf(all, rio)).toBe('member')
  })

  it('does not undo what the expelling admin had seen, whatever it names as the end', () => {
    const all = company()
    const { world, founder, a, b } = all
    const newcomer = new Author()
    world.admit(founder, world.invite(founder), newcomer)
    expel(all, a, founder)
    world.write(b, 'expel', { node: founder.key, cuts: [] })
    expect(stateOf(all, founder)).toBe('expelled')
    expect(stateOf(all, newcomer)).toBe('member')
  })

  it('ends the open invites of the expelled', () => {
    const all = company()
    const { world, a, b, c, rio } = all
    const invite = world.invite(c)
    expel(all, a, c)
    expel(all, b, c)
    expect(world.state.invites.get(invite.id)?.revoked).toBe(true)
    expect(world.verdict(world.admit(rio, invite, new Author()))).toBe('invite-revoked')
  })
})

describe('leaving', () => {
  it('names as candidates the members that the leaver had seen', () => {
    const { world, founder, rio, a, b, c } = company()
    const gone = world.join(founder)
    const before = world.write(gone, 'leave', {})
    world.write(gone, 'left', { leave: idBytes(before.id), accepted: [], orphans: [], force: false })
    const seen = world.tips()
    const unseen = world.join(founder)
    const leave = world.write(rio, 'leave', {}, { seen })
    const departure = world.state.departures.get(world.state.members.get(rio.node)?.branch ?? ('' as never))
    expect(departure).toMatchObject({ seed: leave.id, node: rio.node, left: null })
    expect(new Set(departure?.candidates)).toEqual(new Set([founder, a, b, c].map(({ node }) => node)))
    expect(departure?.candidates).not.toContain(unseen.node)
    expect(world.state.members.get(rio.node)?.state).toBe('member')
    expect(world.verdict(world.write(rio, 'leave', {}))).toBe('already-leaving')
  })

  it('closes the feeds where the leaver says, its own at `left`', () => {
    const { world, rio } = company()
    const leave = world.write(rio, 'leave', {}, { seq: 3 })
    const branch = world.state.members.get(rio.node)?.branch ?? ('' as never)
    const body = { leave: idBytes(leave.id), accepted: [], orphans: [], force: false }
    const cuts = [rio.end(17, 5)]
    world.write(rio, 'left', { ...body, cuts }, { seq: 6 })
    expect(world.state.members.get(rio.node)?.state).toBe('left')
    expect(world.state.branches.get(branch)?.state).toBe('left')
    expect(world.state.departures.get(branch)?.left).toMatchObject({ orphans: [] })
    expect(placesOf(world.state)).toEqual([6, 17])
    expect(world.state.closed.has(rio.node)).toBe(true)
    expect(world.verdict(world.write(rio, 'leave', {}))).toBe('feed-closed')
  })

  it('ends only by one that has seen its leave: nothing may close the feed before it', () => {
    const { world, rio } = company()
    const before = world.tips()
    const leave = world.write(rio, 'leave', {}, { seq: 3 })
    const body = { leave: idBytes(leave.id), accepted: [], orphans: [], force: false }
    const beside = world.write(rio, 'left', body, { seen: before, seq: 1 })
    expect(world.verdict(beside)).toBe('not-leaving')
    expect(world.verdict(leave)).toBeNull()
    expect(world.state.closed.has(rio.node)).toBe(false)
    expect(world.verdict(world.write(rio, 'left', body))).toBeNull()
  })

  it('does not end with orphans unless forced, nor without a leave', () => {
    const { world, rio } = company()
    const file = new Uint8Array(16)
    const early = world.write(rio, 'left', { leave: idBytes(world.found.id), accepted: [], orphans: [], force: true })
    expect(world.verdict(early)).toBe('not-leaving')
    const leave = world.write(rio, 'leave', {})
    const body = { leave: idBytes(leave.id), accepted: [], orphans: [file] }
    expect(world.verdict(world.write(rio, 'left', { ...body, force: false }))).toBe('orphans-left')
    expect(world.verdict(world.write(rio, 'left', { ...body, force: true }))).toBeNull()
  })
})

describe('ownership entries', () => {
  const setup = () => {
    const all = company()
    const salt = new Uint8Array(16).fill(3)
    const file = fileIdFor(all.world.network, all.rio.key, salt)
    const ref = { file: idBytes(file), author: all.rio.key, salt }
    const to = idBytes(all.world.state.members.get(all.a.node)?.branch ?? all.world.found.id)
    return { ...all, file, ref, to, some: idBytes(all.world.found.id) }
  }

  it('become acts of the file, in control order', () => {
    const { world, rio, a, file, ref, to, some } = setup()
    const offer = world.write(rio, 'offer', { ...ref, to, builds: some })
    world.write(a, 'accept', { of: idBytes(offer.id), files: [{ ...ref, proof: new Uint8Array(64) }] })
    const acts = world.state.acts.get(file)
    expect(acts?.map(({ kind, node, isAdmin }) => [kind, node, isAdmin])).toEqual([
      ['offer', rio.node, false],
      ['accept', a.node, true],
    ])
    expect(acts?.[0]).toMatchObject({ entry: offer.id, index: world.entries.length - 2, ms: START_MS, body: { to } })
  })

  it('an accept of several files becomes one act for each, with that file alone', () => {
    const { world, rio, a, ref, some } = setup()
    const salts = [1, 2].map((value) => new Uint8Array(16).fill(value))
    const ids = salts.map((salt) => fileIdFor(world.network, rio.key, salt))
    const files = salts.map((salt, index) => ({
      ...ref,
      salt,
      file: idBytes(ids[index] ?? ids[0] ?? ('' as never)),
      proof: new Uint8Array(64),
    }))
    world.write(a, 'accept', { of: some, files: [...files, ...files] })
    for (const [index, id] of ids.entries()) {
      const acts = world.state.acts.get(id) ?? []
      expect(acts.map(({ body }) => body)).toEqual([{ of: some, files: [files[index]] }])
    }
  })

  it.each<[string, (it: ReturnType<typeof setup>) => ReturnType<World['write']>, string]>([
    [
      'a file that is not of that author',
      ({ world, rio, a, ref, to, some }) => world.write(rio, 'offer', { ...ref, author: a.key, to, builds: some }),
      'bad-file',
    ],
    [
      'an accept with one such file',
      ({ world, a, ref, some }) =>
        world.write(a, 'accept', {
          of: some,
          files: [{ ...ref, salt: new Uint8Array(16), proof: new Uint8Array(64) }],
        }),
      'bad-file',
    ],
    ['an assignment by a member', ({ world, rio, ref, to }) => world.write(rio, 'assign', { ...ref, to }), 'not-admin'],
    [
      'an offer of a quarantined member',
      ({ world, founder, rio, ref, to, some }) => {
        world.write(founder, 'quarantine', { node: rio.key })
        return world.write(rio, 'offer', { ...ref, to, builds: some })
      },
      'quarantined',
    ],
    [
      'a stranger’s adoption',
      ({ world, ref }) => world.write(new Author(), 'adopt', { ...ref, proof: new Uint8Array(64) }),
      'not-a-member',
    ],
  ])('refuse %s', (_, act, code) => {
    const all = setup()
    expect(all.world.verdict(act(all))).toBe(code)
    expect(all.world.state.acts.size).toBe(0)
  })
})
