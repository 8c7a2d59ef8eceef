/** Commands of the real CLI, each in both of its voices: text for people, JSON for programs. */
import { expect } from 'vitest'
import type { Branch, Json, Outcome } from './branch.ts'
import { malote } from './branch.ts'

/** What the help lists, by the test file that runs it. A command that stands in neither list has no test. */
export const networkVerbs = [
  ...[
    'up',
    'down',
    'init',
    'register',
    'unregister',
    'connect',
    'disconnect',
    'recover',
    'upgrade',
    'nodes',
    'status',
    'doctor',
  ],
  ...['invite', 'invite ls', 'invite revoke', 'role', 'quarantine', 'release', 'expel'],
  ...['ledger', 'ledger digest', 'ledger verify', 'limit', 'config show', 'open', 'completion'],
]
export const fileVerbs = [
  ...['upload', 'ls', 'show', 'rm', 'restore', 'fetch', 'update'],
  ...['blacklist ls', 'blacklist add', 'blacklist rm', 'blacklist set'],
  ...['handoff', 'handoff ls', 'handoff accept', 'handoff decline', 'handoff cancel', 'adopt', 'assign'],
  ...['transfers', 'transfers ls', 'transfers pause', 'transfers resume', 'transfers first', 'transfers cancel'],
]

/** Those that ask no node; run by `apps/cli/src/cli.test.ts`. */
export const offlineVerbs = ['identity export', 'identity import', 'service install', 'service uninstall']

/** What could steer a terminal, reorder what it shows, or hide in it. A line feed ends a line, and a tab is none of ours. */
const UNSAFE = /[\p{Cf}\p{Co}\p{Zl}\p{Zp}]|(?!\n)\p{Cc}/u

/** Runs commands, and remembers which were run to their end in which voice. */
export class Verbs {
  readonly #known: readonly string[]
  readonly #run = { text: new Set<string>(), json: new Set<string>() }

  constructor(known: readonly string[]) {
    this.#known = known
  }

  /** @returns stdout of a command that succeeds, which is fit for a terminal */
  async text(branch: Branch, args: string[], options: { input?: string } = {}): Promise<string> {
    const outcome = await this.#runs(branch, args, options)
    expect(outcome.code, `malote ${args.join(' ')}: ${outcome.stdout}${outcome.stderr}`).toBe(0)
    expectSafe(outcome)
    this.#note('text', args)
    return outcome.stdout.trimEnd()
  }

  /** @returns the one JSON document of a command that succeeds */
  async json(branch: Branch, args: string[], options: { input?: string } = {}): Promise<Json> {
    const outcome = await this.#runs(branch, [...args, '--json'], options)
    expect(outcome.code, `malote ${args.join(' ')}: ${outcome.stdout}${outcome.stderr}`).toBe(0)
    this.#note('json', args)
    const lines = outcome.stdout.trimEnd().split('\n')
    expect(lines, 'one document').toHaveLength(1)
    return JSON.parse(lines[0] as string)
  }

  /** A command that fails: with this exit code and stable code, in one line for people and one document for programs. */
  async refused(branch: Branch, args: string[], exit: number, code: string): Promise<Json> {
    const spoken = await this.#runs(branch, args)
    expect(spoken.code, `malote ${args.join(' ')}: ${spoken.stdout}${spoken.stderr}`).toBe(exit)
    expect(spoken.stdout).toBe('')
    expect(spoken.stderr.trimEnd().split('\n'), 'one line').toHaveLength(1)
    expect(spoken.stderr).toMatch(/^malote: /)
    expectSafe(spoken)
    const written = await this.#runs(branch, [...args, '--json'])
    expect(written.code).toBe(exit)
    const problem = JSON.parse(written.stdout) as Json
    expect(problem.code, problem.detail).toBe(code)
    expect(typeof problem.detail).toBe('string')
    return problem
  }

  note(voice: 'text' | 'json', args: readonly string[]): void {
    this.#note(voice, args)
  }

  /** Commands of the list that have not been run in both voices. */
  missing(): string[] {
    const voices = ['text', 'json'] as const
    return voices.flatMap((voice) =>
      this.#known.filter((name) => !this.#run[voice].has(name)).map((name) => `${name} (${voice})`),
    )
  }

  #note(voice: 'text' | 'json', [first = '', second = '']: readonly string[]): void {
    const both = `${first} ${second}`
    this.#run[voice].add(this.#known.includes(both) ? both : first)
  }

  #runs(branch: Branch, args: string[], options: { input?: string } = {}): Promise<Outcome> {
    const input = options.input === undefined ? {} : { input: Buffer.from(options.input) }
    return malote([...args, '--data', branch.data], input)
  }
}

export function expectSafe({ stdout, stderr }: Outcome): void {
  for (const text of [stdout, stderr]) expect(text).not.toMatch(UNSAFE)
}
