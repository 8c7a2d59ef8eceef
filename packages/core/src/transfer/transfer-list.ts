/**
 * Which transfers there are, in memory and on disk: those that run, wait or pause, one for each version, and the newest
 * of those that are over. When one runs is the manager's business.
 */
import type { Clock } from '../clock.ts'
import type { VersionShape } from '../content/index.ts'
import type { Database } from '../database/index.ts'
import type { Root } from '../ids.ts'
import { TransferNotFoundError } from './errors.ts'
import { isOver, isStarved, newTransfer, outcome, type Transfer } from './transfer.ts'
import { createTransferSaver, type TransferSaver } from './transfer-saver.ts'
import { createTransferTable, type TransferTable } from './transfer-table.ts'
import type { WantOptions } from './types.ts'
import { WaitingLines } from './waiting-lines.ts'

/** Finished transfers that stay on the list. */
const KEPT_FINISHED = 200
/** Characters of an id that may stand for it. */
const MIN_PREFIX = 4

export interface TransferListInit {
  /** local database; without it nothing survives a restart */
  readonly db: Database | undefined
  readonly clock: Clock
  readonly onProblem: (error: unknown) => void
}

export class TransferList {
  /** the queued ones of each kind, in order */
  readonly waiting = new WaitingLines()
  readonly #clock: Clock
  readonly #table: TransferTable | null
  readonly #saver: TransferSaver
  readonly #all = new Map<string, Transfer>()
  readonly #byRoot = new Map<Root, Transfer>()
  readonly #finished: Transfer[] = []

  constructor({ db, clock, onProblem }: TransferListInit) {
    this.#clock = clock
    this.#table = db === undefined ? null : createTransferTable(db)
    this.#saver = createTransferSaver({ table: this.#table, clock, onProblem })
  }

  /** @param id or the beginning of one alone @throws {TransferNotFoundError} */
  find(id: string): Transfer {
    const transfer = this.#all.get(id) ?? this.#only(id)
    if (transfer === undefined) throw new TransferNotFoundError(id)
    return transfer
  }

  #only(prefix: string): Transfer | undefined {
    if (prefix.length < MIN_PREFIX) return undefined
    const found = [...this.#all.values()].filter(({ id }) => id.startsWith(prefix))
    return found.length === 1 ? found[0] : undefined
  }

  /** Of the version, while it is not over. */
  byRoot(root: Root): Transfer | undefined {
    return this.#byRoot.get(root)
  }

  /** All that are not over. */
  open(): Iterable<Transfer> {
    return this.#byRoot.values()
  }

  paused(): Transfer[] {
    return [...this.#all.values()].filter(({ state }) => state === 'paused')
  }

  /** Those that failed for want of a source and are still wanted. */
  starved(): Transfer[] {
    return this.#finished.filter((each) => isStarved(each) && !this.#byRoot.has(each.version.root))
  }

  /** Newest first. */
  finished(): Transfer[] {
    return this.#finished.toReversed()
  }

  /** A new one, queued behind all others. */
  create(version: VersionShape, options: Pick<WantOptions, 'kind' | 'fileId'>): Transfer {
    const transfer = newTransfer(version, options, this.#clock.now())
    this.#add(transfer)
    this.enqueue(transfer, true)
    return transfer
  }

  /** failed -> queued: under the same id, with a promise of its own. */
  again(transfer: Transfer): Transfer {
    this.#finished.splice(this.#finished.indexOf(transfer), 1)
    const fresh: Transfer = {
      ...transfer,
      outcome: outcome(),
      wishes: new Set([{ kind: transfer.kind, signal: undefined }]),
      kept: true,
      finished: null,
      error: null,
    }
    this.#add(fresh)
    this.enqueue(fresh, true)
    this.changed(fresh)
    return fresh
  }

  /** anything -> queued @param last behind all others, else by its position */
  enqueue(transfer: Transfer, last: boolean): void {
    transfer.state = 'queued'
    if (last) this.waiting.addLast(transfer)
    else this.waiting.add(transfer)
  }

  /** It is over: the oldest of those that are go off the list. */
  finish(transfer: Transfer): void {
    if (this.#byRoot.get(transfer.version.root) === transfer) this.#byRoot.delete(transfer.version.root)
    this.#finished.push(transfer)
    this.changed(transfer)
    this.forget(this.#finished.slice(0, Math.max(0, this.#finished.length - KEPT_FINISHED)))
  }

  forget(transfers: readonly Transfer[]): void {
    if (transfers.length === 0) return
    for (const transfer of transfers) {
      this.#all.delete(transfer.id)
      const at = this.#finished.indexOf(transfer)
      if (at !== -1) this.#finished.splice(at, 1)
    }
    this.#saver.forget(transfers)
  }

  /** Its row is written, soon. */
  changed(transfer: Transfer): void {
    this.#saver.changed(transfer)
  }

  /** Goes on with what the last run left. @returns those that nobody wants any more */
  load(): Transfer[] {
    const unwanted: Transfer[] = []
    for (const row of this.#table?.load() ?? []) {
      const transfer: Transfer = {
        ...row,
        wishes: new Set(),
        outcome: outcome(),
        sources: new Map(row.sources),
        priority: [],
        run: null,
      }
      this.waiting.seen(row.position)
      if (isOver(row.state)) {
        this.#all.set(row.id, transfer)
        this.#finished.push(transfer)
        continue
      }
      this.#add(transfer)
      // whoever waited for it is gone, and said that nobody else did
      if (!row.kept) unwanted.push(transfer)
      else {
        transfer.wishes.add({ kind: row.kind, signal: undefined })
        if (row.state !== 'paused') this.enqueue(transfer, false)
      }
    }
    this.#finished.sort((a, b) => (a.finished ?? 0) - (b.finished ?? 0))
    return unwanted
  }

  /** Writes what is not written yet. */
  stop(): void {
    this.#saver.stop()
  }

  #add(transfer: Transfer): void {
    this.#all.set(transfer.id, transfer)
    this.#byRoot.set(transfer.version.root, transfer)
  }
}
