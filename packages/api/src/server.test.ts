import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { statusOf } from './error-map.ts'
import { proofOf } from './security/secrets.ts'
import { createServer } from './server.ts'
import { createFakeNode, fakeError, startTestServer, type TestServer } from './testing.ts'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server.close())

const anonymous = { authorization: '' }

describe('who may call', () => {
  it('wants the token', async () => {
    const answer = await server.ask('GET', '/api/v1/status', { headers: anonymous })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer')
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.json).toMatchObject({ code: 'unauthorized', status: 401 })
    expect(server.node.calls).toEqual([])
    expect((await server.ask('GET', '/api/v1/status')).status).toBe(200)
  })

  it.each(['Bearer x', 'Bearer ', 'Basic abc', 'x'])('refuses %j', async (authorization) => {
    expect((await server.ask('GET', '/api/v1/status', { headers: { authorization } })).status).toBe(401)
  })

  it('takes no token from the address', async () => {
    const answer = await server.ask('GET', `/api/v1/nodes?token=${server.token}`, { headers: anonymous })
    expect(answer.status).toBe(401)
  })

  it('tells its health, its document and its page to anyone on the machine', async () => {
    for (const path of ['/health', '/api/v1/health', '/openapi.json', '/api/v1/openapi.json', '/docs/', '/docs/json']) {
      expect([path, (await server.ask('GET', path, { headers: anonymous })).status]).toEqual([path, 200])
    }
    expect((await server.ask('GET', '/api/v1/docs', { headers: anonymous })).headers.location).toBe('/docs')
    const root = await server.ask('GET', '/', { headers: anonymous })
    expect([root.status, root.headers.location]).toEqual([302, '/docs'])
    expect((await server.ask('GET', '/metrics', { headers: anonymous })).status).toBe(401)
    expect((await server.ask('GET', '/metrics')).body.toString()).toContain('malote_up 1')
  })

  it('slows down who guesses, and never who knows', async () => {
    const guess = () => server.ask('GET', '/api/v1/status', { headers: { authorization: 'Bearer wrong-wrong-wrong' } })
    for (let index = 0; index < 10; index += 1) expect((await guess()).status).toBe(401)
    const limited = await guess()
    expect(limited.status).toBe(429)
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
    expect(limited.json).toMatchObject({ code: 'rate-limited' })
    expect((await server.ask('GET', '/api/v1/status')).status).toBe(200)
  })

  it('proves that it knows the token, without giving it away', async () => {
    const nonce = 'ab'.repeat(32)
    const answer = await server.ask('GET', `/api/v1/prove?nonce=${nonce}`, { headers: anonymous })
    expect(answer.json).toEqual({ proof: proofOf(server.token, nonce) })
    expect(answer.body.toString()).not.toContain(server.token)
    for (const bad of ['', '?nonce=', '?nonce=abcd', `?nonce=${'AB'.repeat(32)}`]) {
      expect((await server.ask('GET', `/api/v1/prove${bad}`, { headers: anonymous })).status).toBe(400)
    }
  })
})

