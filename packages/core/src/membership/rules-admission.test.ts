import { describe, expect, it } from 'vitest'
import { generateSigningKey, sign } from '../crypto/index.ts'
import { type EntryId, idBytes } from '../ids.ts'
import type { ControlBody } from './kinds.ts'
import { Author, placesOf, START_MS, World } from './testing.ts'

describe('founding', () => {
  it('makes its author admin and its entry id the network id', () => {
    const world = new World()
    const member = world.state.members.get(world.founder.node)
    expect(member).toMatchObject({ role: 'admin', steps: 0, state: 'member', branch: world.found.id })
    expect(world.state.network).toMatchObject({ id: world.found.id, name: 'acme', founder: world.founder.node })
    expect(world.state.branches.get(member?.branch ?? ('' as never))).toMatchObject({ name: 'hq', state: 'member' })
  })

  it('happens once', () => {
    const world = new World()
    const again = world.add(world.founder.entry('found', world.found.body, []))
    expect(world.verdict(again)).toBe('already-founded')
    expect(world.state.members.size).toBe(1)
  })
})

describe('admission', () => {
  it('lets any member admit whom an admin invited', () => {
    const world = new World()
    const rio = world.join(world.founder)
    const invite = world.invite(world.founder, { branch: 'bahia', role: 'admin' })
    const bahia = new Author()
    const admit = world.admit(rio, invite, bahia)
    expect(world.verdict(admit)).toBeNull()
    expect(world.state.members.get(bahia.node)).toMatchObject({ role: 'admin', steps: 1, branch: admit.id, marks: [] })
    expect(world.state.invites.get(invite.id)?.usedBy).toEqual([bahia.node])
  })

  it.each<
    [
      string,
      (
        world: World,
        rio: Author,
      ) => { invite: EntryId; by: Author; change?: Partial<ControlBody<'admit'>>; ms?: number },
      string,
    ]
  >([
    [
      'an invite by a member that is no admin',
      (world, rio) => ({ invite: world.invite(rio).id, by: rio }),
      'unknown-invite',
    ],
    [
      'an author that is no member',
      (world) => ({ invite: world.invite(world.founder).id, by: new Author() }),
      'not-a-member',
    ],
    ['an unknown invite', (world) => ({ invite: 'ab'.repeat(32) as EntryId, by: world.founder }), 'unknown-invite'],
    [
      'a revoked invite',
      (world, rio) => {
        const invite = world.invite(world.founder)
        world.write(world.founder, 'revoke', { invite: idBytes(invite.id) })
        return { invite: invite.id, by: rio }
      },
      'invite-revoked',
    ],
    [
      'a used invite',
      (world, rio) => {
        const invite = world.invite(world.founder)
        world.admit(world.founder, invite, new Author())
        return { invite: invite.id, by: rio }
      },
      'invite-used',
    ],
    [
      'an expired invite',
      (world, rio) => ({ invite: world.invite(world.founder).id, by: rio, ms: START_MS + 3_600_000 }),
      'invite-expired',
    ],
    [
      'a false proof',
      (world, rio) => ({ invite: world.invite(world.founder).id, by: rio, change: { proof: new Uint8Array(64) } }),
      'bad-signature',
    ],
    [
      'another sealing key',
      (world, rio) => ({ invite: world.invite(world.founder).id, by: rio, change: { sealing: new Uint8Array(32) } }),
      'bad-signature',
    ],
    [
      'a machine that is a member',
      (world, rio) => ({ invite: world.invite(world.founder).id, by: rio, change: { node: rio.key } }),
      'already-member',
    ],
    [
      'a quarantined author',
      (world, rio) => {
        const invite = world.invite(world.founder)
        world.write(world.founder, 'quarantine', { node: rio.key })
        return { invite: invite.id, by: rio }
      },
      'quarantined',
    ],
    [
      'a quarantined issuer',
      (world, rio) => {
        const admin = world.join(world.founder, { role: 'admin' })
        const invite = world.invite(admin)
        world.write(world.founder, 'quarantine', { node: admin.key })
        return { invite: invite.id, by: rio }
      },
      'invite-revoked',
    ],
  ])('refuses %s', (_, arrange, code) => {
    const world = new World()
    const rio = world.join(world.founder)
    const before = arrange(world, rio)
    const invite = world.entries.find(({ id }) => id === before.invite) ?? world.found
    const body = { ...world.admitBody(invite, new Author()), invite: idBytes(before.invite), ...before.change }
    const members = world.state.members
    const entry = world.write(before.by, 'admit', body, before.ms === undefined ? {} : { ms: before.ms })
    expect(world.verdict(entry)).toBe(code)
    expect(world.state.members).toEqual(members)
  })

  it('refuses a proof of another network', () => {
    const world = new World()
    const invite = world.invite(world.founder)
    const key = world.inviteKeys.get(invite.id) ?? generateSigningKey()
    const newcomer = new Author()
    const proof = sign(key, 'invite', 'cd'.repeat(32) as never, newcomer.key, newcomer.sealing)
    const entry = world.write(world.founder, 'admit', world.admitBody(invite, newcomer, { proof }))
    expect(world.verdict(entry)).toBe('bad-signature')
  })

  it('keeps both machines that came in by one invite, marked, the second without its role', () => {
    const world = new World()
    const rio = world.join(world.founder)
    const invite = world.invite(world.founder, { branch: 'bahia', role: 'admin' })
    const seen = world.tips()
    const [one, two] = [new Author(), new Author()]
    world.admit(world.founder, invite, one, { seen })
    const second = world.admit(rio, invite, two, { seen })
    expect(world.verdict(second)).toBeNull()
    expect(world.state.members.get(one.node)).toMatchObject({ role: 'admin', marks: ['invite-reused'] })
    expect(world.state.members.get(two.node)).toMatchObject({
      role: 'member',
      marks: ['invite-reused'],
      branch: second.id,
    })
    expect(world.state.invites.get(invite.id)?.usedBy).toEqual([one.node, two.node])
  })

  it.each([[true], [false]])(
    'keeps an admission that had not seen the revocation (revoked first: %s)',
    (revokedFirst) => {
      const world = new World()
      const rio = world.join(world.founder)
      const invite = world.invite(world.founder)
      const seen = world.tips()
      const newcomer = new Author()
      const revoke = () => world.write(world.founder, 'revoke', { invite: idBytes(invite.id) }, { seen })
      if (revokedFirst) revoke()
      world.admit(rio, invite, newcomer, { seen })
      if (!revokedFirst) revoke()
      expect(world.state.members.get(newcomer.node)).toMatchObject({ state: 'member', marks: ['invite-revoked-late'] })
    },
  )

  it('does not revoke what was used as far as the admin knew', () => {
    const world = new World()
    const invite = world.invite(world.founder)
    const newcomer = new Author()
    world.admit(world.founder, invite, newcomer)
    const revoke = world.write(world.founder, 'revoke', { invite: idBytes(invite.id) })
    expect(world.verdict(revoke)).toBe('invite-used')
    expect(world.state.members.get(newcomer.node)?.marks).toEqual([])
  })

  it('does not take a machine back under the identity it left with', () => {
    const world = new World()
    const rio = world.join(world.founder)
    const leave = world.write(rio, 'leave', {})
    world.write(rio, 'left', { leave: idBytes(leave.id), accepted: [], orphans: [], force: false })
    const again = world.admit(world.founder, world.invite(world.founder), rio)
    expect(world.verdict(again)).toBe('node-known')
  })
})

