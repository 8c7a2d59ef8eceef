/** Situations with which small runs end, each in every ninth: after everything else, so that they change nothing before. */
import * as admins from './endings-admins.ts'
import * as files from './endings-files.ts'
import * as members from './endings-members.ts'
import * as spread from './endings-spread.ts'
import type { Scene } from './scenes.ts'

export const endings = {
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

export type EndingName = keyof typeof endings

export const ENDING_NAMES = Object.keys(endings) as EndingName[]
