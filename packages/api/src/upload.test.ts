import { type ClientRequest, request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeError, multipartBody, startTestServer, type TestServer } from './testing.ts'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server.close())

const file = { filename: 'poster.png', type: 'image/png', bytes: 'the bytes' }
const post = (parts: Parameters<typeof multipartBody>[0], options?: Parameters<typeof multipartBody>[1]) => {
  const form = multipartBody(parts, options)
  return server.ask('POST', '/api/v1/files', { raw: form.body, headers: form.headers })
}
const published = () => server.node.calls.findLast(({ verb }) => verb === 'publish')?.args[0]
const nothingLeft = () => {
  expect(published()).toBeUndefined()
  expect([...server.node.pending]).toEqual([])
}

describe('the size', () => {
  const hinted = () => server.node.calls.findLast(({ verb }) => verb === 'beginUpload')?.args

  it('is told beforehand, as far as the length of the body says it', async () => {
    await post([['file', file]])
    const { body } = multipartBody([['file', file]])
    expect(hinted()).toEqual([{ sizeHint: body.length }])
  })

  it('is not known of a body that comes in pieces', async () => {
    const { body, headers } = multipartBody([['file', file]])
    await new Promise<void>((resolve, reject) => {
      const call = request(
        `${server.url}/api/v1/files`,
        { method: 'POST', agent: false, headers: { ...headers, authorization: `Bearer ${server.token}` } },
        (response) => response.resume().once('end', () => resolve()),
      )
      call.on('error', reject)
      call.write(body)
      call.end()
    })
    expect(hinted()).toEqual([{}])
  })
})

describe('fields', () => {
  it.each([
    ['before the file', (fields: [string, string][]) => [...fields, ['file', file] as const]],
    ['after the file', (fields: [string, string][]) => [['file', file] as const, ...fields]],
    [
      'around the file',
      (fields: [string, string][]) => [...fields.slice(0, 2), ['file', file] as const, ...fields.slice(2)],
    ],
  ])('stand %s', async (_where, arrange) => {
    const fields: [string, string][] = [
      ['denied', 'Olinda'],
      ['tag', 'a'],
      ['tag', 'b'],
      ['denied', 'Natal'],
      ['campaign', 'Spring 🌱'],
      ['name', 'ação.png'],
    ]
    const answer = await post(arrange(fields).map(([name, value]) => [name, value] as [string, string | typeof file]))
    expect(answer.status).toBe(201)
    expect(published()).toEqual({
      name: 'ação.png',
      type: 'image/png',
      denied: ['Olinda', 'Natal'],
      campaign: 'Spring 🌱',
      tags: ['a', 'b'],
    })
    expect(answer.json).toMatchObject({ size: 9 })
  })

  it('are all optional but the file', async () => {
    await post([['file', file]])
    expect(published()).toEqual({ name: 'poster.png', type: 'image/png' })
  })

  it.each(['application/octet-stream', 'text/plain', undefined])('leaves the type %s to the node', async (type) => {
    const { filename, bytes } = file
    await post([['file', type === undefined ? { filename, bytes } : { filename, bytes, type }]])
    expect(published()).toEqual({ name: 'poster.png' })
  })

  it('takes an empty file, and one without a file name', async () => {
    const answer = await post([
      ['file', { bytes: '' }],
      ['name', 'empty'],
    ])
    expect(answer.json).toMatchObject({ name: 'empty', size: 0 })
  })

  it('keeps letters of any script in the file name', async () => {
    await post([['file', { ...file, filename: '宣伝 ação.png' }]])
    expect(published()).toMatchObject({ name: '宣伝 ação.png' })
  })

  it.each<[string, Parameters<typeof multipartBody>[0]]>([
    ['no file', [['name', 'a']]],
    [
      'two files',
      [
        ['file', file],
        ['file', file],
      ],
    ],
    ['a file under another name', [['attachment', file]]],
    [
      'a misspelt field',
      [
        ['file', file],
        ['deny', 'Olinda'],
      ],
    ],
    [
      'a misspelt field before the file',
      [
        ['deny', 'Olinda'],
        ['file', file],
      ],
    ],
    [
      'denied and only',
      [
        ['denied', 'a'],
        ['file', file],
        ['only', 'b'],
      ],
    ],
    [
      'two names',
      [
        ['name', 'a'],
        ['name', 'b'],
        ['file', file],
      ],
    ],
    [
      'a field that is too long',
      [
        ['file', file],
        ['campaign', 'x'.repeat(40_000)],
      ],
    ],
    [
      'a field of the prototype',
      [
        ['file', file],
        ['__proto__', 'x'],
      ],
    ],
    [
      'a field like a method',
      [
        ['file', file],
        ['toString', 'x'],
      ],
    ],
    ['no name at all', [['file', { bytes: 'x' }]]],
    ['nothing', []],
  ])('refuses %s', async (_what, parts) => {
    const answer = await post(parts)
    expect([answer.status, answer.json]).toMatchObject([400, { code: 'usage' }])
    nothingLeft()
    expect(server.faults).toEqual([])
  })

  it('bounds their number', async () => {
    const many: [string, string][] = Array.from({ length: 4200 }, () => ['denied', 'a'])
    const answer = await post([...many, ['file', file]])
    expect([answer.status, answer.json]).toMatchObject([413, { code: 'too-large' }])
    nothingLeft()
  })

  it('refuses what is no form', async () => {
    const json = await server.ask('POST', '/api/v1/files', { body: { file: 'x' } })
    expect(json.json).toMatchObject({ code: 'usage' })
    const bare = await server.ask('POST', '/api/v1/files', {
      raw: 'x',
      headers: { 'content-type': 'multipart/form-data' },
    })
    expect(bare.status).toBeGreaterThanOrEqual(400)
    expect(bare.status).toBeLessThan(500)
    nothingLeft()
  })
})