describe('replacing a machine', () => {
  const setup = () => {
    const world = new World()
    const old = world.join(world.founder, { role: 'admin' })
    const branch = world.state.members.get(old.node)?.branch
    const invite = world.invite(world.founder, { branch: 'ignored', replaces: old.key }, { cosigned: true })
    const cuts = [old.end(4)]
    return { world, old, branch, invite, cuts }
  }

  it('moves the branch to the new machine, but neither role nor rank', () => {
    const { world, old, branch, invite, cuts } = setup()
    const machine = new Author()
    world.write(world.founder, 'admit', world.admitBody(invite, machine, { cuts }))
    expect(world.state.members.get(machine.node)).toMatchObject({ branch, role: 'member', steps: null })
    expect(world.state.members.get(old.node)).toMatchObject({ state: 'left', replacedBy: machine.node })
    expect(world.state.branches.get(branch ?? ('' as never))).toMatchObject({
      name: 'rio',
      node: machine.node,
      state: 'member',
    })
    expect(world.state.closed.has(old.node)).toBe(true)
    expect(placesOf(world.state)).toEqual([4])
    const late = world.write(old, 'leave', {}, { seq: 9 })
    expect(world.verdict(late)).toBe('feed-closed')
  })

  it('needs to know where the old feeds end', () => {
    const { world, invite } = setup()
    const entry = world.write(world.founder, 'admit', world.admitBody(invite, new Author()))
    expect(world.verdict(entry)).toBe('malformed')
  })

  it('does not cut before what the issuer of the invite knew', () => {
    const world = new World()
    const old = world.join(world.founder)
    const invite = world.invite(world.founder, { replaces: old.key, cuts: [old.end(10)] })
    world.write(world.founder, 'admit', world.admitBody(invite, new Author(), { cuts: [] }))
    expect(placesOf(world.state)).toEqual([10])
  })

  it('gives the branch to the first of two, and the other a branch of its own', () => {
    const { world, old, branch, invite, cuts } = setup()
    const other = world.invite(world.founder, { replaces: old.key }, { cosigned: true })
    const seen = world.tips()
    const [one, two] = [new Author(), new Author()]
    world.write(world.founder, 'admit', world.admitBody(invite, one, { cuts }), { seen })
    const second = world.write(world.founder, 'admit', world.admitBody(other, two, { cuts }), { seen, incarnation: 1 })
    expect(world.state.branches.get(branch ?? ('' as never))?.node).toBe(one.node)
    expect(world.state.members.get(two.node)).toMatchObject({ branch: second.id, marks: ['replacement-lost'] })
  })

  it('refuses a second one that had seen the first', () => {
    const { world, old, invite, cuts } = setup()
    const other = world.invite(world.founder, { replaces: old.key }, { cosigned: true })
    world.write(world.founder, 'admit', world.admitBody(invite, new Author(), { cuts }))
    const second = world.write(world.founder, 'admit', world.admitBody(other, new Author(), { cuts }))
    expect(world.verdict(second)).toBe('already-replaced')
  })

  it('takes the effect from what the old machine wrote unseen beyond the cut, whatever its rank', () => {
    const { world, old, invite } = setup()
    const seen = world.tips()
    const puppet = world.invite(old, {}, { seen, seq: 20 })
    const stranger = new Author()
    world.admit(old, puppet, stranger, { seq: 21 })
    expect(world.state.members.has(stranger.node)).toBe(true)
    world.write(world.founder, 'admit', world.admitBody(invite, new Author(), { cuts: [old.end(4)] }), {
      seen,
    })
    expect(world.verdict(puppet)).toBe('feed-closed')
    expect(world.state.members.has(stranger.node)).toBe(false)
  })

  it('is nothing when an admin relied on what it knows nothing of: nobody is thrown out by dating back', () => {
    const world = new World()
    const a = world.join(world.founder, { role: 'admin' })
    const old = world.join(world.founder)
    const invite = world.invite(world.founder, { branch: 'bahia' })
    const seen = world.tips()
    const bahia = new Author()
    const admitted = world.admit(old, invite, bahia)
    const replacing = world.invite(a, { replaces: old.key }, { seen, incarnation: 1 })
    const machine = new Author()
    const body = world.admitBody(replacing, machine, { cuts: [] })
    world.write(a, 'admit', body, { seen: [replacing.id], incarnation: 1 })
    expect(world.verdict(admitted)).toBe('feed-closed')
    world.write(world.founder, 'quarantine', { node: bahia.key }, { seen: [admitted.id] })
    expect(world.verdict(admitted)).toBeNull()
    expect(world.state.members.get(bahia.node)?.state).toBe('quarantined')
    expect(world.state.members.get(old.node)?.state).toBe('member')
    expect(world.state.members.get(machine.node)?.marks).toEqual(['replacement-lost'])
  })

  it('needs two admins, itself or the recovery key when it is an admin’s', () => {
    const world = new World()
    const [a, b, c] = [0, 1, 2].map(() => world.join(world.founder, { role: 'admin' })) as [Author, Author, Author]
    const cuts = [c.end(4)]
    expect(world.verdict(world.invite(a, { replaces: c.key }))).toBe('admin-machine')
    expect(world.verdict(world.invite(a, { replaces: world.founder.key }))).toBe('admin-machine')
    const own = world.invite(b, { replaces: b.key })
    world.write(a, 'admit', world.admitBody(own, new Author(), { cuts: [] }))
    expect(world.state.members.get(b.node)?.state).toBe('left')
    const early = world.invite(a, { replaces: world.join(a).key })
    expect(world.verdict(early)).toBeNull()
    const d = world.join(world.founder, { role: 'admin' })
    for (const by of [a, d]) world.write(by, 'role', { node: c.key, role: 'member' })
    const invite = world.invite(a, { replaces: c.key })
    world.write(a, 'admit', world.admitBody(invite, new Author(), { cuts }))
    expect(world.state.members.get(c.node)?.state).toBe('left')
  })

  it('does not take a machine that was made an admin by somebody who had not seen it', () => {
    const world = new World()
    const a = world.join(world.founder, { role: 'admin' })
    const rio = world.join(world.founder)
    const seen = world.tips()
    const grant = world.founder.entry('role', { node: rio.key, role: 'admin' }, seen)
    const invite = world.invite(a, { replaces: rio.key }, { seen })
    const machine = new Author()
    world.write(a, 'admit', world.admitBody(invite, machine, { cuts: [] }), { seen: [...seen, invite.id] })
    expect(world.state.members.get(rio.node)?.state).toBe('left')
    world.add(grant)
    expect(world.state.members.get(rio.node)).toMatchObject({ state: 'member', role: 'admin' })
    expect(world.state.members.get(machine.node)?.marks).toEqual(['replacement-lost'])
  })
})
