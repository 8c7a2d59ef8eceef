/** Against a server of the test's own, which may lie; against the real one: `packages/api/src/with-client.test.ts`. */
import { createHmac } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConnectionLostError,
  connectTo,
  createClient,
  FileChangedError,
  FileUnreadableError,
  MaloteClient,
  NotRunningError,
  ProblemError,
} from './index.ts'

const token = 'the-token-of-the-test'
let folder: string
let server: Server | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malote-client-'))
})
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)))
  server = undefined
  await rm(folder, { recursive: true })
})

async function serve(listener: RequestListener): Promise<string> {
  const made = createServer(listener)
  server = made
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of message) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Answers the proof as the node does. */
const prove: RequestListener = (request, response) => {
  const nonce = new URL(request.url ?? '', 'http://x').searchParams.get('nonce') ?? ''
  const proof = createHmac('sha256', token).update('malote-api-proof').update(Buffer.from(nonce, 'hex')).digest('hex')
  response.end(JSON.stringify({ proof }))
}

describe('connectTo', () => {
  const place = async (url: unknown, secret = `${token}\n`) => {
    await writeFile(join(folder, 'api.json'), typeof url === 'string' ? JSON.stringify({ url, pid: 1 }) : String(url))
    await writeFile(join(folder, 'api-token'), secret)
  }
  const failure = () =>
    connectTo(folder).then(
      () => null,
      (error: unknown) => error,
    )

  it('finds the node and has it prove itself', async () => {
    await place(await serve(prove))
    expect((await connectTo(folder)).url).toMatch(/^http:/)
  })

  it('never shows the token to something that does not know it', async () => {
    const seen: string[] = []
    const url = await serve((request, response) => {
      seen.push(`${request.url} ${JSON.stringify(request.headers)}`)
      response.end(JSON.stringify({ proof: '00'.repeat(32) }))
    })
    await place(url)
    expect(await failure()).toBeInstanceOf(NotRunningError)
    expect(seen).toHaveLength(1)
    expect(seen.join()).not.toContain(token)
  })

  it.each<[string, RequestListener]>([
    ['an error', (_request, response) => response.writeHead(404).end('<html>')],
    ['nonsense', (_request, response) => response.end('hello')],
    ['no proof', (_request, response) => response.end('{"proof":1}')],
    ['null', (_request, response) => response.end('null')],
    ['nothing', (request) => request.socket.destroy()],
  ])('takes no %s for an answer', async (_what, listener) => {
    await place(await serve(listener))
    expect(await failure()).toMatchObject({ code: 'not-running', advice: expect.stringContaining('malote up') })
  })

  it('says that nothing runs', async () => {
    expect(await failure()).toMatchObject({ code: 'not-running', detail: `no node runs on ${folder}` })
    const url = await serve(prove)
    await new Promise((resolve) => server?.close(resolve))
    server = undefined
    await place(url)
    expect(await failure()).toMatchObject({ code: 'not-running', detail: `nothing answers at ${url}` })
    await place(42)
    expect(await failure()).toMatchObject({ code: 'not-running' })
    await place('ftp://x')
    expect(await failure()).toMatchObject({ code: 'not-running' })
  })
})

describe('problems', () => {
  it('are errors with every field', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(400, { 'content-type': 'application/problem+json' })
      response.end(
        JSON.stringify({ code: 'ambiguous', detail: 'two', advice: 'one', status: 400, candidates: ['a', 'b'] }),
      )
    })
    const { api, ask } = new MaloteClient({ url, token })
    const error = await ask(api.GET('/files/{id}', { params: { path: { id: 'x' } } })).catch(
      (caught: unknown) => caught,
    )
    expect(error).toBeInstanceOf(ProblemError)
    expect(error).toMatchObject({
      code: 'ambiguous',
      status: 400,
      detail: 'two',
      message: 'two',
      advice: 'one',
      fields: { candidates: ['a', 'b'] },
    })
  })

  it('are made of anything', async () => {
    const url = await serve((_request, response) => response.writeHead(502).end('<html>proxy</html>'))
    const { api, ask } = new MaloteClient({ url, token })
    await expect(ask(api.GET('/status'))).rejects.toMatchObject({ code: 'internal', status: 502 })
  })

  it('tell a broken connection from nobody there', async () => {
    const url = await serve((request) => request.socket.destroy())
    const client = new MaloteClient({ url, token })
    await expect(client.ask(client.api.GET('/status'))).rejects.toBeInstanceOf(ConnectionLostError)
    await expect(client.download('x')).rejects.toBeInstanceOf(ConnectionLostError)
    await new Promise((resolve) => server?.close(resolve))
    server = undefined
    await expect(client.ask(client.api.GET('/status'))).rejects.toBeInstanceOf(NotRunningError)
  })

  it('end with the signal', async () => {
    const controller = new AbortController()
    const url = await serve(() => controller.abort(new Error('enough')))
    const client = new MaloteClient({ url, token })
    await expect(client.ask(client.api.GET('/status', { signal: controller.signal }))).rejects.toThrow()
    await expect(client.download('x', { signal: controller.signal })).rejects.toThrow('enough')
    const ended = new MaloteClient({ url, token, signal: controller.signal })
    await expect(ended.ask(ended.api.GET('/status'))).rejects.toThrow('enough')
  })
})

it('sends the marker instead of a token where a cookie stands in', async () => {
  let headers: IncomingMessage['headers'] = {}
  const url = await serve((request, response) => {
    headers = request.headers
    response.setHeader('content-type', 'application/json').end('{}')
  })
  await createClient({ url }).GET('/status')
  expect([headers.authorization, headers['x-malote']]).toEqual([undefined, '1'])
})

