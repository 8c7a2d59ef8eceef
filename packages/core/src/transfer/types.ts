import type { Clock } from '../clock.ts'
import type { ContentStore, SealedFile, VersionShape } from '../content/index.ts'
import type { Database } from '../database/index.ts'
import type { FileId, NodeId, Root } from '../ids.ts'
import type { Host } from '../network/index.ts'
import type { Random } from '../random.ts'
import type { DownloadInit, SourceProblem } from './download-types.ts'
import type { TransferRates } from './limits.ts'
import type { MayFetch } from './provider.ts'

/** `fetch`: a person waits. `replicate`, `drain`: the network's own work; `drain` helps a member that leaves. */
export type TransferKind = 'fetch' | 'replicate' | 'drain'
/**
 *     queued -> running -> done | failed | cancelled
 *     queued, running -> paused -> queued        running -> queued (no source, others wait)
 *     failed -> queued (resume; no source, and one has come)      queued, paused -> cancelled
 *     running -> queued (another of its kind goes first)
 */
export type TransferState = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled'

export interface TransferStatus {
  readonly id: string
  readonly kind: TransferKind
  readonly fileId: FileId
  readonly root: Root
  readonly state: TransferState
  /** plain bytes that are here, and of the whole version */
  readonly bytes: number
  readonly total: number
  readonly bytesPerSecond: number
  readonly etaSeconds: number | null
  /** plain bytes delivered by each */
  readonly sources: readonly { readonly id: NodeId; readonly bytes: number }[]
  /** ms since the epoch */
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface WantOptions {
  readonly kind: TransferKind
  readonly fileId: FileId
  /**
   * Ends this wish. When nobody else wants the version, its transfer is cancelled; what has arrived stays. A wish
   * without signal stands, also over a restart, until it is cancelled.
   */
  readonly signal?: AbortSignal
  /** chunks to begin with (a reader's position) */
  readonly priority?: readonly number[]
}

export interface Wanted {
  readonly id: string
  /** The complete file. Rejects with `TransferCancelledError`, `NoSourceError`, the signal's reason, or what the store throws. */
  readonly done: Promise<SealedFile>
}

export interface Transfers {
  /** Goes on with what a restart interrupted. Call once the network is up. */
  start(): void
  /** Joins the transfer of this version if there is one; a person's wish makes a background one a person's. */
  want(version: VersionShape, options: WantOptions): Wanted
  /** All transfers, those that run or wait first, in their order; then the finished ones, newest first. */
  list(): TransferStatus[]
  /** @throws {TransferNotFoundError} */
  get(id: string): TransferStatus
  /** Of the version, while it is not finished. */
  byRoot(root: Root): TransferStatus | null
  /** queued, running -> paused. @throws {TransferNotFoundError} @throws {TransferStateError} */
  pause(id: string): Promise<TransferStatus>
  /** paused, failed -> queued. @throws {TransferNotFoundError} @throws {TransferStateError} */
  resume(id: string): Promise<TransferStatus>
  /** Ends it for everyone who wants it. A finished one is only taken off the list. @throws {TransferNotFoundError} */
  cancel(id: string): Promise<TransferStatus>
  /** Cancels whatever brings this version here; for versions that are purged or no longer to be held. */
  cancelRoot(root: Root): Promise<void>
  /**
   * It goes before all others of its kind, the last of which makes room for it. @throws {TransferNotFoundError}
   * @throws {TransferStateError} it is over
   */
  first(id: string): TransferStatus
  /** A reader is at this chunk: it and the next ones first. */
  prioritise(root: Root, index: number): void
  /** Sources may have appeared, for one version or for all. */
  refresh(root?: Root): void
  /** A member is there that was not, or says to have what it had not: what failed for want of it goes on. */
  sourceCame(peer: NodeId): Promise<void>
  limits(): TransferRates
  setLimits(rates: Partial<TransferRates>): TransferRates
  /** Asks `mayFetch` again for everyone who is being served: call when permissions have changed. */
  recheck(root?: Root): Promise<void>
  /** At most four times a second for each running transfer. The return value unsubscribes. */
  onProgress(listener: (status: TransferStatus) => void): () => void
  /** done, failed or cancelled, after it was written down. */
  onEnded(listener: (status: TransferStatus) => void): () => void
  /** A person waits for chunks that come here, or that are served from here. */
  isUrgent(): boolean
  /** Bytes since the start, and streams that are served now: for metrics. */
  totals(): { sentBytes: number; receivedBytes: number; clients: number; receiving: number }
  stop(): Promise<void>
}

/** What runs beside each other is limited per class: a person's, large and small background transfers. */
export type TransferClass = 'fetch' | 'background' | 'smallBackground'

export interface TransfersInit {
  /** local database; without it nothing survives a restart */
  readonly db?: Database
  readonly store: ContentStore
  readonly host: Pick<Host, 'id' | 'open' | 'handle' | 'onPath'>
  readonly clock: Clock
  /** @default systemRandom */
  readonly random?: Random
  /** members that may have chunks of this version, best first: holders, partial ones, who fetches it now */
  readonly sourcesOf: (root: Root) => Promise<readonly NodeId[]> | readonly NodeId[]
  readonly mayFetch: MayFetch
  /** for a closed access epoch: proof of having the newer key */
  readonly proofFor?: DownloadInit['proof']
  readonly onSourceProblem?: (problem: SourceProblem) => void
  readonly onDamaged?: (root: Root, index: number) => void
  /** versions that may have chunks in common with this one, best first */
  readonly relatedTo?: (root: Root) => readonly Root[]
  /** false: nobody at this branch wants it any more, or may @default true */
  readonly isWanted?: (file: FileId) => boolean
  /** makes a version of what is here, null where that cannot be done; what it does not yield is fetched */
  readonly makeHere?: (root: Root) => Promise<unknown> | null
  /** a version is being fetched, so that others may be told where partial copies are */
  readonly onStarted?: (root: Root) => void
  /** what nobody waits for went wrong (the database cannot be written): for the log */
  readonly onProblem?: (error: unknown) => void
  /** @default MAX_RUNNING */
  readonly maxRunning?: Partial<Record<TransferClass, number>>
  /** process-wide receive credit, bytes @default DEFAULT_BUDGET_BYTES */
  readonly budgetBytes?: number
  /** @default 30 s */
  readonly noSourceMs?: number
}
