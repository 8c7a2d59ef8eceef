/** The debug log of a whole small story, searched for everything that must not stand in it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Branch } from '../support/branch.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster(2, { flags: ['--log-level', 'debug'] })
}, 60_000)
afterAll(() => cluster?.close())

it('tells what happened, and no token, invite, key or name', async () => {
  const [one, two] = cluster.branches as [Branch, Branch]
  const tokens = [one.token, two.token]
  const invite = (await one.api('/invites', { method: 'POST', json: { branch: 'Paraguaçu' } })).invite as string
  const path = cluster.path('segredo-de-verão.png')
  writeFileSync(path, 'content that nobody logs')
  await one.json('upload', path, '--campaign', 'Colheita', '--tag', 'rótulo', '--wait', 'replicated')
  await eventually('the other has it', async () => (await two.api('/files')).items.length === 1)
  await two.json('fetch', 'segredo-de-verão.png', '-o', cluster.path('copia.png'))
  await one.json('blacklist', 'add', 'segredo-de-verão.png', two.name)
  await one.json('ls', 'Colheita')
  // what fails may say more
  for (const args of [
    ['fetch', 'nada-disso.png'],
    ['register', invite],
  ])
    expect((await two.run(...args)).code).not.toBe(0)
  expect((await one.fetch('/files/nada-disso.png')).status).toBe(404)
  const { status } = await fetch(`${one.ready?.api}/api/v1/status`, {
    headers: { authorization: 'Bearer forged-token' },
  })
  expect(status).toBe(401)

  await Promise.all([one.end(), two.end()])
  const log = one.log + two.log
  for (const said of ['call method=POST route=/api/v1/invites status=201', 'debug member:joined', 'debug file:durable'])
    expect(log).toContain(said)
  expect(log).toMatch(/debug file:published fileId=[0-9a-f]{32}/)
  expect(log).toContain('route=/api/v1/files/:id status=404')

  const secrets = [...tokens, invite, cluster.recoveryKey, 'forged-token']
  for (const branch of [one, two]) {
    const identity = readFileSync(join(branch.data, 'identity'))
    // two secrets of 32 bytes each, wherever they lie in it
    for (let at = 0; at + 32 <= identity.length; at++) {
      const bytes = identity.subarray(at, at + 32)
      secrets.push(bytes.toString('hex'), bytes.toString('base64').slice(0, 43), bytes.toString('base64url'))
    }
  }
  const names = [
    'segredo',
    'Colheita',
    'rótulo',
    'Paraguaçu',
    'nada-disso',
    'copia',
    one.name,
    two.name,
    'Rede de teste',
  ]
  for (const hidden of [...secrets, ...names])
    expect(log.includes(hidden), `the log has ${hidden.slice(0, 20)}`).toBe(false)
})
