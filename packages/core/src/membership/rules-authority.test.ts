import { describe, expect, it } from 'vitest'
import { rankOf } from './rules-authority.ts'
import { Author, World } from './testing.ts'

/** Founder; three admins that it appointed; a member. */
function company() {
  const world = new World()
  const [a, b, c] = [0, 1, 2].map(() => world.join(world.founder, { role: 'admin' })) as [Author, Author, Author]
  return { world, founder: world.founder, a, b, c, rio: world.join(world.founder) }
}

describe('roles', () => {
  it('count steps from the founding entry', () => {
    const { world, a, rio } = company()
    world.write(a, 'role', { node: rio.key, role: 'admin' })
    expect(world.state.members.get(rio.node)).toMatchObject({ role: 'admin', steps: 2 })
  })

  it('are given and taken by admins only', () => {
    const { world, a, rio } = company()
    expect(world.verdict(world.write(rio, 'role', { node: rio.key, role: 'admin' }))).toBe('not-admin')
    expect(world.verdict(world.write(rio, 'role', { node: a.key, role: 'member' }))).toBe('not-admin')
    expect(world.verdict(world.write(a, 'role', { node: new Author().key, role: 'admin' }))).toBe('not-a-member')
  })

  it('end at once, also against a better rank', () => {
    const { world, founder, a } = company()
    world.write(a, 'role', { node: founder.key, role: 'member' })
    expect(world.state.members.get(founder.node)).toMatchObject({ role: 'member', steps: null })
    expect(world.verdict(world.write(founder, 'quarantine', { node: a.key }))).toBe('not-admin')
  })

  it('come back as they were', () => {
    const { world, founder, a, b } = company()
    world.write(a, 'role', { node: founder.key, role: 'member' })
    world.write(b, 'role', { node: founder.key, role: 'admin' })
    expect(world.state.members.get(founder.node)).toMatchObject({ role: 'admin', steps: 0 })
  })

  it('cannot be given up by the last admin', () => {
    const world = new World()
    const entry = world.write(world.founder, 'role', { node: world.founder.key, role: 'member' })
    expect(world.verdict(entry)).toBe('last-admin')
  })

  it('come from the recovery key whatever stands against its bearer', () => {
    const { world, founder, rio } = company()
    world.write(founder, 'quarantine', { node: rio.key })
    const recover = world.write(rio, 'role', { node: rio.key, role: 'admin' }, { cosigned: true })
    expect(world.verdict(recover)).toBeNull()
    expect(world.state.members.get(rio.node)).toMatchObject({ role: 'admin', steps: 0, state: 'member' })
  })
})

describe('rank', () => {
  it('is recovery key, founder, admins by steps, everyone else', () => {
    const { world, founder, a, rio } = company()
    const second = world.join(a, { role: 'admin' })
    const of = (author: Author, cosigned = false) => rankOf(world.state, author.entry('leave', {}, [], { cosigned }))
    const ranks = [of(rio, true), of(founder), of(a), of(second), of(rio)]
    const compare = (x: number[], y: number[]) => (x[0] ?? 0) - (y[0] ?? 0) || (x[1] ?? 0) - (y[1] ?? 0)
    expect([...ranks].sort(compare)).toEqual(ranks)
    expect(new Set(ranks.map(String)).size).toBe(5)
    world.write(a, 'role', { node: founder.key, role: 'member' })
    expect(of(founder)).toEqual(of(rio))
  })
})

describe('quarantine', () => {
  it('takes an admin’s power at once, and gives it back at release', () => {
    const { world, founder, a, b } = company()
    world.write(a, 'quarantine', { node: founder.key })
    expect(world.state.members.get(founder.node)?.state).toBe('quarantined')
    expect(world.verdict(world.write(founder, 'quarantine', { node: a.key }))).toBe('not-admin')
    expect(world.verdict(world.write(founder, 'release', { node: founder.key }))).toBe('not-admin')
    world.write(b, 'release', { node: founder.key })
    expect(world.state.members.get(founder.node)).toMatchObject({ state: 'member', role: 'admin' })
  })

  it('is for admins, and not for oneself', () => {
    const { world, a, rio } = company()
    expect(world.verdict(world.write(rio, 'quarantine', { node: a.key }))).toBe('not-admin')
    expect(world.verdict(world.write(a, 'quarantine', { node: a.key }))).toBe('self')
  })

  it('holds both of two who had not seen each other’s act', () => {
    const { world, founder, a } = company()
    const seen = world.tips()
    world.write(founder, 'quarantine', { node: a.key }, { seen })
    world.write(a, 'quarantine', { node: founder.key }, { seen })
    expect(world.state.members.get(founder.node)?.state).toBe('quarantined')
    expect(world.state.members.get(a.node)?.state).toBe('quarantined')
  })

  it('is lifted only as far as the releasing admin had seen', () => {
    const { world, founder, a, b, rio } = company()
    world.write(a, 'quarantine', { node: rio.key })
    const seen = world.tips()
    world.write(b, 'quarantine', { node: rio.key }, { seen })
    world.write(founder, 'release', { node: rio.key }, { seen })
    expect(world.state.members.get(rio.node)?.state).toBe('quarantined')
    world.write(founder, 'release', { node: rio.key })
    expect(world.state.members.get(rio.node)?.state).toBe('member')
    expect(world.verdict(world.write(founder, 'release', { node: rio.key }))).toBe('not-quarantined')
  })
})

describe('rules version', () => {
  it('stops the fold when this software does not have it', () => {
    const { world, founder, a, b, rio } = company()
    expect(world.verdict(world.write(rio, 'upgrade', { rules: 2 }))).toBe('not-admin')
    expect(world.verdict(world.write(founder, 'upgrade', { rules: 1 }))).toBe('not-newer')
    expect(world.verdict(world.write(a, 'upgrade', { rules: 2 }))).toBeNull()
    // one admin alone would stop every fold for good
    expect(world.state.network?.rules).toBe(1)
    world.write(founder, 'upgrade', { rules: 2 })
    expect(world.state.network?.rules).toBe(1)
    world.write(b, 'upgrade', { rules: 2 })
    expect(world.state.network?.rules).toBe(2)
    const later = world.write(founder, 'quarantine', { node: rio.key })
    expect(world.verdict(later)).toBeUndefined()
    expect(world.state.members.get(rio.node)?.state).toBe('member')
  })
})

describe('form', () => {
  it('refuses unknown kinds, malformed bodies and strangers, and goes on', () => {
    const { world, founder, rio } = company()
    expect(world.verdict(world.add(founder.entry('banish', {}, world.tips())))).toBe('unknown-kind')
    expect(world.verdict(world.add(founder.entry('quarantine', { node: 'rio' }, world.tips())))).toBe('malformed')
    expect(world.verdict(world.write(new Author(), 'quarantine', { node: rio.key }))).toBe('not-a-member')
    expect(world.verdict(world.write(founder, 'quarantine', { node: rio.key }))).toBeNull()
  })
})
