/**
 * What two sides of a partition do to one file, to one audience, and to the files of a machine that is gone: one rule
 * decides everywhere, whoever lost is told, and nothing that was written is lost.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idBytes } from '../../packages/core/src/ids.ts'
import { chunkOnDisk, secretsIn, sharedRows, startAdversary, tryAll } from '../support/adversary.ts'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster
/** the founder and only admin, two that dispute a file, a bystander, one that is thrown out */
let [one, two, three, four, five] = [] as unknown as [Branch, Branch, Branch, Branch, Branch]

beforeAll(async () => {
  cluster = await startCluster(5, { flags: ['--handoffs', 'ask'] })
  ;[one, two, three, four, five] = cluster.branches as [Branch, Branch, Branch, Branch, Branch]
}, 120_000)
afterAll(() => cluster?.close())

const post = (at: Branch, path: string, json: Json = {}): Promise<Json> => at.api(path, { method: 'POST', json })
const idOf = (branch: Branch) => branch.ready?.id as string
const fileAt = (at: Branch, id: string): Promise<Json> => at.api(`/files/${id}`)
const ownerAt = async (at: Branch, id: string): Promise<string> => (await fileAt(at, id)).owner.branch
const warningsAt = async (at: Branch): Promise<Json[]> => (await at.api('/status')).warnings
const versionsAt = async (at: Branch, id: string): Promise<Json[]> => (await at.api(`/files/${id}/versions`)).items
const running = () => cluster.branches.filter((branch) => branch.isRunning)

/** One after the other, as it would be for who cannot reach the rest. */
async function apart(...branches: Branch[]): Promise<void> {
  for (const branch of branches) await post(branch, '/disconnect')
}

async function together(...branches: Branch[]): Promise<void> {
  for (const branch of branches) await post(branch, '/connect')
}

async function update(at: Branch, id: string, text: string): Promise<Json> {
  const form = new FormData()
  form.append('file', new Blob([text]), 'disputada.txt')
  const answer = await at.fetch(`/files/${id}`, { method: 'PUT', body: form })
  expect(answer.status, await answer.clone().text()).toBe(200)
  return answer.json()
}

async function textAt(at: Branch, id: string, version?: number): Promise<string> {
  const answer = await at.fetch(`/files/${id}/content${version === undefined ? '' : `?version=${version}`}`)
  return answer.ok ? answer.text() : `${answer.status} ${await answer.text()}`
}

/** Told since the start, of one type. */
async function eventsAt(at: Branch, type: string): Promise<string> {
  const leave = new AbortController()
  const stream = await at.fetch(`/events?lastEventId=0&types=${type}`, { signal: leave.signal })
  const reader = stream.body?.getReader()
  const part = await reader?.read()
  leave.abort()
  return Buffer.from(part?.value ?? []).toString()
}

