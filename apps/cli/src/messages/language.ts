/** Which language is spoken: decided once, before the commands are built, since their help is text too. Pure. */

export const LANGUAGES = ['en', 'pt-BR'] as const
export type Language = (typeof LANGUAGES)[number]

type Environment = Readonly<Record<string, string | undefined>>

/** `pt`, `pt-BR`, `pt_BR.UTF-8` in any case; null for what is neither. */
export function languageOf(text: string): Language | null {
  const [tag = ''] = text.toLowerCase().split(/[-_.@]/, 1)
  return tag === 'pt' ? 'pt-BR' : tag === 'en' ? 'en' : null
}

/**
 * `--lang`, else the first that is set of LC_ALL, LC_MESSAGES and LANG. With `--json` it is English: what a program
 * reads is the same everywhere, the notes beside it included.
 * @param argv as in `process.argv`; read here, since the failure may be that the options cannot be read
 */
export function chooseLanguage(argv: readonly string[], environment: Environment): Language {
  const words = wordsBeforeEnd(argv)
  if (words.includes('--json')) return 'en'
  const given = words.findLast((word, at) => word.startsWith('--lang=') || words[at - 1] === '--lang')
  if (given !== undefined) return languageOf(given.replace(/^--lang=/, '')) ?? 'en'
  const { LC_ALL, LC_MESSAGES, LANG } = environment
  return languageOf(LC_ALL || LC_MESSAGES || LANG || '') ?? 'en'
}

/** What stands behind `--` are no options. */
export function wordsBeforeEnd(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end === -1 ? argv : argv.slice(0, end)
}
