/**
 * One version from many sources at the same time.
 *
 * Who owns what: `picker` knows which chunk is where and decides whom to ask; `links` are the sources, dialling or open;
 * `credit` is this transfer's part of the process-wide receive budget: one for each chunk that is asked for, given back
 * when the chunk was written, refused or its link ended; `file` keeps what was verified, so a transfer that
 * is ended at any moment goes on later from there.
 */
import { release } from '../codec/index.ts'
import { chunkCount, type SealedFile } from '../content/index.ts'
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import type { NodeId } from '../ids.ts'
import { MAX_SOURCES } from './candidates.ts'
import { ChunkCredit } from './chunk-credit.ts'
import { type Link, Links, type OpenLink } from './download-links.ts'
import { type Download, type DownloadInit, type DownloadProgress, NO_SOURCE_MS } from './download-types.ts'
import { NoSourceError, SourceBrokenError } from './errors.ts'
import type { Asked } from './picker-source.ts'
import { Preparation } from './preparation.ts'
import { takeNews } from './source-news.ts'
import { SourcePicker, silentAfter } from './source-picker.ts'
import { MAX_WINDOW, MIN_WINDOW } from './source-rate.ts'
import type { Answer, FirstFlight } from './source-stream.ts'
import { isJump, withWishes } from './wishes.ts'

/** Housekeeping: late chunks, silent sources, new sources (ms). */
const TICK_MS = 250

export function createDownload(init: DownloadInit): Download {
  return new RunningDownload(init)
}

class RunningDownload implements Download {
  readonly done: Promise<SealedFile>
  readonly #init: DownloadInit
  readonly #count: number
  readonly #chunkBytes: number
  readonly #ending = new AbortController()
  readonly #links: Links
  readonly #delivered = new Map<NodeId, number>()
  readonly #preparation: Preparation
  readonly #credit: ChunkCredit
  readonly #running = new Set<Promise<void>>()
  readonly #settled = Promise.withResolvers<void>()
  #file: SealedFile | undefined
  #picker: SourcePicker<NodeId> | undefined
  #priority: readonly number[]
  #urgent: boolean
  #bytes = 0
  #received = 0
  #wasted = 0
  /** came before the manifest, at a reader's position */
  #early: { readonly link: Link; readonly index: number; readonly sealed: Uint8Array }[] = []
  /** was asked at once, and has not answered */
  #first: NodeId | undefined
  #writing = 0
  #hadHope: number
  #cancelTick: (() => void) | undefined