describe('a file that two branches have accepted', () => {
  let id: string
  let winner: Branch, loser: Branch
  const wrote = new Map<Branch, string>()

  it('belongs to one of them everywhere when they meet again, and the other is told', async () => {
    ;({ id } = await share(one, [two, three, four], 'disputada.txt', Buffer.from('from the first')))
    await post(one, `/files/${id}/handoff`, { to: idOf(two) })
    await eventually('it is offered', async () => (await fileAt(two, id)).handoff !== null)
    await apart(two)
    await post(two, `/files/${id}/handoff/accept`)
    expect((await update(two, id, 'from the second')).owner.branch).toBe(two.name)
    wrote.set(two, 'from the second')
    // whoever has offered it hears nothing, takes the offer back, and offers it to another
    await one.api(`/files/${id}/handoff`, { method: 'DELETE' })
    await post(one, `/files/${id}/handoff`, { to: idOf(three) })
    await eventually('it is offered', async () => (await fileAt(three, id)).handoff !== null)
    await post(three, `/files/${id}/handoff/accept`)
    await update(three, id, 'from the third')
    wrote.set(three, 'from the third')
    await eventually('they know', async () => (await fileAt(four, id)).version === 2)
    expect(await Promise.all([two, four].map((at) => ownerAt(at, id)))).toEqual([two.name, three.name])

    await together(two)
    await cluster.settled()
    const owner = await ownerAt(four, id)
    ;[winner, loser] = owner === two.name ? [two, three] : [three, two]
    for (const at of running())
      expect(await fileAt(at, id)).toMatchObject({ owner: { branch: winner.name }, version: 2 })
    await eventually('the loser is told', async () => (await eventsAt(loser, 'file:owner')).includes(idOf(winner)))
    expect(await eventsAt(loser, 'warning')).toMatch(new RegExp(`offer-contradicted.*${id}.*twice`))
    const refused = await loser.run('update', id, import.meta.filename, '--json')
    expect([refused.code, JSON.parse(refused.stdout).code]).toEqual([5, 'not-owner'])
  }, 60_000)

  it('keeps what the other wrote, and says that it is disputed', async () => {
    for (const at of running()) {
      expect((await fileAt(at, id)).disputed).toBe(true)
      const [beside, ...more] = (await versionsAt(at, id)).filter(({ conflict }) => conflict)
      expect(more).toEqual([])
      expect(beside.author.branch).toBe(loser.name)
      await eventually('the bytes', async () => (await textAt(at, id)) === wrote.get(winner))
      await eventually('the other bytes', async () => (await textAt(at, id, beside.version)) === wrote.get(loser))
      const warning = (await warningsAt(at)).find(({ code }) => code === 'offer-contradicted')
      expect(warning).toMatchObject({
        message: expect.stringContaining(`it belongs to ${winner.name}`),
        advice: expect.stringContaining('malote assign'),
      })
    }
    expect((await one.api(`/nodes/${idOf(one)}`)).marks).toEqual(['offer-contradicted'])
    expect((await loser.run('show', id)).stdout).toMatch(/^disputed +accepted by two branches, belongs to /m)
  }, 60_000)

  it('until an admin assigns it and the branch accepts', async () => {
    const notAdmin = await loser.run('assign', id, loser.name, '--json')
    expect([notAdmin.code, JSON.parse(notAdmin.stdout).code]).toEqual([5, 'not-admin'])
    await post(one, `/files/${id}/assign`, { to: idOf(loser) })
    await eventually('it is assigned', async () => (await fileAt(loser, id)).handoff !== null)
    await post(loser, `/files/${id}/handoff/accept`)
    const conflict = (await versionsAt(loser, id)).find((each) => each.conflict)
    expect(await post(loser, `/files/${id}/restore`, { version: conflict?.version })).toMatchObject({ version: 3 })
    await cluster.settled()
    for (const at of running()) {
      await eventually('it is settled', async () => (await fileAt(at, id)).disputed === false)
      expect(await ownerAt(at, id)).toBe(loser.name)
      expect((await warningsAt(at)).map(({ code }) => code)).not.toContain('offer-contradicted')
      await eventually('the bytes of its own', async () => (await textAt(at, id)) === wrote.get(loser))
    }
    const again = await one.run('assign', id, winner.name)
    expect(again.code).toBe(6)
  }, 60_000)
})

