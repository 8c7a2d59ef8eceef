/**
 * All transfers of this node: which run, which wait, who wants them, and what is left of them after a restart.
 *
 * Who owns what: a `Transfer` is one version on its way; its `Download` exists only while it runs; `waiting` holds the
 * queued ones of each kind in order; `saver` has the rows that are to be written.
 */
import type { Clock } from '../clock.ts'
import { chunkCount, type SealedFile, type VersionShape } from '../content/index.ts'
import { codeOf } from '../errors.ts'
import type { Root } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { createBudget } from './budget.ts'
import { createDownload } from './download.ts'
import { TransferCancelledError, TransferNotFoundError, TransferStateError } from './errors.ts'
import { createLimits } from './limits.ts'
import { Meter } from './meter.ts'
import { createProvider } from './provider.ts'
import { classOf, newTransfer, outcome, StopReason, statusOf, type Transfer, type Wish } from './transfer.ts'
import { createTransferSaver, type TransferSaver } from './transfer-saver.ts'
import { createTransferTable } from './transfer-table.ts'
import type {
  TransferClass,
  TransferState,
  TransferStatus,
  Transfers,
  TransfersInit,
  Wanted,
  WantOptions,
} from './types.ts'
import { KINDS, WaitingLines } from './waiting-lines.ts'

/** Transfers that run at once, by who waits for them. */
export const MAX_RUNNING: Readonly<Record<TransferClass, number>> = { fetch: 4, background: 2, smallBackground: 8 }
/** Finished transfers that stay on the list. */
const KEPT_FINISHED = 200
const PROGRESS_MS = 250
/** A background transfer without hope for so long lets another one run (ms). */
const HOPELESS_MS = 20_000
/** Chunks from a reader's position on that go first. */
const READ_AHEAD = 8

/** How a run ended. */
type End = { next: 'done'; file: SealedFile } | { next: 'failed'; error: unknown } | { next: StopReason['next'] }

const OVER: ReadonlySet<TransferState> = new Set(['done', 'failed', 'cancelled'])

export function createTransfers(init: TransfersInit): Transfers {
  return new TransferManager(init)
}

class TransferManager implements Transfers {
  readonly #init: TransfersInit
  readonly #clock: Clock
  readonly #limits: ReturnType<typeof createLimits>
  readonly #budget: ReturnType<typeof createBudget>
  readonly #provider: ReturnType<typeof createProvider>
  readonly #table: ReturnType<typeof createTransferTable> | null
  readonly #saver: TransferSaver
  readonly #all = new Map<string, Transfer>()
  readonly #byRoot = new Map<Root, Transfer>()
  readonly #waiting = new WaitingLines()
  readonly #running = new Set<Transfer>()
  readonly #finished: Transfer[] = []
  readonly #progressListeners = new Set<(status: TransferStatus) => void>()
  readonly #endedListeners = new Set<(status: TransferStatus) => void>()
  #received = 0
  #started = false
  #stopped = false
  #cancelTick: (() => void) | undefined

