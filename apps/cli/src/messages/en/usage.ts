/** What is wrong with the words that were typed; most of it commander has found. */
export const usage = {
  advice: 'See "malote --help".',
  commandMissing: 'a command is missing',
  missingArgument: ({ argument }: { argument: string }) => `missing required argument '${argument}'`,
  optionMissingArgument: ({ option }: { option: string }) => `option '${option}' argument missing`,
  missingOption: ({ option }: { option: string }) => `required option '${option}' not specified`,
  unknownOption: ({ option }: { option: string }) => `unknown option '${option}'`,
  unknownCommand: ({ command }: { command: string }) => `unknown command '${command}'`,
  meant: ({ meant }: { meant: string }) => `(Did you mean ${meant}?)`,
  tooMany: (values: { command: string; expected: number; received: number; words: string }) => {
    const { command, expected, received, words } = values
    return `too many arguments for '${command}'. Expected ${expected} argument${expected === 1 ? '' : 's'} but got ${received}: ${words}`
  },
  notALanguage: ({ given, languages }: { given: string; languages: string }) =>
    `not a language: ${given} (there are ${languages})`,
}
