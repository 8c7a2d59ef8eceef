/** Sealing anew as both its owner and its readers do it, with what of it was done, and what an earlier run had left. */
import { type ContentStore, type ResealInit, reseal, type SealedFile } from '../content/index.ts'

export interface AnewTotals {
  /** plain bytes sealed since the start of this process */
  readonly sealed: number
  /** those that an earlier run had left, and that were not sealed again */
  readonly left: number
}

type SealInit = Pick<ResealInit, 'from' | 'oldKeys' | 'newKeys' | 'signal' | 'want'>

export interface AnewSealer {
  seal(init: SealInit): Promise<SealedFile>
  totals(): AnewTotals
}

export function createAnewSealer(
  store: Pick<ContentStore, 'beginSealing'>,
  log: (message: string) => void,
): AnewSealer {
  let sealed = 0
  let left = 0
  return {
    async seal(init) {
      const { root, chunk, size, count } = init.from
      let at = 0
      const { file } = await reseal({
        ...init,
        store,
        onBegin(chunks) {
          at = Math.min(chunks * chunk, size)
          left += at
          if (chunks > 0) log(`sealing ${root.slice(0, 12)} anew goes on: ${chunks} of ${count} chunks are here`)
        },
        onProgress(bytes) {
          sealed += bytes - at
          at = bytes
        },
      })
      return file
    },
    totals: () => ({ sealed, left }),
  }
}
