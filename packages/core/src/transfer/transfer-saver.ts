/**
 * Keeps the rows of transfers up to date: a person's at once, those of background transfers together, shortly after. What
 * cannot be written (disk full) is told and tried again: a transfer goes on without its row.
 */
import type { Clock } from '../clock.ts'
import { rowOf, type Transfer } from './transfer.ts'
import type { TransferTable } from './transfer-table.ts'

/** Rows of background transfers are written together after this (ms). */
const SAVE_MS = 250
/** After a failure (ms). */
const AGAIN_MS = 10_000

export interface TransferSaver {
  changed(transfer: Transfer): void
  /** Its row is to go. */
  forget(transfers: readonly Transfer[]): void
  /** Writes what is due. Does not throw. */
  flush(): void
  /** Writes what is due; what changes later is written at once. */
  stop(): void
}

/** @param init.table null: nothing is kept */
export function createTransferSaver(init: {
  table: TransferTable | null
  clock: Clock
  onProblem: (error: unknown) => void
}): TransferSaver {
  const { table, clock } = init
  /** by id: one that is tried again is another object under the same id */
  const due = new Map<string, Transfer>()
  const gone = new Set<string>()
  let isStopped = false
  let cancel: (() => void) | undefined

  function later(ms: number): void {
    if (!isStopped) cancel ??= clock.after(ms, flush)
  }

  function flush(): void {
    cancel?.()
    cancel = undefined
    if (table === null || (due.size === 0 && gone.size === 0)) return
    try {
      if (gone.size > 0) table.remove([...gone])
      gone.clear()
      table.save([...due.values()].map(rowOf))
      due.clear()
    } catch (error) {
      init.onProblem(error)
      later(AGAIN_MS)
    }
  }

  return {
    changed(transfer) {
      if (table === null) return
      gone.delete(transfer.id)
      due.set(transfer.id, transfer)
      if (transfer.kind === 'fetch' || isStopped) flush()
      else later(SAVE_MS)
    },
    forget(transfers) {
      if (table === null) return
      for (const transfer of transfers) {
        due.delete(transfer.id)
        gone.add(transfer.id)
      }
      flush()
    },
    flush,
    stop() {
      isStopped = true
      flush()
    },
  }
}
