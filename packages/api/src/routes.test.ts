import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { routes } from './routes/index.ts'
import { buildDocument } from './server.ts'
import { type Answer, fakeError, multipartBody, startTestServer, type TestServer } from './testing.ts'

interface Operation {
  operationId: string
  summary: string
  description: string
  tags: string[]
  security: object[]
  parameters?: { in: string; name: string }[]
  requestBody?: { required: boolean }
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

let server: TestServer
let document: Document
let ajv: Ajv2020
const asked = new Set<string>()

beforeAll(async () => {
  server = await startTestServer()
  document = (await buildDocument()) as Document
  ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'document', components: document.components })
})
afterAll(() => server.close())

/** Asks, and holds the answer against what the document says of it. */
async function ask(method: string, path: string, options?: Parameters<TestServer['ask']>[2]): Promise<Answer> {
  const answer = await server.ask(method, `/api/v1${path}`, options)
  const [template, operation] = operationOf(method, path.split('?', 1)[0] ?? '')
  asked.add(`${method} ${template}`)
  const described = operation.responses[answer.status] ?? operation.responses[`${Math.floor(answer.status / 100)}XX`]
  if (described === undefined) throw new Error(`${method} ${template} answers ${answer.status}, which is not described`)
  const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? ''
  if (described.content === undefined) {
    expect(answer.body.length).toBe(0)
    return answer
  }
  const known = Object.keys(described.content).find((one) =>
    new RegExp(`^${one.replaceAll('+', '\\+').replaceAll('*', '[^/]+')}$`).test(type),
  )
  if (known === undefined) throw new Error(`${method} ${template} answers ${type}, which is not described`)
  const schema = described.content[known]?.schema
  if (schema !== undefined && /json/.test(type)) {
    const rooted = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"document#/components'))
    const valid = ajv.validate(rooted, answer.json)
    expect([method, template, ajv.errorsText()]).toEqual([
      method,
      template,
      valid ? 'No errors' : 'an answer as described',
    ])
  }
  return answer
}

function operationOf(method: string, path: string): [string, Operation] {
  const fitting = Object.entries(document.paths)
    .filter(([template]) => new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path))
    // a path without parameters wins
    .sort(([a], [b]) => a.split('{').length - b.split('{').length)
  for (const [template, operations] of fitting) {
    const operation = operations[method.toLowerCase()]
    if (operation !== undefined) return [template, operation]
  }
  throw new Error(`${method} ${path} is not in the document`)
}

const lastCall = () => server.node.calls.at(-1)
const argsOf = (verb: string) => server.node.calls.findLast((call) => call.verb === verb)?.args

