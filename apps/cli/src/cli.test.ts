/** The built command line, run as a user runs it, against the real server over a node in memory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeError, startTestServer, type TestServer } from '../../../packages/api/src/testing.ts'

const bin = fileURLToPath(new URL('../bin/malote.js', import.meta.url))

let server: TestServer
let folder: string
let data: string
let stops: number
const running = new Set<ChildProcess>()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malote-cli-'))
  data = join(folder, 'data')
  stops = 0
  server = await startTestServer({
    onStop: () => {
      stops += 1
      void rm(join(data, 'api.json')).then(() => server.close())
    },
  })
  // a transfer that has ended: the bytes of the node in memory are all here
  Object.assign(server.node.transfers.get('t1'), { state: 'done' })
  await mkdir(data)
  await writeFile(join(data, 'api.json'), JSON.stringify({ url: server.url, pid: process.pid }))
  await writeFile(join(data, 'api-token'), server.token)
})
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL')
  await server.close()
  await rm(folder, { recursive: true })
})

interface Outcome {
  code: number | null
  out: string
  err: string
}

function start(
  args: readonly string[],
  options: { input?: string; data?: string; env?: Readonly<Record<string, string>> } = {},
) {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env: { ...process.env, MALOTE_DATA: options.data ?? data, ...options.env },
  })
  running.add(child)
  const text = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text.out += piece
  })
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text.err += piece
  })
  if (options.input !== undefined) child.stdin.end(options.input)
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      running.delete(child)
      resolve({ code, ...text })
    })
  })
  /** resolves when so much has come on stdout */
  const printed = (lines: number) =>
    new Promise<void>((resolve) => {
      const look = () => text.out.split('\n').length > lines && resolve()
      child.stdout.on('data', look)
      look()
    })
  return { child, ended, printed }
}

const run = (args: readonly string[], options = {}) => start(args, options).ended

/** One JSON document on stdout and nothing else. */
async function json(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const outcome = await run([...args, '--json'])
  expect(outcome.code, outcome.out + outcome.err).toBe(code)
  expect(outcome.out.trimEnd().split('\n')).toHaveLength(1)
  return JSON.parse(outcome.out) as Record<string, unknown>
}

async function failing(args: readonly string[], code: number): Promise<string> {
  const outcome = await run(args)
  expect(outcome.code, outcome.out + outcome.err).toBe(code)
  expect(outcome.out).toBe('')
  return outcome.err
}

