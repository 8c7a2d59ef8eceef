/** Situations with which small runs end, each in every fifth: after everything else, so that they change nothing before. */
import * as files from './endings-files.ts'
import * as members from './endings-members.ts'
import type { Scene } from './scenes.ts'

export const endings = {
  outlaws: members.outlaws,
  quarrel: members.quarrel,
  farewell: members.farewell,
  bargains: files.bargains,
  quiet: files.quiet,
} satisfies Record<string, Scene>

export type EndingName = keyof typeof endings

export const ENDING_NAMES = Object.keys(endings) as EndingName[]
