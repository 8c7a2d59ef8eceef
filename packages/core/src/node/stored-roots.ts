/** Which sealed versions a node keeps. */
import type { SharedState } from '../catalogue/index.ts'
import type { ContentStore } from '../content/index.ts'
import type { Root } from '../ids.ts'

/**
 * Whether chunks of this root may still be of use: some version has it, or a version had it and what it was sealed anew as
 * is not complete here yet. All else was never published, or is replaced.
 */
export function isOfUse(
  root: Root,
  state: Pick<SharedState, 'versionOfRoot' | 'versionReplacing'>,
  store: Pick<ContentStore, 'stat'>,
): boolean {
  if (state.versionOfRoot(root) !== null) return true
  const now = state.versionReplacing(root)
  return now !== null && store.stat(now.root)?.complete !== true
}
