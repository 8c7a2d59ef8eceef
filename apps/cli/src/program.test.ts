/** The tree of commands, without running any. */
import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import type { CommandSpec } from './command.ts'
import { commands } from './commands/index.ts'
import { defaultDataDir } from './context.ts'
import { speak } from './messages/index.ts'
import { buildProgram } from './program.ts'

await speak('en')

interface Parsed {
  usage: string
  args: readonly unknown[]
  options: Readonly<Record<string, unknown>>
}

/** Parses one line with handlers that only take down what they are given. */
async function parse(words: readonly string[]): Promise<Parsed> {
  let parsed: Parsed | undefined
  const note = (spec: CommandSpec): CommandSpec => {
    const { run: _run, runMany: _runMany, ...rest } = spec
    return {
      ...rest,
      ...(spec.run === undefined && spec.runMany === undefined
        ? {}
        : {
            async runMany(_context, args, options) {
              parsed = { usage: spec.usage, args, options }
            },
          }),
      ...(spec.subcommands === undefined ? {} : { subcommands: spec.subcommands.map(note) }),
    }
  }
  const program = buildProgram(commands.map(note), new AbortController().signal)
  program.configureOutput({ writeErr: () => {} })
  await program.parseAsync(['node', 'malote', ...words])
  if (parsed === undefined) throw new Error(`no handler for ${words.join(' ')}`)
  return parsed
}

const all = (specs: readonly CommandSpec[]): CommandSpec[] =>
  specs.flatMap((spec) => [spec, ...all(spec.subcommands ?? [])])

/** As a shell would, up to a pipe or a redirection. */
function wordsOf(line: string): string[] {
  const words = (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''))
  const end = words.findIndex((word) => ['|', '<', '>'].includes(word))
  return end === -1 ? words : words.slice(0, end)
}

describe('help', () => {
  it.each(all(commands).map((spec) => [spec.usage, spec]))('%s has examples that parse', async (_usage, spec) => {
    expect(spec.examples.length).toBeGreaterThan(0)
    for (const example of spec.examples) {
      const words = wordsOf(example.slice(example.indexOf('malote ')))
      await expect(parse(words.slice(1)), example).resolves.toBeDefined()
    }
  })

  it('of every command takes the common options', () => {
    const visit = (command: ReturnType<typeof buildProgram>) => {
      const flags = command.options.map((option) => option.long)
      expect(flags, command.name()).toEqual(expect.arrayContaining(['--data', '--json', '--quiet']))
      expect(new Set(flags).size, command.name()).toBe(flags.length)
      command.commands.forEach(visit)
    }
    visit(buildProgram(commands, new AbortController().signal))
  })
})

it('names the default data folder', () => {
  expect(buildProgram(commands, new AbortController().signal).helpInformation().replace(/\s+/g, ' ')).toContain(
    `else MALOTE_DATA, else ${defaultDataDir()}`,
  )
})

describe('options', () => {
  it.each([
    [['--data', 'X', '--json', 'ls']],
    [['ls', '--data', 'X', '--json']],
    [['--json', 'ls', 'word', '--data=X']],
    [['blacklist', '--data', 'X', 'ls', '--json']],
    [['--data', 'X', 'invite', 'ls', '--json']],
  ])('may stand before or behind: %j', async (words) => {
    expect((await parse(words)).options).toMatchObject({ data: 'X', json: true })
  })

  it('of a subcommand are not taken for those of the program', async () => {
    expect((await parse(['fetch', 'a', '--version', '2'])).options.version).toBe(2)
    expect((await parse(['restore', 'a', '--version', '3'])).options.version).toBe(3)
  })

  it('repeat', async () => {
    const { args, options } = await parse(['upload', 'a', 'b', '--deny', 'Rio', '--deny', 'Natal', '--tag', 'x'])
    expect(args).toEqual([['a', 'b']])
    expect(options).toMatchObject({ deny: ['Rio', 'Natal'], tag: ['x'] })
  })

  it('come after a name that looks like one', async () => {
    expect((await parse(['show', '--json', '--', '--odd.png'])).args).toEqual(['--odd.png'])
  })
})

describe('one word for two things', () => {
  it.each([
    [['handoff', 'poster.png', '--to', 'Rio'], 'offer <file>', ['poster.png']],
    [['handoff', '--to', 'Rio', '--no-wait', 'poster.png'], 'offer <file>', ['poster.png']],
    [['handoff', 'offer', 'ls', '--to', 'Rio'], 'offer <file>', ['ls']],
    [['handoff', 'ls'], 'ls', []],
    [['handoff', 'accept', 'poster.png'], 'accept <file>', ['poster.png']],
    [['invite', '--branch', 'ls'], 'invite', []],
    [['invite', 'ls'], 'ls', []],
    [['transfers'], 'transfers', []],
    [['transfers', 'pause', '--all'], 'pause [id]', [undefined]],
    [['ledger', '--since', '4'], 'ledger', []],
    [['ledger', 'digest'], 'digest', []],
    [['config'], 'show', []],
    [['config', 'show'], 'show', []],
  ])('%j', async (words, usage, args) => {
    expect(await parse(words)).toMatchObject({ usage, args })
  })
})

describe('wrong usage', () => {
  it.each([
    [['nonsense']],
    [['ls', '--nonsense']],
    [['ls', 'a', 'b']],
    [['show']],
    [['upload']],
    [['handoff', 'poster.png']],
    [['handoff']],
    [['blacklist']],
    [['blacklist', 'add', 'poster.png']],
    [['init', '--name', 'x']],
    [[]],
  ])('%j', async (words) => {
    await expect(parse(words)).rejects.toBeInstanceOf(CommanderError)
  })
  it.each([
    [['up', '--port', '70000']],
    [['up', '--api', '7373']],
    [['up', '--capacity', 'much']],
    [['ls', '--limit', '0']],
    [['fetch', 'a', '--version', 'two']],
    [['ledger', '--since', '-1']],
  ])('%j', async (words) => {
    await expect(parse(words)).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('what no node is asked about', () => {
  it.each([
    ['upload a b --name x', '--name is for one file'],
    ['upload -', 'wants --name'],
    ['upload - -', 'can be read once'],
    ['upload a --deny Rio --only Natal', 'exclude each other'],
    ['upload a --wait forever', '--wait is local, durable, replicated'],
    ['fetch a -o - --json', 'stdout'],
    ['limit --up fast', 'not a rate'],
    ['limit --down 0', 'a cap of 0'],
    ['limit --up 10', 'give a unit'],
    ['transfers pause', 'an id, or --all'],
    ['transfers pause t1 --all', 'an id, or --all'],
    ['invite', '--branch'],
    ['invite --branch x --role king', 'member or admin'],
    ['invite --branch x --expires soon', 'not a duration'],
    ['role Olinda king', 'member or admin'],
    ['completion tcsh', 'bash'],
  ])('%s is told what is wrong', async (line, words) => {
    const program = buildProgram(commands, new AbortController().signal)
    const wrong = program.parseAsync(['node', 'malote', '--data', '/nonexistent', ...line.split(' ')])
    await expect(wrong).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(words) })
  })
})

it('loads the node only where a node is run', () => {
  const up = readFileSync(new URL('./commands/up.ts', import.meta.url), 'utf8')
  expect(up).toMatch(/import\('@malote\/core'\)/)
  // the rule `only-up-builds-a-node` watches over all other files
  expect(up).not.toMatch(/^import [^\n]*@malote\/(?:core|api)/m)
})
