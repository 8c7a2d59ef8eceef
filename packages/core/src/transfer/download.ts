/**
 * One version from many sources at the same time.
 *
 * Who owns what: `picker` knows which chunk is where and decides whom to ask; `links` are the sources, dialling or open;
 * `credit` is this transfer's part of the process-wide receive budget: one for each chunk that is asked for, given back
 * when the chunk was written, refused or its link ended; `file` keeps what was verified, so a transfer that
 * is ended at any moment goes on later from there.
 */
import { release } from '../codec/index.ts'
import { chunkCount, type Manifest, type SealedFile } from '../content/index.ts'
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import type { NodeId } from '../ids.ts'
import { ChunkCredit } from './chunk-credit.ts'
import { type Link, Links, type OpenLink } from './download-links.ts'
import { type Download, type DownloadInit, type DownloadProgress, NO_SOURCE_MS } from './download-types.ts'
import { NoSourceError, SourceBrokenError } from './errors.ts'
import { createManifestFetch } from './manifest-fetch.ts'
import { takeNews } from './source-news.ts'
import { type Asked, SourcePicker, silentAfter } from './source-picker.ts'
import { MAX_WINDOW, MIN_WINDOW } from './source-rate.ts'
import type { Answer } from './source-session.ts'
import { withWishes } from './wishes.ts'

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
  readonly #manifest: ReturnType<typeof createManifestFetch<NodeId>>
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
  /** the manifest is here, and what need not be fetched is being brought */
  #preparing = false
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
    this.#manifest = createManifestFetch(init.version)
    this.#links = new Links({
      ...init,
      isUrgent: () => this.#urgent,
      onKnown: () => this.#dialDue(),
      onOpen: ({ peer, bits }) => this.#onOpen(peer, bits),
      onAnswer: (link, answer) => this.#onAnswer(link, answer),
      onGone: (link) => this.#onGone(link),
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
    this.#priority = withWishes(this.#priority, indexes)
    this.#picker?.prioritise(indexes)
    this.#pump()
  }

  setUrgent(urgent: boolean): void {
    if (this.#urgent === urgent) return
    this.#urgent = urgent
    this.#hadHope = this.#now()
    this.#credit.setUrgent(urgent)
    this.#picker?.setSparing(!urgent)
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
      // a crash may have come between the manifest and what was copied after it
      if (file.manifest !== null) await this.#prepare(file)
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
    this.#init.onFile?.(file)
    this.#finishWhenDone()
    this.#tick()
  }

  #plainLength(index: number): number {
    const { size, chunk } = this.#init.version
    return Math.min(chunk, size - index * chunk)
  }

  #isReady(): boolean {
    return this.#file?.manifest != null && !this.#preparing
  }

  #finishWhenDone(): void {
    if (this.#isReady() && this.#picker?.states.isDone && this.#writing === 0) this.#settled.resolve()
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
    this.#dialDue()
    this.#askManifest()
    this.#pump()
  }

  #hasHope(picker: SourcePicker<NodeId>): boolean {
    if (this.#writing > 0) return true
    for (const link of this.#links.all()) {
      if (link.session === undefined || picker.isSilent(link.peer)) continue
      if (!this.#isReady() ? link.pagesOwed > 0 : picker.isUseful(link.peer)) return true
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

  #dialDue(): void {
    if (this.#picker !== undefined) for (const link of this.#links.dial()) this.#track(link)
  }

  #track(work: Promise<void>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work)).catch((error: unknown) => this.#settled.reject(error))
  }

  #onOpen(peer: NodeId, bits: Uint8Array | null): void {
    this.#picker?.addSource(peer, bits, this.#now())
    this.#askManifest()
    this.#pump()
  }

  #onGone(link: Link): void {
    this.#picker?.removeSource(link.peer)
    this.#manifest.without(link.peer, this.#now())
    this.#credit.giveBack(link.owed)
    link.owed = 0
    if (this.#ending.signal.aborted) return
    this.#askManifest()
    this.#pump()
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
        this.#onPage(link, answer.page, answer.bytes)
        break
      case 'no-page':
        link.pagesOwed = Math.max(0, link.pagesOwed - 1)
        this.#manifest.without(link.peer, now)
        link.talk.ofNoUse(link.peer)
        this.#askManifest()
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
    link.got += 1
    if (!link.urgent) link.session?.got(link.got)
    if (verdict === 'known') {
      this.#wasted += sealed.length
      this.#giveBack(link)
      this.#pump()
      return
    }
    link.owed -= 1
    this.#writing += 1
    this.#track(this.#keep(link, picker, index, sealed))
    this.#pump()
  }

  /** Verifies and writes. The reservation is given back whatever comes of it. */
  async #keep(link: Link, picker: SourcePicker<NodeId>, index: number, sealed: Uint8Array): Promise<void> {
    let isRight: boolean | undefined
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

  #askManifest(): void {
    const file = this.#file
    if (file === undefined || this.#isReady() || this.#manifest.manifest !== null) return
    const open = this.#links.open()
    const next = this.#manifest.next(
      open.map((link) => link.peer),
      this.#now(),
    )
    if (next === null) return
    const link = open.find(({ peer }) => peer === next.source)
    if (link === undefined) return
    link.pagesOwed += 1
    link.session.page(next.page)
  }

  #onPage(link: Link, page: number, bytes: Uint8Array): void {
    if (link.pagesOwed === 0) throw new SourceBrokenError(link.peer, 'sent a page that was not asked for')
    link.pagesOwed -= 1
    const file = this.#file
    if (file === undefined || this.#isReady()) return
    if (!this.#manifest.page(link.peer, page, bytes)) this.#links.drop(link, { kind: 'wrong-manifest' })
    const { manifest } = this.#manifest
    if (manifest === null) this.#askManifest()
    else this.#track(this.#keepManifest(file, manifest))
  }

  async #keepManifest(file: SealedFile, manifest: Manifest): Promise<void> {
    this.#preparing = true
    await file.setManifest(manifest)
    await this.#prepare(file)
  }

  /** Whatever other versions here have too need not be fetched. */
  async #prepare(file: SealedFile): Promise<void> {
    this.#preparing = true
    const onCopied = (index: number) => {
      this.#bytes += this.#plainLength(index)
      this.#picker?.landed(index)
      this.#init.onChunk?.(index)
    }
    await this.#init.takeUnchanged?.(file, onCopied, this.#ending.signal)
    this.#preparing = false
    this.#finishWhenDone()
    this.#pump()
  }

  #sendCancels(cancels: readonly Asked<NodeId>[]): void {
    for (const { source, indexes } of cancels) this.#links.session(source)?.cancel(indexes)
  }

  /** Asks every source for as much as it has room for, one chunk each in turn. */
  #pump(): void {
    const picker = this.#picker
    if (picker === undefined || !this.#isReady() || this.#ending.signal.aborted) return
    const batches = new Map<OpenLink, number[]>()
    const now = this.#now()
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