describe('usage', () => {
  it.each([[['nonsense']], [['ls', '--nonsense']], [['show']], [['--nonsense', 'ls']]])('%j is wrong', async (args) => {
    expect(await failing(args, 2)).toMatch(/^malote: [^\n]+ \(usage\)\. See "malote --help"\.\n$/)
    expect(await json(args, 2)).toMatchObject({ type: 'about:blank', title: 'Usage', status: 0, code: 'usage' })
  })

  it('is shown where a command is missing', async () => {
    for (const args of [[], ['blacklist']]) expect(await failing(args, 2)).toMatch(/^Usage: malote/)
    const help = await run(['--help'])
    expect([help.code, help.err]).toEqual([0, ''])
    expect(help.out).toContain('blacklist')
    expect((await run(['help', 'fetch'])).out).toContain('malote fetch video.mp4 -o - | ffplay -')
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('the language', () => {
  const pt = { env: { LC_ALL: 'pt_BR.UTF-8' } }

  it('is that of the option or of the environment, for answers and failures', async () => {
    const [listed, missing, wrong] = await Promise.all([
      run(['nodes'], pt),
      run(['ls', '--data', '/nowhere', '--lang', 'pt-BR']),
      run(['ls', '--nonsense'], pt),
    ])
    expect(listed.out).toMatch(/^FILIAL +ESTADO +PAPEL/)
    expect([missing.code, missing.err]).toEqual([
      3,
      'malote: nenhum nó ligado em /nowhere (not-running). Ligue o nó com "malote up".\n',
    ])
    expect([wrong.code, wrong.err]).toEqual([
      2,
      `malote: não existe a opção '--nonsense' (usage). Veja "malote --help".\n`,
    ])
    expect(await failing(['ls', '--lang', 'tlh'], 2)).toContain('not a language: "tlh"')
  })

  it('changes nothing for programs', async () => {
    const commands = [
      ['status'],
      ['nodes'],
      ['ls'],
      ['show', 'poster.png'],
      ['blacklist', 'ls'],
      ['transfers'],
      ['limit'],
      ['ledger'],
      ['ledger', 'digest'],
      ['handoff', 'ls'],
      ['invite', 'ls'],
      ['doctor'],
      ['config'],
      ['completion', 'fish'],
      ['show', 'nothing'],
      ['ls', '--nonsense'],
      ['transfers', 'pause'],
      ['ls', '--data', '/nowhere'],
    ].map((words) => [...words, '--json'])
    for (const words of commands) {
      const [english, portuguese] = await Promise.all([run(words), run(words, pt)])
      expect(portuguese, words.join(' ')).toEqual(english)
    }
  })
})

describe('the node', () => {
  it('is found by --data before or behind the command, or by the environment', async () => {
    const nobody = { data: join(folder, 'nobody') }
    for (const args of [
      ['--data', data, '--json', 'status'],
      ['status', '--json', '--data', data],
    ]) {
      expect(JSON.parse((await run(args, nobody)).out)).toMatchObject({ branch: 'Recife' })
    }
    expect(await json(['status'])).toMatchObject({ branch: 'Recife' })
    const text = await run(['status'])
    expect(text.out).toContain('admin of agency')
  })

  it('outside of a network offers no disk, and says how to come into one', async () => {
    const status = server.node.status()
    const inside = (await run(['status'])).out
    expect(inside).toMatch(/equal with 1 other;[\s\S]*^disk +1 B used, 2 B free/m)
    expect(inside).not.toMatch(/^next/m)
    server.node.status = () => ({ ...status, network: null, branch: null, role: null })
    const outside = (await run(['status'])).out
    expect(outside).toMatch(/^disk +-$/m)
    expect(outside).toMatch(/^next +join a network with `malote register <invite>`/m)
    server.node.status = () => ({ ...status, ledger: { ...status.ledger, inSyncWith: 2 } })
    expect((await run(['status'])).out).toContain('equal with 2 others;')
  })

  it.each(['api', 'swarm'])('tells that the port of its %s is taken', async (which) => {
    const taken = createTcpServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = taken.address() as AddressInfo
      const flags =
        which === 'api'
          ? ['--port', '0', '--api', `127.0.0.1:${port}`]
          : ['--listen', `/ip4/127.0.0.1/tcp/${port}`, '--api', '127.0.0.1:0']
      const err = await failing(['up', '--no-mdns', '--quiet', '--data', join(folder, 'new'), ...flags], 2)
      expect(err).toMatch(/^malote: [^\n]*cannot listen on [^\n]*\(usage\)\. [^\n]*\n$/)
      expect(err).toContain(String(port))
      expect(err).toContain(which === 'api' ? '--api' : '--port')
    } finally {
      await new Promise((resolve) => taken.close(resolve))
    }
  })

  it('that does not run is exit code 3', async () => {
    const nobody = join(folder, 'nobody')
    expect(await failing(['status', '--data', nobody], 3)).toMatch(/\(not-running\)\. Start the node with "malote up"/)
    expect(await json(['status', '--data', nobody], 3)).toMatchObject({
      code: 'not-running',
      title: 'Not running',
      status: 0,
      advice: expect.stringContaining('malote up'),
    })
  })

  it('tells where its settings come from, running or not', async () => {
    // a node of before settings were written down: what its next start would go by
    const shown = (await json(['config', 'show'])).items as { name: string }[]
    expect(shown.slice(0, 3)).toEqual([
      { name: 'dataDir', value: data, from: 'MALOTE_DATA' },
      { name: 'api', value: server.url, from: join(data, 'api.json') },
      { name: 'port', value: '4373', from: 'default' },
    ])
    expect((await json(['config'])).items).toEqual(shown)
    const { items } = await json(['config', 'show', '--data', join(folder, 'nobody')])
    expect(items).toMatchObject([{ from: '--data' }, { value: null, from: 'no node runs' }, ...shown.slice(2)])
  })

  it('tells the settings of the running node, and what waits for its next start', async () => {
    const config = join(data, 'config.toml')
    const settings = [
      { name: 'port', value: '5000', from: '--port' },
      { name: 'upnp', value: 'on', from: 'default' },
    ]
    await writeFile(join(data, 'api.json'), JSON.stringify({ url: server.url, pid: process.pid, settings }))
    await writeFile(config, 'upnp = false\nport = 6000\n')
    expect(await json(['config'])).toMatchObject({
      items: [{}, {}, ...settings],
      afterRestart: [{ name: 'upnp', value: 'off', from: `${config}:1` }],
    })
    expect((await run(['config'])).err).toBe(`after the next start: upnp off (${config}:1)\n`)
    await writeFile(config, 'upnp = false\nprot = 6000\n')
    expect(await failing(['config'], 2)).toMatch(/config\.toml:2: unknown setting "prot";[^\n]* \(config-invalid\)\./)
    expect(await failing(['up', '--port', '0'], 2)).toContain('config.toml:2: unknown setting')
  })

  it('is stopped, and gone when the command ends', async () => {
    const process = spawn('sleep', ['2'])
    const isGone = new Promise<void>((resolve) => process.once('exit', () => resolve()))
    await writeFile(join(data, 'api.json'), JSON.stringify({ url: server.url, pid: process.pid }))
    expect(await json(['down'])).toEqual({ state: 'stopped' })
    await isGone
    expect(stops).toBe(1)
    expect(existsSync(join(data, 'api.json'))).toBe(false)
    expect(await failing(['down'], 3)).toContain('not-running')
  })

  it('gives a browser a code', async () => {
    const { url, code } = await json(['open'])
    expect(url).toBe(`${server.url}/docs`)
    const answer = await server.ask('POST', '/api/v1/session', { body: { code }, headers: { authorization: '' } })
    expect(answer.status).toBe(204)
  })

  it('is examined without a verdict', async () => {
    expect((await run(['doctor'])).out).toBe('ok       clock: fine\n')
    expect(await json(['doctor'])).toMatchObject({ items: [{ name: 'clock' }] })
  })
})

describe('failures of the node', () => {
  it.each([
    ['not-found', 4],
    ['not-owner', 5],
    ['handoff-pending', 6],
    ['no-source', 7],
    ['disk-full', 8],
    ['internal', 1],
  ] as const)('%s ends with %i', async (code, exit) => {
    server.node.failNext('files.list', fakeError(code))
    expect((await run(['ls'])).code).toBe(exit)
    server.node.failNext('files.list', fakeError(code))
    expect(await json(['ls'], exit)).toMatchObject({ type: 'about:blank', code })
  })

  it('keep their fields, and tell the candidates', async () => {
    server.node.failNext('files.get', fakeError('ambiguous', { candidates: ['a1', 'b2'] }))
    expect(await json(['show', 'x'], 2)).toEqual({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code: 'ambiguous',
      detail: 'because of ambiguous',
      advice: 'Do otherwise.',
      candidates: ['a1', 'b2'],
      reason: 'fake',
    })
  })

  it('cannot steer the terminal', async () => {
    expect(await failing(['show', '\u001b[2J\u202e'], 4)).toContain('\\u{1b}[2J\\u{202e}')
  })
})

describe('upload', () => {
  beforeEach(async () => {
    await writeFile(join(folder, 'a.png'), 'aaa')
    await writeFile(join(folder, 'b.png'), 'bbbb')
  })

  it('prints the ids alone on stdout', async () => {
    const outcome = await run(['upload', 'a.png', 'b.png', '--tag', 'x', '--tag', 'y', '--campaign', 'Verão'])
    expect(outcome.code).toBe(0)
    const ids = outcome.out.trimEnd().split('\n')
    expect(ids.map((id) => server.node.files.get(id))).toMatchObject([
      { name: 'a.png', size: 3, tags: ['x', 'y'], campaign: 'Verão' },
      { name: 'b.png', size: 4 },
    ])
    expect(outcome.err).toContain('in the background')
    expect((await run(['upload', 'a.png', '--quiet'])).err).toBe('')
  })

  it('prints one object for each file', async () => {
    const outcome = await run(['upload', 'a.png', 'b.png', '--deny', 'Olinda', '--json'])
    const files = outcome.out.trimEnd().split('\n')
    expect(files.map((line) => JSON.parse(line))).toMatchObject([
      { name: 'a.png', denied: ['Olinda'] },
      { name: 'b.png', denied: ['Olinda'] },
    ])
  })

  it('reads stdin', async () => {
    const { out } = await run(['upload', '-', '--name', 'from.txt', '--type', 'text/x', '--json'], { input: 'hello' })
    expect(JSON.parse(out)).toMatchObject({ name: 'from.txt', size: 5, type: 'text/x' })
  })

  it('looks at every path before it sends the first', async () => {
    await mkdir(join(folder, 'dir'))
    for (const bad of ['missing', 'dir']) {
      expect(await json(['upload', 'a.png', bad], 2)).toMatchObject({ code: 'unreadable', path: bad })
    }
    expect(server.node.files.list().items).toEqual([])
  })

  it('tells what was shared before it failed', async () => {
    const called = server.node.called('publish')
    const upload = run(['upload', 'a.png', 'b.png', '--wait', 'replicated', '--json'])
    await called
    server.node.failNext('write', fakeError('disk-full'))
    const { code, out } = await upload
    expect(code).toBe(8)
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ name: 'a.png' }, { code: 'disk-full' }])
  })

  it('waits for as many copies as was asked', async () => {
    const waiting = server.node.called('waitFor')
    const upload = start(['upload', 'a.png', '--wait', 'durable', '--json'])
    await waiting
    upload.child.kill('SIGINT')
    const { code, out } = await upload.ended
    expect(code).toBe(130)
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ name: 'a.png' }, { code: 'interrupted' }])
    expect(server.node.calls.at(-1)).toMatchObject({ verb: 'waitFor', args: [expect.any(String), 'durable', {}] })
  })

  it('updates, if it is still the version that was seen', async () => {
    const file = server.node.addFile('a.png', Buffer.from('old'))
    expect(await json(['update', file.id, 'b.png', '--if-match', '2'], 6)).toMatchObject({
      code: 'precondition-failed',
    })
    expect(await json(['update', 'a.png', 'b.png', '--if-match', '1'])).toMatchObject({ version: 2, size: 4 })
    expect(await json(['update', 'a.png', 'nowhere'], 2)).toMatchObject({ code: 'unreadable' })
  })
})

