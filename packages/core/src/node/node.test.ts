/** One node by itself: what the facade does before anybody else is there. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { createNode } from './node.ts'
import type { MaloteNode } from './types.ts'

const MIB = 1024 * 1024
const ending: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'malote-node-'))
  ending.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function start(dataDir: string): Promise<MaloteNode> {
  const node = await createNode({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false })
  ending.push(() => node.stop())
  return node
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

describe('ledger:entry', () => {
  /** kinds of the entries told from now until one of this kind */
  function toldUntil(node: MaloteNode, last: string): Promise<string[]> {
    const kinds: string[] = []
    return new Promise((resolve) => {
      node.events.on('ledger:entry', ({ kind }) => {
        kinds.push(kind)
        if (kind === last) resolve(kinds)
      })
    })
  }

  it('begins with the founding entry, and tells none again after a restart', async () => {
    const folder = emptyFolder()
    const first = await start(folder)
    const founding = toldUntil(first, 'audience')
    await first.network.init({ name: 'Agência', branch: 'Recife' })
    expect(await founding).toEqual(['found', 'audience'])
    await first.stop()

    const again = await start(folder)
    const told = toldUntil(again, 'invite')
    await again.members.invite({ branch: 'Olinda' })
    expect(await told).toEqual(['invite'])
  })
})

describe('chunks', () => {
  /** of all versions, in order */
  function chunksIn(folder: string): number[] {
    const path = join(folder, 'network', 'shared.db')
    const db = openDatabase({ path, migrations: migrationsFolder('shared') })
    const rows = db.prepare<{ chunk: number }>('SELECT chunk FROM versions ORDER BY version').all()
    db.close()
    return rows.map(({ chunk }) => chunk)
  }

  it('are larger for what is said to be very large, and stay so in the next versions', async () => {
    const folder = emptyFolder()
    const node = await start(folder)
    await node.network.init({ name: 'Agência', branch: 'Recife' })
    const upload = await node.files.beginUpload({ sizeHint: 500e9 })
    await upload.write(bytes('not that large'))
    const file = await upload.publish({ name: 'film.mov' })
    for (const options of [{}, { sizeHint: 1 }, { sizeHint: 10e12 }]) {
      const update = await node.files.beginUpdate(file.id, options)
      await update.write(bytes('nor that'))
      await update.publish()
    }
    await node.stop()
    expect(chunksIn(folder)).toEqual([8 * MIB, 8 * MIB, 8 * MIB, 16 * MIB])
  })
})