describe('nothing is published', () => {
  it('without the closing boundary', async () => {
    const answer = await post([['file', file]], { close: false })
    expect(answer.json).toMatchObject({ code: 'upload-aborted', status: 400 })
    nothingLeft()
    expect(server.node.aborted).toHaveLength(1)
    expect(server.faults).toEqual([])
  })

  /** An upload of which only the beginning is sent. */
  function begin(path = '/api/v1/files', method = 'POST'): ClientRequest {
    const form = multipartBody([['file', { ...file, bytes: Buffer.alloc(200_000, 1) }]], { close: false })
    const call = request({
      host: '127.0.0.1',
      port: server.port,
      method,
      path,
      agent: false,
      headers: { ...form.headers, authorization: `Bearer ${server.token}`, 'content-length': '1000000' },
    })
    call.on('error', () => undefined)
    call.write(form.body)
    return call
  }

  it('when the connection breaks in the middle', async () => {
    const writes = server.node.called('write')
    const call = begin()
    await writes
    const aborts = server.node.called('abort')
    call.destroy()
    await aborts
    nothingLeft()
  })

  it('of an update that breaks off: the file stays as it was', async () => {
    const { id } = server.node.addFile('a', Buffer.from('old'))
    const writes = server.node.called('write')
    const call = begin(`/api/v1/files/${id}`, 'PUT')
    await writes
    const aborts = server.node.called('abort')
    call.destroy()
    await aborts
    expect(server.node.files.get(id)).toMatchObject({ version: 1, size: 3 })
  })

  it('when the server closes in the middle', async () => {
    const writes = server.node.called('write')
    begin()
    await writes
    const aborts = server.node.called('abort')
    await Promise.all([aborts, server.close()])
    nothingLeft()
  })

  it('when the disk is full, and says so before the body has ended', async () => {
    server.node.failNext('write', fakeError('disk-full'))
    const call = begin()
    const status = await new Promise((resolve) => call.once('response', (answer) => resolve(answer.statusCode)))
    expect(status).toBe(507)
    call.destroy()
    nothingLeft()
  })

  it('when publishing is refused', async () => {
    server.node.failNext('publish', fakeError('clock-skew'))
    const answer = await post([['file', file]])
    expect(answer.json).toMatchObject({ code: 'clock-skew', status: 403 })
    expect([...server.node.pending]).toEqual([])
  })

  it('by a stranger: the body is not even looked at', async () => {
    const form = multipartBody([['file', file]])
    const answer = await server.ask('POST', '/api/v1/files', {
      raw: form.body,
      headers: { ...form.headers, authorization: '' },
    })
    expect(answer.status).toBe(401)
    expect(server.node.calls).toEqual([])
  })
})

it('reads no faster than the node writes', async () => {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const { beginUpload } = server.node.files
  server.node.files.beginUpload = async () => {
    const upload = await beginUpload()
    return {
      ...upload,
      async write(content, options) {
        await gate
        return upload.write(content, options)
      },
    }
  }
  const total = 64 * 1024 * 1024
  const form = multipartBody([['file', { ...file, bytes: Buffer.alloc(total) }]])
  const call = request({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    path: '/api/v1/files',
    agent: false,
    headers: { ...form.headers, authorization: `Bearer ${server.token}`, 'content-length': String(form.body.length) },
  })
  // Written piece by piece: the sender is told to wait long before the whole body is in the buffers between us.
  const piece = 1024 * 1024
  let sent = 0
  const answered = new Promise((resolve) => call.once('response', (answer) => resolve(answer.statusCode)))
  const stuck = new Promise<void>((resolve) => {
    const pump = (): void => {
      while (sent < form.body.length) {
        const more = call.write(form.body.subarray(sent, sent + piece))
        sent += piece
        if (!more) {
          // No drain for a second of the server's idle loop means that nobody reads; every drain starts anew.
          const stop = setTimeout(resolve, 500)
          call.once('drain', () => {
            clearTimeout(stop)
            pump()
          })
          return
        }
      }
      call.end()
      resolve()
    }
    pump()
  })
  await stuck
  expect(sent).toBeLessThan(total / 2)
  release()
  expect(await answered).toBe(201)
  expect(published()).toMatchObject({ name: 'poster.png' })
})