describe('where from', () => {
  it.each(['evil.example', 'evil.example:7373', '127.0.0.1:1', '10.0.0.1'])('refuses the Host %s', async (host) => {
    for (const path of ['/api/v1/status', '/health', '/docs/', '/nothing']) {
      const answer = await server.ask('GET', path, { headers: { host } })
      expect([path, answer.status, answer.json]).toMatchObject([path, 403, { code: 'forbidden' }])
    }
  })

  it('refuses other origins, also with the token', async () => {
    const answer = await server.ask('POST', '/api/v1/connect', { headers: { origin: 'https://evil.example' } })
    expect(answer.status).toBe(403)
    expect(server.node.calls).toEqual([])
    const own = await server.ask('POST', '/api/v1/connect', { headers: { origin: server.url } })
    expect(own.status).toBe(200)
  })

  it('has no CORS', async () => {
    const answer = await server.ask('OPTIONS', '/api/v1/files', {
      headers: { origin: server.url, 'access-control-request-method': 'POST' },
    })
    expect(answer.status).toBe(404)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('sets strict headers everywhere', async () => {
    for (const path of ['/api/v1/status', '/nothing', '/docs/']) {
      const { headers } = await server.ask('GET', path)
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['x-frame-options']).toBe('DENY')
      expect(headers['content-security-policy']).toContain("default-src 'none'")
      expect(headers['content-security-policy']).not.toMatch(/script-src[^;]*unsafe|\*/)
    }
  })

  it('serves Swagger UI without inline scripts, which its policy forbids', async () => {
    const page = (await server.ask('GET', '/docs/')).body.toString()
    const scripts = [...page.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)]
    expect(scripts.length).toBeGreaterThan(0)
    for (const [, attributes, content] of scripts) {
      const source = /src="\.?([^"]+)"/.exec(attributes ?? '')?.[1]
      expect(content?.trim()).toBe('')
      expect((await server.ask('GET', `/docs${source}`, { headers: anonymous })).status).toBe(200)
    }
  })

  it('shows the document of this server there, and has nothing else', async () => {
    const shown = await server.ask('GET', '/docs/json', { headers: anonymous })
    expect(shown.json).toEqual((await server.ask('GET', '/openapi.json', { headers: anonymous })).json)
    const missing = await server.ask('GET', '/docs/static/nothing.js', { headers: anonymous })
    expect([missing.status, missing.json]).toMatchObject([404, { code: 'not-found' }])
    expect((await server.ask('GET', '/docs/static/%2e%2e/package.json', { headers: anonymous })).status).not.toBe(200)
  })

  it('listens elsewhere only when told to', async () => {
    const init = { node: createFakeNode(), token: 'x'.repeat(32), port: 0, host: '0.0.0.0' }
    await expect(createServer(init)).rejects.toThrow(/remote access/)
    await expect(createServer({ ...init, host: '127.0.0.1', token: 'short' })).rejects.toThrow(/16 characters/)
    const open = await startTestServer({ host: '0.0.0.0', allowRemote: true, allowedHosts: ['branch-1:80'] })
    try {
      for (const [host, status] of [
        ['192.168.7.7:9999', 200],
        ['branch-1:80', 200],
        ['branch-2:80', 403],
      ] as const) {
        expect([host, (await open.ask('GET', '/api/v1/status', { headers: { host } })).status]).toEqual([host, status])
      }
    } finally {
      await open.close()
    }
  })
})

describe('sessions', () => {
  async function signIn(): Promise<string> {
    const { code } = (await server.ask('POST', '/api/v1/session/code')).json as { code: string }
    const session = await server.ask('POST', '/api/v1/session', { body: { code }, headers: anonymous })
    expect(session.status).toBe(204)
    return session.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  }

  it('swaps a code for a cookie that reads, and changes only with the header', async () => {
    const cookie = await signIn()
    expect(cookie).toMatch(new RegExp(`^malote_session_${server.port}=`))
    const headers = { ...anonymous, cookie }
    expect((await server.ask('GET', '/api/v1/status', { headers })).status).toBe(200)
    const bare = await server.ask('POST', '/api/v1/connect', { headers })
    expect(bare.json).toMatchObject({ status: 403, code: 'forbidden' })
    expect((await server.ask('POST', '/api/v1/connect', { headers: { ...headers, 'x-malote': '1' } })).status).toBe(200)
  })

  it('gives a session neither codes nor the switch', async () => {
    const headers = { ...anonymous, cookie: await signIn(), 'x-malote': '1' }
    for (const path of ['/api/v1/session/code', '/api/v1/stop']) {
      expect((await server.ask('POST', path, { headers })).status).toBe(403)
    }
  })

  it('ends', async () => {
    const headers = { ...anonymous, cookie: await signIn(), 'x-malote': '1' }
    expect((await server.ask('DELETE', '/api/v1/session', { headers })).status).toBe(204)
    expect((await server.ask('GET', '/api/v1/status', { headers })).status).toBe(401)
  })

  it('takes a code once, and counts wrong ones', async () => {
    const { code } = (await server.ask('POST', '/api/v1/session/code')).json as { code: string }
    const redeem = (body: unknown) => server.ask('POST', '/api/v1/session', { body, headers: anonymous })
    expect((await redeem({ code })).status).toBe(204)
    expect((await redeem({ code })).status).toBe(401)
    for (let index = 0; index < 9; index += 1) expect((await redeem({ code: 'x' })).status).toBe(401)
    expect((await redeem({ code: 'x' })).status).toBe(429)
  })

  it('is judged by the token when there is one', async () => {
    const headers = { authorization: 'Bearer wrong-wrong-wrong', cookie: await signIn() }
    expect((await server.ask('GET', '/api/v1/status', { headers })).status).toBe(401)
  })
})

