/** What need not be fetched, because another version that is here has it too. */
import { type ContentStore, copyUnchanged, type SealedFile } from '../content/index.ts'
import type { Root } from '../ids.ts'

export interface UnchangedInit {
  readonly store: Pick<ContentStore, 'get'>
  /** versions that may have chunks in common, best first */
  readonly related: readonly Root[]
  /** its manifest is here */
  readonly to: SealedFile
  readonly onCopied: (index: number) => void
  /** ends it early, without an error: what is missing is fetched, or the transfer is over */
  readonly signal: AbortSignal
}

/** @throws what writing to the store throws */
export async function takeUnchanged({ store, related, to, onCopied, signal }: UnchangedInit): Promise<void> {
  for (const root of related) {
    if (to.complete || signal.aborted) return
    const from = await store.get(root)
    if (from === null || from.manifest === null || from.chunk !== to.chunk) continue
    try {
      await copyUnchanged({ from, to, signal, onCopied })
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}
