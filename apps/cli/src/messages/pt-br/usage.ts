import type { Messages } from '../en.ts'

export const usage: Messages['usage'] = {
  advice: 'Veja "malote --help".',
  commandMissing: 'falta um comando',
  missingArgument: ({ argument }) => `falta o argumento '${argument}'`,
  optionMissingArgument: ({ option }) => `falta o valor da opção '${option}'`,
  missingOption: ({ option }) => `falta a opção obrigatória '${option}'`,
  unknownOption: ({ option }) => `não existe a opção '${option}'`,
  unknownCommand: ({ command }) => `não existe o comando '${command}'`,
  meant: ({ meant }) => `(Você quis dizer ${meant}?)`,
  tooMany: ({ command, expected, received, words }) =>
    `argumentos demais para '${command}': ${expected === 1 ? 'espera 1' : `espera ${expected}`} e recebeu ${received}: ${words}`,
  notALanguage: ({ given, languages }) => `não é um idioma: ${given} (existem ${languages})`,
}