describe('identity', () => {
  it('is moved, by file or by stdin, while no node runs', async () => {
    const old = join(folder, 'old')
    const node = start(['up', '--no-mdns', '--no-upnp', '--port', '0', '--api', '127.0.0.1:0', '--data', old])
    await node.printed(1)
    expect(await failing(['identity', 'export', join(folder, 'early'), '--data', old], 6)).toContain('(locked)')
    expect(existsSync(join(folder, 'early'))).toBe(false)
    node.child.kill('SIGTERM')
    await node.ended
    await writeFile(join(folder, 'phrase'), 'correct horse\n')
    const sealing = ['--passphrase-file', 'phrase']
    const path = join(folder, 'branch.malote')
    const exported = await json(['identity', 'export', path, ...sealing, '--data', old])
    expect(exported).toEqual({ id: expect.stringMatching(/^12D3/), isMember: false, path, sealed: true })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await failing(['identity', 'export', path, '--data', old], 6)).toContain('is there already (conflict)')
    const plain = await run(['identity', 'export', '-', '--data', old])
    expect(plain.out).toMatch(/^malote-identity-1:[\w-]+\n$/)
    expect(plain.err).toContain('Not sealed')

    const [one, two] = [join(folder, 'one'), join(folder, 'two')]
    expect(await failing(['identity', 'import', path, '--data', one], 5)).toContain(
      '(unauthorized). Put the passphrase',
    )
    expect(await json(['identity', 'import', path, ...sealing, '--data', one])).toEqual({
      id: exported.id,
      isMember: false,
    })
    expect(await failing(['identity', 'import', path, ...sealing, '--data', one], 6)).toContain('(conflict)')
    expect((await run(['identity', 'import', '-', '--data', two], { input: plain.out })).code).toBe(0)
    for (const copy of [one, two])
      expect(await readFile(join(copy, 'identity'))).toEqual(await readFile(join(old, 'identity')))
    expect(await failing(['identity', 'import', join(folder, 'phrase'), '--data', join(folder, 'x')], 2)).toContain(
      '(unreadable)',
    )
  })
})