describe('every route', () => {
  let id: string
  beforeEach(() => {
    server.node.calls.length = 0
    id = server.node.addFile('a.png', Buffer.from('0123456789')).id
  })

  it('network', async () => {
    const founded = await ask('POST', '/network', {
      body: { name: 'agency', branch: 'Recife', policy: { maxCopies: 5 } },
    })
    expect(founded.status).toBe(201)
    expect(founded.json).toMatchObject({ recoveryKey: 'malote-recovery-key', network: { name: 'agency' } })
    expect(argsOf('init')?.[0]).toEqual({ name: 'agency', branch: 'Recife', policy: { maxCopies: 5 } })

    expect((await ask('POST', '/register', { body: { invite: 'x', ip: '10.0.0.1' } })).status).toBe(201)
    expect(argsOf('register')?.[0]).toEqual({ invite: 'x', via: '10.0.0.1' })
    expect((await ask('POST', '/register', { body: { ip: '10.0.0.1' } })).status).toBe(400)
    server.node.failNext('register', fakeError('invite-expired'))
    expect((await ask('POST', '/register', { body: { invite: 'x' } })).json).toMatchObject({ code: 'invite-expired' })

    expect((await ask('POST', '/connect')).status).toBe(200)
    expect((await ask('POST', '/disconnect')).json).toMatchObject({ connected: false })
    expect((await ask('POST', '/recover', { body: { recoveryKey: 'k' } })).status).toBe(200)
    expect((await ask('POST', '/recover', { body: {} })).status).toBe(400)
    expect((await ask('POST', '/network/upgrade', { body: { rules: 1 } })).json).toMatchObject({ rules: { active: 1 } })
    expect((await ask('POST', '/network/upgrade', { body: { rules: 0 } })).status).toBe(400)
  })

  it('unregister answers at once, or at the end', async () => {
    const begun = await ask('POST', '/unregister')
    expect([begun.status, begun.json]).toEqual([202, { state: 'leaving' }])
    expect((await ask('POST', '/unregister?wait=true', { body: { force: true } })).json).toEqual({ state: 'left' })
    expect(argsOf('unregister')?.[0]).toEqual({ force: true })
    expect((await ask('POST', '/unregister', { body: { force: 'yes' } })).status).toBe(400)
  })

  it('hands a failed leave to the host when nobody waits', async () => {
    const failure = fakeError('orphans-left')
    const { unregister } = server.node.network
    server.node.network.unregister = async () => ({ done: Promise.reject(failure) })
    try {
      await ask('POST', '/unregister')
      expect(server.faults).toContain(failure)
      expect((await ask('POST', '/unregister?wait=true')).json).toMatchObject({ code: 'orphans-left' })
    } finally {
      server.node.network.unregister = unregister
    }
  })

  it('nodes', async () => {
    expect((await ask('GET', '/nodes')).json).toMatchObject({ items: [{ self: true }, { path: 'tcp' }] })
    expect((await ask('GET', '/nodes/Olinda')).json).toMatchObject({ branch: 'Olinda' })
    expect((await ask('GET', '/nodes/nobody')).status).toBe(404)
    expect((await ask('PATCH', '/nodes/Olinda', { body: { role: 'admin' } })).json).toMatchObject({ role: 'admin' })
    expect((await ask('PATCH', '/nodes/Olinda', { body: { role: 'king' } })).status).toBe(400)
    expect((await ask('POST', '/nodes/Olinda/quarantine')).json).toMatchObject({ state: 'quarantined' })
    expect((await ask('POST', '/nodes/Olinda/release')).status).toBe(200)
    expect((await ask('DELETE', '/nodes/Olinda')).json).toMatchObject({ waitsFor: 'a second admin' })
    server.node.failNext('expel', fakeError('not-admin'))
    expect((await ask('DELETE', '/nodes/Olinda')).status).toBe(403)
  })

  it('invites', async () => {
    const made = await ask('POST', '/invites', {
      body: { branch: 'Natal', role: 'admin', expires: '2h', replaces: 'Olinda' },
    })
    expect([made.status, made.json]).toMatchObject([201, { invite: 'eyJ.x.y', branch: 'Natal' }])
    expect(argsOf('invite')?.[0]).toEqual({
      branch: 'Natal',
      role: 'admin',
      expiresInMs: 7_200_000,
      replaces: 'Olinda',
    })
    expect((await ask('POST', '/invites', { body: { branch: 'Natal', expires: 'soon' } })).status).toBe(400)
    const listed = await ask('GET', '/invites')
    expect(listed.body.toString()).not.toContain('eyJ')
    expect((await ask('DELETE', '/invites/ab12cd34')).status).toBe(204)
    expect(argsOf('revokeInvite')?.[0]).toBe('ab12cd34')
  })

  it('files', async () => {
    const form = multipartBody([['file', { filename: 'b.png', bytes: 'x' }]])
    const made = await ask('POST', '/files', { raw: form.body, headers: form.headers })
    expect(made.status).toBe(201)
    expect(made.headers.location).toBe(`/api/v1/files/${(made.json as { id: string }).id}`)
    const query = '?q=x&campaign=c&owner=Recife&tag=t&deleted=true&cursor=z&limit=5'
    expect((await ask('GET', `/files${query}`)).json).toMatchObject({ next: null })
    expect(argsOf('files.list')?.[0]).toEqual({
      q: 'x',
      campaign: 'c',
      owner: 'Recife',
      tag: 't',
      deleted: true,
      cursor: 'z',
      limit: 5,
    })
    expect((await ask('GET', '/files?limit=abc')).status).toBe(400)
    expect((await ask('GET', `/files/${id}`)).headers.etag).toBe('"1"')
    expect((await ask('GET', '/files/nothing')).json).toMatchObject({ code: 'not-found', status: 404 })
    // read by people too
    expect((await ask('GET', `/files/${encodeURIComponent('\u202egpj')}`)).json).toMatchObject({
      detail: 'no such file: \\u{202e}gpj',
    })
    expect((await ask('GET', `/files/${id}/versions`)).json).toMatchObject({ items: [{ version: 1 }] })
    expect((await ask('GET', `/files/${id}/content`)).body.toString()).toBe('0123456789')
    expect((await ask('HEAD', `/files/${id}/content`)).status).toBe(200)
    expect((await ask('GET', `/files/${id}/preview`)).status).toBe(204)
    const seen = server.node.addFile('seen.png', Buffer.from(''), { hasPreview: true })
    expect((await ask('GET', `/files/${seen.id}/preview`)).headers['content-type']).toBe('image/webp')
    expect((await ask('POST', `/files/${id}/fetch`, { body: { version: 1 } })).status).toBe(202)
    expect((await ask('POST', `/files/${id}/fetch`)).status).toBe(202)
    expect((await ask('POST', `/files/${id}/fetch`, { body: { version: 0 } })).status).toBe(400)
    expect((await ask('POST', `/files/${id}/restore`, { body: { version: 1 } })).status).toBe(200)
    expect(lastCall()?.args[1]).toMatchObject({ version: 1 })
  })

  it('finds a file by any name', async () => {
    const name = 'ação 100% / "x" #1?.png'
    server.node.addFile(name, Buffer.from(''))
    expect((await ask('GET', `/files/${encodeURIComponent(name)}`)).json).toMatchObject({ name })
    const long = '長'.repeat(200)
    server.node.addFile(long, Buffer.from(''))
    expect((await ask('GET', `/files/${encodeURIComponent(long)}`)).json).toMatchObject({ name: long })
  })

  it('updates and deletes, only what the caller has seen', async () => {
    const form = multipartBody([['file', { filename: 'other-name.png', bytes: 'new' }]])
    const put = (headers: Record<string, string>) =>
      ask('PUT', `/files/${id}`, { raw: form.body, headers: { ...form.headers, ...headers } })
    expect((await put({ 'if-match': '"7"' })).json).toMatchObject({
      code: 'precondition-failed',
      status: 412,
      current: '"1"',
    })
    expect(argsOf('beginUpdate')).toBeUndefined()
    const updated = await put({ 'if-match': '"0", "1"' })
    expect(updated.json).toMatchObject({ version: 2, name: 'a.png', size: 3 })
    expect(argsOf('publishUpdate')?.[0]).toEqual({ ifMatch: 1 })
    expect((await put({})).headers.etag).toBe('"3"')
    expect((await put({ 'if-match': '*' })).json).toMatchObject({ version: 4 })

    expect((await ask('DELETE', `/files/${id}`, { headers: { 'if-match': '"1"' } })).status).toBe(412)
    expect((await ask('DELETE', `/files/${id}?purge=true`, { headers: { 'if-match': '"4"' } })).status).toBe(204)
    expect(argsOf('remove')?.[1]).toMatchObject({ purge: true, ifMatch: 4 })
    expect((await ask('DELETE', `/files/${id}`)).status).toBe(204)
    server.node.failNext('remove', fakeError('not-owner'))
    expect((await ask('DELETE', `/files/${id}`)).json).toMatchObject({ code: 'not-owner', status: 403 })
    expect((await ask('DELETE', `/files/${id}?purge=perhaps`)).status).toBe(400)
  })

  it('waits', async () => {
    const durable = server.node.addFile('d', Buffer.from(''), { copies: { held: 3, target: 3 } })
    expect((await ask('GET', `/files/${durable.id}/wait?level=durable`)).status).toBe(200)
    expect((await ask('GET', `/files/${id}/wait?level=soon`)).status).toBe(400)
    expect((await ask('GET', `/files/${id}/wait`)).status).toBe(400)
    expect((await ask('GET', `/files/${id}/wait?level=replicated&timeout=1`)).json).toMatchObject({
      code: 'timeout',
      status: 504,
    })
  })

  it('blacklist', async () => {
    const added = await ask('POST', '/files/blacklist', { body: { fileId: id, node: 'Olinda', reseal: true } })
    const [denied] = (added.json as { file: { denied: string[] } }).file.denied
    expect([added.status, added.json]).toMatchObject([201, { fileId: id, node: denied }])
    expect(argsOf('deny')?.[2]).toMatchObject({ reseal: true })
    expect((await ask('GET', '/files/blacklist')).json).toEqual({ items: [{ fileId: id, node: denied }] })
    await ask('GET', `/files/blacklist?file=${id}`)
    expect(lastCall()).toMatchObject({ verb: 'blacklist', args: [id] })
    expect((await ask('PUT', `/files/blacklist/${id}`, { body: { nodes: ['Olinda', 'Recife'] } })).status).toBe(200)
    expect((await ask('PUT', `/files/blacklist/${id}`, { body: { nodes: 'Olinda' } })).status).toBe(400)
    expect((await ask('PUT', `/files/blacklist/${id}`, { body: {} })).status).toBe(400)
    expect((await ask('POST', '/files/blacklist', { body: { fileId: id } })).status).toBe(400)
    expect((await ask('POST', '/files/blacklist', { body: { fileId: id, node: [] } })).status).toBe(400)
    await ask('POST', '/files/blacklist', { body: { fileId: id, node: ['Olinda', 'Recife'] } })
    expect(argsOf('deny')?.slice(0, 2)).toEqual([id, ['Olinda', 'Recife']])
    expect((await ask('DELETE', `/files/blacklist/${id}?node=Olinda`)).status).toBe(204)
    expect(argsOf('allow')?.slice(0, 2)).toEqual([id, ['Olinda']])
    expect((await ask('DELETE', `/files/blacklist/${id}?node=Olinda&node=Recife&reseal=true`)).status).toBe(204)
    expect(argsOf('allow')?.slice(0, 2)).toEqual([id, ['Olinda', 'Recife']])
    expect(argsOf('allow')?.[2]).toMatchObject({ reseal: true })
    expect((await ask('DELETE', `/files/blacklist/${id}?all=true`)).status).toBe(204)
    expect(argsOf('allow')?.slice(0, 2)).toEqual([id, 'all'])
    for (const bad of ['', '?all=false', '?all=true&node=Olinda', '?node=', '?node=Olinda&node=']) {
      expect([bad, (await ask('DELETE', `/files/blacklist/${id}${bad}`)).status]).toEqual([bad, 400])
    }
  })

  it('never takes "blacklist" for a file', async () => {
    const file = server.node.addFile('blacklist', Buffer.from('x'))
    for (const [method, path] of [
      ['DELETE', '/files/blacklist'],
      ['PUT', '/files/blacklist'],
      ['POST', '/files/blacklist/adopt'],
      ['GET', '/files/blacklist/content'],
    ] as const) {
      expect([method, path, (await server.ask(method, `/api/v1${path}`)).status]).toEqual([method, path, 404])
    }
    expect(server.node.files.get(file.id).state).toBe('live')
  })

  it('ownership', async () => {
    const offered = await ask('POST', `/files/${id}/handoff`, { body: { to: 'Olinda' } })
    expect([offered.status, offered.json]).toMatchObject([201, { handoff: { to: { branch: 'Olinda' } } }])
    expect((await ask('POST', `/files/${id}/handoff`, { body: {} })).status).toBe(400)
    expect((await ask('GET', '/handoffs')).status).toBe(200)
    expect((await ask('DELETE', `/files/${id}/handoff`)).json).toMatchObject({ handoff: null })
    server.node.failNext('acceptOffer', fakeError('handoff-not-pending'))
    expect((await ask('POST', `/files/${id}/handoff/accept`)).status).toBe(409)
    expect((await ask('POST', `/files/${id}/handoff/accept`)).status).toBe(200)
    expect((await ask('POST', `/files/${id}/handoff/decline`)).status).toBe(204)
    expect((await ask('POST', `/files/${id}/adopt`)).status).toBe(200)
    expect((await ask('POST', `/files/${id}/assign`, { body: { to: 'Olinda' } })).status).toBe(200)
    expect((await ask('POST', `/files/${id}/assign`)).status).toBe(400)
  })

  it('transfers and limits', async () => {
    expect((await ask('GET', '/transfers')).json).toMatchObject({ items: [{ id: 't1' }] })
    expect((await ask('GET', '/transfers/t1')).status).toBe(200)
    expect((await ask('GET', '/transfers/t2')).status).toBe(404)
    expect((await ask('PATCH', '/transfers/t1', { body: { state: 'paused' } })).json).toMatchObject({ state: 'paused' })
    expect((await ask('PATCH', '/transfers/t1', { body: { state: 'running' } })).json).toMatchObject({
      state: 'running',
    })
    expect((await ask('PATCH', '/transfers/t1', { body: { state: 'done' } })).status).toBe(400)
    expect((await ask('PATCH', '/transfers/t1', { body: { first: true } })).json).toMatchObject({ id: 't1' })
    for (const body of [{}, { first: false }]) expect((await ask('PATCH', '/transfers/t1', { body })).status).toBe(400)
    expect((await ask('DELETE', '/transfers/t1')).json).toMatchObject({ state: 'cancelled' })
    expect((await ask('PUT', '/limits', { body: { up: 1000 } })).json).toEqual({ up: 1000, down: null })
    expect((await ask('PUT', '/limits', { body: { up: null } })).json).toEqual({ up: null, down: null })
    expect((await ask('PUT', '/limits', { body: { up: -1 } })).status).toBe(400)
    expect((await ask('GET', '/limits')).status).toBe(200)
  })

  it('ledger', async () => {
    expect((await ask('GET', '/ledger?after=0&limit=10')).json).toMatchObject({ items: [{ arrival: 1 }], next: 1 })
    expect(argsOf('entries')?.[0]).toEqual({ after: 0, limit: 10 })
    expect((await ask('GET', '/ledger?after=-1')).status).toBe(400)
    expect((await ask('GET', '/ledger/digest')).json).toMatchObject({ entries: 1 })
    expect((await ask('GET', '/ledger/verify')).json).toMatchObject({ ok: true })
    expect((await ask('POST', '/ledger/repair', {})).json).toMatchObject({ ok: true })
  })

  it('system', async () => {
    expect((await ask('GET', '/status')).status).toBe(200)
    expect((await ask('GET', '/doctor')).json).toMatchObject({ items: [{ name: 'clock' }] })
    expect((await ask('GET', '/metrics')).status).toBe(200)
    expect((await ask('GET', '/health')).status).toBe(200)
    expect((await ask('GET', `/prove?nonce=${'00'.repeat(32)}`)).status).toBe(200)
    const minted = await ask('POST', '/session/code')
    const { code } = minted.json as { code: string }
    expect((await ask('POST', '/session', { body: { code } })).status).toBe(204)
    expect((await ask('DELETE', '/session')).status).toBe(204)
    expect((await ask('GET', '/openapi.json')).json).toMatchObject({ info: { version: server.node.status().version } })
    expect((await ask('GET', '/events', { headers: { 'last-event-id': 'x' } })).status).toBe(400)
    expect((await ask('POST', '/stop', { body: { x: 1 } })).status).toBe(400)
  })

  it('was asked', () => {
    const all = routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect(all.filter((route) => !asked.has(route))).toEqual([])
  })
})

