/** Situations with which small runs end, each in every ninth: after everything else, so that they change nothing before. */
import * as admins from './endings-admins.ts'
import * as contents from './endings-contents.ts'
import * as files from './endings-files.ts'
import * as members from './endings-members.ts'
import * as power from './endings-power.ts'
import * as spread from './endings-spread.ts'
import type { Scene } from './scenes.ts'

const endings = {
  outlaws: members.outlaws,
  quarrel: members.quarrel,
  farewell: members.farewell,
  bargains: files.bargains,
  quiet: spread.quiet,
  succession: admins.succession,
  theft: admins.theft,
  disorder: files.disorder,
  strays: spread.strays,
} satisfies Record<string, Scene>

/** These came later: in every thirteenth run one of them, in turn, is instead of one of those, so that all other seeds stay as they were. */
const laterEndings = {
  clutter: contents.clutter,
  rivalry: power.rivalry,
} satisfies Record<string, Scene>

export const allEndings = { ...endings, ...laterEndings }

export type EndingName = keyof typeof allEndings

const NAMES = Object.keys(endings) as EndingName[]
const LATER_NAMES = Object.keys(laterEndings) as EndingName[]
const LATER_EVERY = 13
const LATER_AT = 10

export function endingOf(seed: number): EndingName | null {
  const isLater = seed % LATER_EVERY === LATER_AT
  const [names, number] = isLater ? [LATER_NAMES, Math.floor(seed / LATER_EVERY)] : [NAMES, seed]
  return names[number % names.length] ?? null
}
