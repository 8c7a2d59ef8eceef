/**
 * What the last run did not get to publish, or to remove once it was sealed anew. It goes only when the state is known to
 * be sound: a damaged one must not cost the chunks of what it has lost.
 */
import type { ContentStore } from '../content/index.ts'
import type { Root } from '../ids.ts'

export interface LeftoversInit {
  readonly store: Pick<ContentStore, 'list' | 'remove' | 'unfinished' | 'forgetUnfinished'>
  isOfUse(root: Root): boolean
  isStillToSeal(root: Root): boolean
  /** resolves when the state was found sound */
  whenSound(): Promise<void>
  readonly closing: AbortSignal
  readonly log: (message: string, error?: unknown) => void
}

/** @returns resolves when nothing is being removed any more; abort `closing` before waiting for it */
export function removeLeftovers(init: LeftoversInit): Promise<void> {
  const { store, isOfUse, isStillToSeal, whenSound, closing, log } = init
  const useless = store.list().filter(({ root }) => !isOfUse(root))
  if (useless.length + store.unfinished().length === 0) return Promise.resolve()
  return whenSound()
    .then(async () => {
      for (const { root } of useless) {
        if (closing.aborted) return
        if (!isOfUse(root)) await store.remove(root)
      }
      for (const root of store.unfinished()) {
        if (closing.aborted) return
        if (!isStillToSeal(root)) await store.forgetUnfinished(root)
      }
    })
    .catch((error: unknown) => log('removing chunks that nothing names', error))
}
