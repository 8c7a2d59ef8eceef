/**
 * What tears a feed apart elsewhere: restored folders, clones, power cuts, isolation. After each, all branches have
 * the same entries and state, every acknowledged file can be fetched, and the operator is told what happened.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Branch, type Json } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster
let [one, two, three] = [] as unknown as [Branch, Branch, Branch]
/** acknowledged, and not looked at since */
const files: { id: string; content: Buffer }[] = []
const all: typeof files = []

beforeAll(async () => {
  cluster = await startCluster(3)
  ;[one, two, three] = cluster.branches as [Branch, Branch, Branch]
  for (const branch of cluster.branches) {
    ports.set(branch, /\/tcp\/(\d+)/.exec(branch.ready?.addresses[0] ?? '')?.[1] ?? '0')
  }
}, 60_000)
afterAll(() => cluster?.close())

/** Where each listens: after a restart nobody could tell them, when all have been off. */
const ports = new Map<Branch, string>()

async function up(...branches: Branch[]): Promise<void> {
  await Promise.all(
    branches.map((branch) => {
      const port = ports.get(branch)
      return branch.up(port === undefined ? [] : ['--listen', `/ip4/127.0.0.1/tcp/${port}`])
    }),
  )
}

/** Uploads at `from`, and waits until the others have it with all its bytes. */
async function replicated(from: Branch, name: string): Promise<string> {
  const content = randomBytes(50_000)
  const { id } = await share(from, cluster.branches, name, content)
  await eventually(`${name} is replicated`, async () => (await from.api(`/files/${id}`)).copies.held >= 3)
  files.push({ id, content })
  return id
}

/** Nothing but acknowledged: whoever else is there gets it later. */
async function acknowledged(from: Branch, name: string): Promise<string> {
  const content = randomBytes(50_000)
  const answer = await postFile(from, name, content)
  expect(answer.status).toBe(201)
  const { id } = (await answer.json()) as Json
  files.push({ id, content })
  return id
}

/** The same entries and state everywhere, and nothing lost of what was acknowledged since it was looked last. */
async function wholeEverywhere(looked = files.splice(0)): Promise<void> {
  await cluster.settled()
  all.push(...looked)
  await Promise.all(
    cluster.branches.map(async (branch) => {
      for (const { id, content } of looked) {
        await eventually(`${branch.name} lists it`, () => branch.api(`/files/${id}`).catch(() => false))
        expect((await contentOf(branch, id)).equals(content)).toBe(true)
      }
    }),
  )
}

const feedOf = async (branch: Branch, file: string): Promise<string> => {
  const { items } = await branch.api('/ledger?limit=1000')
  return items.find(({ kind, subject }: Json) => kind === 'upload' && subject === file).feed
}
const warningsOf = async (branch: Branch): Promise<string[]> =>
  (await branch.api('/status')).warnings.map(({ code }: Json) => code)
const marksOf = async (branch: Branch, of: Branch): Promise<string[]> =>
  (await branch.api(`/nodes/${of.ready?.id}`)).marks
const checkOf = async (branch: Branch, name: string): Promise<Json> =>
  (await branch.api('/doctor')).items.find((each: Json) => each.name === name)

async function noMarks(): Promise<void> {
  for (const branch of cluster.branches) expect(await marksOf(branch, three)).toEqual([])
}

/** Puts back every file with its old content and inode, as `rsync --inplace` or `cp` over it would. */
function restoreInPlace(copy: string, folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const old = join(copy, path.slice(folder.length))
    if (entry.isFile() && !existsSync(old)) rmSync(path)
  }
  for (const entry of readdirSync(copy, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const old = join(entry.parentPath, entry.name)
    const path = join(folder, old.slice(copy.length))
    if (!existsSync(path)) {
      copyFileSync(old, path)
      continue
    }
    const file = openSync(path, 'r+')
    writeSync(file, readFileSync(old))
    closeSync(file)
    const { size } = statSync(old)
    if (statSync(path).size !== size) writeFileSync(path, readFileSync(old)) // truncates, keeps the inode
  }
}

const inodeOf = (branch: Branch) => statSync(join(branch.data, 'network', 'shared.db'), { bigint: true }).ino

/** Where the mark of an orderly close lies outside of the folder. Spec: docs/specs/entry.md, "Feeds". */
function nonceOf(branch: Branch): string {
  const machine = readFileSync('/etc/machine-id', 'utf8').trim()
  const name = createHash('sha256')
    .update(`${machine}\0${inodeOf(branch)}`)
    .digest('hex')
  return join('/dev/shm', `malote-${process.getuid?.()}`, name)
}

async function connected(branch: Branch, count = 3): Promise<void> {
  await eventually(
    `${branch.name} sees ${count}`,
    async () => (await branch.api('/status')).members.connected === count,
  )
}

describe('a feed goes on', () => {
  it('after an orderly close, also while nobody is in reach', async () => {
    const before = await replicated(three, 'antes.bin')
    await three.end()
    await Promise.all([one.end(), two.end()])
    await up(three)
    expect((await checkOf(three, 'feed')).message).toContain('closed in order')
    const after = await acknowledged(three, 'sozinha.bin')
    expect(await feedOf(three, after)).toBe(await feedOf(three, before))
    await up(one, two)
    await wholeEverywhere()
  })

  it('after a power cut, but only once a majority has confirmed it', async () => {
    const before = await replicated(three, 'com luz.bin')
    await Promise.all([two.end(), three.end('SIGKILL')])
    await up(three)
    await connected(three, 2)
    expect((await checkOf(three, 'feed')).message).toMatch(/opens a new feed: [01] of 2 other members/)
    await up(two)
    await eventually('a majority has confirmed', async () =>
      (await checkOf(three, 'feed')).message.includes('a majority of the members'),
    )
    const after = await replicated(three, 'luz de novo.bin')
    expect(await feedOf(three, after)).toBe(await feedOf(three, before))
    await wholeEverywhere()
    await noMarks()
  })
})

