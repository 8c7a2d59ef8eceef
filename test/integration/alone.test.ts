/**
 * A branch without the others: killed while it was alone, with a clock that is wrong, with an offer that nobody answers.
 * It says what it knows, writes what it may, and when it is back nothing is forked and nothing acknowledged is lost.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json } from '../support/branch.ts'
import { giveClock, setClocks } from '../support/clocks.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

const DAY = 86_400_000
const MINUTE = 60_000
const ASK = ['--handoffs', 'ask']

let cluster: Cluster
let [one, two, three] = [] as unknown as [Branch, Branch, Branch]
const acknowledged = new Map<string, Buffer>()

beforeAll(async () => {
  cluster = await startCluster(3, { flags: ASK, prepare: giveClock })
  ;[one, two, three] = cluster.branches as [Branch, Branch, Branch]
}, 120_000)
afterAll(() => cluster?.close())

const post = (at: Branch, path: string, json: Json = {}): Promise<Json> => at.api(path, { method: 'POST', json })
const idOf = (branch: Branch) => branch.ready?.id as string
const namesAt = async (at: Branch): Promise<string[]> => (await at.api('/files')).items.map(({ name }: Json) => name)
const warningsAt = async (at: Branch): Promise<string[]> =>
  (await at.api('/status')).warnings.map(({ code }: Json) => code)
const checkAt = async (at: Branch, name: string): Promise<Json> =>
  (await at.api('/doctor')).items.find((each: Json) => each.name === name)
const codeOf = async (answer: Promise<Response>): Promise<string> => ((await (await answer).json()) as Json).code

async function upload(at: Branch, name: string): Promise<string> {
  const content = randomBytes(20_000)
  const answer = await postFile(at, name, content)
  expect(answer.status, await answer.clone().text()).toBe(201)
  const { id } = (await answer.json()) as Json
  acknowledged.set(id, content)
  return id
}

async function feedOf(at: Branch, file: string): Promise<string> {
  const { items } = await at.api('/ledger?limit=1000')
  return items.find(({ kind, subject }: Json) => kind === 'upload' && subject === file).feed
}

/** The same everywhere, no feed with two ends, and every acknowledged file with all its bytes. */
async function whole(): Promise<void> {
  await cluster.settled()
  for (const branch of cluster.branches) {
    for (const [id, content] of acknowledged) {
      await eventually(`${branch.name} has it`, async () => (await contentOf(branch, id)).equals(content))
    }
    const { heads } = await branch.api('/ledger/digest')
    expect(new Set(heads.map(({ feed }: Json) => feed)).size).toBe(heads.length)
    for (const { marks } of (await branch.api('/nodes')).items) expect(marks).toEqual([])
    expect((await branch.api('/ledger/verify')).ok).toBe(true)
  }
}

describe('killed while it was alone', () => {
  it('it says so, goes on in a new feed, and nothing is lost or forked when it is back', async () => {
    const before = await upload(two, 'antes.bin')
    await eventually('all have it', async () => (await two.api(`/files/${before}`)).copies.held === 3)
    await post(two, '/disconnect')
    const alone = await upload(two, 'sozinha.bin')
    expect(await feedOf(two, alone)).toBe(await feedOf(two, before))
    await two.end('SIGKILL')
    await two.up(ASK)

    const status = await two.api('/status')
    expect(status).toMatchObject({ connected: false, members: { total: 3, connected: 0 } })
    expect(status.warnings.map(({ code }: Json) => code)).not.toContain('damaged')
    expect(await checkAt(two, 'database')).toMatchObject({ state: 'ok' })
    expect(await checkAt(two, 'members')).toMatchObject({ state: 'warning', message: /Filial 1, Filial 3/ })
    expect(await checkAt(two, 'clock')).toMatchObject({ state: 'warning', message: /nobody/ })
    expect(await checkAt(two, 'feed')).toMatchObject({
      state: 'ok',
      message: expect.stringMatching(/opens a new feed: 0 of 2 other members confirm/),
    })
    expect((await contentOf(two, alone)).equals(acknowledged.get(alone) as Buffer)).toBe(true)

    const after = await upload(two, 'de novo.bin')
    expect(await feedOf(two, after)).not.toBe(await feedOf(two, before))
    // and once more, with the new feed not sent either
    await two.end('SIGKILL')
    await two.up(ASK)
    const last = await upload(two, 'outra vez.bin')
    expect(await feedOf(two, last)).not.toBe(await feedOf(two, after))
    expect(await namesAt(one)).toEqual(['antes.bin'])
    await post(two, '/connect')
    await whole()
    expect(await warningsAt(two)).not.toContain('folder-restored')
  }, 60_000)
})

