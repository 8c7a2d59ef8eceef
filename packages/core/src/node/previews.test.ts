/** Who makes a preview, and when, in a whole node; how: `previews/maker.test.ts`. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testNodes } from './support/nodes.ts'
import type { MaloteNode } from './types.ts'

const nodes = testNodes()
const folder = mkdtempSync(join(tmpdir(), 'malote-pictures-'))
const dataDir = nodes.emptyFolder()
let node: MaloteNode
let photo: Buffer
beforeAll(async () => {
  node = await nodes.start(dataDir)
  await node.network.init({ name: 'Agência', branch: 'Recife' })
  photo = await sharp({ create: { width: 640, height: 400, channels: 3, background: '#c33' } })
    .jpeg()
    .toBuffer()
})
afterAll(async () => {
  await nodes.close()
  rmSync(folder, { recursive: true, force: true })
})

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function fileOf(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

it('a version has the preview of its content, under whatever name', async () => {
  const file = await node.files.upload(fileOf('notes.txt', photo))
  expect([file.type, file.hasPreview]).toEqual(['text/plain', true])
  const preview = await node.files.preview(file.id)
  expect(preview?.type).toBe('image/webp')
  expect(await sharp(preview?.bytes).metadata()).toMatchObject({ format: 'webp', width: 320, height: 200 })
  expect(await node.files.update(file.id, fileOf('photo.jpg', 'words'))).toMatchObject({ hasPreview: false })
  expect(await node.files.preview(file.id)).toBeNull()
  expect(await node.files.restore(file.id, { version: 1 })).toMatchObject({ version: 3, hasPreview: true })
  expect(await node.files.preview(file.id)).toEqual(preview)
})

it('an upload that is given up meanwhile is not published, and leaves nothing', async () => {
  const before = { files: node.files.list().items.length, entries: node.ledger.digest().entries }
  const stored = () => readdirSync(join(dataDir, 'network', 'store'), { recursive: true }).length
  const kept = stored()
  const pending = await node.files.beginUpload()
  await pending.write(once(photo))
  const upload = new AbortController()
  const publishing = pending.publish({ name: 'given up.jpg' }, { signal: upload.signal })
  upload.abort(new Error('Ctrl-C'))
  await expect(publishing).rejects.toThrow('Ctrl-C')
  expect({ files: node.files.list().items.length, entries: node.ledger.digest().entries }).toEqual(before)
  // the same again, by somebody who waits
  expect((await pending.publish({ name: 'not given up.jpg' })).hasPreview).toBe(true)

  const other = await node.files.beginUpload()
  await other.write(once(photo))
  const ended = other.publish({ name: 'given up.jpg' }, { signal: AbortSignal.abort(new Error('Ctrl-C')) })
  await expect(ended).rejects.toThrow('Ctrl-C')
  const both = stored()
  await other.abort()
  expect(stored()).toBeLessThan(both)
  expect(stored()).toBeGreaterThan(kept)
})
