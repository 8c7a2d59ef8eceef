/**
 * Live entries that came before their predecessor: one feed's entries may take different ways. They wait, bounded and
 * not for long, for the one that is on its way; nothing here counts as known.
 */
import type { EntryId, NodeId } from '../ids.ts'
import type { Entry, SignedBytes } from './types.ts'

/** Entries that wait for their predecessor */
export const EARLY_MAX = 256
/** and their bytes. */
export const EARLY_BYTES = 1024 * 1024
/** Then what lies between is fetched. */
export const EARLY_MS = 500

interface Waiting {
  readonly id: EntryId
  readonly entry: SignedBytes
  readonly peer: NodeId
}

export interface Early {
  /** @returns false when there is no room */
  add(entry: Entry, peer: NodeId): boolean
  /** What follows this entry, once. */
  after(id: EntryId): Waiting | undefined
  size(): number
  /** Gives up on what this peer sent. */
  drop(peer: NodeId): EntryId[]
}

export function createEarly(): Early {
  const byPredecessor = new Map<EntryId, Waiting>()
  let bytes = 0

  function remove(prev: EntryId, { entry }: Waiting): void {
    byPredecessor.delete(prev)
    bytes -= entry.bytes.length
  }

  return {
    add({ id, prev, ...entry }, peer) {
      if (prev === null) return false
      // of a fork the one that came first
      if (byPredecessor.has(prev)) return true
      if (byPredecessor.size >= EARLY_MAX || bytes + entry.bytes.length > EARLY_BYTES) return false
      bytes += entry.bytes.length
      byPredecessor.set(prev, { id, entry: { bytes: entry.bytes, sig: entry.sig, cosig: entry.cosig }, peer })
      return true
    },
    after(id) {
      const waiting = byPredecessor.get(id)
      if (waiting !== undefined) remove(id, waiting)
      return waiting
    },
    size: () => byPredecessor.size,
    drop(peer) {
      const theirs = [...byPredecessor].filter(([, waiting]) => waiting.peer === peer)
      for (const [prev, waiting] of theirs) remove(prev, waiting)
      return theirs.map(([, { id }]) => id)
    },
  }
}