describe('the files of a machine that is thrown out', () => {
  const files = { all: '', offered: '', narrow: '' }

  it('go to who answers first; what was offered lapses; what only an absent branch can read waits for it', async () => {
    files.all = (await share(five, running(), 'de todas.txt', Buffer.from('for all'))).id
    files.offered = (await share(five, [two], 'oferecida.txt', Buffer.from('offered'))).id
    files.narrow = (await share(five, [four], 'restrita.txt', Buffer.from('for one'), [['only', four.name]])).id
    await eventually('copies', async () => {
      const views = await Promise.all(Object.values(files).map((id) => fileAt(five, id)))
      return views.every(({ copies }) => copies.held >= 3)
    })
    await post(five, `/files/${files.offered}/handoff`, { to: idOf(two) })
    await eventually('it is offered', async () => (await fileAt(two, files.offered)).handoff !== null)
    await cluster.settled()
    await four.end()
    // the network's only admin
    expect((await one.json('expel', five.name)).waitsFor).toBeNull()
    const others = [one, two, three]
    for (const id of [files.all, files.offered]) {
      const owners = await eventually('one owner', async () => {
        const names = new Set(await Promise.all(others.map((at) => ownerAt(at, id))))
        return names.size === 1 && !names.has(five.name) && [...names]
      })
      expect(others.map(({ name }) => name)).toContain(owners[0])
    }
    const late = await two.run('handoff', 'accept', files.offered)
    expect(late.code).toBe(6)
    expect((await one.fetch(`/files/${files.narrow}`)).status).toBe(404)
    await five.end()
    await four.up(['--handoffs', 'ask'])
    await eventually('who can read it has taken it', async () => (await ownerAt(four, files.narrow)) === four.name)
    expect(await textAt(four, files.narrow)).toBe('for one')
    await cluster.settled()
  }, 90_000)
})

describe('two renewals of one audience', () => {
  it('stand both: all read what was sealed under either, and who was thrown out neither', async () => {
    const sides: [Branch, Branch][] = [
      [one, two],
      [three, four],
    ]
    const ids: string[] = []
    for (const [at, [writer, reader]] of sides.entries()) {
      const away = sides[1 - at] as [Branch, Branch]
      await apart(...away)
      const answer = await postFile(writer, `lado ${at}.txt`, Buffer.from(`sealed on side ${at}`))
      expect(answer.status).toBe(201)
      const { id } = (await answer.json()) as Json
      ids.push(id)
      await eventually('its side reads it', async () => (await textAt(reader, id)) === `sealed on side ${at}`)
      await apart(writer, reader)
      await together(...away)
    }
    await together(...sides.flat())
    await cluster.settled()
    const keys = new Set<string>()
    for (const [at, id] of ids.entries()) {
      for (const branch of running())
        await eventually(`${branch.name} reads it`, async () => (await textAt(branch, id)) === `sealed on side ${at}`)
      keys.add(epochOf(id).key)
    }
    expect(keys.size, 'a renewal on each side').toBe(2)
    const { items } = await one.api('/ledger?limit=1000')
    const made = items.filter(
      ({ kind, author }: Json) => kind === 'audience' && [idOf(one), idOf(three)].includes(author.id),
    )
    for (const { refused } of made) expect(refused).toBeNull()

    const network = (await one.api('/status')).network.id
    const attempts = (secrets: Uint8Array[]) =>
      ids.map((id) => {
        const { epochs } = sharedRows(one.data, id)
        return tryAll({ network, file: id, secrets, epochs }, 'chunk', sealed(id))
      })
    expect(attempts(secretsIn(five.data))).toEqual([null, null])
    const adversary = await startAdversary(five.data, network)
    try {
      for (const id of ids) {
        const { audience, key } = epochOf(id)
        for (const branch of running()) {
          const told = await adversary
            .keys(branch.ready?.addresses[0] as string, { ask: [[idBytes(audience), idBytes(key)]] })
            .catch(() => null)
          expect(told).toBeNull()
        }
      }
    } finally {
      await adversary.stop()
    }
    // the try finds what can be opened
    await four.end()
    expect(attempts(secretsIn(four.data)).map((bytes) => Buffer.from(bytes ?? []).toString())).toEqual(
      ids.map((_, at) => `sealed on side ${at}`),
    )
    for (const branch of running()) expect((await branch.api('/ledger/verify')).ok).toBe(true)
  }, 90_000)

  function epochOf(id: string) {
    const [epoch] = sharedRows(one.data, id).epochs
    if (epoch === undefined) throw new Error('a file without an access epoch')
    return epoch
  }
  /** From whoever holds it; its writer does. */
  function sealed(id: string): Uint8Array {
    const { root } = sharedRows(one.data, id)
    const found = cluster.branches.flatMap(({ data }) => chunkOnDisk(data, root) ?? [])[0]
    if (found === undefined) throw new Error('nobody holds it')
    return found
  }
})