  constructor(init: DownloadInit) {
    this.#init = init
    this.#count = chunkCount(init.version)
    this.#chunkBytes = init.version.chunk + SEAL_OVERHEAD
    this.#urgent = init.urgent
    this.#priority = init.priority ?? []
    this.#hadHope = init.clock.now()
    this.#links = new Links({
      ...init,
      isUrgent: () => this.#urgent,
      onKnown: () => this.#dialDue(),
      onDial: (link) => this.#askFirst(link),
      onOpen: ({ peer, bits }) => this.#onOpen(peer, bits),
      onAnswer: (link, answer) => this.#onAnswer(link, answer),
      onGone: (link) => this.#onGone(link),
    })
    this.#preparation = new Preparation({
      ...init,
      links: this.#links,
      signal: this.#ending.signal,
      isUrgent: () => this.#urgent,
      track: (work) => this.#track(work),
      onCopied: (index) => this.#onCopied(index),
      onManifest: () => this.#picker !== undefined && this.#keepEarly(this.#picker),
      onReady: () => {
        this.#finishWhenDone()
        this.#pump()
      },
    })
    this.#credit = new ChunkCredit({
      budget: init.budget,
      down: init.limits.down,
      clock: init.clock,
      chunkBytes: this.#chunkBytes,
      urgent: init.urgent,
      onFree: () => this.#pump(),
    })
    this.done = this.#run()
    // whoever started it may only ever look at its state
    this.done.catch(() => undefined)
  }

  refresh(): void {
    this.#links.refresh()
    this.#dialDue()
  }

  prioritise(indexes: readonly number[]): void {
    const isNew = isJump(this.#priority, indexes)
    this.#priority = withWishes(this.#priority, indexes)
    this.#picker?.prioritise(indexes)
    if (isNew) this.#jump(indexes[0])
    this.#pump()
  }

  setUrgent(urgent: boolean): void {
    if (this.#urgent === urgent) return
    this.#urgent = urgent
    this.#hadHope = this.#now()
    this.#credit.setUrgent(urgent)
    this.#picker?.setSparing(!urgent)
    if (urgent) this.#jump(this.#priority[0])
    else this.#picker?.allAtOnce()
    this.#pump()
  }

  progress(): DownloadProgress {
    return {
      bytes: this.#bytes,
      total: this.#init.version.size,
      sources: this.#delivered,
      received: this.#received,
      wasted: this.#wasted,
    }
  }

  hopelessMs(): number {
    return this.#now() - this.#hadHope
  }

  #now(): number {
    return this.#init.clock.now()
  }

  async #run(): Promise<SealedFile> {
    const { signal, store, version } = this.#init
    const stop = () => this.#settled.reject(signal.reason)
    // a rejection may come before anyone waits for it
    this.#settled.promise.catch(() => undefined)
    signal.addEventListener('abort', stop, { once: true })
    try {
      signal.throwIfAborted()
      const made = this.#init.makeHere?.() ?? null
      if (made !== null) await Promise.race([made, this.#settled.promise])
      const file = await store.open(version)
      signal.throwIfAborted()
      this.#begin(file)
      await this.#preparation.begin(file)
      await this.#settled.promise
      await this.#end()
      await file.flush()
      return file
    } catch (error) {
      await this.#end()
      // what has arrived is worth keeping; why we ended is worth more than why it could not be
      await this.#file?.flush().catch(() => undefined)
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #end(): Promise<void> {
    this.#cancelTick?.()
    this.#credit.stop()
    this.#ending.abort(new Error('transfer ended'))
    this.#links.stop()
    await Promise.allSettled(this.#running)
    this.#credit.close()
  }

  #begin(file: SealedFile): void {
    this.#file = file
    const isHere = (index: number) => file.has(index)
    this.#picker = new SourcePicker({
      count: this.#count,
      chunkBytes: this.#chunkBytes,
      isHere,
      random: this.#init.random,
      self: this.#init.host.id,
    })
    for (let index = 0; index < this.#count; index++) if (isHere(index)) this.#bytes += this.#plainLength(index)
    this.#picker.setSparing(!this.#urgent)
    this.#picker.prioritise(this.#priority)
    this.#jump(this.#priority[0])
    this.#init.onFile?.(file)
    this.#finishWhenDone()
    this.#tick()
  }

  #plainLength(index: number): number {
    const { size, chunk } = this.#init.version
    return Math.min(chunk, size - index * chunk)
  }

  #finishWhenDone(): void {
    if (this.#preparation.isReady && this.#picker?.states.isDone && this.#writing === 0) this.#settled.resolve()
  }

  /** Sources, silent ones, late chunks, and whether there is still hope. */
  #tick(): void {
    const picker = this.#picker
    if (picker === undefined || this.#ending.signal.aborted) return
    this.#cancelTick = this.#init.clock.after(TICK_MS, () => this.#tick())
    const now = this.#now()
    picker.setMaxWindow(!this.#urgent && this.#init.budget.urgentActive ? MIN_WINDOW : MAX_WINDOW)
    this.#sendCancels(picker.sweep(now))
    this.#dropSilent(picker, now)
    if (this.#hasHope(picker)) this.#hadHope = now
    else if (this.#urgent && now - this.#hadHope >= (this.#init.noSourceMs ?? NO_SOURCE_MS)) {
      const details = { missing: picker.states.left, sources: this.#links.size, faulty: this.#links.faulty }
      this.#settled.reject(new NoSourceError(this.#init.version.root, details))
      return
    }
    this.#links.rotate((peer) => picker.isUseful(peer))
    this.#links.poll()
    this.#first = undefined
    this.#dialDue()
    this.#preparation.ask()
    this.#pump()
  }

  #hasHope(picker: SourcePicker<NodeId>): boolean {
    if (this.#writing > 0) return true
    for (const link of this.#links.all()) {
      if (link.session === undefined || picker.isSilent(link.peer)) continue
      if (!this.#preparation.isReady ? link.pagesOwed > 0 : picker.isUseful(link.peer)) return true
    }
    return false
  }

  /** Sources that stayed silent after their work was taken back. */
  #dropSilent(picker: SourcePicker<NodeId>, now: number): void {
    for (const link of this.#links.all()) {
      const heard = picker.lastHeard(link.peer)
      if (heard === undefined || picker.outstanding(link.peer) === 0) continue
      if (now - heard < 2 * silentAfter(this.#chunkBytes)) continue
      this.#links.cut(link, { kind: 'silent' })
    }
  }

  /** Others are dialled when the one that is asked first has answered, or did not for a tick: handshakes take processor time. */
  #dialDue(): void {
    const picker = this.#picker
    if (picker === undefined || this.#first !== undefined) return
    const isAlone = picker.awaited(this.#now()) !== null && this.#links.size === 0
    for (const link of this.#links.dial(isAlone ? 1 : MAX_SOURCES)) this.#track(link)
  }

  #track(work: Promise<void>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work)).catch((error: unknown) => this.#settled.reject(error))
  }

  /** A reader has come to this chunk from elsewhere. */
  #jump(index: number | undefined): void {
    if (this.#urgent && index !== undefined && this.#picker !== undefined) this.#sendCancels(this.#picker.first(index))
  }

  /**
   * The chunk at a reader's position, and the pages that it is verified with, go to the first source that is dialled together
   * with `open`: whether it has them it says by sending them or not.
   */
  #askFirst(link: Link): FirstFlight | undefined {
    const picker = this.#picker
    const now = this.#now()
    const awaited = picker?.awaited(now)
    if (picker === undefined || awaited == null || !picker.states.isMissing(awaited) || !this.#mayAsk) return undefined
    if (!this.#credit.take()) return undefined
    picker.addSource(link.peer, null, now)
    if (picker.next(link.peer, now) === undefined) {
      this.#credit.giveBack()
      return undefined
    }
    link.owed += 1
    this.#first = link.peer
    return { pages: this.#preparation.pagesFor(link, awaited), indexes: [awaited] }
  }

  #onOpen(peer: NodeId, bits: Uint8Array | null): void {
    // one that was asked at once is known already, as having everything
    if (!this.#picker?.sources.includes(peer)) this.#picker?.addSource(peer, bits, this.#now())
    else if (bits !== null) this.#picker.hasOnly(peer, bits)
    this.#preparation.ask()
    this.#pump()
    this.#answeredFirst(peer)
  }

  #onGone(link: Link): void {
    this.#picker?.removeSource(link.peer)
    this.#preparation.without(link.peer)
    this.#credit.giveBack(link.owed)
    link.owed = 0
    if (this.#ending.signal.aborted) return
    this.#preparation.ask()
    this.#pump()
    this.#answeredFirst(link.peer)
  }

  #answeredFirst(peer: NodeId): void {
    if (this.#first !== peer) return
    this.#first = undefined
    this.#dialDue()
  }

  /** @throws {SourceBrokenError} ends the link */
  #onAnswer(link: Link, answer: Answer): void {
    const picker = this.#picker
    if (picker === undefined) return
    const now = this.#now()
    switch (answer.t) {
      case 'chunk':
        this.#onChunk(link, picker, answer.index, answer.sealed)
        break
      case 'page':
        this.#preparation.onPage(link, answer.page, answer.bytes)
        break
      case 'no-page':
        this.#preparation.onNoPage(link)
        break
      case 'answer':
        throw new SourceBrokenError(link.peer, 'answered a challenge that was not made')
      default:
        if (answer.t === 'have') this.#sendCancels(picker.spared(answer.indexes))
        for (let left = takeNews(picker, link, answer, now); left > 0; left--) this.#giveBack(link)
        this.#pump()
    }
  }

  #giveBack(link: Link): void {
    link.owed -= 1
    this.#credit.giveBack()
  }

  #onChunk(link: Link, picker: SourcePicker<NodeId>, index: number, sealed: Uint8Array): void {
    const verdict = picker.arrived(link.peer, index, sealed.length, this.#now())
    if (verdict === 'unasked') throw new SourceBrokenError(link.peer, `sent chunk ${index}, which was not asked for`)
    this.#received += sealed.length
    if (verdict === 'known') {
      this.#wasted += sealed.length
      this.#giveBack(link)
      this.#pump()
      return
    }
    link.owed -= 1
    if (this.#preparation.canKeep) this.#track(this.#keep(link, picker, index, sealed))
    else this.#early.push({ link, index, sealed })
    this.#pump()
  }

  #keepEarly(picker: SourcePicker<NodeId>): void {
    for (const { link, index, sealed } of this.#early.splice(0)) this.#track(this.#keep(link, picker, index, sealed))
  }

  /** Before the manifest is here, one chunk at a reader's position. */
  get #mayAsk(): boolean {
    return this.#preparation.isReady || (this.#urgent && this.#early.length === 0)
  }

  /** Verifies and writes. The reservation is given back whatever comes of it. */
  async #keep(link: Link, picker: SourcePicker<NodeId>, index: number, sealed: Uint8Array): Promise<void> {
    let isRight: boolean | undefined
    this.#writing += 1
    try {
      isRight = await this.#file?.write(index, sealed)
    } catch (error) {
      picker.failed(index)
      this.#settled.reject(error) // the store's trouble, whoever sent it
    } finally {
      this.#writing -= 1
      this.#credit.giveBack()
    }
    if (isRight !== undefined) release(sealed)
    if (isRight === true) {
      const plain = this.#plainLength(index)
      this.#bytes += plain
      this.#delivered.set(link.peer, (this.#delivered.get(link.peer) ?? 0) + plain)
      this.#sendCancels(picker.landed(index))
      this.#init.onChunk?.(index)
      this.#finishWhenDone()
    } else if (isRight === false) {
      picker.failed(index)
      this.#links.drop(link, { kind: 'wrong-chunk', index })
    }
    this.#pump()
  }

  #onCopied(index: number): void {
    this.#bytes += this.#plainLength(index)
    this.#picker?.landed(index)
    this.#init.onChunk?.(index)
  }

  #sendCancels(cancels: readonly Asked<NodeId>[]): void {
    for (const { source, indexes } of cancels) this.#links.session(source)?.cancel(indexes)
  }

  /** Asks every source for as much as it has room for, one chunk each in turn. */
  #pump(): void {
    const picker = this.#picker
    const now = this.#now()
    if (picker === undefined || !this.#mayAsk || this.#ending.signal.aborted) return
    if (!this.#preparation.isReady && picker.awaited(now) === null) return
    const batches = new Map<OpenLink, number[]>()
    const byId = new Map(this.#links.open().map((link) => [link.peer, link]))
    let open = picker.inTurn([...byId.keys()]).flatMap((id) => byId.get(id) ?? [])
    while (open.length > 0) {
      const still: OpenLink[] = []
      for (const link of open) {
        const index = picker.next(link.peer, now)
        if (index === undefined) {
          const recalled = picker.recall(link.peer, now)
          if (recalled !== undefined) this.#sendCancels([recalled])
          continue
        }
        if (!this.#credit.take()) {
          picker.unasked(link.peer, index)
          still.length = 0
          break
        }
        link.owed += 1
        const batch = batches.get(link)
        if (batch === undefined) batches.set(link, [index])
        else batch.push(index)
        still.push(link)
      }
      open = still
    }
    for (const [link, indexes] of batches) link.session.get(indexes)
  }
}
