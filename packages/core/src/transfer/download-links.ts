/**
 * The sources of one download: whom it dials, one `Link` each from dialling to its end, and who has to make room for
 * somebody else. What is asked of a link, and what becomes of its answers, is the download's business.
 */
import { chunkCount } from '../content/index.ts'
import { idBytes, type NodeId } from '../ids.ts'
import { type Candidates, createCandidates, MAX_SOURCES } from './candidates.ts'
import type { DownloadInit, SourceProblem } from './download-types.ts'
import { SourceBrokenError, SourceRefusedError } from './errors.ts'
import { IdleTalk } from './source-news.ts'
import { SourceSession } from './source-session.ts'
import type { Answer, FirstFlight } from './source-stream.ts'

/** A source without anything for us may keep its place for so long when others could be asked (ms). */
const USELESS_MS = 10_000
/** A stream on which nothing was asked may be quiet for so long (ms); above the server's own limit. */
const SESSION_IDLE_MS = 15 * 60_000

export interface Link {
  readonly peer: NodeId
  readonly ending: AbortController
  readonly since: number
  session: SourceSession | undefined
  /** chunks reserved for it that have not come */
  owed: number
  pagesOwed: number
  /** as it was opened */
  readonly urgent: boolean
  readonly talk: IdleTalk
}

export type OpenLink = Link & { session: SourceSession }

export interface LinksInit
  extends Pick<DownloadInit, 'version' | 'host' | 'clock' | 'sources' | 'proof' | 'onSourceProblem'> {
  /** a person waits for it, now */
  isUrgent(): boolean
  /** What is to be asked of it at once, while it is being dialled; it counts as owed from now on. */
  onDial(link: Link): FirstFlight | undefined
  onOpen(session: SourceSession): void
  /** @throws {SourceBrokenError} ends the link */
  onAnswer(link: Link, answer: Answer): void
  /** it is gone, with what it owed */
  onGone(link: Link): void
  /** the list of sources has come */
  onKnown(): void
}

export class Links {
  readonly #init: LinksInit
  readonly #rootBytes: Uint8Array
  readonly #links = new Map<NodeId, Link>()
  readonly #candidates: Candidates
  readonly #faulty = new Set<NodeId>()
  readonly #ending = new AbortController()

  constructor(init: LinksInit) {
    this.#init = init
    this.#rootBytes = idBytes(init.version.root)
    const { clock, host, sources, onKnown } = init
    this.#candidates = createCandidates({ clock, self: host.id, sources, onKnown })
  }

  get size(): number {
    return this.#links.size
  }

  /** Those that sent what is not of this version, or broke the protocol, and are not asked any more. */
  get faulty(): readonly NodeId[] {
    return [...this.#faulty]
  }

  all(): Iterable<Link> {
    return this.#links.values()
  }

  /** Those that can be asked. */
  open(): OpenLink[] {
    return [...this.#links.values()].filter(
      (link): link is OpenLink => link.session !== undefined && !link.ending.signal.aborted,
    )
  }

  session(peer: NodeId): SourceSession | undefined {
    return this.#links.get(peer)?.session
  }

  /** Allows dialling everyone again, and asks for the list of sources, at once. */
  refresh(): void {
    this.#candidates.refresh()
    this.#candidates.poll()
  }

  /** Asks for the list of sources when it is time. */
  poll(): void {
    this.#candidates.poll()
  }

  /** Dials who is due, so many at most; each promise settles when the link has ended. */
  dial(most: number): Promise<void>[] {
    if (this.#ending.signal.aborted) return []
    const due = this.#candidates.due([...this.#links.keys()])
    return due.slice(0, most).map((peer) => this.#run(peer))
  }

  /** Makes room for sources that were not tried yet, when all links are taken and one of them has nothing for us. */
  rotate(isUseful: (peer: NodeId) => boolean): void {
    if (this.#links.size < MAX_SOURCES || !this.#candidates.hasMore([...this.#links.keys()])) return
    const now = this.#init.clock.now()
    for (const link of this.#links.values()) {
      if (now - link.since < USELESS_MS || isUseful(link.peer)) continue
      link.ending.abort(new Error('has nothing for us'))
      return
    }
  }

  /** It did what it must not do, and is asked no more for this version. */
  drop(link: Link, problem: Omit<SourceProblem, 'root' | 'peer'>): void {
    this.#ban(link.peer)
    if (!link.ending.signal.aborted) this.cut(link, problem)
  }

  /** Ends the link and tells why; it may be dialled again. */
  cut(link: Link, problem: Omit<SourceProblem, 'root' | 'peer'>): void {
    link.ending.abort(new Error(problem.kind))
    this.#tell(link.peer, problem)
  }

  stop(): void {
    this.#ending.abort(new Error('transfer ended'))
  }

  async #run(peer: NodeId): Promise<void> {
    const init = this.#init
    const { clock, host, version } = init
    const ending = new AbortController()
    const link: Link = {
      peer,
      ending,
      since: clock.now(),
      session: undefined,
      owed: 0,
      pagesOwed: 0,
      urgent: init.isUrgent(),
      talk: new IdleTalk(clock, chunkCount(version)),
    }
    const signal = AbortSignal.any([ending.signal, this.#ending.signal])
    this.#links.set(peer, link)
    const first = init.onDial(link)
    try {
      const session = await SourceSession.open({
        host,
        clock,
        first,
        peer,
        root: version.root,
        rootBytes: this.#rootBytes,
        chunk: version.chunk,
        count: chunkCount(version),
        urgent: link.urgent,
        proof: await init.proof?.(version.root, peer),
        idleMs: SESSION_IDLE_MS,
        signal,
      })
      link.session = session
      this.#candidates.reached(peer)
      init.onOpen(session)
      await session.run((answer) => init.onAnswer(link, answer), signal)
    } catch (error) {
      if (!signal.aborted) this.#failed(peer, error)
    } finally {
      ending.abort(new Error('ended')) // nothing more is asked of it
      // a source that owes us nothing gets a proper end
      if (link.owed > 0 || link.pagesOwed > 0) link.session?.abort()
      else await link.session?.close()
      this.#links.delete(peer)
      this.#candidates.ended(peer)
      init.onGone(link)
    }
  }

  #failed(peer: NodeId, error: unknown): void {
    if (error instanceof SourceBrokenError) {
      this.#ban(peer)
      this.#tell(peer, { kind: 'protocol', error })
    } else if (error instanceof SourceRefusedError) this.#tell(peer, { kind: 'refused', error })
    else this.#tell(peer, { kind: 'unreachable', error })
  }

  #ban(peer: NodeId): void {
    this.#candidates.ban(peer)
    this.#faulty.add(peer)
  }

  #tell(peer: NodeId, problem: Omit<SourceProblem, 'root' | 'peer'>): void {
    this.#init.onSourceProblem?.({ ...problem, peer, root: this.#init.version.root })
  }
}
