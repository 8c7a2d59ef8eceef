import { Agent, type IncomingMessage, request } from 'node:http'
import type { NodeEvent } from '@malote/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventStream } from './event-stream.ts'
import { startTestServer, type TestServer } from './testing.ts'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server.close())

interface Stream {
  /** the next whole event or comment block */
  next(): Promise<string>
  ended: Promise<void>
  close(): void
}

async function listen(
  path = '/api/v1/events',
  headers: Record<string, string> = {},
  agent: Agent | false = false,
): Promise<Stream> {
  const call = request({
    host: '127.0.0.1',
    port: server.port,
    path,
    agent,
    headers: { authorization: `Bearer ${server.token}`, ...headers },
  })
  call.on('error', () => undefined)
  call.end()
  const response = await new Promise<IncomingMessage>((resolve) => call.once('response', resolve))
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8')
  response.setEncoding('utf8')
  response.on('error', () => undefined)
  let buffer = ''
  let wake: () => void = () => undefined
  response.on('data', (text: string) => {
    buffer += text
    wake()
  })
  const stream: Stream = {
    ended: new Promise((resolve) => response.once('end', () => resolve())),
    close: () => call.destroy(),
    async next() {
      while (!buffer.includes('\n\n')) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const end = buffer.indexOf('\n\n')
      const block = buffer.slice(0, end)
      buffer = buffer.slice(end + 2)
      return block
    },
  }
  expect(await stream.next()).toBe('retry: 1000\n: here')
  return stream
}

describe('GET /events', () => {
  it('gives what happens', async () => {
    server.node.emit('file:hidden', { fileId: 'before' })
    const stream = await listen()
    server.node.emit('file:hidden', { fileId: 'now' })
    const [id, event, data] = (await stream.next()).split('\n')
    expect([id, event]).toEqual(['id: 2', 'event: file:hidden'])
    expect(JSON.parse(data?.replace(/^data: /, '') ?? '')).toEqual({
      id: 2,
      time: '2026-01-02T03:04:05.000Z',
      type: 'file:hidden',
      data: { fileId: 'now' },
    })
  })

  it('replays what came after Last-Event-ID', async () => {
    for (const fileId of ['a', 'b', 'c']) server.node.emit('file:hidden', { fileId })
    const stream = await listen('/api/v1/events', { 'last-event-id': '1' })
    expect(await stream.next()).toContain('id: 2\n')
    expect(await stream.next()).toContain('id: 3\n')
    const byQuery = await listen('/api/v1/events?lastEventId=2')
    expect(await byQuery.next()).toContain('id: 3\n')
  })

  it('takes the ids that a node gives', async () => {
    const lastIds: unknown[] = []
    const { since } = server.node.events
    server.node.events.since = (lastId, options) => {
      lastIds.push(lastId)
      return since(lastId, options)
    }
    const id = String(Date.UTC(2026, 0, 2) * 1000)
    await listen('/api/v1/events', { 'last-event-id': id })
    await listen(`/api/v1/events?lastEventId=${id}`)
    expect(lastIds).toEqual([Number(id), Number(id)])
  })

  it.each(['-1', '1.5', 'x', '9'.repeat(16), '1'.repeat(17)])('refuses the id %s', async (id) => {
    const answer = await server.ask('GET', '/api/v1/events', { headers: { 'last-event-id': id } })
    expect([answer.status, answer.json]).toMatchObject([400, { code: 'usage' }])
  })

  it('filters by type', async () => {
    const stream = await listen('/api/v1/events?types=file:purged,warning&lastEventId=0')
    server.node.emit('file:hidden', { fileId: 'a' })
    await server.close()
    await stream.ended
    await expect(Promise.race([stream.next(), Promise.resolve('nothing')])).resolves.toBe('nothing')
  })

  it('ends when the server closes', async () => {
    const stream = await listen()
    await server.close()
    await stream.ended
  })

  it('does not keep a closing server waiting for connections that the client keeps alive', async () => {
    const agent = new Agent({ keepAlive: true })
    const stream = await listen(undefined, {}, agent)
    const began = performance.now()
    await server.close()
    // about 10 ms; 2,000 when the connections have to be cut
    expect(performance.now() - began).toBeLessThan(1000)
    await stream.ended
    agent.destroy()
  })

  it('lets go of the node when the reader goes away', async () => {
    let signal: AbortSignal | undefined
    const { since } = server.node.events
    server.node.events.since = (lastId, options) => {
      signal = options.signal
      return since(lastId, options)
    }
    const stream = await listen()
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve))
    stream.close()
    await aborted
  })
})

describe('eventStream', () => {
  it('says that it is still there', async () => {
    const controller = new AbortController()
    const silent: AsyncIterable<NodeEvent> = {
      async *[Symbol.asyncIterator]() {
        await new Promise((resolve) => controller.signal.addEventListener('abort', resolve))
      },
    }
    const pieces: string[] = []
    for await (const piece of eventStream({ events: silent, signal: controller.signal, heartbeatMs: 5 })) {
      pieces.push(String(piece))
      if (pieces.length === 3) controller.abort()
    }
    expect(pieces[1]).toBe(': still here\n\n')
  })

  it('fails when the node fails', async () => {
    const broken: AsyncIterable<NodeEvent> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('broken')) }),
    }
    const read = async () => {
      for await (const piece of eventStream({ events: broken, signal: new AbortController().signal })) void piece
    }
    await expect(read()).rejects.toThrow('broken')
  })
})
