import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeError, startTestServer, type TestServer } from './testing.ts'

let server: TestServer
let path: string
let etag: string
const content = '0123456789'

beforeEach(async () => {
  server = await startTestServer()
  const { id } = server.node.addFile('ação.png', Buffer.from(content))
  path = `/api/v1/files/${id}/content`
  etag = String((await server.ask('HEAD', path)).headers.etag)
  server.node.setReading({ piece: 3 })
})
afterEach(() => server.close())

const get = (headers: Record<string, string> = {}, method = 'GET') => server.ask(method, path, { headers })

describe('content', () => {
  it('is a download and never a page', async () => {
    const answer = await get()
    expect(answer.body.toString()).toBe(content)
    expect(answer.headers).toMatchObject({
      'content-length': '10',
      'content-type': 'image/png',
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache',
      'x-content-type-options': 'nosniff',
      'content-disposition': `attachment; filename="a__o.png"; filename*=UTF-8''a%C3%A7%C3%A3o.png`,
    })
    expect(answer.headers['content-security-policy']).toContain('sandbox')
    expect(etag).toMatch(/^"[0-9a-f]+"$/)
  })

  it.each<[string, Record<string, string>, number, string, string | undefined]>([
    ['a range', { range: 'bytes=2-4' }, 206, '234', 'bytes 2-4/10'],
    ['the first byte', { range: 'bytes=0-0' }, 206, '0', 'bytes 0-0/10'],
    ['the rest', { range: 'bytes=7-' }, 206, '789', 'bytes 7-9/10'],
    ['the end', { range: 'bytes=-2' }, 206, '89', 'bytes 8-9/10'],
    ['more than there is', { range: 'bytes=8-99' }, 206, '89', 'bytes 8-9/10'],
    ['all as a range', { range: 'bytes=0-9' }, 206, content, 'bytes 0-9/10'],
    ['several ranges', { range: 'bytes=0-1,4-5' }, 200, content, undefined],
    ['nonsense', { range: 'lines=1-2' }, 200, content, undefined],
  ])('answers %s', async (_name, headers, status, body, range) => {
    const answer = await get(headers)
    expect([answer.status, answer.body.toString(), answer.headers['content-range']]).toEqual([status, body, range])
    expect(answer.headers['content-length']).toBe(String(body.length))
  })

  it('refuses a range behind the end', async () => {
    const answer = await get({ range: 'bytes=10-' })
    expect(answer.json).toMatchObject({ code: 'range-invalid', status: 416, size: 10 })
    expect(answer.headers['content-range']).toBe('bytes */10')
  })

  it('honours preconditions', async () => {
    expect((await get({ 'if-none-match': etag })).status).toBe(304)
    expect((await get({ 'if-none-match': `"x", W/${etag}` })).status).toBe(304)
    expect((await get({ 'if-none-match': '"x"' })).status).toBe(200)
    expect((await get({ 'if-match': etag, range: 'bytes=1-1' })).status).toBe(206)
    expect((await get({ 'if-match': '"x"' })).json).toMatchObject({ code: 'precondition-failed', status: 412 })
    expect((await get({ 'if-range': etag, range: 'bytes=1-1' })).body.toString()).toBe('1')
    expect((await get({ 'if-range': '"x"', range: 'bytes=1-1' })).body.toString()).toBe(content)
  })

  it('tells size and type by HEAD without reading anything', async () => {
    const answer = await get({}, 'HEAD')
    expect([answer.status, answer.body.length]).toEqual([200, 0])
    expect(answer.headers).toMatchObject({ 'content-length': '10', etag, 'content-type': 'image/png' })
    // of GET alone, says RFC 9110 (14.2)
    for (const range of ['bytes=1-2', 'bytes=10-']) {
      const whole = await get({ range }, 'HEAD')
      expect([whole.status, whole.headers['content-length']]).toEqual([200, '10'])
    }
    expect(server.node.calls.map(({ verb }) => verb)).not.toContain('read')
  })

  it('gives an empty file', async () => {
    const { id } = server.node.addFile('empty', Buffer.alloc(0))
    const answer = await server.ask('GET', `/api/v1/files/${id}/content`)
    expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([200, '0', 0])
    expect((await server.ask('GET', `/api/v1/files/${id}/content`, { headers: { range: 'bytes=0-' } })).status).toBe(
      416,
    )
  })

  it('takes the version, if it is one', async () => {
    await server.ask('GET', `${path}?version=3`)
    expect(server.node.calls.findLast(({ verb }) => verb === 'content')?.args[1]).toMatchObject({ version: 3 })
    expect((await server.ask('GET', `${path}?version=x`)).status).toBe(400)
  })

  it('never serves a type that is none', async () => {
    const { id } = server.node.addFile('x', Buffer.from('x'), { type: 'text/html\r\nset-cookie: a=b' })
    const answer = await server.ask('GET', `/api/v1/files/${id}/content`)
    expect(answer.headers['content-type']).toBe('application/octet-stream')
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  it('says that there is no source before it says anything else', async () => {
    server.node.failNext('read', fakeError('no-source'))
    const answer = await get()
    expect(answer.json).toMatchObject({ code: 'no-source', status: 503 })
    expect(answer.headers['content-disposition']).toBeUndefined()
  })

  it('gives back the memory of what has gone out, and of nothing that has not', async () => {
    const long = randomBytes(3 * 1024 * 1024 + 5)
    const { id } = server.node.addFile('long', long)
    const given: Uint8Array[] = []
    server.node.setReading({ piece: 1024 * 1024, given: (piece) => given.push(piece) })
    const answer = await server.ask('GET', `/api/v1/files/${id}/content`)
    expect(answer.body.equals(long)).toBe(true)
    // the last is too small to be a burden
    await expect.poll(() => given.map(({ length }) => length)).toEqual([0, 0, 0, 5])
  })

  it('cuts the connection when the source is lost in the middle', async () => {
    let pieces = 0
    server.node.setReading({
      gate: async () => {
        pieces += 1
        if (pieces === 3) throw fakeError('no-source')
      },
    })
    await expect(get()).rejects.toThrow(/aborted|reset|hang up/)
  })
})

it('holds back a slow reader alone, and stops reading when it goes away', async () => {
  const size = 64 * 1024 * 1024
  const { id } = server.node.addFile('large', Buffer.alloc(size))
  server.node.setReading({ piece: 1024 * 1024 })
  const slow = request({
    host: '127.0.0.1',
    port: server.port,
    path: `/api/v1/files/${id}/content`,
    agent: false,
    headers: { authorization: `Bearer ${server.token}` },
  })
  slow.on('error', () => undefined)
  slow.end()
  // the answer is there and nobody reads it
  await new Promise((resolve) => slow.once('response', resolve))
  expect((await get()).body.toString()).toBe(content)
  expect(server.node.bytesRead).toBeLessThan(size / 2)
  const { promise, resolve } = Promise.withResolvers<void>()
  server.node.setReading({ gate: async () => resolve() })
  slow.destroy()
  await server.close()
  // Nothing is read for a reader that has gone; the promise would have settled.
  const state = await Promise.race([promise.then(() => 'read on'), Promise.resolve('stopped')])
  expect(state).toBe('stopped')
  expect(server.node.bytesRead).toBeLessThan(size / 2)
})
