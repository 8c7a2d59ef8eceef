/**
 * The catalogue: everything that the command line says to people. `Messages` is the form that each other language has,
 * so that a text which is missing or superfluous there fails the type check. Why: docs/decisions/0052-messages-in-two-languages.md
 */
import { config, failures, wrong } from './en/failures.ts'
import { help, placeholders, titles } from './en/help.ts'
import { errors, refusals, stops, whys } from './en/reported.ts'
import * as told from './en/told.ts'
import { usage } from './en/usage.ts'
import type { Sentence } from './sentences.ts'

export const messages = {
  /** between the whole and the tenths of a number */
  decimal: '.',
  help,
  titles,
  placeholders,
  usage,
  wrong,
  config,
  failures,
  errors,
  stops,
  refusals,
  whys,
  /** of the API, which says them in English */
  sentences: [] as readonly Sentence[],
  ...told,
}

export type Messages = typeof messages
