/**
 * All transfers of this node: who wants them, which run and which wait.
 *
 * Who owns what: a `Transfer` is one version on its way; its `Download` exists only while it runs; `list` knows all of
 * them, the queued ones in order, also over a restart.
 */
import type { Clock } from '../clock.ts'
import { chunkCount, type SealedFile, type VersionShape } from '../content/index.ts'
import { codeOf } from '../errors.ts'
import type { NodeId, Root } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { createBudget } from './budget.ts'
import { createDownload } from './download.ts'
import { TransferCancelledError, TransferStateError } from './errors.ts'
import { createLimits } from './limits.ts'
import { Meter } from './meter.ts'
import { createProvider } from './provider.ts'
import { classOf, isBeingRead, isOver, orGone, StopReason, statusOf, type Transfer, type Wish } from './transfer.ts'
import { TransferList } from './transfer-list.ts'
import type { TransferClass, TransferStatus, Transfers, TransfersInit, Wanted, WantOptions } from './types.ts'
import { takeUnchanged } from './unchanged.ts'
import { KINDS } from './waiting-lines.ts'
import { withWishes } from './wishes.ts'

/** Transfers that run at once, by who waits for them. */
export const MAX_RUNNING: Readonly<Record<TransferClass, number>> = { fetch: 4, background: 2, smallBackground: 8 }
const PROGRESS_MS = 250
/** A background transfer without hope for so long lets another one run (ms). */
const HOPELESS_MS = 20_000
/** Chunks from a reader's position on that go first. */
const READ_AHEAD = 8

/** How a run ended. */
type End = { next: 'done'; file: SealedFile } | { next: 'failed'; error: unknown } | { next: StopReason['next'] }

export function createTransfers(init: TransfersInit): Transfers {
  return new TransferManager(init)
}

