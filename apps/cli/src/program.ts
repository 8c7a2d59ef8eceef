/** Builds commander's tree from the specs of the commands. */
import { readFileSync } from 'node:fs'
import { Command, Help } from 'commander'
import type { CommandSpec } from './command.ts'
import { createContext, defaultDataDir, type GlobalOptions } from './context.ts'
import { noteSubject, UsageError } from './errors.ts'
import { LANGUAGES, languageOf, say } from './messages/index.ts'
import { inWords } from './usage.ts'

/** @throws {Error} before a language is spoken */
export function buildProgram(specs: readonly CommandSpec[], signal: AbortSignal): Command {
  const { help } = say()
  const program = newCommand('malote', help.program.summary)
    .helpCommand('help [command]', help.program.help)
    .version(ownVersion(), '-V, --version', help.program.version)
    // what stands behind a subcommand is the subcommand's: `fetch --version 2` is no question about Malote's version
    .enablePositionalOptions()
    .addHelpText('after', `\n${help.program.start}`)
  for (const spec of specs) program.addCommand(build(spec, signal))
  return program
}

function newCommand(name: string, summary: string): Command {
  const { help, titles } = say()
  const standard = new Help()
  return (
    new Command(name)
      .description(summary)
      .exitOverride()
      // told by `main`, once, in the form that was asked for
      .configureOutput({ outputError: () => {} })
      .configureHelp({
        // every command has options: saying so in each line tells nothing
        subcommandTerm: (command) => inWords(termOf(command)),
        commandUsage: (command) => inWords(standard.commandUsage(command)),
        optionTerm: (option) => inWords(standard.optionTerm(option)),
        argumentTerm: (argument) => inWords(`<${argument.name()}>`).slice(1, -1),
        styleTitle: (title) => titles[title] ?? title,
      })
      .helpOption('-h, --help', help.program.helpOption)
      .option('--data <dir>', help.program.data({ dir: defaultDataDir() }))
      .option('--json', help.program.json)
      .option('--quiet', help.program.quiet)
      .option('--lang <language>', help.program.lang, parseLanguage)
  )
}

/** Chosen long before, by `chooseLanguage`; here it is only seen whether it is one. @throws {UsageError} */
function parseLanguage(given: string): string {
  if (languageOf(given) !== null) return given
  throw new UsageError(say().usage.notALanguage({ given: JSON.stringify(given), languages: LANGUAGES.join(', ') }))
}

function build(spec: CommandSpec, signal: AbortSignal): Command {
  const [name = '', ...args] = spec.usage.split(' ')
  const command = newCommand(name, spec.summary())
  for (const arg of args) command.argument(arg)
  spec.options?.(command)
  if (spec.synopsis !== undefined) command.usage(spec.synopsis)
  command.addHelpText(
    'after',
    `\n${say().help.program.examples}\n${spec.examples.map((example) => `  $ ${example}`).join('\n')}`,
  )
  const act = spec.run ?? spec.runMany
  if (act !== undefined) {
    command.action(async (...given: unknown[]) => {
      const options = command.optsWithGlobals() as GlobalOptions & Record<string, unknown>
      // commander adds the options and the command behind the arguments
      const values = given.slice(0, -2)
      try {
        await act(createContext(options, signal), values as never[], options)
      } catch (error) {
        const typed = values[args.indexOf('<file>')]
        if (typeof typed === 'string' && typed !== '') noteSubject(error, typed)
        throw error
      }
    })
  }
  if (spec.subcommands !== undefined) command.helpCommand('help [command]', say().help.program.help)
  for (const sub of spec.subcommands ?? []) {
    command.addCommand(build(sub, signal), { isDefault: sub.isDefault ?? false })
  }
  return command
}

function termOf(command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}…` : argument.name()
    return argument.required ? `<${name}>` : `[${name}]`
  })
  return [command.name(), ...args].join(' ')
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