describe('service', () => {
  const config = () => join(folder, 'config')
  const unit = () => join(config(), 'systemd', 'user', 'malote.service')
  /** With a systemd, or on a machine that has none. */
  async function service(args: readonly string[], hasSystemd = true) {
    const programs = join(folder, 'bin')
    await mkdir(programs, { recursive: true })
    if (hasSystemd) await writeFile(join(programs, 'systemctl'), '', { mode: 0o755 })
    else await rm(join(programs, 'systemctl'), { force: true })
    return start(['service', ...args], { env: { PATH: programs, XDG_CONFIG_HOME: config() } }).ended
  }

  it('is written, shown and removed, and what to do next is told', async () => {
    const printed = await service(['install', '--print'], false)
    expect(existsSync(unit())).toBe(false)
    const installed = await service(['install'])
    expect(installed.out).toBe(
      `wrote ${unit()}\nnext: systemctl --user daemon-reload && systemctl --user enable --now malote.service\n`,
    )
    expect(await readFile(unit(), 'utf8')).toBe(printed.out)
    expect(printed.out).toContain(`ExecStart=${process.execPath} ${bin} up --data ${data}\n`)
    expect((await service(['install', '--config', 'a.toml', '--json'])).code).toBe(0) // over one of ours
    expect(await readFile(unit(), 'utf8')).toContain(`--config ${join(folder, 'a.toml')}\n`)
    const removed = JSON.parse((await service(['uninstall', '--json'])).out)
    expect(removed).toMatchObject({ removed: true, path: unit(), next: expect.stringContaining('daemon-reload') })
    expect(existsSync(unit())).toBe(false)
    expect((await service(['uninstall'])).out).toContain('is not there')
  })

  it('is refused where it cannot be', async () => {
    if (!existsSync('/run/systemd/system'))
      expect(await service(['install'], false)).toMatchObject({ code: 2, err: expect.stringContaining('no systemd') })
    await mkdir(dirname(unit()), { recursive: true })
    await writeFile(unit(), '[Service]')
    for (const verb of ['install', 'uninstall'])
      expect(await service([verb])).toMatchObject({ code: 6, err: expect.stringContaining('not written by Malote') })
    expect(await readFile(unit(), 'utf8')).toBe('[Service]')
    for (const args of [
      ['--user', '--system'],
      ['--name', '../x'],
      ['--run-as', 'ana'],
      ['--system', '--run-as', 'root'],
    ])
      expect((await service(['install', ...args])).code, args.join(' ')).toBe(2)
  })
})

