/** Which sealed versions a node keeps, and which unfinished ones. */
import type { SharedState } from '../catalogue/index.ts'
import type { ContentStore } from '../content/index.ts'
import type { Root } from '../ids.ts'

/**
 * Whether chunks of this root may still be of use: some version has it, or a version had it, all of it is here, and what it
 * was sealed anew as is not. All else was never published, or is replaced: nobody serves the rest of a former seal.
 */
export function isOfUse(
  root: Root,
  state: Pick<SharedState, 'versionOfRoot' | 'versionReplacing'>,
  store: Pick<ContentStore, 'stat'>,
): boolean {
  if (state.versionOfRoot(root) !== null) return true
  const now = state.versionReplacing(root)
  return now !== null && store.stat(root)?.complete === true && store.stat(now.root)?.complete !== true
}

/**
 * Whether a sealing anew of this root that was cut short may still be gone on with: by a reader, while what it was sealed
 * anew as is not complete here, or by the owner, while the file's present access epoch is newer.
 */
export function isStillToSeal(
  root: Root,
  state: Pick<SharedState, 'file' | 'versionOfRoot' | 'versionReplacing'>,
  store: Pick<ContentStore, 'stat'>,
): boolean {
  const now = state.versionReplacing(root)
  if (now !== null) return store.stat(now.root)?.complete !== true
  const version = state.versionOfRoot(root)
  const file = version === null || version.conflict ? null : state.file(version.file)
  return version !== null && file?.version === version.version && version.epoch < file.epoch
}
