/** Who decides when a machine is stolen, and who gets in when not everybody knows everything: real processes throughout. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SharedEpoch } from '../../packages/core/src/catalogue/types.ts'
import { fileKeyIn, scan, sharedRows } from '../support/adversary.ts'
import { Branch, type Json, malote } from '../support/branch.ts'
import { type Cluster, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster
let one: Branch, two: Branch, three: Branch, four: Branch
const guests: Branch[] = []
beforeAll(async () => {
  cluster = await startCluster(4)
  ;[one, two, three, four] = cluster.branches as [Branch, Branch, Branch, Branch]
  writeFileSync(cluster.path('recovery.txt'), `${cluster.recoveryKey}\n`)
  for (const branch of [two, three]) await setRole(one, branch, 'admin')
  await settled(cluster.branches)
}, 180_000)
afterAll(async () => {
  await Promise.all(guests.map((guest) => guest.end()))
  await cluster?.close()
})

async function newGuest(name: string): Promise<Branch> {
  const guest = new Branch(name, cluster.path(name.replaceAll(' ', '-')))
  guests.push(guest)
  await guest.up()
  return guest
}

// by the API where it is not the command that is asked: a process each would take most of the time
const post = (at: Branch, path: string, json: Json = {}): Promise<Json> => at.api(path, { method: 'POST', json })
const inviteBy = (at: Branch, json: Json): Promise<Json> => post(at, '/invites', json)
const register = (at: Branch, invite: string, via?: Branch): Promise<Json> =>
  post(at, '/register', { invite, ...(via === undefined ? {} : { ip: addressOf(via) }) })
const expel = (at: Branch, of: Branch): Promise<Json> => at.api(`/nodes/${idOf(of)}`, { method: 'DELETE' })
const setRole = (at: Branch, of: Branch, role: string) =>
  at.fetch(`/nodes/${idOf(of)}`, {
    method: 'PATCH',
    body: JSON.stringify({ role }),
    headers: { 'content-type': 'application/json' },
  })
const addressOf = (branch: Branch) => branch.ready?.addresses[0] as string
const idOf = (branch: Branch) => branch.ready?.id as string
const nodeAt = async (at: Branch, of: Branch): Promise<Json | undefined> =>
  (await at.api('/nodes')).items.find((node: Json) => node.id === idOf(of))
const warningsOf = async (branch: Branch): Promise<string[]> =>
  (await branch.api('/status')).warnings.map(({ code }: Json) => code)

function settled(branches: readonly Branch[]): Promise<boolean> {
  return eventually('equal ledgers', async () => {
    const digests = await Promise.all(branches.map((branch) => branch.api('/ledger/digest')))
    return new Set(digests.map((digest: Json) => `${digest.entries}/${digest.state}`)).size === 1
  })
}

describe('invites under a partition', () => {
  let twiceOne: Branch, twiceTwo: Branch, late: Branch

  it('a member that is not the issuer admits while the issuer is off; nobody knows of the other admission', async () => {
    const [twice, revoked] = [await inviteBy(one, { branch: 'Dupla' }), await inviteBy(two, { branch: 'Tarde' })]
    await settled(cluster.branches)
    ;[twiceOne, twiceTwo, late] = [await newGuest('Dupla 1'), await newGuest('Dupla 2'), await newGuest('Tarde')]
    // on one side only Filial 4, which is no admin
    for (const branch of [one, two, three]) await post(branch, '/disconnect')
    await register(twiceOne, twice.invite, four)
    expect(await warningsOf(twiceOne)).toContain('not-compared')
    await register(late, revoked.invite, four)
    for (const branch of [four, twiceOne, late]) await post(branch, '/disconnect')
    // on the other the admins
    for (const branch of [one, two, three]) await post(branch, '/connect')
    await register(twiceTwo, twice.invite, one)
    await two.api(`/invites/${revoked.id}`, { method: 'DELETE' })
    for (const branch of [four, twiceOne, late]) await post(branch, '/connect')
    await settled([...cluster.branches, twiceOne, twiceTwo, late])
  }, 120_000)

  it('all stay, everybody says so, and an admin decides', async () => {
    for (const at of [one, four, twiceTwo]) {
      for (const guest of [twiceOne, twiceTwo]) expect((await nodeAt(at, guest))?.marks).toContain('invite-reused')
      expect((await nodeAt(at, late))?.marks).toContain('invite-revoked-late')
      expect(await warningsOf(at)).toEqual(expect.arrayContaining(['invite-reused', 'invite-revoked-late']))
    }
    expect((await one.run('nodes')).stdout).toMatch(/MARKS[\s\S]*invite-reused/)
    expect(await warningsOf(twiceOne)).not.toContain('not-compared')
    // both bear one name now
    const named = (await one.api('/nodes')).items.filter(({ branch }: Json) => branch.startsWith('Dupla'))
    expect(named.map(({ branch }: Json) => branch.replace(/~.*/, '~'))).toEqual(['Dupla~', 'Dupla~'])
    for (const admin of [two, three]) await expel(admin, late)
    await eventually('it is gone', async () => (await nodeAt(four, late))?.state === 'expelled')
    await late.end()
  }, 60_000)

  it('one that has expired, or was used as far as the member knows, lets nobody in', async () => {
    const short = await inviteBy(one, { branch: 'Nunca', expires: '1s' })
    await eventually('it has expired', async () => {
      const { items } = await one.api('/invites')
      return items.some(({ id, state }: Json) => id === short.id && state === 'expired')
    })
    const guest = await newGuest('Nunca')
    const refused = await guest.run('register', short.invite, '--json')
    expect([refused.code, JSON.parse(refused.stdout).code]).toEqual([5, 'invite-expired'])
    await guest.end()
  }, 60_000)

  it('a machine is replaced: its branch keeps what it had, and who was away is told what it was denied', async () => {
    const file = await share(twiceTwo, [one], 'do ramo.txt', Buffer.from('owned by the branch'))
    const name = 'campanha-que-quatro-esquece.txt'
    const denied = await share(twiceTwo, [one, four], name, Buffer.from('read before the denial'))
    await settled([...cluster.branches, twiceOne, twiceTwo])
    await four.end()
    const [first] = sharedRows(four.data, denied.id).epochs
    const { network } = await one.api('/status')
    const key = fileKeyIn(four.data, network.id, denied.id, first as SharedEpoch)
    // the scan finds what is there
    const traces = () => new Set(scan(four.data, [name, key]).map((found) => found.replace(/.*: /, '')))
    expect(traces()).toEqual(new Set([name, Buffer.from(key).toString('hex')]))
    await post(twiceTwo, '/files/blacklist', { fileId: denied.id, node: idOf(four) })
    const { invite } = await one.json('invite', '--branch', 'ignored', '--replaces', idOf(twiceTwo))
    await settled([one, twiceTwo])
    await twiceTwo.end()
    const machine = await newGuest('Nova')
    await register(machine, invite)
    await four.up()
    await settled([...cluster.branches, twiceOne, machine])
    expect((await nodeAt(four, twiceTwo))?.state).toBe('left')
    expect((await nodeAt(four, machine))?.branch).toMatch(/^Dupla/)
    expect((await four.api(`/files/${file.id}`)).owner.id).toBe(idOf(machine))
    // the machine that owed the notice is gone; the new one owes it
    expect((await four.fetch(`/files/${denied.id}`)).status).toBe(404)
    await eventually('name and key are gone', () => traces().size === 0)
  }, 60_000)
})

