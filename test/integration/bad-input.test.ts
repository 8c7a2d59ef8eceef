/** What must be refused, with its stable code, and must lose nothing. */
import { randomBytes } from 'node:crypto'
import { symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../support/branch.ts'
import { Branch, malote } from '../support/branch.ts'
import { type Cluster, contentOf, postFile, share, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster
let one: Branch, two: Branch
beforeAll(async () => {
  cluster = await startCluster(3)
  ;[one, two] = cluster.branches as [Branch, Branch]
})
afterAll(() => cluster?.close())

describe('invites', () => {
  let stranger: Branch
  beforeAll(async () => {
    stranger = new Branch('Estranha', cluster.path('stranger'))
    await stranger.up()
  })
  afterAll(() => stranger?.end())

  const invite = async (...flags: string[]) => (await one.run('invite', '--branch', 'Estranha', ...flags)).stdout.trim()
  async function refusal(text: string): Promise<{ exit: number | null; code: string }> {
    const outcome = await stranger.run('register', text, '--json')
    return { exit: outcome.code, code: (JSON.parse(outcome.stdout) as Json).code }
  }

  it('that were tampered with', async () => {
    const [head, body, signature] = (await invite()).split('.') as [string, string, string]
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Json
    claims.exp += 3600
    const forged = [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
    expect(await refusal(forged)).toEqual({ exit: 5, code: 'invite-invalid' })
    expect(await refusal(`${head}.${body}.${'A'.repeat(86)}`)).toEqual({ exit: 5, code: 'invite-invalid' })
    expect(await refusal('not an invite')).toEqual({ exit: 5, code: 'invite-invalid' })
    expect(await refusal('x'.repeat(100_000))).toEqual({ exit: 5, code: 'invite-invalid' })
  })

  it('that have expired', async () => {
    const { id, invite: short } = await one.json('invite', '--branch', 'Estranha', '--expires', '1s')
    await eventually('it expires', async () => {
      const { items } = await one.api('/invites')
      return items.some((each: Json) => each.id === id && each.state === 'expired')
    })
    expect(await refusal(short)).toEqual({ exit: 5, code: 'invite-expired' })
  })

  it('that were revoked', async () => {
    const { id, invite: text } = await one.json('invite', '--branch', 'Estranha')
    await one.json('invite', 'revoke', id)
    expect((await refusal(text)).exit).toBe(5)
  })

  it('of another network', async () => {
    const elsewhere = new Branch('Outra', cluster.path('elsewhere'))
    try {
      await elsewhere.up()
      await elsewhere.json('init', '--name', 'Outra rede', '--branch', 'Outra')
      const text = (await elsewhere.run('invite', '--branch', 'Estranha')).stdout.trim()
      const outcome = await stranger.run('register', text, '--via', one.ready?.addresses[0] as string, '--json')
      expect(outcome.code).toBe(5)
      expect((JSON.parse(outcome.stdout) as Json).code).toBe('wrong-network')
    } finally {
      await elsewhere.end()
    }
  })

  it('that were used, and leave nothing behind', async () => {
    const text = await invite()
    const guest = new Branch('Convidada', cluster.path('guest'))
    try {
      await guest.up()
      await guest.json('register', text)
      await cluster.settled()
      expect(await refusal(text)).toEqual({ exit: 5, code: 'invite-used' })
      const before = (await one.api('/ledger/digest')).entries
      await refusal(text)
      expect((await one.api('/ledger/digest')).entries).toBe(before)
      expect((await stranger.api('/status')).network).toBeNull()
      expect((await guest.run('unregister')).code).toBe(0)
    } finally {
      await guest.end()
    }
  })

  it('only admins write them', async () => {
    const outcome = await two.run('invite', '--branch', 'X', '--json')
    expect(outcome.code).toBe(5)
    expect((JSON.parse(outcome.stdout) as Json).code).toBe('not-admin')
  })
})

describe('names', () => {
  it.each([
    '../x',
    '..\\x',
    'CON',
    'a/b:c*d?.txt',
    'final. ',
    '\u202eexe.gpj',
    'emoji 🏖️.png',
    `${'n'.repeat(251)}.txt`,
  ])('%j is kept as it is and never becomes a path', async (name) => {
    const answer = await postFile(one, 'ignored', Buffer.from('x'), [['name', name]])
    expect(answer.status).toBe(201)
    const file = (await answer.json()) as Json
    expect(file.name).toBe(name)
    await eventually('it arrives', () => two.api(`/files/${file.id}`).catch(() => false))
    const shown = await two.run('ls')
    expect(shown.stdout).not.toContain('\u202e')
    const content = await two.fetch(`/files/${file.id}/content`)
    expect(content.headers.get('content-disposition')).toMatch(/^attachment/)
    expect((await content.text()).length).toBe(1)
  })

  it.each([
    ['5,000 characters', 'n'.repeat(5000)],
    ['nothing', ''],
    ['a NUL', 'a\0b'],
  ])('%s is refused', async (_, name) => {
    const before = (await one.api('/files?limit=1000')).items.length
    const answer = await postFile(one, 'ignored', Buffer.from('x'), [['name', name]])
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as Json).code).toBe('name-invalid')
    expect((await one.api('/files?limit=1000')).items.length).toBe(before)
  })
})

describe('contents', () => {
  const MiB = 1024 * 1024
  it.each([0, 1, MiB - 1, MiB, MiB + 1, 3 * MiB + 17])('of %i bytes arrive byte-equal', async (size) => {
    const content = randomBytes(size)
    const file = await share(one, [two], `bytes-${size}.bin`, content)
    expect(file.size).toBe(size)
    expect((await contentOf(two, file.id)).equals(content)).toBe(true)
  })

  it('that change while they are read are an error', async () => {
    const path = cluster.path('changing.bin')
    writeFileSync(path, randomBytes(64 * MiB))
    let writing = true
    const writer = (async () => {
      while (writing) {
        writeFileSync(path, randomBytes(16), { flag: 'a' })
        await new Promise(setImmediate)
      }
    })()
    const outcome = await one.run('upload', path, '--json')
    writing = false
    await writer
    expect(outcome.code).not.toBe(0)
    expect((JSON.parse(outcome.stdout) as Json).code).toBe('file-changed')
  })

  it('behind links, in folders and nowhere are refused', async () => {
    symlinkSync('/etc/passwd', cluster.path('link'))
    for (const path of [cluster.path('link'), cluster.root, cluster.path('absent')]) {
      const outcome = await one.run('upload', path, '--json')
      expect(outcome.code).toBe(2)
      expect((JSON.parse(outcome.stdout) as Json).code).toBe('unreadable')
    }
  })

  it('broken off in the middle of the upload are not published', async () => {
    const before = (await one.api('/files?limit=1000')).items.length
    const url = new URL(`${one.ready?.api}/api/v1/files`)
    await new Promise<void>((resolve) => {
      const upload = request(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${one.token}`,
          'content-type': 'multipart/form-data; boundary=XX',
          'transfer-encoding': 'chunked',
        },
      })
      upload.on('error', () => resolve())
      upload.write('--XX\r\nContent-Disposition: form-data; name="file"; filename="half.bin"\r\n\r\n')
      upload.write(randomBytes(3 * MiB), () => {
        upload.destroy()
        resolve()
      })
    })
    const after = await share(one, [two], 'whole.bin', randomBytes(10))
    const { items } = await one.api('/files?limit=1000')
    expect(items.length).toBe(before + 1)
    expect(items.map((each: Json) => each.name)).not.toContain('half.bin')
    expect(after.size).toBe(10)
  })
})

describe('the command line', () => {
  it('knows its exit codes', async () => {
    expect((await one.run('nonsense')).code).toBe(2)
    expect((await one.run('ls', '--nonsense')).code).toBe(2)
    expect((await one.run('show', 'ffffffffff')).code).toBe(4)
    expect((await malote(['status', '--data', cluster.path('nobody')])).code).toBe(3)
    const outcome = await malote(['status', '--data', cluster.path('nobody'), '--json'])
    expect((JSON.parse(outcome.stdout) as Json).code).toBe('not-running')
  })

  it('names the candidates of an ambiguous reference', async () => {
    await share(one, [one], 'gemeo.txt', Buffer.from('1'))
    await share(one, [one], 'gemeo.txt', Buffer.from('2'))
    const outcome = await one.run('show', 'gemeo.txt', '--json')
    expect(outcome.code).toBe(2)
    expect((JSON.parse(outcome.stdout) as Json).candidates).toHaveLength(2)
  })

  it('two nodes cannot run on one data folder', async () => {
    const outcome = await malote(['up', '--data', one.data, '--api', '127.0.0.1:0', '--port', '0', '--json'])
    expect(outcome.code).not.toBe(0)
    expect(outcome.stdout + outcome.stderr).toContain('locked')
  })
})

describe('the API', () => {
  it('wants the token, the right Host, and no foreign Origin', async () => {
    const url = `${one.ready?.api}/api/v1/status`
    expect((await fetch(url)).status).toBe(401)
    expect((await fetch(url, { headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
    expect((await one.fetch('/status', { headers: { origin: 'http://evil.example' } })).status).toBe(403)
    expect((await fetch(`${one.ready?.api}/api/v1/health`)).status).toBe(200)
    const rebound = await new Promise<number | undefined>((resolve, reject) => {
      const target = new URL(url)
      const call = request({
        host: target.hostname,
        port: target.port,
        path: target.pathname,
        headers: { host: 'evil.example', authorization: `Bearer ${one.token}` },
      })
      call.on('response', (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      call.on('error', reject)
      call.end()
    })
    expect(rebound).toBe(403)
  })

  it('refuses what is not of the form, with `usage`', async () => {
    const post = (path: string, body: string) =>
      one.fetch(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    for (const [path, body] of [
      ['/register', '{}'],
      ['/register', '{"invite": 5}'],
      ['/files/blacklist', '{"fileId": "x"}'],
      ['/invites', 'not json'],
      ['/invites', '{"branch": "", "role": "king"}'],
    ] as const) {
      const answer = await post(path, body)
      expect(answer.status).toBe(400)
      expect(((await answer.json()) as Json).code).toBe('usage')
    }
    expect((await one.fetch('/no-such-route')).status).toBe(404)
    expect((await one.fetch(`/files/${'0'.repeat(32)}`)).status).toBe(404)
  })
})
