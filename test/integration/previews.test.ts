/** Previews between real nodes: made by the branch that shares, seen by those that may read, by nobody else. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Branch, Json, Place } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { Verbs } from '../support/verbs.ts'

const verbs = new Verbs([])
const HERE: Place = { command: [], listen: '/ip4/127.0.0.1/tcp/0', api: '127.0.0.1:0' }
const place = mkdtempSync(join(tmpdir(), 'malote-without-sharp-'))

/** The command line as it is installed where the optional package is left out. */
function withoutDecoders(): Place {
  const cli = join(import.meta.dirname, '..', '..', 'apps', 'cli')
  for (const part of ['package.json', 'bin', 'dist']) cpSync(join(cli, part), join(place, part), { recursive: true })
  const modules = join(cli, 'node_modules')
  mkdirSync(join(place, 'node_modules'))
  expect(existsSync(join(modules, 'sharp'))).toBe(true)
  for (const name of readdirSync(modules).filter((each) => each !== 'sharp'))
    symlinkSync(join(modules, name), join(place, 'node_modules', name))
  // node and the usual program follow
  return { ...HERE, command: ['sh', '-c', 'node=$1; shift 2; exec "$node" "$0" "$@"', join(place, 'bin', 'malote.js')] }
}

let cluster: Cluster
let one: Branch, two: Branch, without: Branch
let photo: Buffer
beforeAll(async () => {
  const other = withoutDecoders()
  cluster = await startCluster(3, { place: (at) => (at === 2 ? other : HERE) })
  ;[one, two, without] = cluster.branches as [Branch, Branch, Branch]
  const red = { width: 900, height: 600, channels: 3, background: '#c33' } as const
  photo = await sharp({ create: red }).withMetadata({ orientation: 6 }).jpeg().toBuffer()
}, 120_000)
afterAll(async () => {
  await cluster?.close()
  rmSync(place, { recursive: true, force: true })
})

const previewOf = (branch: Branch, { id }: Json) => branch.fetch(`/files/${id}/preview`)

describe('a picture', () => {
  it('is shown small to whoever may read it, and to nobody else', async () => {
    const file = await share(one, [two], 'praia.jpg', photo, [['denied', 'Filial 3']])
    expect(file.hasPreview).toBe(true)
    expect(await two.api(`/files/${file.id}`)).toMatchObject({ hasPreview: true })
    const answer = await previewOf(two, file)
    expect(answer.status).toBe(200)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/webp',
      'content-disposition': expect.stringMatching(/^attachment/),
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining('sandbox'),
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width: 213, height: 320 })
    expect(Buffer.from(await (await previewOf(one, file)).arrayBuffer()).equals(bytes)).toBe(true)

    await cluster.settled()
    expect((await previewOf(without, file)).status).toBe(404)
    await verbs.refused(without, ['fetch', file.id, '--preview', '-o', cluster.path('no.webp')], 4, 'not-found')
    expect(existsSync(cluster.path('no.webp'))).toBe(false)
  })

  it('comes by the command line, to a path, a folder and stdout', async () => {
    const path = cluster.path('small.webp')
    expect(await verbs.text(two, ['fetch', 'praia.jpg', '--preview', '-o', path])).toContain('preview of praia.jpg')
    const bytes = readFileSync(path)
    expect((await sharp(bytes).metadata()).format).toBe('webp')
    const told = await verbs.json(two, ['fetch', 'praia.jpg', '--preview', '-o', cluster.root])
    expect(told).toMatchObject({
      path: cluster.path('praia.jpg.preview.webp'),
      bytes: bytes.length,
      type: 'image/webp',
      file: { name: 'praia.jpg' },
    })
    expect(readFileSync(told.path).equals(bytes)).toBe(true)
    expect((await two.run('fetch', 'praia.jpg', '--preview', '-o', '-')).stdout).toContain('WEBP')
    await verbs.refused(two, ['fetch', 'praia.jpg', '--preview', '--version', '1', '-o', path], 2, 'usage')
  })

  it('has the preview of its present version', async () => {
    const file = await share(one, [two], 'capa.png', Buffer.from('no picture yet'))
    expect(file.hasPreview).toBe(false)
    expect((await previewOf(two, file)).status).toBe(204)
    await verbs.refused(two, ['fetch', file.id, '--preview', '-o', cluster.path('none.webp')], 4, 'not-found')
    const update = async (content: Uint8Array) => {
      const form = new FormData()
      form.append('file', new Blob([content as Uint8Array<ArrayBuffer>]))
      const { version } = await one.api(`/files/${file.id}`, { method: 'PUT', body: form })
      return await eventually(`version ${version}`, async () => {
        const view = await two.api(`/files/${file.id}`)
        return view.version === version && view
      })
    }
    expect(await update(photo)).toMatchObject({ version: 2, hasPreview: true })
    expect((await previewOf(two, file)).status).toBe(200)
    expect(await update(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toMatchObject({ hasPreview: false })
    expect((await previewOf(two, file)).status).toBe(204)
  })
})

it('a node without decoders shares pictures all the same, and says why they have no preview', async () => {
  const answer = await postFile(without, 'sem.jpg', photo)
  expect(answer.status).toBe(201)
  const file = (await answer.json()) as Json
  expect(file.hasPreview).toBe(false)
  await eventually('it is listed', () => one.api(`/files/${file.id}`).catch(() => false))
  expect((await contentOf(one, file.id)).equals(photo)).toBe(true)
  expect((await previewOf(one, file)).status).toBe(204)
  expect(without.log).toContain('sharp')
})

it('the process that makes them has nothing of the node, and ends when the node is killed', async () => {
  await postFile(one, 'outra.jpg', photo)
  const children = readFileSync(`/proc/${one.pid}/task/${one.pid}/children`, 'utf8').trim().split(' ')
  expect(children).toHaveLength(1)
  const [child = ''] = children
  expect(readFileSync(`/proc/${child}/environ`, 'utf8').split('\0').filter(Boolean)).toEqual(['VIPS_DISC_THRESHOLD=2g'])
  const words = readFileSync(`/proc/${child}/cmdline`, 'utf8')
  for (const secret of [one.data, one.token, 'outra']) expect(words).not.toContain(secret)
  await one.end('SIGKILL')
  await eventually('it has ended', async () => !existsSync(`/proc/${child}`))
})
