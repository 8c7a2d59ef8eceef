/**
 * Deliberate faults, one or more for each rule of the ledger: the text of the sources that is changed. A rule whose text
 * is no longer there fails the run, so that no fault is left out without a word. `mutation-seeds.json` has the seed that
 * finds each; `npm run simulate -- --mutations --record` writes it.
 */

import type { EndingName } from './endings.ts'
import { contentFaults } from './mutations-contents.ts'
import { entryFaults } from './mutations-entries.ts'
import { fileFaults } from './mutations-files.ts'
import { memberFaults } from './mutations-members.ts'
import { powerFaults } from './mutations-power.ts'
import type { SceneName } from './scenes.ts'

export interface Mutation {
  readonly rule: string
  /** under `packages/core/src` */
  readonly file: string
  /** stands there exactly once */
  readonly find: string
  readonly replace: string
  /** situation in which it shows: such seeds are tried first when one is looked for */
  readonly scene?: SceneName | EndingName
}

export const mutations: readonly Mutation[] = [
  ...entryFaults,
  ...memberFaults,
  ...powerFaults,
  ...fileFaults,
  ...contentFaults,
]
