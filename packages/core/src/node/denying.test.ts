/** Denials of files that are shared already, over real sockets: who still gets the sealed bytes, and from whom. */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { read, received, share, testNodes, until, update } from './support/nodes.ts'
import type { MaloteNode } from './types.ts'

const MIB = 1024 * 1024
/** more than is read ahead */
const SIZE = 8 * MIB
const nodes = testNodes({ repairIntervalMs: 200 })
afterEach(() => nodes.close())

describe('a file that was denied later, and not sealed anew', () => {
  it('still comes to a listed holder that never had a key, from whoever holds it', async () => {
    const folder = nodes.emptyFolder()
    const [owner, reader] = await nodes.network('Recife', 'Olinda')
    if (owner === undefined || reader === undefined) throw new Error('no network')
    const { invite } = await owner.members.invite({ branch: 'Natal' })
    const keyless = await nodes.start(folder)
    await keyless.network.register({ invite })
    await keyless.stop()

    const id = await share(owner, 'plano.pdf', randomBytes(3 * MIB), { denied: ['Natal'] })
    await until('the reader holds it', () => reader.files.get(id).local === 'complete')
    await reader.files.fetch(id) // also as a copy of its own
    await update(owner, id, randomBytes(2 * MIB))
    const held = () => reader.files.versions(id).filter(({ local }) => local === 'complete')
    await until('it holds the next version, too', () => held().length === 2)
    await owner.files.deny(id, ['Olinda'])

    const back = await nodes.start(folder)
    await until('it holds what it cannot read', () => owner.files.get(id).copies.held >= 2)
    expect(() => back.files.get(id)).toThrow(expect.objectContaining({ code: 'not-found' }))
    await until('the former reader has let go of it', () => reader.status().disk.used === 0)
    await until('all know it', () => owner.files.get(id).copies.held === 2)
  }, 60_000)
})

describe('a file that is sealed anew after a denial', () => {
  it('is sealed by each reader itself: no chunk goes from reader to reader', async () => {
    const [owner, reader, denied] = await nodes.network('Recife', 'Olinda', 'Natal')
    if (owner === undefined || reader === undefined || denied === undefined) throw new Error('no network')
    const content = randomBytes(SIZE)
    const id = await share(owner, 'plano.pdf', content)
    await until('all hold it', () => owner.files.get(id).copies.held === 3)
    const [before, atDenied] = [received(reader), received(denied)]
    const begun = await Promise.all([owner, reader, denied].map((node) => begunReading(node, id)))
    await owner.files.deny(id, ['Natal'], { reseal: true })
    await until('the reader has the new seal', () => {
      const { local, denied } = reader.files.get(id)
      return denied.length === 1 && local === 'complete'
    })
    expect((await read(reader, id)).equals(content)).toBe(true)
    expect(received(reader)).toBe(before)
    // the denied branch never had the new key: it holds the new seal, which has to come over the wire
    await until('the denied branch holds the new seal', () => owner.files.get(id).copies.held === 3)
    expect(received(denied)).toBeGreaterThan(atDenied + SIZE)
    // who was in the middle of reading reads on, whichever seal it began with
    const [atOwner, atReader, atFormer] = await Promise.all(begun.map((rest) => rest().catch((error) => error)))
    expect([atOwner, atReader].map((all) => Buffer.isBuffer(all) && all.equals(content))).toEqual([true, true])
    expect(atFormer).toMatchObject({ code: 'not-found' })
  }, 60_000)
})

/** Reads its beginning, and the rest when that is asked for. */
async function begunReading(node: MaloteNode, file: string): Promise<() => Promise<Buffer>> {
  const { read } = await node.files.content(file)
  const iterator = read()[Symbol.asyncIterator]()
  const parts: Uint8Array[] = []
  const first = await iterator.next()
  return async () => {
    for (let result = first; !result.done; result = await iterator.next()) parts.push(result.value)
    return Buffer.concat(parts)
  }
}
