/** Four branches on this machine, each with a clock of its own: who may write, what is held, and the day after. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { createNode } from './node.ts'
import type { FileView, MaloteNode } from './types.ts'

const DAY = 86_400_000
/** a busy machine answers late: half a round trip is the error */
const ABOUT_A_DAY_AHEAD = /86[34]\d\d s ahead of that of 3 other branches/
const ending: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

interface Branch {
  readonly node: MaloteNode
  /** how far its clock is ahead, ms */
  offset: number
}

async function startBranch(): Promise<Branch> {
  const dataDir = mkdtempSync(join(tmpdir(), 'malote-clocks-'))
  ending.push(() => rmSync(dataDir, { recursive: true, force: true }))
  const time = { offset: 0 }
  const node = await createNode({
    dataDir,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    upnp: false,
    clock: { ...systemClock, now: () => Date.now() + time.offset },
    tuning: { heartbeatMs: 600, headsIntervalMs: 300 },
  })
  ending.push(() => node.stop())
  return Object.assign(time, { node })
}

/** The first founds the network, all others have registered and see each other. */
async function network(size: number): Promise<Branch[]> {
  const branches = await Promise.all(Array.from({ length: size }, startBranch))
  const [first, ...others] = branches as [Branch, ...Branch[]]
  await first.node.network.init({ name: 'Agência', branch: 'Filial 1' })
  for (const [at, { node }] of others.entries()) {
    const { invite } = await first.node.members.invite({ branch: `Filial ${at + 2}` })
    await node.network.register({ invite })
  }
  for (const { node } of branches) await until(() => node.status().members.connected === size)
  return branches
}

/** Asked again until it is so; the test's own deadline ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function upload({ node }: Branch, name: string): Promise<FileView> {
  const pending = await node.files.beginUpload()
  await pending.write(Readable.from([Buffer.from(name)]))
  return pending.publish({ name })
}

const names = ({ node }: Branch) => node.files.list().items.map(({ name }) => name)
const codes = ({ node }: Branch) => node.status().warnings.map(({ code }) => code)
const sees = (branch: Branch, name: string) => until(() => names(branch).includes(name))

it('a clock that is a day off stops its own node alone, and the day after its correction all are alike', async () => {
  const branches = await network(4)
  const [a, b, c, wrong] = branches as [Branch, Branch, Branch, Branch]
  wrong.offset = DAY
  await until(() => codes(wrong).includes('clock-skew'))
  // a sample from before the jump is half a day
  await until(() => wrong.node.status().warnings.some(({ message }) => ABOUT_A_DAY_AHEAD.test(message)))
  await expect(upload(wrong, 'recusado.txt')).rejects.toMatchObject({
    code: 'clock-skew',
    message: expect.stringMatching(/86[34]\d\d s ahead of that of 3 members/),
  })
  const doctor = await wrong.node.doctor()
  expect(doctor.find(({ name }) => name === 'clock')).toMatchObject({ state: 'problem' })
  // three of four agree: the others write on, and know whose clock it is
  await until(() => codes(a).includes('clock-differs'))
  await upload(a, 'certo.txt')
  for (const each of [b, c, wrong]) await sees(each, 'certo.txt')

  // nobody contradicts it while it is alone: what it writes is from tomorrow
  await wrong.node.network.disconnect()
  await until(() => !codes(wrong).includes('clock-skew'))
  const early = await upload(wrong, 'de amanhã.txt')
  wrong.offset = 0
  await wrong.node.network.connect()
  await until(() => [a, b, c].every(({ node }) => node.status().ledger.held === 1))
  await until(() => !codes(wrong).includes('clock-skew'))
  expect(codes(wrong)).toContain('own-entries-ahead')
  await expect(wrong.node.files.remove(early.id)).rejects.toMatchObject({ code: 'clock-skew' })
  await upload(wrong, 'de hoje.txt')
  for (const each of [a, b, c]) await sees(each, 'de hoje.txt')
  expect(names(a)).not.toContain('de amanhã.txt')
  const states = () => new Set(branches.map(({ node }) => node.ledger.digest().state))
  await until(() => new Set([a, b, c].map(({ node }) => node.ledger.digest().state)).size === 1)
  expect(a.node.ledger.digest().state).not.toBe(wrong.node.ledger.digest().state)

  for (const each of branches) each.offset = DAY
  await until(() => branches.every((each) => !codes(each).includes('clock-skew')))
  await upload(wrong, 'do dia seguinte.txt')
  for (const each of [a, b, c]) await sees(each, 'de amanhã.txt')
  await until(() => states().size === 1)
  for (const each of branches) expect(each.node.status().ledger.held).toBe(0)
  expect(codes(wrong)).not.toContain('own-entries-ahead')
  await wrong.node.files.remove(early.id)
  await until(() => states().size === 1 && !names(a).includes('de amanhã.txt'))
}, 60_000)

it('of two that disagree both say by how much; of three the one in doubt is only warned', async () => {
  const [a, b, c] = (await network(3)) as [Branch, Branch, Branch]
  c.offset = DAY
  await until(() => codes(c).includes('clock-skew'))
  await until(() => codes(a).includes('clock-differs'))
  expect(codes(a)).not.toContain('clock-skew')
  await upload(a, 'segue.txt')
  await expect(upload(c, 'não.txt')).rejects.toMatchObject({ code: 'clock-skew' })
  await b.node.network.disconnect()
  await until(() => codes(a).includes('clock-skew'))
  await expect(upload(a, 'também não.txt')).rejects.toMatchObject({ code: 'clock-skew' })
  const said = a.node.status().warnings.find(({ code }) => code === 'clock-skew')
  expect(said).toMatchObject({ message: expect.stringMatching(/86[34]\d\d s behind that of the only other branch/) })
  // alone nobody contradicts: who is sure may write
  await a.node.network.disconnect()
  await upload(a, 'sozinho.txt')
}, 60_000)
