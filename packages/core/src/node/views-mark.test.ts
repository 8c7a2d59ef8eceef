import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { share, testNodes } from './support/nodes.ts'

const nodes = testNodes()
afterEach(() => nodes.close())

const MARK = "name = 'views/as-of'"

/** Stops it, changes its local database, and starts it again. @returns the names it shows then */
async function shownAfter(folder: string, sql: string): Promise<string[]> {
  const db = openDatabase({ path: join(folder, 'network', 'local.db'), migrations: migrationsFolder('local') })
  db.exec(sql)
  db.close()
  const node = await nodes.start(folder)
  const names = node.files.list().items.map(({ name }) => name)
  await node.stop()
  return names
}

it('files are looked at one by one at a start only where nobody has said that their views are right', async () => {
  const folder = nodes.emptyFolder()
  const node = await nodes.start(folder)
  await node.network.init({ name: 'Agência', branch: 'Recife' })
  await share(node, 'campanha.txt', Buffer.from('once'))
  await node.stop()
  expect(await shownAfter(folder, 'SELECT 1')).toEqual(['campanha.txt'])
  // only a look at all files would bring it back
  expect(await shownAfter(folder, 'DELETE FROM views')).toEqual([])
  expect(await shownAfter(folder, `UPDATE settings SET value = zeroblob(32) WHERE ${MARK}`)).toEqual(['campanha.txt'])
  expect(await shownAfter(folder, `DELETE FROM settings WHERE ${MARK}`)).toEqual(['campanha.txt'])
})

it('a start uses the mark up, so that a crash leaves none', async () => {
  const folder = nodes.emptyFolder()
  const node = await nodes.start(folder)
  await node.network.init({ name: 'Agência', branch: 'Recife' })
  await node.stop()
  const marks = () => {
    const db = openDatabase({ path: join(folder, 'network', 'local.db'), migrations: migrationsFolder('local') })
    const found = db.prepare(`SELECT 1 FROM settings WHERE ${MARK}`).all().length
    db.close()
    return found
  }
  expect(marks()).toBe(1)
  const again = await nodes.start(folder)
  expect(marks()).toBe(0)
  await again.stop()
  expect(marks()).toBe(1)
})

it('a stop in the middle of a repair leaves none: not all of what the repair changes may have been told', async () => {
  const folder = nodes.emptyFolder()
  const node = await nodes.start(folder)
  await node.network.init({ name: 'Agência', branch: 'Recife' })
  for (let at = 0; at < 3; at++) await share(node, `${at}.txt`, Buffer.from(`${at}`))
  const repaired = node.ledger.repair().catch(() => undefined)
  while (!existsSync(join(folder, 'network', 'repair.db'))) await new Promise((resolve) => setImmediate(resolve))
  await node.stop()
  await repaired
  const db = openDatabase({ path: join(folder, 'network', 'local.db'), migrations: migrationsFolder('local') })
  expect(db.prepare(`SELECT 1 FROM settings WHERE ${MARK}`).all()).toEqual([])
  db.close()
})