describe('the document', () => {
  it('describes every operation, with an id of its own', () => {
    expect(document.openapi).toBe('3.1.0')
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
    const ids = operations.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(routes.length)
    expect(ids.length).toBe(routes.length)
    for (const { operationId, summary, description, tags, security, responses } of operations) {
      expect([operationId, summary.length > 0, description.length > 0, tags.length]).toEqual([
        operationId,
        true,
        true,
        1,
      ])
      expect(Array.isArray(security)).toBe(true)
      for (const response of Object.values(responses)) expect(response.description).not.toBe('Default Response')
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['4XX', '5XX']))
    }
  })

  it('is the one that the server gives, but for the cookie, which bears the port', async () => {
    const served = (await server.ask('GET', '/openapi.json')).body.toString()
    expect(JSON.parse(served.replaceAll(/malote_session_\d+/g, 'malote_session_7373'))).toEqual(document)
  })

  it('refers only to what it holds', () => {
    const text = JSON.stringify(document)
    for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
      expect(Object.keys(document.components.schemas)).toContain(name)
    }
    expect(text).not.toContain('def-')
  })

  it('says which bodies may be absent', () => {
    expect(document.paths['/connect']?.post?.requestBody?.required).toBe(false)
    expect(document.paths['/network']?.post?.requestBody?.required).toBe(true)
  })
})
