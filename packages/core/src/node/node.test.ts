/** One node by itself: what the facade does before anybody else is there. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { recordsIn } from '../catalogue/testing.ts'
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
    const records = recordsIn(db)
    db.close()
    return records.flatMap(({ versions }) => versions.map(({ chunk }) => chunk))
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

describe('a pending upload or update', () => {
  it('leaves nothing behind: neither what it wrote first nor what it wrote last', async () => {
    const node = await start(emptyFolder())
    await node.network.init({ name: 'Agência', branch: 'Recife' })
    const published = await node.files.beginUpload()
    await published.write(bytes('published'))
    const file = await published.publish({ name: 'a.txt' })
    const { used } = node.status().disk
    for (const pending of [await node.files.beginUpload(), await node.files.beginUpdate(file.id)]) {
      await pending.write(bytes('first'))
      await pending.write(bytes('second'))
      expect(node.status().disk.used).toBeGreaterThan(used)
      await pending.abort()
      expect(node.status().disk.used).toBe(used)
    }
  })

  it('keeps what is published when the content has not changed', async () => {
    const node = await start(emptyFolder())
    await node.network.init({ name: 'Agência', branch: 'Recife' })
    const upload = await node.files.beginUpload()
    await upload.write(bytes('the same'))
    const file = await upload.publish({ name: 'a.txt' })
    const update = await node.files.beginUpdate(file.id)
    await update.write(bytes('the same'))
    await update.write(bytes('another'))
    await update.abort()
    await upload.abort()
    expect(node.files.get(file.id).local).toBe('complete')
  })
})

describe('unregister of the last branch', () => {
  it('is refused while it has files, before anything is written, and takes them along when forced', async () => {
    const node = await start(emptyFolder())
    await node.network.init({ name: 'Agência', branch: 'Recife' })
    const upload = await node.files.beginUpload()
    await upload.write(bytes('only here'))
    await upload.publish({ name: 'a.txt' })
    const before = node.ledger.digest()
    await expect(node.network.unregister({})).rejects.toMatchObject({
      code: 'orphans-left',
      advice: expect.stringContaining('last branch'),
    })
    expect(node.ledger.digest()).toEqual(before)
    expect(node.status().warnings.map(({ code }) => code)).toEqual(['one-admin'])

    const messages: string[] = []
    node.events.on('leave:progress', ({ message }) => messages.push(message))
    const { done } = await node.network.unregister({ force: true })
    expect(node.status().warnings.map(({ code }) => code)).toContain('leaving')
    await done
    expect(messages[0]).toBe('0 of 1 files are safe on other branches')
    expect(messages.at(-1)).toBe('this branch has left the network')
    expect(node.status().network).toBeNull()
  })

  it('is done at once when there is nothing to lose', async () => {
    const node = await start(emptyFolder())
    await node.network.init({ name: 'Agência', branch: 'Recife' })
    await (await node.network.unregister({})).done
    expect(node.status().network).toBeNull()
  })
})

describe('unregister of the only admin', () => {
  it('is refused while there are others; a forced one leaves nothing behind when it is cancelled', async () => {
    const admin = await start(emptyFolder())
    await admin.network.init({ name: 'Agência', branch: 'Recife' })
    const { invite } = await admin.members.invite({ branch: 'Olinda' })
    const other = await start(emptyFolder())
    await other.network.register({ invite })
    const isRefused = expect(admin.network.unregister({})).rejects
    await isRefused.toMatchObject({ code: 'conflict', advice: expect.stringContaining('malote role') })

    // nobody is there: the leaving waits for somebody, and can be cancelled
    const isGone = new Promise((resolve) => admin.events.on('member:disconnected', resolve))
    await other.stop()
    await isGone
    const codes = () => admin.status().warnings.map(({ code }) => code)
    const before = admin.ledger.digest()
    const cancelling = new AbortController()
    const { done } = await admin.network.unregister({ force: true }, { signal: cancelling.signal })
    await expect(admin.network.unregister({ force: true })).rejects.toMatchObject({ code: 'conflict' })
    expect(codes()).toContain('leaving')
    cancelling.abort(new Error('Ctrl-C'))
    await expect(done).rejects.toThrow('Ctrl-C')
    expect(codes()).not.toContain('leaving')
    expect(admin.ledger.digest()).toEqual(before)
  }, 30_000)
})
