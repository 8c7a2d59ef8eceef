/**
 * Rows of one table in statements of many rows: entering and leaving SQLite costs as much as a row. What was added
 * stands in the table after `flush`.
 */
import type { Database } from './open.ts'

/** Of these sizes a number of rows is made up. */
const SIZES = [50, 10, 1] as const

export interface BulkInsert {
  /** Values in the order of the columns. Inside `db.write`. */
  add(values: readonly unknown[]): void
  flush(): void
  /** Forgets what was added and not flushed: after a rollback. */
  clear(): void
}

/** @param conflict clause at the end of the statement */
export function createBulkInsert(
  db: Database,
  init: { table: string; columns: readonly string[]; conflict?: string },
): BulkInsert {
  const { table, columns, conflict = '' } = init
  const one = `(${columns.map(() => '?').join(', ')})`
  const sqls = SIZES.map(
    (size) => `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${new Array(size).fill(one).join(', ')} ${conflict}`,
  )
  const width = columns.length
  let waiting: unknown[] = []
  const clear = () => {
    waiting = []
  }
  const flush = () => {
    let at = 0
    for (const [index, size] of SIZES.entries()) {
      while (waiting.length - at >= size * width) {
        db.prepare(sqls[index] ?? '').run(waiting.slice(at, at + size * width))
        at += size * width
      }
    }
    clear()
  }
  return {
    add(values) {
      for (const value of values) waiting.push(value)
      if (waiting.length >= SIZES[0] * width) flush()
    },
    flush,
    clear,
  }
}
