/** Builds commander's tree from the specs of the commands. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { CommandSpec } from './command.ts'
import { createContext, defaultDataDir, type GlobalOptions } from './context.ts'
import { noteSubject } from './errors.ts'

export function buildProgram(specs: readonly CommandSpec[], signal: AbortSignal): Command {
  const program = newCommand('malote', 'Private media sharing between the branches of a company, with no server.')
    .helpCommand('help [command]', 'show the help of a command')
    .version(ownVersion(), '-V, --version', 'print the version')
    // what stands behind a subcommand is the subcommand's: `fetch --version 2` is no question about Malote's version
    .enablePositionalOptions()
    .addHelpText('after', '\nStart with "malote up", then "malote init" or "malote register <invite>" beside it.')
  for (const spec of specs) program.addCommand(build(spec, signal))
  return program
}

function newCommand(name: string, summary: string): Command {
  return (
    new Command(name)
      .description(summary)
      .exitOverride()
      // told by `main`, once, in the form that was asked for
      .configureOutput({ outputError: () => {} })
      // every command has options: saying so in each line tells nothing
      .configureHelp({ subcommandTerm: termOf })
      .option('--data <dir>', `data folder of the node; else MALOTE_DATA, else ${defaultDataDir()}`)
      .option('--json', 'print JSON')
      .option('--quiet', 'print no progress and no hints')
  )
}

function build(spec: CommandSpec, signal: AbortSignal): Command {
  const [name = '', ...args] = spec.usage.split(' ')
  const command = newCommand(name, spec.summary)
  for (const arg of args) command.argument(arg)
  spec.options?.(command)
  if (spec.synopsis !== undefined) command.usage(spec.synopsis)
  command.addHelpText('after', `\nExamples:\n${spec.examples.map((example) => `  $ ${example}`).join('\n')}`)
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