describe('a clock that is a day ahead', () => {
  it('stops its own node, which says by how much; of the others each only warns', async () => {
    await setClocks(DAY, three)
    const said = /warning +the clock of this machine is 86[34]\d\d s ahead of that of 2 other branches/
    await eventually('it knows', async () => said.test((await three.run('status')).stdout))
    const refused = await three.run('upload', import.meta.filename)
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringMatching(/clock.*86[34]\d\d s ahead/s)])
    expect(await checkAt(three, 'clock')).toMatchObject({ state: 'problem' })
    for (const branch of [one, two]) {
      await eventually('it is seen', async () => (await warningsAt(branch)).includes('clock-differs'))
      expect(await warningsAt(branch)).not.toContain('clock-skew')
    }
    const written = await upload(one, 'certa.bin')
    await eventually('it is read', async () => (await three.fetch(`/files/${written}`)).ok)
  }, 60_000)

  it('what it wrote alone waits for its day; once corrected it goes on at once', async () => {
    await post(three, '/disconnect')
    const early = await upload(three, 'de amanhã.bin')
    await setClocks(0, three)
    await post(three, '/connect')
    for (const branch of [one, two])
      await eventually('it is held', async () => (await branch.api('/status')).ledger.held === 1)
    await eventually('its clock is right', async () => !(await warningsAt(three)).includes('clock-skew'))
    expect(await warningsAt(three)).toContain('own-entries-ahead')
    expect(await warningsAt(one)).toContain('held-entries')
    expect(await codeOf(three.fetch(`/files/${early}`, { method: 'DELETE' }))).toBe('clock-skew')
    const today = await upload(three, 'de hoje.bin')
    for (const branch of [one, two]) {
      await eventually('it is there', async () => (await branch.fetch(`/files/${today}`)).ok)
      expect((await branch.fetch(`/files/${early}`)).status).toBe(404)
    }
  }, 60_000)

  it('and the day after all are alike', async () => {
    await setClocks(DAY + 5 * MINUTE, ...cluster.branches)
    // with the next entry it is asked what is held, else within a minute
    await upload(three, 'do dia seguinte.bin')
    await whole()
    for (const branch of cluster.branches) {
      expect((await branch.api('/status')).ledger.held).toBe(0)
      const warnings = await warningsAt(branch)
      for (const code of ['clock-skew', 'own-entries-ahead', 'held-entries']) expect(warnings).not.toContain(code)
    }
  }, 60_000)
})

describe('offers that nobody answers', () => {
  it('are taken back by their owner after a week, and an admin may assign what belongs to an absent one', async () => {
    const kept = (await share(two, [one, three], 'parada.txt', Buffer.from('offered by one that is here'))).id
    const left = (await share(three, [one, two], 'ausente.txt', Buffer.from('offered by one that is away'))).id
    await eventually('copies', async () => (await three.api(`/files/${left}`)).copies.held === 3)
    await post(two, `/files/${kept}/handoff`, { to: idOf(three) })
    await post(three, `/files/${left}/handoff`, { to: idOf(two) })
    await cluster.settled()
    await three.end()
    const early = await one.run('assign', left, two.name, '--json')
    expect([early.code, JSON.parse(early.stdout).code]).toEqual([6, 'conflict'])

    await setClocks(9 * DAY, ...cluster.branches)
    await eventually('clocks agree', async () => {
      const warnings = await Promise.all([one, two].map(warningsAt))
      return !warnings.flat().includes('clock-skew')
    })
    await one.json('assign', left, two.name)
    await eventually('its own offer is taken back', async () => (await one.api(`/files/${kept}`)).handoff === null)
    const { items } = await one.api('/ledger?limit=1000')
    expect(items.filter(({ kind }: Json) => kind === 'cancel')).toMatchObject([
      { author: { id: idOf(two) }, refused: null },
    ])
    expect((await one.api(`/files/${kept}`)).owner.id).toBe(idOf(two))
    await eventually('it is assigned', async () =>
      (await two.api('/handoffs')).incoming.some(({ id }: Json) => id === left),
    )
    await post(two, `/files/${left}/handoff/accept`)

    await three.up(ASK)
    await eventually('who was away knows', async () => (await three.api(`/files/${left}`)).owner.id === idOf(two))
    expect(await codeOf(three.fetch(`/files/${left}`, { method: 'DELETE' }))).toBe('not-owner')
    const late = await three.run('handoff', 'accept', kept)
    expect(late.code).toBe(6)
    await whole()
  }, 90_000)
})
