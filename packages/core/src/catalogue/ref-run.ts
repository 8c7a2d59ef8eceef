/**
 * Refs that stand in memory until there are enough of them to be put in their places in order: a run of a log-structured
 * merge tree (O'Neil et al. 1996). Pure. Why: decision 0028.
 */

/** A file that names a hash, as `refs` has it. */
export interface RefRow {
  /** `short * 4 + kind`, below 2^49 */
  readonly name: number
  readonly since: number
  /** of the file, from 1 */
  readonly key: number
}

const WIDTH = 3
const FIRST_ROWS = 1024
const NONE = -1

export class RefRun {
  /** name, since and key of one after the other; key 0 where one was removed */
  #rows = new Float64Array(FIRST_ROWS * WIDTH)
  /** of each row the one of the same name that came before it */
  #older = new Int32Array(FIRST_ROWS)
  #length = 0
  #live = 0
  /** the last row of each name */
  readonly #last = new Map<number, number>()

  /** Rows that were added and not removed. */
  get size(): number {
    return this.#live
  }

  /** Rows that take up room. */
  get length(): number {
    return this.#length
  }

  add({ name, since, key }: RefRow): void {
    if (this.#length === this.#older.length) this.#grow()
    const at = this.#length++
    const rows = this.#rows
    rows[at * WIDTH] = name
    rows[at * WIDTH + 1] = since
    rows[at * WIDTH + 2] = key
    this.#older[at] = this.#last.get(name) ?? NONE
    this.#last.set(name, at)
    this.#live += 1
  }

  /** @returns false when it is not here */
  remove(name: number, key: number): boolean {
    for (const at of this.#about(name)) {
      if (this.#rows[at * WIDTH + 2] !== key) continue
      this.#rows[at * WIDTH + 2] = 0
      this.#live -= 1
      return true
    }
    return false
  }

  *named(name: number): Generator<RefRow> {
    for (const at of this.#about(name)) {
      const key = this.#rows[at * WIDTH + 2] as number
      if (key !== 0) yield { name, since: this.#rows[at * WIDTH + 1] as number, key }
    }
  }

  /** Every name that was added, from the lowest to the highest. */
  names(): Float64Array {
    return Float64Array.from(this.#last.keys()).sort()
  }

  *#about(name: number): Generator<number> {
    for (let at = this.#last.get(name) ?? NONE; at !== NONE; at = this.#older[at] ?? NONE) yield at
  }

  #grow(): void {
    const rows = new Float64Array(this.#rows.length * 2)
    rows.set(this.#rows)
    this.#rows = rows
    const older = new Int32Array(this.#older.length * 2)
    older.set(this.#older)
    this.#older = older
  }
}
