/** Streaming a file that this branch does not hold, over real sockets in one process. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { createNode } from './node.ts'
import { createReaders } from './readers.ts'
import type { MaloteNode } from './types.ts'

const MIB = 1024 * 1024
const ending: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function start(): Promise<MaloteNode> {
  const dataDir = mkdtempSync(join(tmpdir(), 'malote-readers-'))
  ending.push(() => rmSync(dataDir, { recursive: true, force: true }))
  const tuning = { repairIntervalMs: 20 }
  const node = await createNode({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, tuning })
  ending.push(() => node.stop())
  return node
}

/** Resolves when the condition holds; it is asked again at every change of the node. */
async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

it('counts the readers of each version, and tells when the last has finished', () => {
  const [a, b] = ['a' as Root, 'b' as Root]
  const idle: Root[] = []
  const readers = createReaders((root) => void idle.push(root))
  const [first, second] = [readers.begin(a), readers.begin(a)]
  first()
  first()
  expect([readers.has(a), readers.has(b), idle]).toEqual([true, false, []])
  second()
  expect([readers.has(a), idle]).toEqual([false, [a]])
})

describe('a branch that is not to hold the file', () => {
  it('streams it whole while all who are to hold it have it, and lets go of it afterwards', async () => {
    const owner = await start()
    await owner.network.init({ name: 'Agência', branch: 'Recife' })
    const others: MaloteNode[] = []
    for (const branch of ['Olinda', 'Natal', 'Belém', 'Santos']) {
      const { invite } = await owner.members.invite({ branch })
      const node = await start()
      await node.network.register({ invite })
      others.push(node)
    }
    const content = randomBytes(6 * MIB)
    const pending = await owner.files.beginUpload()
    await pending.write(
      (async function* () {
        yield content
      })(),
    )
    const { id } = await pending.publish({ name: 'filme.mov' })
    await owner.files.waitFor(id, 'replicated')
    const reader = others.find((node) => {
      try {
        return node.files.get(id).local === 'none'
      } catch {
        return false
      }
    })
    if (reader === undefined) throw new Error('every branch holds it')
    await until('the reader knows of all copies', () => reader.files.get(id).copies.held === 3)

    await reader.transfers.setLimits({ down: 4 * MIB })
    const { read } = await reader.files.content(id)
    const parts: Uint8Array[] = []
    for await (const part of read()) parts.push(part)
    expect(Buffer.concat(parts).equals(content)).toBe(true)
    await until('nothing is left of it', () => reader.files.get(id).local === 'none')
  }, 60_000)
})