describe('errors', () => {
  it.each(Object.entries(statusOf))('%s is %i', async (code, status) => {
    server.node.failNext('status', fakeError(code as keyof typeof statusOf, { candidates: ['a'], status: 1 }))
    const answer = await server.ask('GET', '/api/v1/status')
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.json).toMatchObject({
      type: 'about:blank',
      code,
      status,
      detail: `because of ${code}`,
      advice: 'Do otherwise.',
      candidates: ['a'],
    })
    expect(answer.status).toBe(status)
  })

  it('says nothing of a bug, but to the host', async () => {
    const bug = new TypeError('secret /home/x/key of undefined')
    server.node.failNext('status', bug)
    const answer = await server.ask('GET', '/api/v1/status')
    expect(answer.status).toBe(500)
    expect(answer.json).toMatchObject({ code: 'internal' })
    expect(answer.body.toString()).not.toContain('secret')
    expect(server.faults).toEqual([bug])
  })

  it.each([
    ['an unknown route', 'GET', '/api/v1/nothing', {}, 404, 'not-found'],
    ['an unknown route at the root', 'GET', '/nothing', {}, 404, 'not-found'],
    ['an unknown method', 'PATCH', '/api/v1/status', {}, 404, 'not-found'],
    ['a broken path', 'GET', '/api/v1/files/%ff', {}, 400, 'usage'],
    [
      'broken JSON',
      'POST',
      '/api/v1/network',
      { raw: '{', headers: { 'content-type': 'application/json' } },
      400,
      'usage',
    ],
    [
      'a poisoned prototype',
      'POST',
      '/api/v1/network',
      { raw: '{"__proto__":{"a":1},"name":"a","branch":"b"}', headers: { 'content-type': 'application/json' } },
      400,
      'usage',
    ],
    ['no body', 'POST', '/api/v1/network', {}, 400, 'usage'],
    [
      'a form',
      'POST',
      '/api/v1/network',
      { raw: 'a=b', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported',
    ],
    ['an unknown field', 'POST', '/api/v1/network', { body: { name: 'a', branch: 'b', x: 1 } }, 400, 'usage'],
    ['a wrong type', 'POST', '/api/v1/network', { body: { name: 1, branch: 'b' } }, 400, 'usage'],
    ['an unknown parameter', 'GET', '/api/v1/files?deny=x', {}, 400, 'usage'],
    ['a number out of range', 'GET', '/api/v1/files?limit=0', {}, 400, 'usage'],
    ['too much', 'POST', '/api/v1/network', { body: { name: 'x'.repeat(1_100_000), branch: 'b' } }, 413, 'too-large'],
  ] as const)('answers %s', async (_name, method, path, options, status, code) => {
    const answer = await server.ask(method, path, options)
    expect(answer.json).toMatchObject({ status, code })
    expect(answer.status).toBe(status)
    expect(server.faults).toEqual([])
  })

  it('names the field that is wrong', async () => {
    const answer = await server.ask('PUT', '/api/v1/files/blacklist/x', { body: { nodes: [1], nods: [] } })
    expect(answer.json).toMatchObject({ errors: expect.arrayContaining([expect.stringContaining('nods')]) })
  })
})

describe('closing', () => {
  it('answers /stop before it stops', async () => {
    let stopped: () => void = () => undefined
    const onStop = new Promise<void>((resolve) => {
      stopped = resolve
    })
    const other = await startTestServer({ onStop: () => stopped() })
    const answer = await other.ask('POST', '/api/v1/stop')
    expect([answer.status, answer.json]).toEqual([202, { state: 'stopping' }])
    await onStop
    await other.close()
    await expect(other.ask('GET', '/health')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('stops the node when the host has not said what else', async () => {
    const other = await startTestServer()
    const stopped = new Promise<void>((resolve) => {
      other.node.stop = async () => resolve()
    })
    await other.ask('POST', '/api/v1/stop')
    await stopped
    await other.close()
  })

  it('ends what is running, twice without harm, also with idle connections', async () => {
    const idle = connect(server.port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    const file = server.node.addFile('a', Buffer.from('x'))
    const waits = server.node.called('waitFor')
    const waiting = server.ask('GET', `/api/v1/files/${file.id}/wait?level=durable`)
    await waits
    const began = performance.now()
    await Promise.all([server.close(), server.close()])
    // nothing was asked on one of the connections: no reason to wait for it
    expect(performance.now() - began).toBeLessThan(1000)
    expect((await waiting).json).toMatchObject({ code: 'interrupted', status: 503 })
    await new Promise((resolve) => (idle.destroyed ? resolve(null) : idle.once('close', resolve)))
  })
})
