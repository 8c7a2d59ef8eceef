/** Commander's own sentences, in the language that is spoken: told apart by its codes, values taken out of its English. */
import type { CommanderError } from 'commander'
import { say } from './messages/index.ts'

type Values = Readonly<Record<string, string>>

/** By commander's code: its sentence, and ours of the same values. */
const SENTENCES: Readonly<Record<string, readonly [RegExp, (values: Values) => string]>> = {
  'commander.missingArgument': [
    /^missing required argument '(?<argument>.+)'$/,
    ({ argument = '' }) => say().usage.missingArgument({ argument: placeholderOf(argument) }),
  ],
  'commander.optionMissingArgument': [
    /^option '(?<option>.+)' argument missing$/,
    ({ option = '' }) => say().usage.optionMissingArgument({ option: inWords(option) }),
  ],
  'commander.missingMandatoryOptionValue': [
    /^required option '(?<option>.+)' not specified$/,
    ({ option = '' }) => say().usage.missingOption({ option: inWords(option) }),
  ],
  'commander.unknownOption': [
    /^unknown option '(?<option>.+?)'(?:\n\(Did you mean (?:one of )?(?<meant>.+)\?\))?$/s,
    ({ option = '', meant }) => say().usage.unknownOption({ option }) + meantText(meant),
  ],
  'commander.unknownCommand': [
    /^unknown command '(?<command>.+?)'(?:\n\(Did you mean (?:one of )?(?<meant>.+)\?\))?$/s,
    ({ command = '', meant }) => say().usage.unknownCommand({ command }) + meantText(meant),
  ],
  'commander.excessArguments': [
    /^too many arguments(?: for '(?<command>.+?)')?\. Expected (?<expected>\d+) arguments? but got (?<received>\d+): (?<words>.*)\.$/s,
    ({ command = 'malote', expected, received, words = '' }) =>
      say().usage.tooMany({ command, expected: Number(expected), received: Number(received), words }),
  ],
}

function meantText(meant: string | undefined): string {
  return meant === undefined ? '' : ` ${say().usage.meant({ meant })}`
}

/** What is wrong with the words that were typed. A sentence that is not known stays English. */
export function usageText({ code, message }: CommanderError): string {
  if (code === 'commander.help') return say().usage.commandMissing
  const text = message.replace(/^error: /, '')
  const [pattern, sentence] = SENTENCES[code] ?? []
  const values = pattern?.exec(text)?.groups
  return (values === undefined ? undefined : sentence?.(values)) ?? text.replaceAll('\n', ' ')
}

/** What stands for a value in a usage, in the language that is spoken: `file` is `arquivo`. */
function placeholderOf(word: string): string {
  return say().placeholders[word] ?? word
}

/** The same for all of them in a text: `--to <node>`, `[options]`, `<path...>`. */
export function inWords(text: string): string {
  return text.replace(/([<[])([\w:-]+)((?:\.\.\.|…)?[>\]])/g, (_whole, open, word, close) => {
    return `${open}${placeholderOf(word)}${close}`
  })
}
