/** The catalogue in Brazilian Portuguese, in the words of docs/pt-BR. */
import type { Messages } from './en.ts'
import { config, failures, wrong } from './pt-br/failures.ts'
import { help, placeholders, titles } from './pt-br/help.ts'
import { errors, refusals, stops, whys } from './pt-br/reported.ts'
import { sentences } from './pt-br/sentences.ts'
import * as told from './pt-br/told.ts'
import { usage } from './pt-br/usage.ts'

export const messages: Messages = {
  decimal: ',',
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
  sentences,
  ...told,
}