describe('fetch', () => {
  const content = Buffer.from('the whole content'.repeat(1000))
  beforeEach(() => void server.node.addFile('film.bin', content))

  it('writes under the name of the file, once', async () => {
    const outcome = await run(['fetch', 'film.bin'])
    expect(outcome).toMatchObject({ code: 0, err: '' })
    expect(outcome.out).toContain('film.bin')
    expect(await readFile(join(folder, 'film.bin'))).toEqual(content)
    expect(await json(['fetch', 'film.bin'], 6)).toMatchObject({ code: 'conflict', advice: expect.any(String) })
  })

  it.skipIf(process.platform !== 'linux')('ends where nothing can be written, with bytes still to come', async () => {
    const { id } = server.node.addFile('large.bin', Buffer.alloc(8 << 20))
    expect(await json(['fetch', id, '-o', '/proc/nowhere'], 2)).toMatchObject({ code: 'usage' })
  })

  it('writes over a path that was named, and tells the sources', async () => {
    await writeFile(join(folder, 'out'), 'before')
    expect(await json(['fetch', 'film.bin', '-o', 'out'])).toMatchObject({
      file: { name: 'film.bin', version: 1 },
      path: join(folder, 'out'),
      bytes: content.length,
      transfer: { state: 'done', sources: [{ branch: 'Olinda' }] },
    })
    expect(await readFile(join(folder, 'out'))).toEqual(content)
    expect(server.node.calls.filter(({ verb }) => verb === 'fetch' || verb === 'content')).toMatchObject([
      { args: [expect.any(String), { version: 1 }] },
      { args: [expect.any(String), { version: 1 }] },
    ])
  })

  it('prints the path as it was given, also over a file that is there', async () => {
    for (const _ of [1, 2]) expect((await run(['fetch', 'film.bin', '-o', 'out'])).out).toMatch(/^out {2}/)
    expect((await run(['fetch', 'film.bin', '-o', 'out'])).out).toMatch(/ from Olinda\n$/)
    Object.assign(server.node.transfers.get('t1'), { sources: [] })
    expect((await run(['fetch', 'film.bin', '-o', 'out'])).out).toBe("out  16.6 KiB  from this node's own copy\n")
  })

  it('tells which versions there are', async () => {
    expect(await json(['fetch', 'film.bin', '--version', '9'], 4)).toMatchObject({
      code: 'not-found',
      detail: 'film.bin has no version 9; there is 1',
      versions: [1],
    })
    expect(server.node.calls.filter(({ verb }) => verb === 'fetch')).toEqual([])
  })

  it('names the file as the user did', async () => {
    const { id } = server.node.files.get('film.bin')
    server.node.failNext('fetch', Object.assign(fakeError('denied-node'), { message: `${id} is denied` }))
    expect(await failing(['fetch', 'film.bin'], 5)).toMatch(/^malote: film.bin is denied/)
  })

  it('writes to stdout, and nothing else there', async () => {
    const { code, out } = await run(['fetch', 'film.bin', '-o', '-'])
    expect([code, out]).toEqual([0, content.toString()])
  })

  it('never leaves its folder', async () => {
    await mkdir(join(folder, 'in'))
    const { id } = server.node.addFile('../../../evil\u001b[2J.png', content)
    const outcome = await run(['fetch', id, '-o', 'in'])
    expect(outcome.code).toBe(0)
    expect(outcome.out).not.toContain('\u001b')
    expect(await readdir(join(folder, 'in'))).toEqual(['_._.._.._evil_[2J.png'])
  })

  it('leaves nothing behind when it is interrupted', async () => {
    const half = Promise.withResolvers<void>()
    const forever = Promise.withResolvers<void>()
    let pieces = 0
    server.node.setReading({
      gate: () => {
        pieces += 1
        if (pieces === 4) half.resolve()
        return pieces < 4 ? Promise.resolve() : forever.promise
      },
    })
    const fetching = start(['fetch', 'film.bin', '-o', 'out'])
    await half.promise
    fetching.child.kill('SIGINT')
    const { code, out, err } = await fetching.ended
    forever.resolve()
    expect([code, out]).toEqual([130, ''])
    expect(err).toContain('malote transfers cancel t1')
    expect(await readdir(folder)).toEqual(['data'])
  })

  it('says why the transfer ended', async () => {
    let pieces = 0
    server.node.setReading({
      gate: async () => {
        pieces += 1
        if (pieces === 4) throw new Error('broken off')
      },
    })
    const error = { code: 'no-source', message: 'no branch that has it answers' }
    Object.assign(server.node.transfers.get('t1'), { state: 'failed', error })
    expect(await json(['fetch', 'film.bin', '-o', 'out'], 7)).toMatchObject({
      code: 'no-source',
      detail: 'no branch that has it answers',
      transfer: { id: 't1' },
    })
    expect(await readdir(folder)).toEqual(['data'])
  })

  it('says that there is no source', async () => {
    server.node.failNext('content', fakeError('no-source'))
    expect(await json(['fetch', 'film.bin', '-o', 'out'], 7)).toMatchObject({ code: 'no-source' })
  })
})

