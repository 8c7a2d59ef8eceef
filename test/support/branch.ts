/**
 * One branch office on this machine: a real `malote up` process with a data folder of its own, driven through the
 * command line and the HTTP API as a user would.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

const repository = join(import.meta.dirname, '..', '..')
const node = join(repository, 'node_modules', '.bin', 'node')
const cli = join(repository, 'apps', 'cli', 'bin', 'malote.js')
/** program and first argument of every command, for tests that keep one running */
export const cliCommand = [node, cli] as const

/** What one start of the program has compiled serves the next, without anything being left in the user's own folders. */
export function keepCompiled(): void {
  process.env.NODE_COMPILE_CACHE ??= join(repository, 'node_modules', '.cache', 'malote-compiled')
}

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface Ready {
  event: 'ready'
  api: string
  id: string
  addresses: string[]
}

// biome-ignore lint/suspicious/noExplicitAny: acceptance code reads JSON as a script would, without our types
export type Json = any

/** Runs one command of the built CLI to its end. */
export function malote(
  args: string[],
  options: { env?: NodeJS.ProcessEnv; input?: Buffer; cwd?: string; place?: readonly string[] } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const [program = node, ...rest] = [...(options.place ?? []), node, cli, ...args]
    const child = spawn(program, rest, {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', LC_ALL: 'C.UTF-8', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (part) => out.push(part))
    child.stderr.on('data', (part) => err.push(part))
    child.stdin.on('error', () => {}) // a command that does not read its input may end first
    child.stdin.end(options.input)
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    )
  })
}

/** Where a branch's node runs, when not beside this process: another network namespace, say. */
export interface Place {
  /** in front of the command that starts it; must become it, so that the process is the node */
  readonly command: readonly string[]
  /** multiaddr of its swarm @default what the program does without being told */
  readonly listen?: string
  /** host and port of its API */
  readonly api: string
  /** where this process reaches it, when not there */
  readonly reach?: string
}

const HERE: Place = { command: [], listen: '/ip4/127.0.0.1/tcp/0', api: '127.0.0.1:0' }

export class Branch {
  readonly name: string
  readonly data: string
  readonly #place: Place
  ready: Ready | undefined
  /** beside this process's own, for what is started */
  readonly env: NodeJS.ProcessEnv = {}
  /** what it is told about looking for others, and for a router, on its LAN */
  lan: readonly string[] = ['--no-mdns', '--no-upnp']
  #process: ChildProcess | undefined
  #log: string[] = []

  constructor(name: string, data: string, place: Place = HERE) {
    this.name = name
    this.data = data
    this.#place = place
    mkdirSync(data, { recursive: true })
  }

  /** Starts the node on free ports, of loopback unless it has a place of its own, and resolves with its ready line. */
  async up(flags: string[] = []): Promise<Ready> {
    const { command, listen, api, reach } = this.#place
    const where = ['--api', api, ...(this.#place === HERE ? [] : ['--api-allow-remote'])]
    const swarm = flags.includes('--listen') || listen === undefined ? [] : ['--listen', listen]
    const args = ['up', '--data', this.data, '--json', ...this.lan, ...where, ...swarm, ...flags]
    const [program = node, ...rest] = [...command, node, cli, ...args]
    const child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...this.env },
    })
    this.#process = child
    child.stderr?.on('data', (part) => {
      this.#log.push(String(part))
      if (this.#log.length > 500) this.#log.shift()
    })
    this.ready = await new Promise<Ready>((resolve, reject) => {
      let text = ''
      child.stdout?.on('data', (part) => {
        text += part
        for (const line of text.split('\n').slice(0, -1)) {
          if (line.includes('"ready"')) resolve(JSON.parse(line) as Ready)
        }
      })
      child.once('error', reject)
      child.once('exit', (code, signal) => reject(new Error(`${this.name}: up ended (${code ?? signal}): ${this.log}`)))
    })
    if (reach !== undefined) this.ready = { ...this.ready, api: reach }
    return this.ready
  }

  get log(): string {
    return this.#log.join('')
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Ends the process and waits for its end. @returns exit code, or null after a signal */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#process
    if (child === undefined || !this.isRunning) return child?.exitCode ?? null
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
    child.kill(signal)
    const code = await ended
    const [fault] = /(?:stopping takes too long|something is still open).*/.exec(this.log) ?? []
    if (fault !== undefined) throw new Error(`${this.name}: ${fault}`)
    return code
  }

  run(...args: string[]): Promise<Outcome> {
    return malote([...args, '--data', this.data], { place: this.#place.command })
  }

  /** Runs a command with `--json`; throws with what it printed when it fails. */
  async json(...args: string[]): Promise<Json> {
    const outcome = await this.run(...args, '--json')
    if (outcome.code !== 0)
      throw new Error(
        `${this.name}: malote ${args.join(' ')}: exit ${outcome.code}: ${outcome.stdout}${outcome.stderr}`,
      )
    const lines = outcome.stdout.trim().split('\n')
    return lines.length > 1 ? lines.map((line) => JSON.parse(line)) : JSON.parse(lines[0] as string)
  }

  get token(): string {
    return readFileSync(join(this.data, 'api-token'), 'utf8').trim()
  }

  /** A raw call to the HTTP API with the token. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${this.token}`)
    return fetch(`${this.ready?.api}/api/v1${path}`, { ...init, headers })
  }

  /** The JSON answer of an API call; throws when it is an error. */
  async api(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Json> {
    const { json, ...rest } = init
    const request: RequestInit =
      json === undefined
        ? rest
        : { ...rest, body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }
    const answer = await this.fetch(path, request)
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${this.name}: ${rest.method ?? 'GET'} ${path}: ${answer.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
}

export interface Policy {
  readonly minCopies?: number
  readonly maxCopies?: number
}

/** Founds a network with the first branch and lets the others register; all are up when it resolves. */
export async function foundNetwork(
  branches: readonly Branch[],
  network = 'Rede de teste',
  flags: string[] = [],
  policy: Policy = {},
): Promise<{ recoveryKey: string }> {
  const [first, ...others] = branches
  if (first === undefined) throw new Error('a network needs a branch')
  await Promise.all(branches.map((branch) => branch.up(flags)))
  const founded = await first.api('/network', { method: 'POST', json: { name: network, branch: first.name, policy } })
  for (const branch of others) {
    const { stdout } = await first.run('invite', '--branch', branch.name)
    await branch.json('register', stdout.trim())
  }
  return { recoveryKey: founded.recoveryKey }
}

export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
