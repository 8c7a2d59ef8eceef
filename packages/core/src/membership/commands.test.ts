import { describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { codeOf } from '../errors.ts'
import type { BranchId, FileId } from '../ids.ts'
import { type AppendControl, createCommands, DEFAULT_INVITE_MS, foundBody } from './commands.ts'
import { parseInvite } from './invite.ts'
import { formatRecoveryKey, newRecoveryKey } from './recovery.ts'
import { Author, START_MS, World } from './testing.ts'

/** Commands of one machine in a world where every entry has seen all others. */
function commandsOf(world: World, author: Author) {
  const append: AppendControl = (kind, body, options) =>
    world.write(author, kind, body, { cosigned: options?.cosignWith !== undefined })
  return createCommands({
    state: () => world.state,
    append,
    self: author.node,
    signer: author.signer,
    clock: { ...systemClock, now: () => START_MS + 1 },
    findEntry: (ref) => world.entries.find(({ id }) => id.startsWith(ref)),
    lastControlBefore: (node, before) =>
      world.entries
        .slice(
          0,
          world.entries.findIndex(({ id }) => id === before),
        )
        .findLast(({ author: by }) => by === node)?.id ?? null,
    cutsOf: (node) => (node === world.founder.node ? [world.founder.end(99)] : []),
    inviteAddresses: () => ['/ip4/192.0.2.7/tcp/4373'],
  })
}
const setup = () => {
  const world = new World()
  const rio = world.join(world.founder)
  return { world, rio, hq: commandsOf(world, world.founder), branch: commandsOf(world, rio) }
}
const attempt = (work: () => unknown) => {
  try {
    work()
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}
const attemptAsync = (work: Promise<unknown>) => work.then(() => 'done', codeOf)

describe('invite', () => {
  it('gives a string that names the network, the invite and its end in whole seconds', async () => {
    const { world, hq } = setup()
    const { text, invite } = await hq.invite({ branch: ' bahia ', role: 'admin' })
    const ticket = await parseInvite(text, START_MS)
    expect(ticket).toMatchObject({
      issuer: world.founder.node,
      network: world.network,
      networkName: 'acme',
      invite: invite.id,
      branch: 'bahia',
    })
    expect(ticket.expires).toBe(START_MS + DEFAULT_INVITE_MS + 1000)
    expect(invite).toMatchObject({ role: 'admin', branch: 'bahia', expires: ticket.expires })
    expect(ticket.addresses).toEqual(['/ip4/192.0.2.7/tcp/4373'])
  })

  it.each<[string, Parameters<ReturnType<typeof setup>['hq']['invite']>[0], string]>([
    ['an empty name', { branch: '  ' }, 'name-invalid'],
    ['a long name', { branch: 'x'.repeat(256) }, 'name-invalid'],
    ['the longest name', { branch: 'x'.repeat(255) }, 'done'],
    ['a name that turns the text around', { branch: 'rio\u202Eexe' }, 'name-invalid'],
    ['a name with a line break', { branch: 'rio\nbahia' }, 'name-invalid'],
    ['no time', { branch: 'x', expiresInMs: 0 }, 'usage'],
    ['endless time', { branch: 'x', expiresInMs: Number.POSITIVE_INFINITY }, 'usage'],
    ['no number', { branch: 'x', expiresInMs: Number.NaN }, 'usage'],
    ['a machine that nobody knows', { branch: 'x', replaces: new Author().node }, 'not-found'],
  ])('with %s', async (_, request, outcome) => {
    const { hq } = setup()
    expect(await attemptAsync(hq.invite(request))).toBe(outcome)
  })

  it('is for admins', async () => {
    const { world, branch } = setup()
    expect(await attemptAsync(branch.invite({ branch: 'x' }))).toBe('not-admin')
    expect(await attemptAsync(commandsOf(world, new Author()).invite({ branch: 'x' }))).toBe('not-a-member')
  })

  it('is revoked by id or prefix, once it is known and unused', async () => {
    const { world, hq, branch } = setup()
    const { invite } = await hq.invite({ branch: 'bahia' })
    expect(attempt(() => branch.revoke(invite.id))).toBe('not-admin')
    expect(attempt(() => hq.revoke('abcdef'))).toBe('not-found')
    expect(attempt(() => hq.revoke(invite.id.slice(0, 8)))).toBe('done')
    expect(world.state.invites.get(invite.id)?.revoked).toBe(true)
    const used = [...world.state.invites.values()].find(({ usedBy }) => usedBy.length > 0)
    expect(attempt(() => hq.revoke(used?.id ?? ''))).toBe('invite-used')
  })
})

describe('authority', () => {
  it('gives and takes roles, quarantines, releases, expels', () => {
    const { world, rio, hq, branch } = setup()
    const row = () => world.state.members.get(rio.node)
    expect(attempt(() => branch.setRole(rio.node, 'admin'))).toBe('not-admin')
    hq.setRole(rio.node, 'admin')
    expect(row()?.role).toBe('admin')
    branch.setRole(rio.node, 'member')
    expect(row()?.role).toBe('member')
    hq.quarantine(rio.node)
    expect(row()?.state).toBe('quarantined')
    hq.release(rio.node)
    expect(row()?.state).toBe('member')
    expect(attempt(() => hq.release(rio.node))).toBe('conflict')
    expect(attempt(() => branch.expel(world.founder.node))).toBe('not-admin')
    expect(hq.expel(rio.node)).toEqual({ waitsFor: null })
    expect(row()?.state).toBe('expelled')
    expect(attempt(() => hq.quarantine(rio.node))).toBe('not-found')
  })

  it('says what an expulsion waits for, and takes the recovery key instead', () => {
    const { world, rio, hq, branch } = setup()
    hq.setRole(rio.node, 'admin')
    expect(branch.expel(world.founder.node).waitsFor).toMatch(/second admin/)
    expect(attempt(() => hq.setRole(rio.node, 'member'))).toBe('quarantined')
    const paper = formatRecoveryKey(world.recovery.seed)
    expect(branch.expel(world.founder.node, { recoveryKey: paper })).toEqual({ waitsFor: null })
  })

  it('names who may make an expulsion final, and counts an admin as another’s equal once a second has appointed it', () => {
    const world = new World()
    const a = world.join(world.founder, { role: 'admin', branch: 'bahia' })
    const b = world.join(a, { role: 'admin', branch: 'recife' })
    const c = world.join(a, { role: 'admin', branch: 'natal' })
    const rio = world.join(world.founder)
    expect(commandsOf(world, b).expel(rio.node).waitsFor).not.toMatch(/natal|bahia|hq/)
    expect(commandsOf(world, c).expel(rio.node).waitsFor).not.toBeNull()
    const entries = world.entries.length
    commandsOf(world, a).setRole(b.node, 'admin')
    expect(world.entries.length, 'it has said so already').toBe(entries)
    commandsOf(world, world.founder).setRole(b.node, 'admin')
    expect(commandsOf(world, c).expel(rio.node)).toEqual({ waitsFor: null })
  })

  it('goes back with the recovery key to before an entry, also from a machine that was thrown out', () => {
    const world = new World()
    const a = world.join(world.founder, { role: 'admin', branch: 'bahia' })
    const invite = world.invite(world.founder, { role: 'admin' })
    const puppet = new Author()
    world.admit(world.founder, invite, puppet)
    const other = world.join(world.founder, { role: 'admin' })
    for (const by of [puppet, other]) world.write(by, 'expel', { node: a.key, cuts: [] })
    expect(world.state.members.get(a.node)?.state).toBe('expelled')
    const paper = formatRecoveryKey(world.recovery.seed)
    const founder = world.founder.node
    const thrownOut = commandsOf(world, a)
    expect(attempt(() => thrownOut.expel(founder, { since: invite.id.slice(0, 8) }))).not.toBe('done')
    expect(attempt(() => thrownOut.expel(founder, { recoveryKey: paper, since: 'ffffffff' }))).toBe('usage')
    thrownOut.expel(founder, { recoveryKey: paper, since: invite.id.slice(0, 12) })
    expect([...world.state.members.values()].map(({ node, state }) => [node, state])).toEqual([
      [founder, 'expelled'],
      [a.node, 'member'],
    ])
  })

  it('comes from this network’s recovery key only', () => {
    const { world, rio, branch } = setup()
    expect(attempt(() => branch.recover(newRecoveryKey().text))).toBe('forbidden')
    expect(attempt(() => branch.recover('1234'))).toBe('usage')
    branch.recover(formatRecoveryKey(world.recovery.seed))
    expect(world.state.members.get(rio.node)).toMatchObject({ role: 'admin', steps: 0 })
  })
})

describe('leaving', () => {
  it('begins once and ends', () => {
    const { world, rio, branch } = setup()
    const file = 'ab'.repeat(16) as FileId
    const id = world.state.members.get(rio.node)?.branch ?? ('' as BranchId)
    expect(attempt(() => branch.left({ accepted: [], orphans: [], force: false }))).toBe('not-a-member')
    const leave = branch.leave()
    expect(branch.leave()).toBe(leave)
    expect(attempt(() => branch.left({ accepted: [], orphans: [file], force: false }))).toBe('conflict')
    branch.left({ accepted: [], orphans: [file], force: true })
    expect(world.state.departures.get(id)).toMatchObject({ seed: leave, left: { orphans: [file] } })
    expect(attempt(() => branch.leave())).toBe('not-a-member')
  })
})

describe('founding', () => {
  it('checks the names', () => {
    const keys = { sealing: new Uint8Array(32), recovery: new Uint8Array(32) }
    expect(attempt(() => foundBody({ name: '', branch: 'hq', ...keys }))).toBe('name-invalid')
    expect(attempt(() => foundBody({ name: 'acme', branch: '\u0007', ...keys }))).toBe('name-invalid')
    expect(foundBody({ name: 'acme', branch: 'hq', ...keys, policy: { minCopies: 3, maxCopies: 4 } })).toMatchObject({
      policy: { minCopies: 3, maxCopies: 4 },
      rules: 1,
    })
  })
})
