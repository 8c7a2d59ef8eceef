/**
 * A branch that is denied later, keeps everything it ever saw, and asks everybody; and one that was denied from the
 * start and gives it all the sealed bytes it holds. What they got is what the threat table allows, and no more.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idBytes } from '../../packages/core/src/ids.ts'
import {
  type Adversary,
  chunkOnDisk,
  keepCopy,
  scan,
  secretsIn,
  sharedRows,
  startAdversary,
  tryAll,
} from '../support/adversary.ts'
import type { Branch, Json } from '../support/branch.ts'
import { type Cluster, contentOf, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

const NAME = 'campanha-confidencial-de-natal.txt'
const CONTENT = 'the slogan nobody may know before december '
const DETAILS: [string, string][] = [
  ['tag', 'etiqueta-sigilosa'],
  ['campaign', 'Campanha-Sigilosa'],
]
const WORDS = [NAME, CONTENT, 'etiqueta-sigilosa', 'Campanha-Sigilosa']

let cluster: Cluster
/** owner, reader, reader until the denial, denied from the start */
let owner: Branch, reader: Branch, former: Branch, holder: Branch
let network: string
let file: Json
let secrets: Uint8Array[]
let adversary: Adversary

const addressOf = (branch: Branch) => branch.ready?.addresses[0] as string
const idOf = (branch: Branch) => branch.ready?.id as string
const everyone = () => [owner, reader, holder]

const rows = () => sharedRows(owner.data, file.id)
const attempt = () => ({ network, file: file.id as string, secrets, epochs: rows().epochs })

beforeAll(async () => {
  cluster = await startCluster(4)
  ;[owner, reader, former, holder] = cluster.branches as [Branch, Branch, Branch, Branch]
  network = (await owner.api('/status')).network.id
  file = await share(owner, [reader, former], NAME, Buffer.from(CONTENT.repeat(100)), [
    ...DETAILS,
    ['denied', idOf(holder)],
  ])
  expect((await contentOf(former, file.id)).toString()).toContain(CONTENT)
  await eventually('copies', async () => (await owner.api(`/files/${file.id}`)).copies.held >= 3)
  await cluster.settled()
  await former.end()
  secrets = secretsIn(keepCopy(former.data, cluster.path('everything-it-ever-saw')))
}, 120_000)
afterAll(async () => {
  await adversary?.stop()
  await cluster?.close()
})

describe('a branch that was denied from the start', () => {
  it('has nothing of the file in its folder but sealed bytes', async () => {
    expect((await holder.fetch(`/files/${file.id}`)).status).toBe(404)
    await holder.end()
    // the scan finds what is there: the reader has the name in the clear
    await reader.end()
    expect(scan(reader.data, WORDS).join()).toContain(NAME)
    expect(scan(holder.data, WORDS)).toEqual([])
    const own = { ...attempt(), secrets: secretsIn(holder.data) }
    const { root } = rows()
    const sealed = chunkOnDisk(owner.data, root) as Uint8Array
    expect(tryAll(own, 'chunk', sealed)).toBeNull()
    // and the try finds what can be opened
    expect(Buffer.from(tryAll(attempt(), 'chunk', sealed) as Uint8Array).toString()).toContain(CONTENT)
    for (const branch of [reader, holder]) await branch.up()
  }, 60_000)
})

describe('a branch that is denied later, with all its old keys', () => {
  let before: { root: string; meta: string }
  beforeAll(async () => {
    before = rows()
    await owner.api('/files/blacklist', { method: 'POST', json: { fileId: file.id, node: idOf(former) } })
    // its node gets the entries and does nothing else: the keys that it uses are those of the copy
    await former.up()
    await cluster.settled()
    await eventually('hidden', async () => (await former.fetch(`/files/${file.id}`)).status === 404)
    await former.end()
    adversary = await startAdversary(former.data, network)
  }, 60_000)

  it('is given no key and no ticket by anybody', async () => {
    const newest = rows().epochs.at(-1)
    if (newest === undefined) throw new Error('no epoch')
    for (const branch of everyone()) {
      const grants = await adversary.keys(addressOf(branch), { ask: [[idBytes(newest.audience), idBytes(newest.key)]] })
      expect(grants, branch.name).toEqual({ grants: [null] })
      const tickets = await adversary.keys(addressOf(branch), { hold: [Buffer.from(before.root, 'hex')] })
      expect(tickets, branch.name).toEqual({ tickets: [null] })
    }
  })

  it('is served no chunk of the epoch whose key it had, whatever it shows', async () => {
    for (const branch of everyone()) {
      expect(await adversary.open(addressOf(branch), before.root), branch.name).toBe('refused')
      for (const secret of secrets) {
        for (const epoch of [1, 2]) {
          const proof = adversary.proof({ file: file.id, epoch, secret, root: before.root, server: idOf(branch) })
          expect(await adversary.open(addressOf(branch), before.root, proof), branch.name).toBe('refused')
        }
      }
    }
  }, 60_000)

  it('gets the old box from nobody, and cannot open the new one', async () => {
    const now = rows()
    expect(now.meta).not.toBe(before.meta)
    const boxes: Uint8Array[] = []
    for (const branch of everyone()) {
      expect(await adversary.box(addressOf(branch), before.meta), branch.name).toBeNull()
      const box = await adversary.box(addressOf(branch), now.meta)
      if (box !== null) boxes.push(box)
    }
    // any member may hold it
    expect(boxes.length).toBeGreaterThan(0)
    for (const box of boxes) expect(tryAll(attempt(), 'meta', box)).toBeNull()
  })

  it('can read nothing of what is sealed afterwards, even with all that a sealed holder has', async () => {
    const path = cluster.path('v2.txt')
    writeFileSync(path, `version 2: ${CONTENT.repeat(120)}`)
    await owner.json('update', file.id, path)
    await eventually('the reader has it', async () => (await reader.api(`/files/${file.id}`)).version === 2)
    const { root } = rows()
    await eventually('a holder has it', () => [reader, holder].some(({ data }) => chunkOnDisk(data, root) !== null))
    const sealed = chunkOnDisk(owner.data, root) as Uint8Array
    expect(tryAll(attempt(), 'chunk', sealed)).toBeNull()
  }, 60_000)

  it('nor of a version that is sealed anew', async () => {
    await owner.json('blacklist', 'add', file.id, 'Filial 2', '--reseal')
    const { root } = await eventually('a new seal', () => {
      const now = rows()
      return chunkOnDisk(owner.data, now.root) !== null && now
    })
    const sealed = chunkOnDisk(owner.data, root) as Uint8Array
    // and if the holder gave away all the keys that it has
    await holder.end()
    const together = [...secrets, ...secretsIn(holder.data)]
    expect(tryAll({ ...attempt(), secrets: together }, 'chunk', sealed)).toBeNull()
  }, 60_000)
})
