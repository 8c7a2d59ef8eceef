/** Holders that have no key: what they pass on to each other, what they keep for readers, and what a purge leaves. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordsIn } from '../catalogue/testing.ts'
import { share, testNodes, until } from './support/nodes.ts'
import type { MaloteNode } from './types.ts'

const CONTENT = randomBytes(2 * 1024 * 1024)
const nodes = testNodes({ repairIntervalMs: 200 })
const folders = { recife: nodes.emptyFolder(), olinda: nodes.emptyFolder(), natal: nodes.emptyFolder() }
let recife: MaloteNode, olinda: MaloteNode, natal: MaloteNode
let id: string

function inDatabase<T>(folder: string, name: 'local' | 'shared', look: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(folder, 'network', `${name}.db`), { readOnly: true })
  try {
    return look(db)
  } finally {
    db.close()
  }
}
/** the box with the file's name, as the ledger has it now */
const metaOf = (folder: string) =>
  inDatabase(folder, 'shared', (db) => recordsIn(db).find(({ file }) => file.file === id)?.file.meta ?? '')
const hasBox = (folder: string, hash: string) =>
  inDatabase(folder, 'local', (db) =>
    db.prepare('SELECT 1 FROM boxes WHERE hash = ?').get(Buffer.from(hash, 'hex')),
  ) !== undefined
const holds = (node: MaloteNode) => node.status().disk.used > CONTENT.length

beforeAll(async () => {
  recife = await nodes.start(folders.recife)
  await recife.network.init({ name: 'Agência', branch: 'Recife' })
  olinda = await nodes.join(recife, 'Olinda', { dataDir: folders.olinda })
  natal = await nodes.join(recife, 'Natal', { dataDir: folders.natal })
}, 30_000)
afterAll(() => nodes.close())

describe('a holder without a key', () => {
  it('gets chunks and boxes from another one, with no reader in between', async () => {
    await natal.stop()
    id = await share(recife, 'plano.pdf', CONTENT, { denied: ['Olinda', 'Natal'] })
    await until('one holds it', () => recife.files.get(id).copies.held === 2)
    await until('its boxes too', () => hasBox(folders.olinda, metaOf(folders.recife)))
    await recife.stop()
    natal = await nodes.start(folders.natal)
    await until('the other holds it', () => holds(natal))
    await until('its boxes too', () => hasBox(folders.natal, metaOf(folders.olinda)))
    for (const node of [olinda, natal]) expect(() => node.files.get(id)).toThrow()
  }, 30_000)

  it('keeps the box that a change of the audience makes, not the one before, and readers find it there', async () => {
    const before = metaOf(folders.olinda)
    recife = await nodes.start(folders.recife)
    await until('it is connected', () => recife.status().members.connected === 3)
    await olinda.stop()
    await recife.files.allow(id, ['Olinda'])
    const after = metaOf(folders.recife)
    expect(after).not.toBe(before)
    await until('the new one is kept', () => hasBox(folders.natal, after))
    await until('the one before is not', () => !hasBox(folders.natal, before))
    await recife.stop()

    // the owner is off, and the only other branch has no key
    olinda = await nodes.start(folders.olinda)
    await until('the new reader sees it', () => olinda.files.get(id).name === 'plano.pdf')
  }, 30_000)

  it('that was off loses chunks and boxes to a purge as soon as it is back', async () => {
    const meta = metaOf(folders.natal)
    recife = await nodes.start(folders.recife)
    await until('it is connected', () => recife.status().members.connected === 3)
    await natal.stop()
    await recife.files.remove(id, { purge: true })
    await until('gone where it was on', () => [recife, olinda].every((node) => node.status().disk.used === 0))
    expect(hasBox(folders.natal, meta)).toBe(true)
    natal = await nodes.start(folders.natal)
    await until('the chunks go', () => natal.status().disk.used === 0)
    for (const folder of Object.values(folders)) await until('the boxes go', () => !hasBox(folder, meta))
  }, 30_000)
})
