/** The queued transfers of each kind, in the order in which they will run. Pure bookkeeping. */
import type { Transfer } from './transfer.ts'
import type { TransferKind } from './types.ts'

/** A person's first, then help for members that leave, then replication. */
export const KINDS: readonly TransferKind[] = ['fetch', 'drain', 'replicate']

export class WaitingLines {
  readonly #lines: Record<TransferKind, Map<string, Transfer>> = {
    fetch: new Map(),
    drain: new Map(),
    replicate: new Map(),
  }
  /** no transfer in the line has a higher position: most are added behind all others, of many */
  readonly #ends: Record<TransferKind, number> = { fetch: 0, drain: 0, replicate: 0 }
  #first = 0
  #last = 0

  of(kind: TransferKind): Iterable<Transfer> {
    return this.#lines[kind].values()
  }

  all(): Transfer[] {
    return KINDS.flatMap((kind) => [...this.#lines[kind].values()])
  }

  get hasBackground(): boolean {
    return this.#lines.drain.size + this.#lines.replicate.size > 0
  }

  /** Positions that were given before a restart stay taken. */
  seen(position: number): void {
    this.#first = Math.min(this.#first, position)
    this.#last = Math.max(this.#last, position)
  }

  addLast(transfer: Transfer): void {
    this.#last += 1
    transfer.position = this.#last
    this.add(transfer)
  }

  /** By the position it has. */
  add(transfer: Transfer): void {
    const line = this.#lines[transfer.kind]
    if (transfer.position >= this.#ends[transfer.kind]) {
      this.#ends[transfer.kind] = transfer.position
      line.set(transfer.id, transfer)
      return
    }
    const behind = [...line.values()].filter((each) => each.position > transfer.position)
    for (const each of behind) line.delete(each.id)
    line.set(transfer.id, transfer)
    for (const each of behind) line.set(each.id, each)
  }

  /** In front of all others of its kind, now if it waits, else when it will. */
  toFront(transfer: Transfer): void {
    this.#first -= 1
    transfer.position = this.#first
    if (this.remove(transfer)) this.add(transfer)
  }

  /** @returns false when it did not wait */
  remove(transfer: Transfer): boolean {
    return this.#lines[transfer.kind].delete(transfer.id)
  }
}