  constructor(init: TransfersInit) {
    this.#init = init
    this.#clock = init.clock
    this.#limits = createLimits({ clock: init.clock, ...(init.db === undefined ? {} : { db: init.db }) })
    this.#budget = createBudget(init.budgetBytes)
    this.#table = init.db === undefined ? null : createTransferTable(init.db)
    this.#saver = createTransferSaver({
      table: this.#table,
      clock: init.clock,
      onProblem: (error) => init.onProblem?.(error),
    })
    this.#provider = createProvider({
      store: init.store,
      host: init.host,
      clock: init.clock,
      mayFetch: init.mayFetch,
      up: this.#limits.up,
      ...(init.onDamaged === undefined ? {} : { onDamaged: init.onDamaged }),
    })
    this.#load()
  }

  start(): void {
    if (this.#started || this.#stopped) return
    this.#started = true
    this.#schedule()
  }

  want(version: VersionShape, options: WantOptions): Wanted {
    const transfer = this.#byRoot.get(version.root) ?? this.#create(version, options)
    const wish: Wish = { kind: options.kind, signal: options.signal }
    transfer.wishes.add(wish)
    if (options.signal === undefined) transfer.kept = true
    if (options.priority !== undefined) this.#setPriority(transfer, options.priority)
    this.#setKind(transfer)
    if (transfer.state === 'paused' && options.kind === 'fetch') this.#enqueue(transfer, false)
    this.#saver.changed(transfer)
    this.#schedule()
    return { id: transfer.id, done: this.#follow(transfer, wish) }
  }

  list(): TransferStatus[] {
    const current = [...this.#running, ...this.#waiting.all()]
    const paused = [...this.#all.values()].filter((each) => each.state === 'paused')
    return [...current, ...paused, ...this.#finished.toReversed()].map(statusOf)
  }

  get(id: string): TransferStatus {
    return statusOf(this.#find(id))
  }

  byRoot(root: Root): TransferStatus | null {
    const transfer = this.#byRoot.get(root)
    return transfer === undefined ? null : statusOf(transfer)
  }

  async pause(id: string): Promise<TransferStatus> {
    const transfer = this.#find(id)
    if (transfer.state === 'paused') return statusOf(transfer)
    if (OVER.has(transfer.state)) throw new TransferStateError(id, transfer.state, 'paused')
    await this.#halt(transfer, 'paused')
    return statusOf(transfer)
  }

  async resume(id: string): Promise<TransferStatus> {
    const transfer = this.#find(id)
    if (transfer.state === 'failed') return this.get(this.#again(transfer).id)
    if (transfer.state === 'done' || transfer.state === 'cancelled')
      throw new TransferStateError(id, transfer.state, 'resumed')
    if (transfer.state === 'paused') {
      this.#enqueue(transfer, false)
      this.#saver.changed(transfer)
      this.#schedule()
    }
    return statusOf(transfer)
  }

  async cancel(id: string): Promise<TransferStatus> {
    const transfer = this.#find(id)
    if (OVER.has(transfer.state)) this.#forget([transfer])
    else await this.#halt(transfer, 'cancelled')
    return statusOf(transfer)
  }

  async cancelRoot(root: Root): Promise<void> {
    const transfer = this.#byRoot.get(root)
    if (transfer !== undefined) await this.#halt(transfer, 'cancelled')
  }

  order(ids: readonly string[]): void {
    for (const transfer of ids.map((id) => this.#find(id)).toReversed()) {
      this.#waiting.toFront(transfer)
      this.#saver.changed(transfer)
    }
  }

  prioritise(root: Root, index: number): void {
    const transfer = this.#byRoot.get(root)
    if (transfer === undefined) return
    const end = Math.min(chunkCount(transfer.version), index + READ_AHEAD)
    this.#setPriority(
      transfer,
      Array.from({ length: Math.max(0, end - index) }, (_, at) => index + at),
    )
  }

  refresh(root?: Root): void {
    for (const transfer of this.#running) {
      if (root === undefined || transfer.version.root === root) transfer.run?.download.refresh()
    }
  }

  limits() {
    return this.#limits.get()
  }

  setLimits(rates: Parameters<Transfers['setLimits']>[0]) {
    return this.#limits.set(rates)
  }

  recheck(root?: Root): Promise<void> {
    return this.#provider.recheck(root)
  }

  onProgress(listener: (status: TransferStatus) => void): () => void {
    this.#progressListeners.add(listener)
    return () => void this.#progressListeners.delete(listener)
  }

  onEnded(listener: (status: TransferStatus) => void): () => void {
    this.#endedListeners.add(listener)
    return () => void this.#endedListeners.delete(listener)
  }

  totals() {
    let receivedBytes = this.#received
    for (const { run } of this.#running) receivedBytes += run?.download.progress().received ?? 0
    return {
      sentBytes: this.#provider.sentBytes,
      receivedBytes,
      clients: this.#provider.clients,
      receiving: this.#budget.used,
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#provider.stop()
    this.#cancelTick?.()
    const ended = [...this.#running].map((transfer) => {
      transfer.run?.stop.abort(new StopReason('stopped'))
      return transfer.run?.ended
    })
    await Promise.all(ended)
    for (const transfer of this.#byRoot.values()) transfer.outcome.reject(new TransferCancelledError(transfer.id))
    this.#saver.stop()
  }

  // ------------------------------------------------------------------------------------------------- the list

  #find(id: string): Transfer {
    const transfer = this.#all.get(id)
    if (transfer === undefined) throw new TransferNotFoundError(id)
    return transfer
  }

  #create(version: VersionShape, options: Pick<WantOptions, 'kind' | 'fileId'>): Transfer {
    const transfer = newTransfer(version, options, this.#clock.now())
    this.#add(transfer)
    this.#enqueue(transfer, true)
    return transfer
  }

  /** failed -> queued: under the same id, with a promise of its own. */
  #again(transfer: Transfer): Transfer {
    const running = this.#byRoot.get(transfer.version.root)
    if (running !== undefined) return running
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
    this.#enqueue(fresh, true)
    this.#saver.changed(fresh)
    this.#schedule()
    return fresh
  }

  #add(transfer: Transfer): void {
    this.#all.set(transfer.id, transfer)
    this.#byRoot.set(transfer.version.root, transfer)
  }

  /** anything -> queued @param last behind all others, else by its position */
  #enqueue(transfer: Transfer, last: boolean): void {
    transfer.state = 'queued'
    if (last) this.#waiting.addLast(transfer)
    else this.#waiting.add(transfer)
  }

  #setPriority(transfer: Transfer, indexes: readonly number[]): void {
    transfer.priority = indexes
    transfer.run?.download.prioritise(indexes)
  }

  /** The most urgent of those who want it decides. */
  #setKind(transfer: Transfer): void {
    const kind = KINDS.find((each) => [...transfer.wishes].some((wish) => wish.kind === each))
    if (kind === undefined || kind === transfer.kind) return
    const wasWaiting = this.#waiting.remove(transfer)
    transfer.kind = kind
    if (wasWaiting) this.#enqueue(transfer, false)
    transfer.run?.download.setUrgent(kind === 'fetch')
  }

  /** What one who wants it sees of it. */
  async #follow(transfer: Transfer, wish: Wish): Promise<SealedFile> {
    const { signal } = wish
    if (signal === undefined) return transfer.outcome.promise
    const gone = Promise.withResolvers<never>()
    const leave = () => {
      gone.reject(signal.reason)
      this.#unwish(transfer, wish)
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([transfer.outcome.promise, gone.promise])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #unwish(transfer: Transfer, wish: Wish): void {
    if (!transfer.wishes.delete(wish) || OVER.has(transfer.state)) return
    if (transfer.wishes.size === 0 && !transfer.kept) void this.#halt(transfer, 'cancelled')
    else this.#setKind(transfer)
    this.#schedule()
  }

  // ------------------------------------------------------------------------------------------------- running

  #limit(which: TransferClass): number {
    return this.#init.maxRunning?.[which] ?? MAX_RUNNING[which]
  }

  #count(which: TransferClass): number {
    let count = 0
    for (const transfer of this.#running) if (classOf(transfer) === which) count += 1
    return count
  }

  /** Starts what may run: a person's first, then help for those who leave, then replication. */
  #schedule(): void {
    if (!this.#started || this.#stopped) return
    for (const kind of KINDS) {
      for (const transfer of this.#waiting.of(kind)) {
        const room = (which: TransferClass) => this.#count(which) < this.#limit(which)
        if (kind === 'fetch' ? !room('fetch') : !room('background') && !room('smallBackground')) break
        if (room(classOf(transfer))) this.#run(transfer)
      }
    }
    if (this.#running.size > 0) this.#cancelTick ??= this.#clock.after(PROGRESS_MS, () => this.#tick())
  }

  /** queued -> running */
  #run(transfer: Transfer): void {
    const { root } = transfer.version
    this.#waiting.remove(transfer)
    transfer.state = 'running'
    const stop = new AbortController()
    const before = new Map(transfer.sources)
    const download = createDownload({
      version: transfer.version,
      store: this.#init.store,
      host: this.#init.host,
      clock: this.#clock,
      random: this.#init.random ?? systemRandom,
      sources: () => this.#init.sourcesOf(root),
      proof: this.#init.proofFor,
      budget: this.#budget,
      limits: this.#limits,
      urgent: transfer.kind === 'fetch',
      onSourceProblem: this.#init.onSourceProblem,
      onFile: (file) => {
        this.#provider.offer(file)
        this.#init.onStarted?.(root)
      },
      onChunk: (index) => this.#provider.arrived(root, index),
      signal: stop.signal,
      noSourceMs: this.#init.noSourceMs,
      priority: transfer.priority,
    })
    const update = () => {
      const { bytes, sources } = download.progress()
      transfer.bytes = Math.max(transfer.bytes, bytes)
      for (const [peer, delivered] of sources) transfer.sources.set(peer, (before.get(peer) ?? 0) + delivered)
    }
    const settle = async () => {
      const end = await download.done.then(
        (file): End => ({ next: 'done', file }),
        (error: unknown): End => (error instanceof StopReason ? { next: error.next } : { next: 'failed', error }),
      )
      update()
      this.#settle(transfer, end)
    }
    this.#running.add(transfer)
    transfer.run = { download, stop, ended: settle(), meter: new Meter(transfer.bytes, this.#clock.now()), before }
  }

  /** running -> done, failed, cancelled, paused, queued; or as it is, when the node stops */
  #settle(transfer: Transfer, end: End): void {
    this.#received += transfer.run?.download.progress().received ?? 0
    transfer.run = null
    this.#running.delete(transfer)
    this.#provider.withdraw(transfer.version.root)
    switch (end.next) {
      case 'done':
        this.#finish(transfer, 'done', null)
        if ('file' in end) transfer.outcome.resolve(end.file)
        break
      case 'failed':
        if ('error' in end) {
          this.#finish(transfer, 'failed', end.error)
          transfer.outcome.reject(end.error)
        }
        break
      case 'cancelled':
        this.#finish(transfer, 'cancelled', null)
        transfer.outcome.reject(new TransferCancelledError(transfer.id))
        break
      case 'paused':
        transfer.state = 'paused'
        this.#saver.changed(transfer)
        break
      case 'queued':
        this.#enqueue(transfer, true)
        this.#saver.changed(transfer)
        break
      case 'stopped':
        transfer.state = 'queued'
        this.#saver.changed(transfer)
        break
    }
    this.#schedule()
  }

  /** queued, running, paused -> paused, cancelled */
  async #halt(transfer: Transfer, next: 'paused' | 'cancelled'): Promise<void> {
    const { run } = transfer
    if (run !== null) {
      run.stop.abort(new StopReason(next))
      await run.ended
      // meanwhile it may have ended by itself, or for another reason
      if (!OVER.has(transfer.state) && transfer.state !== next) await this.#halt(transfer, next)
      return
    }
    this.#waiting.remove(transfer)
    this.#settle(transfer, { next })
  }

  #finish(transfer: Transfer, state: 'done' | 'failed' | 'cancelled', error: unknown): void {
    transfer.state = state
    transfer.finished = this.#clock.now()
    if (state === 'done') transfer.bytes = transfer.version.size
    if (error !== null)
      transfer.error = { code: codeOf(error), message: error instanceof Error ? error.message : String(error) }
    transfer.wishes.clear()
    if (this.#byRoot.get(transfer.version.root) === transfer) this.#byRoot.delete(transfer.version.root)
    this.#finished.push(transfer)
    this.#saver.changed(transfer)
    this.#forget(this.#finished.slice(0, Math.max(0, this.#finished.length - KEPT_FINISHED)))
    this.#tell(this.#endedListeners, transfer)
  }

  /** A listener that throws keeps neither the others nor the transfer from going on. */
  #tell(listeners: ReadonlySet<(status: TransferStatus) => void>, transfer: Transfer): void {
    const status = statusOf(transfer)
    for (const listener of [...listeners]) {
      try {
        listener(status)
      } catch (error) {
        this.#init.onProblem?.(error)
      }
    }
  }

  #forget(transfers: readonly Transfer[]): void {
    if (transfers.length === 0) return
    for (const transfer of transfers) {
      this.#all.delete(transfer.id)
      const at = this.#finished.indexOf(transfer)
      if (at !== -1) this.#finished.splice(at, 1)
    }
    this.#saver.forget(transfers)
  }

  #tick(): void {
    this.#cancelTick = undefined
    if (this.#stopped || this.#running.size === 0) return
    this.#cancelTick = this.#clock.after(PROGRESS_MS, () => this.#tick())
    const now = this.#clock.now()
    for (const transfer of [...this.#running]) {
      const { run } = transfer
      if (run === null) continue
      const changed = run.meter.observe(run.download.progress().bytes, now)
      if (changed) this.#tell(this.#progressListeners, transfer)
      // one that nobody can serve now must not keep others waiting
      const isStuck = transfer.kind !== 'fetch' && run.download.hopelessMs() >= HOPELESS_MS
      if (isStuck && this.#waiting.hasBackground) run.stop.abort(new StopReason('queued'))
    }
  }

  // ------------------------------------------------------------------------------------------------- on disk

  #load(): void {
    for (const row of this.#table?.load() ?? []) {
      const transfer: Transfer = {
        ...row,
        wishes: new Set(),
        outcome: outcome(),
        sources: new Map(row.sources),
        priority: [],
        run: null,
      }
      this.#waiting.seen(row.position)
      if (OVER.has(row.state)) {
        this.#all.set(row.id, transfer)
        this.#finished.push(transfer)
        continue
      }
      this.#add(transfer)
      // whoever waited for it is gone, and said that nobody else did
      if (!row.kept) this.#settle(transfer, { next: 'cancelled' })
      else {
        transfer.wishes.add({ kind: row.kind, signal: undefined })
        if (row.state !== 'paused') this.#enqueue(transfer, false)
      }
    }
    this.#finished.sort((a, b) => (a.finished ?? 0) - (b.finished ?? 0))
  }
}