describe('a call', () => {
  it('fills in path, query and body', async () => {
    const seen: string[] = []
    const url = await serve(async (request, response) => {
      const { method, url: path, headers } = request
      const body = (await bodyOf(request)).toString()
      seen.push(`${method} ${path} ${headers['content-type']} ${headers['content-length']} ${body}`)
      response.setHeader('content-type', 'application/json').end('{"items":[]}')
    })
    const { api, ask } = new MaloteClient({ url, token })
    const query = { q: 'é&=', deleted: true }
    expect(await ask(api.GET('/files', { params: { query } }))).toEqual({ items: [] })
    await api.POST('/files/{id}/handoff', { params: { path: { id: 'a/b ü' } }, body: { to: 'São Paulo' } })
    expect(seen).toEqual([
      'GET /api/v1/files?q=%C3%A9%26%3D&deleted=true undefined undefined ',
      'POST /api/v1/files/a%2Fb%20%C3%BC/handoff application/json 19 {"to":"São Paulo"}',
    ])
  })

  it('has no data where there is none', async () => {
    const url = await serve((_request, response) => response.writeHead(204).end())
    const { api, ask } = new MaloteClient({ url, token })
    expect(await ask(api.DELETE('/files/{id}', { params: { path: { id: 'x' } } }))).toBeUndefined()
  })

  it('is typed by the document', () => {
    const { api } = new MaloteClient({ url: 'http://127.0.0.1:1', token })
    const wrong = () => [
      // @ts-expect-error no such path
      api.GET('/nothing'),
      // @ts-expect-error the path wants its id
      api.GET('/files/{id}'),
      // @ts-expect-error the path knows no such method
      api.PUT('/status'),
      // @ts-expect-error the body wants more
      api.POST('/files/blacklist', { body: { fileId: 'x' } }),
    ]
    expect(wrong).toBeTypeOf('function')
  })
})

describe('upload', () => {
  it('reads no links, folders, pipes or nothing', async () => {
    const client = new MaloteClient({ url: 'http://127.0.0.1:1', token })
    const path = join(folder, 'real')
    await writeFile(path, 'x')
    await symlink(path, join(folder, 'link'))
    await mkdir(join(folder, 'folder'))
    for (const name of ['link', 'folder', 'nothing']) {
      await expect(client.upload(join(folder, name))).rejects.toBeInstanceOf(FileUnreadableError)
    }
  })

  it.each<[string, (path: string) => Promise<void>]>([
    ['grows', async (path) => writeFile(path, 'more', { flag: 'a' })],
    [
      'shrinks',
      async (path) => {
        const handle = await open(path, 'r+')
        await handle.truncate(10)
        await handle.close()
      },
    ],
    [
      'is written over',
      async (path) => {
        const handle = await open(path, 'r+')
        await handle.write('other', 0)
        await handle.close()
      },
    ],
  ])('gives up when the file %s meanwhile, before the closing boundary', async (_what, change) => {
    const path = join(folder, 'a')
    await writeFile(path, Buffer.alloc(4 * 1024 * 1024, 1))
    let received: Buffer = Buffer.alloc(0)
    const { promise: broken, resolve } = Promise.withResolvers<void>()
    const url = await serve((request) => {
      bodyOf(request).then(
        (body) => {
          received = body
        },
        () => resolve(),
      )
    })
    let changed: Promise<void> | undefined
    const upload = new MaloteClient({ url, token }).upload(
      path,
      {},
      {
        onProgress() {
          changed ??= change(path)
        },
      },
    )
    await expect(upload).rejects.toBeInstanceOf(FileChangedError)
    await changed
    await broken
    expect(received.length).toBe(0)
  })

  it('stops sending when it is refused', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(507, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify({ code: 'disk-full', detail: 'full' }))
    })
    let sent = 0
    async function* endless() {
      for (;;) {
        sent += 1
        yield Buffer.alloc(64 * 1024)
      }
    }
    const client = new MaloteClient({ url, token })
    await expect(client.upload({ stream: endless(), name: 'x' })).rejects.toMatchObject({
      code: 'disk-full',
      status: 507,
    })
    expect(sent).toBeGreaterThan(0)
  })

  it('lets go of the connection when it is refused', async () => {
    const closed = Promise.withResolvers<void>()
    const url = await serve((request, response) => {
      request.socket.once('close', () => closed.resolve())
      response.writeHead(412, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify({ code: 'precondition-failed', detail: 'another version' }))
    })
    // a server that never closes an idle connection by itself
    if (server !== undefined) server.keepAliveTimeout = 0
    async function* endless() {
      for (;;) yield Buffer.alloc(64 * 1024)
    }
    const client = new MaloteClient({ url, token })
    const update = client.update('x', { stream: endless(), name: 'x' })
    await expect(update).rejects.toMatchObject({ code: 'precondition-failed' })
    await closed.promise
  })

  it('breaks off when the stream does', async () => {
    const arrived = Promise.withResolvers<void>()
    const broken = Promise.withResolvers<void>()
    const url = await serve((request) => {
      arrived.resolve()
      bodyOf(request).catch(() => broken.resolve())
    })
    async function* failing() {
      yield Buffer.from('a')
      await arrived.promise
      throw new Error('stdin broke')
    }
    const client = new MaloteClient({ url, token })
    await expect(client.upload({ stream: failing(), name: 'x' })).rejects.toThrow('stdin broke')
    await broken.promise
  })
})
