import { describe, expect, it } from 'vitest'
import { codeOf } from '../errors.ts'
import { idBytes } from '../ids.ts'
import { createMembers } from './members.ts'
import { Author, START_MS, World } from './testing.ts'

function setup() {
  const world = new World()
  const rio = world.join(world.founder)
  const twin = world.join(world.founder)
  const bahia = world.join(world.founder, { branch: 'bahia' })
  return { world, rio, twin, bahia, members: createMembers(() => world.state) }
}
const attempt = (work: () => unknown) => {
  try {
    work()
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}

describe('naming a node', () => {
  it('works by branch, id, and prefix with or without what all ids share', () => {
    const { members, bahia } = setup()
    for (const ref of ['bahia', bahia.node, bahia.node.slice(0, 20), bahia.node.slice(8, 16)]) {
      expect(members.resolveNode(ref).node).toBe(bahia.node)
    }
  })

  it('tells what it may be when that is not clear', () => {
    const { members, rio, twin } = setup()
    expect(() => members.resolveNode('rio')).toThrowError(
      expect.objectContaining({
        code: 'ambiguous',
        details: {
          ref: 'rio',
          candidates: expect.arrayContaining([rio, twin].map(({ node }) => expect.objectContaining({ id: node }))),
        },
      }) as Error,
    )
    expect(attempt(() => members.resolveNode('12D3KooW'))).toBe('ambiguous')
  })

  it.each([['nobody'], [''], ['12D3K'], ['zzzzzzzzzzzz'], ['__proto__']])('knows no %j', (ref) => {
    expect(attempt(() => setup().members.resolveNode(ref))).toBe('not-found')
  })

  it('prefers a living branch’s name, and finds those that are gone by id', () => {
    const { world, members, rio, twin } = setup()
    const leave = world.write(twin, 'leave', {})
    world.write(twin, 'left', { leave: idBytes(leave.id), accepted: [], orphans: [], force: false })
    expect(members.resolveNode('rio').node).toBe(rio.node)
    expect(members.resolveNode(twin.node).state).toBe('left')
    expect(members.branchLabel(members.resolveNode('rio').branch)).toBe('rio')
  })
})

describe('branch labels', () => {
  it('tell apart branches of one name, and name their node', () => {
    const { members, rio, twin, bahia } = setup()
    const label = (author: Author) => members.branchLabel(members.resolveNode(author.node).branch)
    expect(label(bahia)).toBe('bahia')
    expect(label(rio)).toMatch(/^rio~[1-9A-Za-z]{6,}$/)
    expect(label(rio)).not.toBe(label(twin))
    expect(members.resolveNode(label(rio)).node).toBe(rio.node)
    expect(members.resolveNode(label(twin)).node).toBe(twin.node)
  })
})

describe('standing', () => {
  it('of a quarantined admin: member without power', () => {
    const { world, members, rio } = setup()
    world.write(world.founder, 'role', { node: rio.key, role: 'admin' })
    expect(members.isAdmin(rio.node)).toBe(true)
    world.write(world.founder, 'quarantine', { node: rio.key })
    expect([members.isMember(rio.node), members.isQuarantined(rio.node), members.isAdmin(rio.node)]).toEqual([
      true,
      true,
      false,
    ])
    expect(members.admins().map(({ node }) => node)).toEqual([world.founder.node])
    expect(members.isMember(new Author().node)).toBe(false)
    expect(members.currentMembers()).toHaveLength(4)
  })
})

describe('invites', () => {
  it('are open, used, revoked or expired', () => {
    const { world, members } = setup()
    const revoked = world.invite(world.founder, { expires: START_MS + 50 })
    world.write(world.founder, 'revoke', { invite: idBytes(revoked.id) })
    const open = world.invite(world.founder, { expires: START_MS + 50 })
    const states = (now: number) => Object.fromEntries(members.invites(now).map(({ id, state }) => [id, state]))
    expect(states(START_MS + 50)).toMatchObject({ [revoked.id]: 'revoked', [open.id]: 'open' })
    expect(states(START_MS + 51)).toMatchObject({ [revoked.id]: 'revoked', [open.id]: 'expired' })
    expect(members.invites(START_MS).filter(({ state }) => state === 'used')).toHaveLength(3)
    expect(members.invites(START_MS)[0]?.id).toBe(open.id)
  })
})