describe('files', () => {
  it('are listed as the API lists them', async () => {
    server.node.addFile('a.png', Buffer.from('a'), { copies: { held: 2, target: 5 } })
    expect(await json(['ls', 'word', '--tag', 't', '--deleted', '--limit', '7'])).toEqual({
      items: server.node.files.list().items,
      next: null,
    })
    const { args } = server.node.calls.find(({ verb }) => verb === 'files.list') ?? {}
    expect(args).toEqual([{ q: 'word', tag: 't', deleted: true, limit: 7 }])
    expect((await run(['ls'])).out).toMatch(/NAME.*COPIES[\s\S]*a\.png.*2\/5/)
  })

  it('are shown with versions and readers', async () => {
    const file = server.node.addFile('a.png', Buffer.from('a'), {
      audience: 'except',
      denied: ['12D3KooWOtherOtherOther'],
    })
    expect(await json(['show', 'a.png'])).toMatchObject({
      ...file,
      versions: [{ version: 1, current: true }],
      readers: [{ branch: 'Recife' }],
    })
    expect((await run(['show', 'a.png'])).out).toMatch(
      /^seen by +everyone except Olinda\n +Olinda had access until \S+Z, may have kept a copy$/m,
    )
  })

  it('are removed and brought back', async () => {
    const { id } = server.node.addFile('a.png', Buffer.from('a'))
    expect(await json(['rm', 'a.png'])).toEqual({ id, state: 'deleted' })
    expect(await json(['restore', 'a.png', '--version', '1'])).toMatchObject({ id, state: 'live' })
    expect(await json(['rm', 'a.png', '--purge'])).toEqual({ id, state: 'purged' })
    const removals = server.node.calls.filter(({ verb }) => verb === 'remove')
    expect(removals).toMatchObject([{ args: [id, {}] }, { args: [id, { purge: true }] }])
  })

  it('are denied, all nodes or none', async () => {
    const { id } = server.node.addFile('a.png', Buffer.from('a'))
    expect(await json(['blacklist', 'add', 'a.png', 'Olinda', 'Nowhere'], 4)).toMatchObject({ code: 'not-found' })
    expect(server.node.files.get(id).denied).toEqual([])

    const other = '12D3KooWOtherOtherOther'
    expect(await json(['blacklist', 'add', 'a.png', 'Olinda', '--reseal'])).toMatchObject({
      items: [{ fileId: id, node: other }],
      file: { id, denied: [other] },
    })
    expect(server.node.calls.find(({ verb }) => verb === 'deny')).toMatchObject({
      args: [id, [other], { reseal: true }],
    })
    expect((await run(['blacklist', 'ls'])).out).toMatch(/a\.png +Olinda/)
    expect(await json(['blacklist', 'ls', 'a.png'])).toEqual({ items: [{ fileId: id, node: other }] })
    expect(await json(['blacklist', 'rm', 'a.png', 'Olinda', '--reseal'])).toMatchObject({ items: [] })
    // never by replacing the list: a file that some only may read would then be everyone's but for these
    expect(server.node.calls.find(({ verb }) => verb === 'allow')).toMatchObject({
      args: [id, [other], { reseal: true }],
    })
    expect(server.node.calls.some(({ verb }) => verb === 'setBlacklist')).toBe(false)
    expect(await json(['blacklist', 'set', 'a.png', 'Olinda'])).toMatchObject({ items: [{ node: other }] })
    expect(await json(['blacklist', 'rm', 'a.png', 'Olinda'])).toMatchObject({ items: [], file: { denied: [] } })
    expect(await run(['blacklist', 'set', 'a.png'])).toMatchObject({ out: 'a.png: nobody is denied\n', err: '' })
  })

  it('are denied, and it is told who could read them before', async () => {
    const { id } = server.node.addFile('a.png', Buffer.from('a'))
    const lost = /^Olinda had access until \S+Z, may have kept a copy\n$/
    for (const verb of ['add', 'set']) {
      const { out, err } = await run(['blacklist', verb, id, 'Olinda'])
      expect(out).toBe('a.png: denied to Olinda\n')
      expect(err).toMatch(lost)
    }
    // denied from the start: it never could
    const { seenBy } = server.node.files
    server.node.files.seenBy = (ref) => ({ ...seenBy(ref), hadAccess: [] })
    expect((await run(['blacklist', 'add', id, 'Olinda'])).err).toBe('')
  })
})

describe('ownership', () => {
  beforeEach(() => void server.node.addFile('a.png', Buffer.from('a')))

  it('is offered without waiting', async () => {
    expect(await json(['handoff', 'a.png', '--to', 'Olinda', '--no-wait'])).toMatchObject({
      handoff: { to: { branch: 'Olinda' } },
    })
    expect(await json(['handoff', 'ls'])).toMatchObject({ incoming: [], outgoing: [{ name: 'a.png' }] })
    expect((await run(['handoff', 'ls'])).out).toMatch(/a\.png.*of this branch.*Olinda/)
    expect(await json(['handoff', 'cancel', 'a.png'])).toMatchObject({ handoff: null })
    expect(await json(['handoff', 'decline', 'a.png'])).toMatchObject({ outcome: 'declined' })
    expect(await json(['adopt', 'a.png'])).toMatchObject({ owner: { branch: 'Recife' } })
    expect(await json(['assign', 'a.png', 'Olinda'])).toMatchObject({ name: 'a.png' })
  })

  it('is waited for until it is accepted', async () => {
    const offered = server.node.called('offer')
    const handoff = start(['handoff', 'a.png', '--to', 'Olinda', '--json'])
    await offered
    await server.node.files.cancelOffer('a.png') // ends the offer …
    Object.assign(server.node.files.get('a.png'), { owner: { id: '12D3KooWOtherOtherOther', branch: 'Olinda' } })
    const { code, out } = await handoff.ended
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ owner: { branch: 'Olinda' }, handoff: null })
  })

  it('stays where it was declined', async () => {
    const offered = server.node.called('offer')
    const handoff = run(['handoff', 'a.png', '--to', 'Olinda', '--json'])
    await offered
    await server.node.files.cancelOffer('a.png')
    const { code, out } = await handoff
    expect(code).toBe(5)
    expect(JSON.parse(out)).toMatchObject({ code: 'not-accepted', file: { owner: { branch: 'Recife' } } })
  })
})