describe('a new feed is opened', () => {
  it('in a folder that was restored from an old copy', async () => {
    await three.end()
    const copy = cluster.path('old-copy')
    cpSync(three.data, copy, { recursive: true, preserveTimestamps: true })
    await up(three)
    await connected(three)
    const lost = await replicated(three, 'depois da cópia.bin')
    await three.end()
    rmSync(three.data, { recursive: true })
    cpSync(copy, three.data, { recursive: true })
    await up(three)
    await eventually('it is told', async () => (await warningsOf(three)).includes('folder-restored'))
    expect(await checkOf(three, 'feed')).toMatchObject({ message: expect.stringContaining('opens a new feed') })
    const { stdout } = await three.run('status')
    expect(stdout).toMatch(/warning\s+this data folder was older than what this node had written/)
    const after = await replicated(three, 'de volta.bin')
    expect(await feedOf(three, after)).not.toBe(await feedOf(three, lost))
    await wholeEverywhere()
    await noMarks()
  })

  it('where the old copy was laid over the folder in place, also while nobody is in reach', async () => {
    await three.end()
    const copy = cluster.path('old-in-place')
    cpSync(three.data, copy, { recursive: true })
    const inode = inodeOf(three)
    await up(three)
    await connected(three)
    const lost = await replicated(three, 'por cima.bin')
    await three.end()
    restoreInPlace(copy, three.data)
    expect(inodeOf(three)).toBe(inode)
    await Promise.all([one.end(), two.end()])
    await up(three)
    expect((await checkOf(three, 'feed')).message).toContain('opens a new feed')
    const after = await acknowledged(three, 'sem saber.bin')
    await up(one, two)
    await wholeEverywhere()
    expect(await feedOf(one, after)).not.toBe(await feedOf(one, lost))
    expect(await warningsOf(three)).toContain('folder-restored')
    await noMarks()
  })

  it('after a power cut that took away what had been sent', async () => {
    await three.end('SIGKILL')
    const copy = cluster.path('unsynced')
    cpSync(three.data, copy, { recursive: true })
    await up(three)
    await connected(three)
    const sent = await replicated(three, 'enviado.bin')
    await three.end('SIGKILL')
    restoreInPlace(copy, three.data)
    await up(three)
    await eventually('what it had sent came back', async () => (await warningsOf(three)).includes('folder-restored'))
    const after = await replicated(three, 'recomeço.bin')
    expect(await feedOf(three, after)).not.toBe(await feedOf(three, sent))
    await wholeEverywhere()
    await noMarks()
  })
})

describe('two machines with one data folder', () => {
  it('the later one is sent away and writes nothing; all three kinds of operators see it', async () => {
    await three.end()
    const clone = new Branch('Clone', cluster.path('clone'))
    cpSync(three.data, clone.data, { recursive: true })
    await up(three)
    await connected(three)
    await up(clone)
    try {
      await eventually('the clone knows', async () => (await warningsOf(clone)).includes('running-twice'))
      const refused = await clone.run('upload', join(import.meta.dirname, 'feeds.test.ts'))
      expect(refused.code).toBe(5)
      expect(refused.stderr).toMatch(
        /another machine runs under the identity of this node since .*Stop one of the two/s,
      )
      expect(await checkOf(clone, 'feed')).toMatchObject({ state: 'problem' })
      expect((await clone.run('doctor')).stdout).toMatch(/problem\s+feed: another machine runs/)
      await eventually('the first one knows', async () => (await warningsOf(three)).includes('running-twice'))
      await eventually('the others know', async () => (await warningsOf(one)).includes('member-twice'))
      await replicated(three, 'a primeira continua.bin')
    } finally {
      await clone.end()
    }
    await wholeEverywhere()
    await noMarks()
  })

  it('a fork all the same: both branches stand, and all have the proof', async () => {
    // a machine that is set back with its memory, which nothing inside of it can notice
    await three.end()
    const copy = cluster.path('with-memory')
    cpSync(three.data, copy, { recursive: true })
    const nonce = readFileSync(nonceOf(three))
    await two.end()
    await up(three)
    await connected(three, 2)
    const [left] = [await acknowledged(three, 'um ramo.bin')]
    await eventually('it is at the first', async () => (await one.api(`/files/${left}`)).copies.held >= 2)
    await three.end()
    restoreInPlace(copy, three.data)
    writeFileSync(nonceOf(three), nonce, { mode: 0o600 })
    await one.end()
    await up(two)
    await up(three)
    await connected(three, 2)
    const right = await acknowledged(three, 'outro ramo.bin')
    await eventually('it is at the second', async () => (await two.api(`/files/${right}`)).copies.held >= 2)
    await up(one)
    await wholeEverywhere()
    expect(await feedOf(one, left)).toBe(await feedOf(one, right))
    for (const branch of cluster.branches) {
      expect(await marksOf(branch, three)).toEqual(['feed-forked'])
      const told = await checkOf(branch, 'feed-forked')
      expect(told).toMatchObject({ state: 'warning', message: expect.stringContaining('Filial 3') })
      expect(await warningsOf(branch)).toContain('feed-forked')
    }
    expect((await two.run('nodes')).stdout).toMatch(/Filial 3 .*feed-forked/)
    // it goes on, in a feed of its own
    const after = await replicated(three, 'segue.bin')
    expect(await feedOf(three, after)).not.toBe(await feedOf(three, left))
    files.push(...all.splice(0))
    await wholeEverywhere()
    for (const branch of cluster.branches) expect((await branch.api('/ledger/verify')).ok).toBe(true)
  })
})
