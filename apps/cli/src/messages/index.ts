/** What is said, in the language that is spoken. One process runs one command, in one language. */
import type { Messages } from './en.ts'
import type { Language } from './language.ts'

export type { Messages } from './en.ts'
export { chooseLanguage, LANGUAGES, type Language, languageOf, wordsBeforeEnd } from './language.ts'

let spoken: Messages | undefined

/** Loads the catalogue of this language, and no other. */
export async function speak(language: Language): Promise<void> {
  const { messages } = await (language === 'pt-BR' ? import('./pt-br.ts') : import('./en.ts'))
  spoken = messages
}

/** The catalogue. @throws {Error} before `speak` */
export function say(): Messages {
  if (spoken === undefined) throw new Error('no language is spoken yet')
  return spoken
}
