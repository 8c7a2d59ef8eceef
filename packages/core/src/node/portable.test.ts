import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { exportIdentity, importIdentity } from './portable.ts'
import { decodePortable, encodePortable } from './portable-format.ts'
import { filesWith, share, testNodes, until } from './support/nodes.ts'
import type { MaloteNode } from './types.ts'

const nodes = testNodes({ heartbeatMs: 200, headsIntervalMs: 200 })
afterEach(() => nodes.close())

const feedsOf = (node: MaloteNode, author: string) =>
  new Set(
    node.ledger
      .digest()
      .heads.filter((head) => head.author === author)
      .map(({ feed }) => feed),
  )

describe('an identity that moves', () => {
  it('goes on in a feed of its own, which no old one forks', async () => {
    const [founder] = (await nodes.network('Recife')) as [MaloteNode]
    const old = nodes.emptyFolder()
    const node = await nodes.join(founder, 'Olinda', { dataDir: old })
    const { id } = node
    const before = await share(node, 'before.png', Buffer.from('written on the old machine'))
    await until('the founder has it', () => founder.files.get(before) !== undefined)
    writeFileSync(join(old, 'config.toml'), 'port = 5000\n')
    expect(() => exportIdentity(old)).toThrow(expect.objectContaining({ code: 'locked' }))
    await node.stop()
    const oldFeeds = feedsOf(founder, id)

    const { text } = exportIdentity(old)
    const anew = join(nodes.emptyFolder(), 'new')
    expect(await importIdentity(anew, text)).toEqual({ id, isMember: true })
    expect(readFileSync(join(anew, 'config.toml'), 'utf8')).toBe('port = 5000\n')
    expect(readFileSync(join(anew, 'identity'))).toEqual(readFileSync(join(old, 'identity')))
    for (const name of ['identity', 'config.toml']) expect(statSync(join(anew, name)).mode & 0o777).toBe(0o600)
    // nothing of the ledger and nothing of the store has come along
    expect(readdirSync(join(anew, 'network')).sort()).toEqual(['anchor', 'damaged-1', 'local.db', 'rebuilding'])
    expect(filesWith(anew, 'before.png')).toEqual([])

    const moved = await nodes.start(anew)
    expect(moved.id).toBe(id)
    expect(moved.status().branch).toBe('Olinda')
    const after = await share(moved, 'after.png', Buffer.from('written on the new machine'))
    await until('the founder has that, too', () => founder.files.get(after) !== undefined)
    const added = [...feedsOf(founder, id)].filter((feed) => !oldFeeds.has(feed))
    expect(added).toHaveLength(1)
    // the old feeds end where they ended
    await moved.stop()

    // somebody starts the old machine after all: it sees that its feed has ended, and no two entries share a place
    const again = await nodes.start(old)
    await until('it has what the new machine wrote', () => again.files.get(after) !== undefined)
    const third = await share(again, 'third.png', Buffer.from('written on the old machine again'))
    await until('the founder has the third', () => founder.files.get(third) !== undefined)
    for (const each of [founder, again]) {
      expect(each.status().warnings.map(({ code }) => code)).not.toContain('feed-forked')
    }
  })

  it('of no network is only an identity', async () => {
    const folder = nodes.emptyFolder()
    const node = await nodes.start(folder)
    await node.stop()
    const { id, isMember, text } = exportIdentity(folder, { passphrase: 'correct horse' })
    expect(isMember).toBe(false)
    const anew = join(nodes.emptyFolder(), 'new')
    await expect(importIdentity(anew, text)).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(importIdentity(anew, text, { passphrase: 'wrong' })).rejects.toMatchObject({ code: 'unauthorized' })
    expect(existsSync(anew)).toBe(false)
    await importIdentity(anew, text, { passphrase: 'correct horse' })
    expect((await nodes.start(anew)).id).toBe(id)
  })

  it('replaces nothing', async () => {
    const folder = nodes.emptyFolder()
    await (await nodes.start(folder)).stop()
    const { text } = exportIdentity(folder)
    for (const name of ['identity', 'network', 'config.toml']) {
      const other = nodes.emptyFolder()
      if (name === 'network') mkdirSync(join(other, name))
      else cpSync(join(folder, 'identity'), join(other, name))
      await expect(importIdentity(other, text), name).rejects.toMatchObject({ code: 'conflict' })
      expect(readdirSync(other)).toEqual([name])
    }
  })

  it('must be there, and whole', async () => {
    const nowhere = join(nodes.emptyFolder(), 'nowhere')
    expect(() => exportIdentity(nowhere)).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(existsSync(nowhere)).toBe(false)
    const folder = nodes.emptyFolder()
    await (await nodes.start(folder)).stop()
    const { text } = exportIdentity(folder)
    for (const wrong of ['', 'x', text.slice(0, -20), text.replace('-1:', '-2:'), `${text}${'A'.repeat(1_000_000)}`])
      await expect(importIdentity(nowhere, wrong)).rejects.toMatchObject({ code: 'unreadable' })
    // a network that nothing can be read of: nothing is left of the try
    const portable = { ...decodePortable(text, null), anchor: Buffer.from('no anchor') }
    await expect(importIdentity(nowhere, encodePortable(portable, null))).rejects.toMatchObject({ code: 'unreadable' })
    expect(existsSync(nowhere)).toBe(false)
    rmSync(folder, { recursive: true })
  })
})
