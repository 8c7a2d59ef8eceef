/** Streaming a file that this branch does not hold. */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { createReaders } from './readers.ts'
import { read, share, testNodes, until } from './support/nodes.ts'

const MIB = 1024 * 1024
const nodes = testNodes({ repairIntervalMs: 20 })
afterEach(() => nodes.close())

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
    const [owner, ...others] = await nodes.network('Recife', 'Olinda', 'Natal', 'Belém', 'Santos')
    if (owner === undefined) throw new Error('no network')
    const content = randomBytes(6 * MIB)
    const id = await share(owner, 'filme.mov', content)
    await owner.files.waitFor(id, 'replicated')
    for (const node of others) await until('every branch knows the copies', () => node.files.get(id).copies.held === 3)
    const reader = others.find((node) => node.files.get(id).local === 'none')
    if (reader === undefined) throw new Error('every branch holds it')

    await reader.transfers.setLimits({ down: 4 * MIB })
    expect((await read(reader, id)).equals(content)).toBe(true)
    await until('nothing is left of it', () => reader.files.get(id).local === 'none')
  }, 60_000)
})
