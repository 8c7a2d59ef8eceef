/** The command line: runs one command, and turns its failure into words and an exit code. */
import { showJson } from '@malote/core/show-text'
import { CommanderError } from 'commander'
import { commands } from './commands/index.ts'
import { detailOf, InterruptedError, problemOf, type Told, toldOf } from './errors.ts'
import { chooseLanguage, say, speak, wordsBeforeEnd } from './messages/index.ts'
import { exitCodeOf } from './output/exit-codes.ts'
import { showText } from './output/terminal.ts'
import { buildProgram } from './program.ts'
import { usageText } from './usage.ts'

/** @param argv as in `process.argv` */
export async function main(argv: readonly string[]): Promise<void> {
  const interrupted = new AbortController()
  // once: a second Ctrl-C ends whatever does not come to its end
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new InterruptedError()))
  }
  // a reader that has seen enough (`malote ls | head`) is no failure
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  process.stderr.on('error', () => {}) // nobody reads what we say: nothing to be done
  await speak(chooseLanguage(argv, process.env))
  try {
    await buildProgram(commands, interrupted.signal).parseAsync([...argv])
  } catch (error) {
    process.exitCode = report(interrupted.signal.aborted ? interrupted.signal.reason : error, argv)
  }
}

/** Tells what failed. @returns the exit code */
function report(error: unknown, argv: readonly string[]): number {
  const isJson = wantsJson(argv)
  const told = error instanceof CommanderError ? usageOf(error) : toldOf(error)
  if (told === null) return 0
  if (isJson) process.stdout.write(`${showJson(JSON.stringify(problemOf(told)))}\n`)
  // the help on stderr has said it already
  else if (!(error instanceof CommanderError && error.code === 'commander.help')) {
    process.stderr.write(lineOf({ ...told, detail: detailOf(error, told.detail) }))
  }
  // a fault of ours comes with what is needed to mend it
  if (told.code === 'internal' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return exitCodeOf(told.code)
}

/** One line: what, why, and what to do. */
function lineOf({ code, detail, advice }: Told): string {
  const what = showText(detail).replace(/\.$/, '')
  const name = what === code ? '' : ` (${code})`
  return `malote: ${what}${name}.${advice === undefined ? '' : ` ${showText(advice)}`}\n`
}

/** null: help or version was asked for, and printed. */
function usageOf(error: CommanderError): Told | null {
  if (error.exitCode === 0) return null
  return { code: 'usage', detail: usageText(error), advice: say().usage.advice, fields: {} }
}

/** Read here, since the failure may be that the options cannot be read. */
function wantsJson(argv: readonly string[]): boolean {
  return wordsBeforeEnd(argv).includes('--json')
}