class TransferManager implements Transfers {
  readonly #init: TransfersInit
  readonly #clock: Clock
  readonly #limits: ReturnType<typeof createLimits>
  readonly #budget: ReturnType<typeof createBudget>
  readonly #provider: ReturnType<typeof createProvider>
  readonly #list: TransferList
  readonly #running = new Set<Transfer>()
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
    this.#list = new TransferList({ db: init.db, clock: init.clock, onProblem: (error) => init.onProblem?.(error) })
    this.#provider = createProvider({
      store: init.store,
      host: init.host,
      clock: init.clock,
      mayFetch: init.mayFetch,
      up: this.#limits.up,
      ...(init.onDamaged === undefined ? {} : { onDamaged: init.onDamaged }),
    })
    const unwanted = this.#list.load()
    for (const transfer of unwanted) this.#settle(transfer, { next: 'cancelled' })
    this.#list.forget(unwanted)
  }

  start(): void {
    if (this.#started || this.#stopped) return
    this.#started = true
    this.#schedule()
  }

  want(version: VersionShape, options: WantOptions): Wanted {
    const transfer = this.#list.byRoot(version.root) ?? this.#list.create(version, options)
    const wish: Wish = { kind: options.kind, signal: options.signal }
    transfer.wishes.add(wish)
    if (options.signal === undefined) transfer.kept = true
    if (options.priority !== undefined) this.#setPriority(transfer, options.priority)
    this.#setKind(transfer)
    if (transfer.state === 'paused' && options.kind === 'fetch') this.#list.enqueue(transfer, false)
    this.#list.changed(transfer)
    this.#schedule()
    return { id: transfer.id, done: orGone(transfer.outcome.promise, wish.signal, () => this.#unwish(transfer, wish)) }
  }

  list(): TransferStatus[] {
    const current = [...this.#running, ...this.#list.waiting.all()]
    return [...current, ...this.#list.paused(), ...this.#list.finished()].map(statusOf)
  }

  get(id: string): TransferStatus {
    return statusOf(this.#list.find(id))
  }

  byRoot(root: Root): TransferStatus | null {
    const transfer = this.#list.byRoot(root)
    return transfer === undefined ? null : statusOf(transfer)
  }

  async pause(id: string): Promise<TransferStatus> {
    const transfer = this.#list.find(id)
    if (transfer.state === 'paused') return statusOf(transfer)
    if (isOver(transfer.state)) throw new TransferStateError(id, transfer.state, 'paused')
    await this.#halt(transfer, 'paused')
    return statusOf(transfer)
  }

  async resume(id: string): Promise<TransferStatus> {
    const transfer = this.#list.find(id)
    if (transfer.state === 'failed') {
      const again = this.#list.byRoot(transfer.version.root) ?? this.#list.again(transfer)
      this.#schedule()
      return statusOf(again)
    }
    if (transfer.state === 'done' || transfer.state === 'cancelled')
      throw new TransferStateError(id, transfer.state, 'resumed')
    if (transfer.state === 'paused') {
      this.#list.enqueue(transfer, false)
      this.#list.changed(transfer)
      this.#schedule()
    }
    return statusOf(transfer)
  }

  async cancel(id: string): Promise<TransferStatus> {
    const transfer = this.#list.find(id)
    if (isOver(transfer.state)) this.#list.forget([transfer])
    else await this.#halt(transfer, 'cancelled')
    return statusOf(transfer)
  }

  async cancelRoot(root: Root): Promise<void> {
    const transfer = this.#list.byRoot(root)
    if (transfer !== undefined) await this.#halt(transfer, 'cancelled')
  }

  first(id: string): TransferStatus {
    const transfer = this.#list.find(id)
    if (isOver(transfer.state)) throw new TransferStateError(transfer.id, transfer.state, 'put first')
    this.#list.waiting.toFront(transfer)
    this.#list.changed(transfer)
    if (transfer.state === 'queued' && !this.#hasRoom(classOf(transfer))) this.#makeRoom(transfer)
    return statusOf(transfer)
  }

  /** The last of those that run for the same reason waits, unless somebody reads it as it comes. */
  #makeRoom(transfer: Transfer): void {
    const others = [...this.#running].filter(
      (each) => each.kind === transfer.kind && classOf(each) === classOf(transfer) && !isBeingRead(each),
    )
    const [last] = others.sort((a, b) => b.position - a.position)
    last?.run?.stop.abort(new StopReason('displaced'))
  }

  prioritise(root: Root, index: number): void {
    const transfer = this.#list.byRoot(root)
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

  async sourceCame(peer: NodeId): Promise<void> {
    if (!this.#started || this.#stopped) return
    for (const transfer of this.#list.starved()) {
      const sources = await this.#init.sourcesOf(transfer.version.root)
      if (!sources.includes(peer) || this.#init.isWanted?.(transfer.fileId) === false) continue
      // meanwhile it may have been resumed, or taken off the list
      if (!this.#stopped && this.#list.starved().includes(transfer)) this.#list.again(transfer)
    }
    this.#schedule()
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

  isUrgent(): boolean {
    for (const { kind } of this.#running) if (kind === 'fetch') return true
    return this.#provider.isUrgent
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
    for (const transfer of this.#list.open()) transfer.outcome.reject(new TransferCancelledError(transfer.id))
    this.#list.stop()
  }

  // -------------------------------------------------------------------------------------------- who wants what

  #setPriority(transfer: Transfer, indexes: readonly number[]): void {
    transfer.priority = withWishes(transfer.priority, indexes)
    transfer.run?.download.prioritise(indexes)
  }

  /** The most urgent of those who want it decides. */
  #setKind(transfer: Transfer): void {
    const kind = KINDS.find((each) => [...transfer.wishes].some((wish) => wish.kind === each))
    if (kind === undefined || kind === transfer.kind) return
    const wasWaiting = this.#list.waiting.remove(transfer)
    transfer.kind = kind
    if (wasWaiting) this.#list.enqueue(transfer, false)
    transfer.run?.download.setUrgent(kind === 'fetch')
  }

  #unwish(transfer: Transfer, wish: Wish): void {
    if (!transfer.wishes.delete(wish) || isOver(transfer.state)) return
    if (transfer.wishes.size === 0 && !transfer.kept) void this.#halt(transfer, 'unwanted')
    else this.#setKind(transfer)
    this.#schedule()
  }

  // ------------------------------------------------------------------------------------------------- running

  #hasRoom(which: TransferClass): boolean {
    let count = 0
    for (const transfer of this.#running) if (classOf(transfer) === which) count += 1
    return count < (this.#init.maxRunning?.[which] ?? MAX_RUNNING[which])
  }

  /** Starts what may run: a person's first, then help for those who leave, then replication. */
  #schedule(): void {
    if (!this.#started || this.#stopped) return
    for (const kind of KINDS) {
      for (const transfer of this.#list.waiting.of(kind)) {
        const classes: TransferClass[] = kind === 'fetch' ? ['fetch'] : ['background', 'smallBackground']
        if (!classes.some((each) => this.#hasRoom(each))) break
        if (this.#hasRoom(classOf(transfer))) this.#run(transfer)
      }
    }
    if (this.#running.size > 0) this.#cancelTick ??= this.#clock.after(PROGRESS_MS, () => this.#tick())
  }

  /** queued -> running */
  #run(transfer: Transfer): void {
    const { root } = transfer.version
    this.#list.waiting.remove(transfer)
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
      makeHere: () => this.#init.makeHere?.(root) ?? null,
      takeUnchanged: (to, onCopied, signal) => {
        const related = this.#init.relatedTo?.(root) ?? []
        return takeUnchanged({ store: this.#init.store, related, to, onCopied, signal })
      },
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
      case 'unwanted':
        // who jumps in a film ends one reading and begins another before the first has let go
        if (transfer.wishes.size > 0) {
          this.#setKind(transfer)
          this.#list.enqueue(transfer, false)
          break
        }
        this.#finish(transfer, 'cancelled', null)
        transfer.outcome.reject(new TransferCancelledError(transfer.id))
        // nobody has cancelled it: those who read a part of a film would fill the list with it
        this.#list.forget([transfer])
        break
      case 'paused':
        transfer.state = 'paused'
        this.#list.changed(transfer)
        break
      case 'queued':
        this.#list.enqueue(transfer, true)
        this.#list.changed(transfer)
        break
      case 'displaced':
        this.#list.enqueue(transfer, false)
        this.#list.changed(transfer)
        break
      case 'stopped':
        transfer.state = 'queued'
        this.#list.changed(transfer)
        break
    }
    this.#schedule()
  }

  /** queued, running, paused -> paused, cancelled; where it is unwanted, only while it is */
  async #halt(transfer: Transfer, next: 'paused' | 'cancelled' | 'unwanted'): Promise<void> {
    const { run } = transfer
    if (run !== null) {
      run.stop.abort(new StopReason(next))
      await run.ended
      // meanwhile it may have ended by itself, or for another reason
      const isWanted = next === 'unwanted' && transfer.wishes.size > 0
      if (!isOver(transfer.state) && transfer.state !== next && !isWanted) await this.#halt(transfer, next)
      return
    }
    this.#list.waiting.remove(transfer)
    this.#settle(transfer, { next })
  }

  #finish(transfer: Transfer, state: 'done' | 'failed' | 'cancelled', error: unknown): void {
    transfer.state = state
    transfer.finished = this.#clock.now()
    if (state === 'done') transfer.bytes = transfer.version.size
    if (error !== null)
      transfer.error = { code: codeOf(error), message: error instanceof Error ? error.message : String(error) }
    transfer.wishes.clear()
    this.#list.finish(transfer)
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
      if (isStuck && this.#list.waiting.hasBackground) run.stop.abort(new StopReason('queued'))
    }
  }
}
