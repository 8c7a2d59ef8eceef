/** Versions that somebody reads through this node right now: their chunks stay until the last reader has finished. */
import type { Root } from '../ids.ts'

export interface Readers {
  /** @returns ends the reading; a second call does nothing */
  begin(root: Root): () => void
  has(root: Root): boolean
  any(): boolean
}

/** @param onIdle called when the last reader of a version has finished */
export function createReaders(onIdle: (root: Root) => void): Readers {
  const counts = new Map<Root, number>()
  return {
    begin(root) {
      counts.set(root, (counts.get(root) ?? 0) + 1)
      let ended = false
      return () => {
        if (ended) return
        ended = true
        const left = (counts.get(root) ?? 1) - 1
        if (left > 0) counts.set(root, left)
        else {
          counts.delete(root)
          onIdle(root)
        }
      }
    },
    has: (root) => counts.has(root),
    any: () => counts.size > 0,
  }
}
