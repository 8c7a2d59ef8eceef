/**
 * What a download needs before it can keep and ask for chunks: the manifest, then those chunks that another version here
 * has too.
 *
 *     manifest missing -> being written -> chunks can be kept, unchanged ones are copied -> ready
 */
import type { SealedFile } from '../content/index.ts'
import type { NodeId } from '../ids.ts'
import type { Link, Links } from './download-links.ts'
import type { DownloadInit } from './download-types.ts'
import { SourceBrokenError } from './errors.ts'
import { createManifestFetch } from './manifest-fetch.ts'

export interface PreparationInit extends Pick<DownloadInit, 'version' | 'clock' | 'takeUnchanged'> {
  readonly links: Links
  readonly signal: AbortSignal
  isUrgent(): boolean
  /** ends with the download */
  track(work: Promise<void>): void
  onCopied(index: number): void
  /** chunks that have come can be verified and kept */
  onManifest(): void
  /** the others can be asked for */
  onReady(): void
}

export class Preparation {
  readonly #init: PreparationInit
  readonly #manifest: ReturnType<typeof createManifestFetch<NodeId>>
  #file: SealedFile | undefined
  #isReady = false

  constructor(init: PreparationInit) {
    this.#init = init
    this.#manifest = createManifestFetch(init.version)
  }

  get canKeep(): boolean {
    return this.#file?.manifest != null
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** A crash may have come between the manifest and what was copied after it. */
  async begin(file: SealedFile): Promise<void> {
    this.#file = file
    if (file.manifest !== null) await this.#takeUnchanged(file)
  }

  /** Asks for the next page when it is time. */
  ask(): void {
    if (this.#file === undefined || this.canKeep || this.#manifest.manifest !== null) return
    const { links, clock, isUrgent } = this.#init
    const open = links.open()
    const next = this.#manifest.next(
      open.map((link) => link.peer),
      clock.now(),
      isUrgent(),
    )
    if (next === null) return
    const link = open.find(({ peer }) => peer === next.source)
    if (link === undefined) return
    link.pagesOwed += 1
    link.session.page(next.page)
  }

  /** What is asked of a source together with this chunk. */
  pagesFor(link: Link, index: number): number[] {
    if (this.#file === undefined || this.canKeep) return []
    const pages = this.#manifest.first(link.peer, index, this.#init.clock.now())
    link.pagesOwed += pages.length
    return pages
  }

  /** @throws {SourceBrokenError} */
  onPage(link: Link, page: number, bytes: Uint8Array): void {
    if (link.pagesOwed === 0) throw new SourceBrokenError(link.peer, 'sent a page that was not asked for')
    link.pagesOwed -= 1
    const file = this.#file
    if (file === undefined || this.canKeep || this.#manifest.manifest !== null) return
    if (!this.#manifest.page(link.peer, page, bytes)) this.#init.links.drop(link, { kind: 'wrong-manifest' })
    if (this.#manifest.manifest === null) this.ask()
    else this.#init.track(this.#keep(file))
  }

  onNoPage(link: Link): void {
    link.pagesOwed = Math.max(0, link.pagesOwed - 1)
    this.without(link.peer)
    link.talk.ofNoUse(link.peer)
    this.ask()
  }

  /** It has gone, or has no manifest. */
  without(peer: NodeId): void {
    this.#manifest.without(peer, this.#init.clock.now())
  }

  async #keep(file: SealedFile): Promise<void> {
    const { manifest } = this.#manifest
    if (manifest === null) return
    await file.setManifest(manifest)
    this.#init.onManifest()
    await this.#takeUnchanged(file)
  }

  /** Whatever other versions here have too need not be fetched. */
  async #takeUnchanged(file: SealedFile): Promise<void> {
    const { takeUnchanged, onCopied, onReady, signal } = this.#init
    await takeUnchanged?.(file, onCopied, signal)
    this.#isReady = true
    onReady()
  }
}
