/** Four branches on this machine and their copies: one is switched off for longer than the grace, and comes back. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, expect, it } from 'vitest'
import { createNode } from './node.ts'
import type { MaloteNode } from './types.ts'

const FILES = 4
const COPIES = 3
const ending: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

class Branch {
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'malote-repair-'))
  readonly #capacity: number | null
  node!: MaloteNode
  isOn = false

  constructor(capacity: number | null = null) {
    this.#capacity = capacity
    ending.push(async () => {
      await this.off()
      rmSync(this.#dataDir, { recursive: true, force: true })
    })
  }

  async on(): Promise<void> {
    this.node = await createNode({
      dataDir: this.#dataDir,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
      capacity: this.#capacity,
      tuning: { heartbeatMs: 600, headsIntervalMs: 300, repairGraceMs: 2500, repairIntervalMs: 200 },
    })
    this.isOn = true
  }

  async off(): Promise<void> {
    if (!this.isOn) return
    this.isOn = false
    await this.node.stop()
  }
}

/** Asked again until it is so; the test's own deadline ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 100))
}

async function startNetwork(capacities: (number | null)[]): Promise<[Branch, ...Branch[]]> {
  const branches = capacities.map((capacity) => new Branch(capacity)) as [Branch, ...Branch[]]
  await Promise.all(branches.map((branch) => branch.on()))
  const [first, ...others] = branches
  await first.node.network.init({ name: 'Agência', branch: 'Filial 1' })
  for (const [at, { node }] of others.entries()) {
    const { invite } = await first.node.members.invite({ branch: `Filial ${at + 2}` })
    await node.network.register({ invite })
  }
  for (const { node } of branches) await until(() => node.status().members.connected === branches.length)
  return branches
}

async function upload(node: MaloteNode, name: string): Promise<string> {
  const pending = await node.files.beginUpload()
  await pending.write(Readable.from([Buffer.from(name)]))
  return (await pending.publish({ name })).id
}

const isHere = ({ node }: Branch, id: string) => {
  try {
    return node.files.get(id).local === 'complete'
  } catch {
    return false // it has not heard of it yet
  }
}

it('who is gone is replaced, who comes back is reconciled, and what is one copy too many goes only while all are there', async () => {
  const branches = await startNetwork([null, null, null, null])
  const [owner, ...others] = branches
  const ids = await Promise.all(Array.from({ length: FILES }, (_, at) => upload(owner.node, `${at}.txt`)))
  const there = () => branches.filter(({ isOn }) => isOn)
  const copies = (id: string) => there().filter((branch) => isHere(branch, id)).length
  const areTold = (held: number) =>
    there().every(({ node }) => ids.every((id) => node.files.get(id).copies.held === held))
  await until(() => ids.every((id) => copies(id) === COPIES) && areTold(COPIES))

  const gone = others.find((branch) => ids.some((id) => isHere(branch, id))) as Branch
  const wasThere = ids.filter((id) => isHere(gone, id))
  await gone.off()
  let least = COPIES
  const isSafe = () => there().every(({ node }) => node.status().files.atRisk === 0)
  await until(() => ids.every((id) => copies(id) === COPIES) && areTold(COPIES) && isSafe())

  await gone.on()
  await until(() => {
    least = Math.min(least, ...ids.map(copies))
    return ids.every((id) => copies(id) === COPIES) && areTold(COPIES)
  })
  expect(least, 'never fewer in between').toBe(COPIES)
  expect(ids.filter((id) => isHere(gone, id))).toEqual(wasThere)
}, 60_000)

it('says which files are at risk, how many copies they have, and when nobody is left to make one', async () => {
  const [owner, holder] = (await startNetwork([null, null, 0])) as [Branch, Branch, Branch]
  const id = await upload(owner.node, 'retrato.jpg')
  const codes = () => owner.node.status().warnings.map(({ code }) => code)
  await until(() => codes().includes('no-room-for-copies') && isHere(holder, id))
  await until(() => owner.node.files.get(id).copies.held === 2)
  expect(owner.node.status().files).toMatchObject({
    atRisk: 1,
    short: [{ id, name: 'retrato.jpg', copies: { held: 2, target: 3 } }],
  })

  // nor is it waited for by who leaves
  const told: string[] = []
  holder.node.events.on('leave:progress', ({ phase, message }) => phase === 'drain' && told.push(message))
  await (await holder.node.network.unregister({})).done
  expect(told.at(-1)).toBe('1 of 1 files are safe on other branches')
}, 60_000)
