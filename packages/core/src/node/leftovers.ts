/**
 * What the last run did not get to publish, or to remove once it was sealed anew. It goes only when the state is known to
 * be sound: a damaged one must not cost the chunks of what it has lost.
 */
import type { ContentStore } from '../content/index.ts'
import type { Root } from '../ids.ts'

export interface LeftoversInit {
  readonly store: Pick<ContentStore, 'list' | 'remove'>
  isOfUse(root: Root): boolean
  /** resolves when the state was found sound */
  whenSound(): Promise<void>
  readonly closing: AbortSignal
  readonly log: (message: string, error?: unknown) => void
}

/** @returns resolves when nothing is being removed any more; abort `closing` before waiting for it */
export function removeLeftovers({ store, isOfUse, whenSound, closing, log }: LeftoversInit): Promise<void> {
  const useless = store.list().filter(({ root }) => !isOfUse(root))
  if (useless.length === 0) return Promise.resolve()
  return whenSound()
    .then(async () => {
      for (const { root } of useless) {
        if (closing.aborted) return
        if (!isOfUse(root)) await store.remove(root)
      }
    })
    .catch((error: unknown) => log('removing chunks that nothing names', error))
}