describe('a machine that was expelled', () => {
  it('comes back with what it wrote in secret: nobody takes it, nor whom it lets in', async () => {
    const { invite } = await inviteBy(one, { branch: 'Segredo', role: 'admin' })
    const secret = await newGuest('Segredo')
    await register(secret, invite)
    const inside = guests.filter((guest) => guest.isRunning)
    await settled([...cluster.branches, ...inside])
    await post(secret, '/disconnect')
    const door = await inviteBy(secret, { branch: 'Porta', role: 'admin' })
    await post(secret, `/nodes/${idOf(one)}/quarantine`)
    for (const admin of [two, three]) await expel(admin, secret)
    await eventually('it is gone', async () => (await nodeAt(four, secret))?.state === 'expelled')
    await settled(cluster.branches)
    const before = await one.api('/ledger/digest')
    await post(secret, '/connect')
    const guest = await newGuest('Porta')
    await register(guest, door.invite, secret)
    // it is told that nobody else confirms the world it was shown
    expect(await warningsOf(guest)).toContain('not-compared')
    expect(await one.api('/ledger/digest')).toEqual(before)
    expect(await nodeAt(one, guest)).toBeUndefined()
    await Promise.all([secret.end(), guest.end()])
  }, 120_000)
})

describe('the stolen machine of an admin', () => {
  let puppet: Branch

  it('throws nobody out, with whatever machines it appoints', async () => {
    const { invite } = await inviteBy(two, { branch: 'Fantoche', role: 'admin' })
    puppet = await newGuest('Fantoche')
    await register(puppet, invite)
    for (const thief of [two, puppet]) {
      for (const victim of [one, three, four]) {
        expect((await expel(thief, victim)).waitsFor).toMatch(/recovery key/)
        await setRole(thief, victim, 'member')
      }
    }
    const replaced = await two.run('invite', '--branch', 'Sede', '--replaces', idOf(one))
    expect([replaced.code, replaced.stderr]).toEqual([6, expect.stringContaining('--key-file')])
    await settled([...cluster.branches, puppet])
    for (const victim of [one, three, four]) {
      expect(await nodeAt(four, victim)).toMatchObject({ state: 'quarantined', role: 'member' })
    }
    // what its victims wrote in answer and may not is kept, and shown with the reason
    const refused = await one.run('release', idOf(four))
    expect(refused.code).toBe(5)
  }, 90_000)

  it('and all of it is undone by the recovery key, from any branch', async () => {
    const { items } = await four.api('/ledger?after=0&limit=1000')
    const first = items.find(({ kind, author }: Json) => kind === 'invite' && author.id === idOf(two))
    const theft = items.find(
      ({ kind, author, arrival }: Json) =>
        kind === 'invite' && author.id === idOf(two) && arrival > (first?.arrival as number),
    )
    const outcome = await four.json(
      ...['expel', idOf(two), '--key-file', cluster.path('recovery.txt'), '--since', theft.id],
    )
    expect(outcome).toMatchObject({ waitsFor: null, node: { state: 'expelled' } })
    const honest = [one, three, four]
    await settled(honest)
    for (const at of honest) {
      expect(await nodeAt(at, puppet)).toBeUndefined()
      for (const branch of honest) expect((await nodeAt(at, branch))?.state).toBe('member')
      for (const admin of [one, three]) expect((await nodeAt(at, admin))?.role).toBe('admin')
    }
    const listed = (await one.run('ledger', '--limit', '1000')).stdout
    expect(listed).toMatch(/expel .*REFUSED \((feed-closed|not-a-member)\)/)
    // the key of another network, and a point in time without the key
    const wrong = await malote(['expel', idOf(four), '--key-file', '-', '--data', one.data], {
      input: Buffer.from('0000-0000'),
    })
    expect(wrong.code).toBe(2)
    expect((await one.run('expel', idOf(four), '--since', theft.id)).code).toBe(2)
  }, 90_000)
})
