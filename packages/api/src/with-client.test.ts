/** The client of `packages/client` against this server. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ClientEvent, connectTo, MaloteClient, ProblemError } from '../../client/src/index.ts'
import { fakeError, startTestServer, type TestServer } from './testing.ts'

let server: TestServer
let client: MaloteClient
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malote-api-'))
  server = await startTestServer()
  await writeFile(join(folder, 'api.json'), JSON.stringify({ url: server.url, pid: process.pid }))
  await writeFile(join(folder, 'api-token'), server.token)
  client = await connectTo(folder)
})
afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

describe('calls', () => {
  it('are typed and give data', async () => {
    const status = await client.ask(client.api.GET('/status'))
    expect(status.branch).toBe('Recife')
    const { items } = await client.ask(client.api.GET('/nodes'))
    expect(items.map(({ branch }) => branch)).toEqual(['Recife', 'Olinda'])
    const file = server.node.addFile('a b/ç', Buffer.from('x'))
    const path = { id: 'a b/ç' }
    expect((await client.ask(client.api.GET('/files/{id}', { params: { path } }))).id).toBe(file.id)
    await client.ask(client.api.POST('/files/blacklist', { body: { fileId: file.id, node: 'Olinda' } }))
    await client.ask(client.api.DELETE('/files/{id}', { params: { path, query: { purge: true } } }))
    expect(server.node.files.get(file.id).state).toBe('deleted')
  })

  it('fail with the problem', async () => {
    server.node.failNext('register', fakeError('invite-used'))
    const error = await client
      .ask(client.api.POST('/register', { body: { invite: 'x' } }))
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ProblemError)
    expect(error).toMatchObject({ code: 'invite-used', status: 403, advice: 'Do otherwise.' })
  })

  it('are refused with another token', async () => {
    const stranger = new MaloteClient({ url: server.url, token: 'x'.repeat(43) })
    await expect(stranger.ask(stranger.api.GET('/status'))).rejects.toMatchObject({ code: 'unauthorized' })
  })
})

describe('files', () => {
  it('go up and come down', async () => {
    const path = join(folder, 'año "x".png')
    const content = 'x'.repeat(3_000_000)
    await writeFile(path, content)
    const progress: number[] = []
    const file = await client.upload(
      path,
      { denied: ['Olinda', 'Natal'], tags: ['a', 'b'], campaign: 'ç' },
      { onProgress: ({ bytes, total }) => progress.push(bytes, total ?? -1) },
    )
    expect(file).toMatchObject({
      name: 'año "x".png',
      size: content.length,
      tags: ['a', 'b'],
      denied: ['Olinda', 'Natal'],
      campaign: 'ç',
    })
    expect(progress.slice(-2)).toEqual([content.length, content.length])

    const down = await client.download(file.id)
    expect([down.status, down.length]).toEqual([200, content.length])
    expect(await textOf(down.stream)).toBe(content)
    const part = await client.download(file.id, { range: { start: 2, end: 5 }, ifRange: down.etag ?? '', version: 1 })
    expect([part.status, part.length, await textOf(part.stream)]).toEqual([206, 3, 'xxx'])
    await expect(client.download(file.id, { range: { start: 9e9 } })).rejects.toMatchObject({ code: 'range-invalid' })
    await expect(client.download('nothing')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('show a preview, where they have one', async () => {
    const { id } = server.node.addFile('a.png', Buffer.from('x'), { hasPreview: true })
    expect(await client.preview(id)).toEqual({ type: 'image/webp', bytes: Buffer.of(1, 2, 3) })
    expect(await client.preview(server.node.addFile('b.txt', Buffer.from('x')).id)).toBeNull()
    await expect(client.preview('nothing')).rejects.toMatchObject({ code: 'not-found' })
    const ended = AbortSignal.abort(new Error('Ctrl-C'))
    await expect(client.preview(id, { signal: ended })).rejects.toThrow('Ctrl-C')
  })

  it('go up from a stream, also an empty one', async () => {
    async function* pieces() {
      yield Buffer.from('ab')
      yield Buffer.from('c')
    }
    expect(await client.upload({ stream: pieces(), name: 'stdin.txt' })).toMatchObject({ name: 'stdin.txt', size: 3 })
    async function* none() {}
    expect(await client.upload({ stream: none(), name: 'empty' })).toMatchObject({ size: 0 })
    await writeFile(join(folder, 'empty'), '')
    expect(await client.upload(join(folder, 'empty'))).toMatchObject({ size: 0 })
  })

  it('are updated, only what was seen', async () => {
    const { id } = server.node.addFile('a.png', Buffer.from('old'))
    const path = join(folder, 'b.png')
    await writeFile(path, 'new content')
    expect(await client.update(id, path, {}, { ifMatch: 1 })).toMatchObject({ version: 2, name: 'a.png', size: 11 })
    await expect(client.update(id, path, {}, { ifMatch: 1 })).rejects.toMatchObject({ code: 'precondition-failed' })
  })

  it('are refused while they are sent, with the reason', async () => {
    const path = join(folder, 'large')
    await writeFile(path, Buffer.alloc(20_000_000))
    server.node.failNext('write', fakeError('disk-full'))
    await expect(client.upload(path)).rejects.toMatchObject({ code: 'disk-full', status: 507 })
    await expect(new MaloteClient({ url: server.url, token: 'x'.repeat(43) }).upload(path)).rejects.toMatchObject({
      code: 'unauthorized',
    })
    expect([...server.node.pending]).toEqual([])
  })

  it('are dropped when the caller ends it', async () => {
    const controller = new AbortController()
    const aborts = server.node.called('abort')
    async function* endless() {
      for (;;) {
        yield Buffer.alloc(1000)
        if (server.node.calls.some(({ verb }) => verb === 'write')) controller.abort(new Error('Ctrl-C'))
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await expect(client.upload({ stream: endless(), name: 'x' }, {}, { signal: controller.signal })).rejects.toThrow(
      'Ctrl-C',
    )
    await aborts
    expect([...server.node.pending]).toEqual([])
  })
})

describe('events', () => {
  it('come, replay, and end with the signal or the server', async () => {
    for (const fileId of ['a', 'b']) server.node.emit('file:hidden', { fileId })
    const controller = new AbortController()
    const seen: ClientEvent[] = []
    for await (const event of client.events({ lastEventId: 0, signal: controller.signal })) {
      seen.push(event)
      if (seen.length === 2) server.node.emit('file:hidden', { fileId: 'ç'.repeat(100_000) })
      if (seen.length === 3) controller.abort()
    }
    expect(seen.map(({ id, type }) => [id, type])).toEqual([1, 2, 3].map((id) => [id, 'file:hidden']))
    expect(seen[2]?.data).toEqual({ fileId: 'ç'.repeat(100_000) })

    const rest = client.events({ lastEventId: 2, types: ['file:hidden'] })
    expect((await rest.next()).value).toMatchObject({ id: 3 })
    const end = rest.next()
    await server.close()
    expect(await end).toEqual({ done: true, value: undefined })
  })
})