describe('transfers', () => {
  it('are listed and changed', async () => {
    expect(await json(['transfers'])).toEqual({ items: server.node.transfers.list() })
    expect(await json(['transfers', 'pause', 't1'])).toMatchObject({ id: 't1', state: 'paused' })
    expect(await json(['transfers', 'pause', '--all'])).toEqual({ items: [] })
    Object.assign(server.node.transfers.get('t1'), { state: 'running' })
    expect(await json(['transfers', 'cancel', '--all'])).toMatchObject({ items: [{ id: 't1', state: 'cancelled' }] })
    expect(await json(['transfers', 'cancel', 'none'])).toMatchObject({ state: 'cancelled' })
  })

  it('are capped', async () => {
    expect(await json(['limit'])).toEqual({ up: null, down: null })
    expect(await json(['limit', '--up', '10MB/s'])).toEqual({ up: 10e6, down: null })
    expect((await run(['limit', '--up', 'unlimited', '--down', '1KiB/s'])).out).toBe('up unlimited, down 1.0 KiB/s\n')
  })
})

describe('ledger', () => {
  const entryOf = (arrival: number, refused: { code: string; reason: string } | null = null) => ({
    arrival,
    id: `entry-${arrival}`,
    kind: 'put',
    author: { id: 'author', branch: 'Recife' },
    feed: 'f/1',
    seq: arrival,
    time: '2026-01-02T03:04:05.000Z',
    subject: null,
    refused,
  })
  let entries: ReturnType<typeof entryOf>[]
  let wake: () => void
  beforeEach(() => {
    entries = [entryOf(1), entryOf(2, { code: 'not-owner', reason: 'the author does not own the file' })]
    server.node.ledger.entries = ({ after = 0, limit = 100 } = {}) => {
      const items = entries.filter(({ arrival }) => arrival > after).slice(0, limit)
      return { items, next: null }
    }
    let waiting = Promise.withResolvers<void>()
    wake = () => waiting.resolve()
    server.node.events.since = async function* (_lastId, { signal }) {
      for (;;) {
        const ended = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => ended.resolve(), { once: true })
        await Promise.race([waiting.promise, ended.promise])
        if (signal.aborted) return
        waiting = Promise.withResolvers()
        const last = entries.at(-1)
        if (last !== undefined) yield { id: 1, time: last.time, type: 'ledger:entry', data: last }
      }
    }
  })

  it('is listed, with what was refused and why', async () => {
    expect(await json(['ledger', '--since', '1'])).toEqual({ items: [entries[1]], next: null })
    expect((await run(['ledger'])).out).toContain('REFUSED (not-owner): the author does not own the file')
  })

  it('is followed, each entry once', async () => {
    const following = start(['ledger', '--follow', '--json'])
    await following.printed(2)
    entries.push(entryOf(3), entryOf(4))
    wake()
    await following.printed(4)
    following.child.kill('SIGINT')
    const { code, out } = await following.ended
    expect(code).toBe(0)
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { arrival: number }).arrival),
    ).toEqual([1, 2, 3, 4])
  })

  it('is followed as far as was asked', async () => {
    const following = start(['ledger', '--follow', '--since', '1', '--limit', '2', '--json'])
    await following.printed(1)
    entries.push(entryOf(3), entryOf(4))
    wake()
    const { code, out } = await following.ended
    expect([code, out.trimEnd().split('\n').length]).toEqual([0, 2])
  })

  it('stops being followed when the node stops', async () => {
    const following = start(['ledger', '--follow', '--json'])
    await following.printed(2)
    const closing = server.close()
    const { code, out } = await following.ended
    await closing
    expect(code, out).toBe(3)
    expect(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ code: 'not-running' })
  })

  it('has a digest, and is recomputed', async () => {
    expect(await json(['ledger', 'digest'])).toMatchObject({ entries: 1, state: 'ab' })
    expect(await json(['ledger', 'verify'])).toMatchObject({ ok: true })
    server.node.ledger.verify = async () => ({
      ok: false,
      entries: 2,
      state: 'ab',
      recomputed: 'cd',
      problems: ['row 1 differs'],
      advice: 'Run this.',
    })
    expect(await json(['ledger', 'verify'], 1)).toMatchObject({ ok: false, problems: ['row 1 differs'] })
  })
})

