import type { Clock } from '../clock.ts'
import type { ContentStore, SealedFile, VersionShape } from '../content/index.ts'
import type { NodeId, Root } from '../ids.ts'
import type { Host } from '../network/index.ts'
import type { Random } from '../random.ts'
import type { Budget } from './budget.ts'
import type { TransferLimits } from './limits.ts'

/** A person's transfer without any source for so long fails (ms). @default 30 s */
export const NO_SOURCE_MS = 30_000
export type SourceProblemKind = 'wrong-chunk' | 'wrong-manifest' | 'protocol' | 'silent' | 'unreachable' | 'refused'

/** The first three are the source's fault; it is not asked again for this version. */
export interface SourceProblem {
  readonly peer: NodeId
  readonly root: Root
  readonly kind: SourceProblemKind
  readonly index?: number
  readonly error?: unknown
}

export interface DownloadProgress {
  /** plain bytes that are here, also those that were before this transfer */
  readonly bytes: number
  readonly total: number
  /** plain bytes that each source has delivered in this transfer */
  readonly sources: ReadonlyMap<NodeId, number>
  /** sealed bytes that came in this transfer */
  readonly received: number
  /** and those of them that were here already */
  readonly wasted: number
}

export interface DownloadInit {
  readonly version: VersionShape
  readonly store: Pick<ContentStore, 'open'>
  readonly host: Pick<Host, 'id' | 'open' | 'onPath'>
  readonly clock: Clock
  readonly random: Random
  /** who may have chunks of it, best first; asked again while it runs */
  readonly sources: () => Promise<readonly NodeId[]> | readonly NodeId[]
  /** for a closed access epoch: the proof of having the newer key, for this peer */
  readonly proof?: ((root: Root, peer: NodeId) => Uint8Array | undefined | Promise<Uint8Array | undefined>) | undefined
  readonly budget: Budget
  readonly limits: Pick<TransferLimits, 'down'>
  /** a person waits for it */
  readonly urgent: boolean
  readonly onSourceProblem?: ((problem: SourceProblem) => void) | undefined
  /** the version's file is open: others may be told what arrives */
  readonly onFile?: ((file: SealedFile) => void) | undefined
  /** the manifest is here: brings what need not be fetched, and tells each chunk of it */
  readonly takeUnchanged?:
    | ((file: SealedFile, onCopied: (index: number) => void, signal: AbortSignal) => Promise<void>)
    | undefined
  /** makes the version of what is here, where that can be done: nothing has to be fetched then */
  readonly makeHere?: (() => Promise<unknown> | null) | undefined
  /** a chunk has become visible */
  readonly onChunk?: ((index: number) => void) | undefined
  readonly signal: AbortSignal
  /** @default NO_SOURCE_MS */
  readonly noSourceMs?: number | undefined
  /** chunks to begin with */
  readonly priority?: readonly number[] | undefined
}

export interface Download {
  /**
   * Resolves when every chunk is here and on disk. Rejects with the signal's reason, with `NoSourceError` (a person's
   * only; background work waits), or with what the store throws (`DiskFullError`, …).
   */
  readonly done: Promise<SealedFile>
  /** Sources may have appeared: asks and dials again at once. */
  refresh(): void
  /** A reader's position: these chunks first. */
  prioritise(indexes: readonly number[]): void
  setUrgent(urgent: boolean): void
  progress(): DownloadProgress
  /** Milliseconds since there was last a source that had something for us. */
  hopelessMs(): number
}
