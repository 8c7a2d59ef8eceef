/** What README.md tells people to type works: the tour, line by line in a real shell, and the SDK example. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { malote } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { makePhoto } from '../support/media.ts'

const repository = join(import.meta.dirname, '..', '..')
const bin = join(repository, 'node_modules', '.bin')
const readme = readFileSync(join(repository, 'README.md'), 'utf8')
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${bin}${delimiter}${process.env.PATH}`,
  NO_COLOR: '1',
  LC_ALL: 'C.UTF-8',
}
delete env.MALOTE_DATA

let root: string
let children: ChildProcess[]
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'malote-readme-'))
  children = []
  await makePhoto(join(root, 'photo.jpg'), 1)
})
afterEach(async () => {
  await Promise.all(children.map(ended))
  rmSync(root, { recursive: true, force: true })
})

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const end = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await end
}

/** The lines of the tour by terminal, with folders and ports of this test; comments go. */
function tour(): Record<'1' | '2' | '3', string[]> {
  const section = readme.split(/^## /m).find((each) => each.startsWith('Five minutes')) ?? ''
  const terminals: Record<string, string[]> = {}
  let current: string[] = []
  for (const line of section.split('\n').filter((each) => each.startsWith('    '))) {
    const [, terminal] = /^ +# terminal (\d)/.exec(line) ?? []
    if (terminal !== undefined) {
      current = []
      terminals[terminal] = current
      continue
    }
    const command = line
      .replace(/\s+#.*$/, '')
      .trim()
      .replace(/\/tmp\/(sp|rio)\b/g, (_, name) => join(root, name))
      .replace(/(--api 127\.0\.0\.1):\d+/, '$1:0 --no-mdns --no-upnp')
    if (command !== '') current.push(command)
  }
  const { 1: one = [], 2: two = [], 3: three = [] } = terminals
  return { 1: one, 2: two, 3: three }
}

/** One line in a terminal of its own. @returns what it prints, as it grows */
function inTerminal(line: string): () => string {
  const child = spawn('bash', ['-c', `exec ${line}`], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part))
  return () => text
}

/** Line after line in one shell, so that variables stay. */
function openShell() {
  const shell = spawn('bash', ['-u'], { cwd: root, env, stdio: ['pipe', 'ignore', 'inherit'] })
  children.push(shell)
  let count = 0
  return async (line: string): Promise<{ code: number; out: string; err: string }> => {
    const at = join(root, `line-${++count}`)
    shell.stdin.write(`{ ${line}\n} >${at}.out 2>${at}.err </dev/null; echo $? >${at}.tmp; mv ${at}.tmp ${at}.code\n`)
    await eventually(`the end of "${line}"`, () => existsSync(`${at}.code`), 60_000)
    const read = (kind: string) => readFileSync(`${at}.${kind}`, 'utf8')
    return { code: Number(read('code')), out: read('out'), err: read('err') }
  }
}

describe('the five-minute tour', () => {
  it('works as it is written', async () => {
    const { 1: terminal1, 2: terminal2, 3: lines } = tour()
    for (const terminal of [terminal1, terminal2]) {
      expect(terminal).toHaveLength(1)
      const output = inTerminal(terminal[0] ?? '')
      await eventually('the node is ready', () => output().includes('http://127.0.0.1:'))
    }
    const rio = join(root, 'rio')
    const digests = { one: '' }
    const isEmpty = (out: string) => !out.includes('photo.jpg')
    const hasPhoto = (out: string) => out.includes('photo.jpg')
    /** What each line has to print. Lines that only look are looked at again until they show what has to arrive first. */
    const script: { line: string; shows: (out: string, err: string) => boolean; looks?: true }[] = [
      { line: `export MALOTE_DATA=${join(root, 'sp')}`, shows: () => true },
      {
        line: 'malote init --name "Agência Horizonte" --branch "São Paulo"',
        shows: (out, err) => out.includes('Agência Horizonte') && /(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}/.test(err),
      },
      { line: 'INVITE=$(malote invite --branch Rio)', shows: () => true },
      { line: `malote register "$INVITE" --data ${rio}`, shows: (out) => out.includes('Agência Horizonte') },
      {
        line: 'malote nodes',
        looks: true,
        shows: (out) => ['São Paulo', 'Rio'].every((name) => new RegExp(`^.*${name}.*\\bonline\\b`, 'm').test(out)),
      },
      { line: 'malote upload photo.jpg --campaign Verão', shows: (out) => /^[0-9a-f]{32}\n$/.test(out) },
      { line: `malote ls --data ${rio}`, looks: true, shows: hasPhoto },
      { line: `malote fetch photo.jpg -o copy.jpg --data ${rio}`, shows: () => isSame('photo.jpg', 'copy.jpg') },
      { line: 'malote blacklist add photo.jpg Rio', shows: () => true },
      { line: `malote ls --data ${rio}`, looks: true, shows: isEmpty },
      {
        line: 'malote show photo.jpg',
        shows: (out) => /everyone except Rio\n +Rio had access until \S+Z, may have kept a copy/.test(out),
      },
      { line: 'malote blacklist rm photo.jpg Rio', shows: () => true },
      { line: 'malote handoff photo.jpg --to Rio', shows: (out) => out.includes('Rio') },
      {
        line: 'malote ledger digest',
        shows: (out) => {
          digests.one = out
          return /\b[0-9a-f]{64}\b/.test(out)
        },
      },
      { line: `malote ledger digest --data ${rio}`, looks: true, shows: (out) => out === digests.one },
    ]
    const end: typeof script = [
      { line: 'malote down', shows: (out) => out === 'stopped\n' },
      { line: `malote down --data ${rio}`, shows: (out) => out === 'stopped\n' },
    ]
    expect(lines).toEqual([...script, ...end].map(({ line }) => line))

    const run = openShell()
    const follow = async ({ line, shows, looks }: (typeof script)[number]) => {
      const once = async () => {
        const { code, out, err } = await run(line)
        expect(code, `${line}\n${out}${err}`).toBe(0)
        expect(shows(out, err), `${line}\n${out}${err}`).toBe(true)
        return true
      }
      await (looks === true ? eventually(line, once) : once())
    }
    for (const step of script) await follow(step)

    const { owner } = JSON.parse((await malote(['show', 'photo.jpg', '--json', '--data', rio])).stdout)
    expect(owner.branch).toBe('Rio')

    const { url } = JSON.parse(readFileSync(join(root, 'sp', 'api.json'), 'utf8'))
    expect((await fetch(`${url}/docs`)).status).toBe(200)
    const token = readFileSync(join(root, 'sp', 'api-token'), 'utf8').trim()
    const answer = await fetch(`${url}/api/v1/status`, { headers: { authorization: `Bearer ${token}` } })
    expect(answer.status).toBe(200)

    for (const step of end) await follow(step)
    for (const name of ['sp', 'rio']) expect(existsSync(join(root, name, 'api.json'))).toBe(false)
  }, 120_000)

  function isSame(one: string, other: string): boolean {
    return readFileSync(join(root, one)).equals(readFileSync(join(root, other)))
  }
})

describe('every command', () => {
  it('that the tour names takes --help', async () => {
    const names = new Set(tour()[3].flatMap((line) => /\bmalote (\w+)/.exec(line)?.[1] ?? []))
    expect(names.size).toBeGreaterThan(8)
    for (const name of names) {
      const { code, stdout } = await malote([name, '--help'])
      expect(code).toBe(0)
      expect(stdout).toContain(`malote ${name}`)
    }
  })
})

describe('the SDK in ten lines', () => {
  it('runs', async () => {
    const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
    expect(example.trim().split('\n').length).toBeLessThanOrEqual(12)
    const quiet = example.replace("dataDir: './branch'", "dataDir: './branch', port: 0, mdns: false, upnp: false")
    expect(quiet).not.toBe(example)
    symlinkSync(join(repository, 'examples', 'node_modules'), join(root, 'node_modules'))
    writeFileSync(join(root, 'package.json'), '{"type":"module"}')
    writeFileSync(join(root, 'example.ts'), quiet)
    const child = spawn(join(bin, 'node'), ['example.ts'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    const text = { out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (part) => (text.out += part))
    child.stderr.setEncoding('utf8').on('data', (part) => (text.err += part))
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(code, text.err).toBe(0)
    expect(text.err).toBe('')
    const [news, ...sizes] = text.out.trim().split('\n')
    expect(news).toBe('new: photo.jpg')
    expect(sizes.reduce((sum, size) => sum + Number(size), 0)).toBe(readFileSync(join(root, 'photo.jpg')).length)
  })
})