describe('members', () => {
  it('are listed, invited and judged', async () => {
    expect(await json(['nodes'])).toMatchObject({ items: [{ branch: 'Recife' }, { branch: 'Olinda' }] })
    const invited = await run(['invite', '--branch', 'Natal', '--expires', '1.5h', '--role', 'admin'])
    expect(invited).toMatchObject({ out: 'eyJ.x.y\n', err: '' })
    expect(server.node.calls.at(-1)).toMatchObject({
      args: [{ branch: 'Natal', role: 'admin', expiresInMs: 5_400_000 }, {}],
    })
    const again = await run(['invite', '--branch', 'Recife'])
    expect(again).toMatchObject({ code: 0, out: 'eyJ.x.y\n' })
    expect(again.err).toContain('--replaces "Recife"')
    expect(await json(['invite', 'ls'])).toMatchObject({ items: [{ id: 'ab12cd34' }] })
    expect(await json(['invite', 'revoke', 'ab12cd34'])).toMatchObject({ state: 'revoked' })
    expect(await json(['role', 'Olinda', 'admin'])).toMatchObject({ role: 'admin' })
    expect((await run(['role', 'Olinda', 'member'])).out).toBe('Olinda (12D3KooWOtherOtherOther): role member\n')
    expect(await json(['quarantine', 'Olinda'])).toMatchObject({ state: 'quarantined' })
    expect(await json(['release', 'Olinda'])).toMatchObject({ state: 'member' })
    expect((await run(['expel', 'Olinda'])).out).toContain('waits for: a second admin')
  })

  it('found, join and leave', async () => {
    const founded = await run(['init', '--name', 'Agência', '--branch', 'Recife'])
    expect(founded.out).not.toContain('malote-recovery-key')
    expect(founded.err).toContain('malote-recovery-key')
    expect(await json(['init', '--name', 'Agência', '--branch', 'Recife'])).toMatchObject({
      recoveryKey: 'malote-recovery-key',
    })
    expect((await run(['register', '-', '--via', '10.0.0.1'], { input: ' invite\n' })).code).toBe(0)
    expect(server.node.calls.at(-1)).toMatchObject({
      verb: 'register',
      args: [{ invite: 'invite', via: '10.0.0.1' }, {}],
    })
    expect(await json(['register', 'x'.repeat(100_000)], 5)).toMatchObject({ code: 'invite-invalid' })
    expect(await json(['disconnect'])).toMatchObject({ connected: false })
    expect(await json(['connect'])).toMatchObject({ connected: true })
    await writeFile(join(folder, 'key'), 'the key\n')
    expect(await json(['recover', '--key-file', 'key'])).toMatchObject({ role: 'admin' })
    expect(server.node.calls.at(-1)).toMatchObject({ args: [{ recoveryKey: 'the key' }, {}] })
    expect(await json(['recover', '--key-file', 'nowhere'], 2)).toMatchObject({ code: 'unreadable' })
    expect(await json(['unregister', '--force'])).toEqual({ left: true })
  })

  it('wait for the first other branch', async () => {
    const status = server.node.status()
    const at = (connected: number) => ({ ...status, members: { total: 3, connected } })
    let looks = 0
    server.node.network.connect = async () => at(1)
    server.node.status = () => at(++looks < 3 ? 1 : 2)
    expect((await run(['connect'])).out).toBe('connected to 1 of 2 other branches\n')
    expect(looks).toBe(3)
    server.node.status = () => at(1)
    expect((await run(['connect'])).out).toBe('open; no other branch reached yet\n')
  })

  it('leave with the first and the last line of each phase', async () => {
    const following = server.node.called('since')
    server.node.network.unregister = async () => {
      await following
      const tell = (phase: 'drain' | 'draw' | 'farewell' | 'done', message: string) =>
        server.node.emit('leave:progress', { phase, done: 0, total: 1, message })
      for (const step of ['0 of 2', '1 of 2', '2 of 2']) tell('drain', step)
      tell('draw', 'none')
      tell('farewell', 'begun')
      tell('farewell', 'said')
      tell('done', 'this branch has left the network')
      return { done: Promise.resolve() }
    }
    const { out, err } = await run(['unregister'])
    expect(err.trimEnd().split('\n')).toEqual([
      'drain: 0 of 2',
      'drain: 2 of 2',
      'draw: none',
      'farewell: begun',
      'farewell: said',
    ])
    expect(out.trimEnd().split('\n')).toHaveLength(1)
  })

  it('end a command that waits for stdin with Ctrl-C', async () => {
    const waiting = start(['register', '-'])
    // more than the pipe holds: when it has been written, the command is reading
    await new Promise((resolve) => waiting.child.stdin.write('x'.repeat(900_000), resolve))
    waiting.child.kill('SIGINT')
    expect((await waiting.ended).code).toBe(130)
  })
})
