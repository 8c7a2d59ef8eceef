/** The machines of the guides: a folder each, in which commands are typed, and the nodes that these start. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { cliCommand } from '../support/branch.ts'
import { eventually } from '../support/eventually.ts'
import { type Bindings, matchOutput, realCommand, type Step } from './guide.ts'

/** What only looks may be too early for what comes from another branch: it is looked at again. */
const LOOKS = /^malote (?:status|nodes|ls|show|doctor|transfers|ledger|(?:invite|blacklist|handoff) ls)\b/
const STARTS = /^malote up\b/
/** Free ports, and nobody else's LAN. The last of an option that is given twice counts. */
const ALONE = '--listen /ip4/127.0.0.1/tcp/0 --api 127.0.0.1:0 --no-mdns --no-upnp'
const LOOK_DEADLINE_MS = 20_000
const LOOK_EVERY_MS = 250

interface Printed {
  readonly code: number | null
  readonly text: string
}

export class Machines {
  readonly #root = mkdtempSync(join(tmpdir(), 'malote-guides-'))
  readonly #nodes: ChildProcess[] = []
  readonly #env: NodeJS.ProcessEnv
  #bindings: Bindings = new Map()

  /** @param language as LC_ALL says it */
  constructor(language = 'C.UTF-8') {
    const malote = join(this.#root, 'bin', 'malote')
    mkdirSync(join(this.#root, 'bin'))
    writeFileSync(malote, `#!/bin/sh\nexec ${cliCommand.map((part) => `'${part}'`).join(' ')} "$@"\n`)
    chmodSync(malote, 0o755)
    const PATH = [join(this.#root, 'bin'), process.env.PATH].join(delimiter)
    this.#env = { ...process.env, PATH, NO_COLOR: '1', LC_ALL: language }
  }

  /** Types the command of a step. @throws {Error} it prints something else than the page shows */
  async run(step: Step): Promise<void> {
    const command = realCommand(step.command, this.#bindings)
    if (STARTS.test(command)) return this.#start(step, command)
    const once = async () => this.#compare(step, await this.#type(step.machine, command))
    await (LOOKS.test(command) ? eventually(step.at, once, LOOK_DEADLINE_MS, LOOK_EVERY_MS) : once())
  }

  /** Ends what was started, and removes the folders. */
  async end(): Promise<void> {
    await Promise.all(this.#nodes.map(ended))
    rmSync(this.#root, { recursive: true, force: true })
  }

  async #start(step: Step, command: string): Promise<void> {
    const child = this.#spawn(step.machine, `exec ${command} ${ALONE}`)
    this.#nodes.push(child)
    const text = textOf(child)
    await eventually(step.at, () => /^(?:ready|pronto): /m.test(text()) || child.exitCode !== null, LOOK_DEADLINE_MS)
    this.#compare(step, { code: child.exitCode, text: text() })
  }

  async #type(machine: string, command: string): Promise<Printed> {
    const child = this.#spawn(machine, command)
    const text = textOf(child)
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return { code, text: text() }
  }

  #spawn(machine: string, command: string): ChildProcess {
    const cwd = join(this.#root, machine)
    mkdirSync(cwd, { recursive: true })
    const env = { ...this.#env, MALOTE_DATA: join(cwd, 'data') }
    // as on a terminal: what people see is both, in the order in which it was printed
    return spawn('bash', ['-c', `exec 2>&1; ${command}`], { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] })
  }

  #compare(step: Step, { code, text }: Printed): true {
    const bindings = matchOutput(step.expected, text, this.#bindings)
    const isFailure = step.expected.some((line) => line.startsWith('malote: '))
    if (bindings === null || ((code ?? 0) !== 0) !== isFailure) {
      const shown = step.expected.join('\n')
      throw new Error(`${step.at} $ ${step.command}\n--- the page shows\n${shown}\n--- exit ${code}, printed\n${text}`)
    }
    this.#bindings = bindings
    return true
  }
}

/** What it has printed so far. */
function textOf(child: ChildProcess): () => string {
  const parts: Buffer[] = []
  child.stdout?.on('data', (part: Buffer) => parts.push(part))
  return () => Buffer.concat(parts).toString()
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const end = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await end
}
