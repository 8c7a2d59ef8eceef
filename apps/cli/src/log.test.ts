import { describe, expect, it } from 'vitest'
import { createLog, type LogFormat, type LogLevel, scrub } from './log.ts'

const TOKEN = 'Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MDEyMzQ1Njc4OTA'

async function logged(level: LogLevel, format: LogFormat = 'text') {
  const lines: string[] = []
  const log = await createLog({
    level,
    format,
    write: (line) => lines.push(line),
    secrets: ['tiny-secret'],
    dataDir: '/srv/malote',
  })
  log.note('the rebuild is finished')
  log.note('source X', new Error('ENOENT: no such file, open \'/home/ana/verão.png\', not "Campanha \\"x\\""'))
  log.note('the store', new Error("EIO: i/o error, read '/srv/malote/network/store/ab'"))
  log.debug('call', { method: 'GET', route: '/files/:id', status: 200, name: 'verão.png', token: TOKEN, to: { a: 1 } })
  log.trace('transfer:progress', { id: 't1', name: 'verão.png' })
  return lines
}

describe('the log', () => {
  it('says as much as its level wants', async () => {
    const counts = { silent: 0, error: 0, warn: 2, info: 3, debug: 4, trace: 5 }
    for (const [level, count] of Object.entries(counts)) {
      expect(await logged(level as LogLevel), level).toHaveLength(count)
    }
  })

  it('has lines for people', async () => {
    const lines = await logged('trace')
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z /)
    expect(lines.map((line) => line.slice(line.indexOf(' ') + 1))).toEqual([
      'the rebuild is finished',
      'warn source X: ENOENT: no such file, open \'…\', not "…"',
      "warn the store: EIO: i/o error, read '/srv/malote/network/store/ab'",
      'debug call method=GET route=/files/:id status=200',
      'trace transfer:progress id=t1',
    ])
  })

  it('has JSON for programs', async () => {
    const lines = (await logged('debug', 'json')).map((line) => JSON.parse(line))
    expect(lines[0]).toEqual({ level: 'info', time: expect.any(String), msg: 'the rebuild is finished' })
    expect(lines[3]).toMatchObject({ level: 'debug', method: 'GET', route: '/files/:id', status: 200, msg: 'call' })
    expect(lines[3]).not.toHaveProperty('name')
  })
})

it.each([
  [`the token ${TOKEN} was refused`, 'the token [hidden] was refused'],
  ['authorization: Bearer abc.def', 'authorization: Bearer [hidden]'],
  ['eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiIxMjMifQ.c2ln was used', '[hidden] was used'],
  ['7Q9H-HKCJ-BM1Q-SH7T-VPVF-8BV8-XRZG-3CGX-70FN-RJ6X-724D-1DEA-F5PV-1ZZH', '[hidden]'],
  ['a tiny-secret here', 'a [hidden] here'],
  // what must stay legible: ids of nodes and of entries, addresses
  ['12D3KooWLo1QVkJiTutphUB2mvBreesrkQDe7uTuQPhJDjbZ8knw', '12D3KooWLo1QVkJiTutphUB2mvBreesrkQDe7uTuQPhJDjbZ8knw'],
  [`entry ${'7a'.repeat(32)} from /ip4/192.0.2.2/tcp/1`, `entry ${'7a'.repeat(32)} from /ip4/192.0.2.2/tcp/1`],
])('%s', (text, shown) => {
  expect(scrub(text, ['tiny-secret'])).toBe(shown)
})
