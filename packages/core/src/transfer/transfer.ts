/** One transfer as the manager keeps it, and how it looks from outside and on disk. */
import { randomBytes } from 'node:crypto'
import type { SealedFile, VersionShape } from '../content/index.ts'
import { type FileId, type NodeId, toHex } from '../ids.ts'
import type { Download } from './download-types.ts'
import type { Meter } from './meter.ts'
import type { TransferRow } from './transfer-table.ts'
import type { TransferClass, TransferKind, TransferState, TransferStatus, WantOptions } from './types.ts'

/** Versions up to this size (plain bytes) cost round trips rather than bandwidth: more of them run beside each other. */
const SMALL_BYTES = 4 * 1024 * 1024

export interface Wish {
  readonly kind: TransferKind
  readonly signal: AbortSignal | undefined
}

export interface Transfer {
  readonly id: string
  readonly fileId: FileId
  readonly version: VersionShape
  readonly started: number
  readonly wishes: Set<Wish>
  readonly outcome: PromiseWithResolvers<SealedFile>
  kind: TransferKind
  state: TransferState
  position: number
  kept: boolean
  bytes: number
  sources: Map<NodeId, number>
  finished: number | null
  error: { code: string; message: string } | null
  priority: readonly number[]
  /** while it runs; `ended` resolves when its download has let go of everything */
  run: {
    download: Download
    stop: AbortController
    ended: Promise<void>
    meter: Meter
    /** what sources had delivered before */
    before: ReadonlyMap<NodeId, number>
  } | null
}

export function isOver(state: TransferState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

/** Reasons for which this room itself ends a download. */
export class StopReason extends Error {
  readonly next: 'paused' | 'queued' | 'displaced' | 'cancelled' | 'unwanted' | 'stopped'
  constructor(next: StopReason['next']) {
    super(next)
    this.next = next
  }
}

/** A person asked for it, nobody had it, and it is to go on when somebody comes who has. */
export function isStarved({ state, kind, kept, error }: Transfer): boolean {
  return state === 'failed' && kind === 'fetch' && kept && error?.code === 'no-source'
}

/** Somebody reads it as it comes, and would be left in the midst of it. */
export function isBeingRead({ wishes }: Transfer): boolean {
  return [...wishes].some(({ signal }) => signal !== undefined)
}

/** Which limit it counts towards. */
export function classOf(transfer: Transfer): TransferClass {
  if (transfer.kind === 'fetch') return 'fetch'
  return transfer.version.size <= SMALL_BYTES ? 'smallBackground' : 'background'
}

export function outcome(): PromiseWithResolvers<SealedFile> {
  const resolvers = Promise.withResolvers<SealedFile>()
  // the one who asked may only ever look at the state
  resolvers.promise.catch(() => undefined)
  return resolvers
}

/** What one who wants it sees of it: its outcome, or the reason of the signal that ends the wish. */
export async function orGone<T>(outcome: Promise<T>, signal: AbortSignal | undefined, onGone: () => void): Promise<T> {
  if (signal === undefined) return outcome
  const gone = Promise.withResolvers<never>()
  const leave = () => {
    gone.reject(signal.reason)
    onGone()
  }
  if (signal.aborted) leave()
  else signal.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([outcome, gone.promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

export function newTransfer(
  version: VersionShape,
  options: Pick<WantOptions, 'kind' | 'fileId'>,
  now: number,
): Transfer {
  return {
    id: toHex(randomBytes(8)),
    fileId: options.fileId,
    version: { root: version.root, size: version.size, chunk: version.chunk },
    started: now,
    wishes: new Set(),
    outcome: outcome(),
    kind: options.kind,
    state: 'queued',
    position: 0,
    kept: false,
    bytes: 0,
    sources: new Map(),
    finished: null,
    error: null,
    priority: [],
    run: null,
  }
}

export function rowOf(transfer: Transfer): TransferRow {
  const { id, kind, fileId, version, state, position, kept, bytes, sources, started, finished, error } = transfer
  return { id, kind, fileId, version, state, position, kept, bytes, sources, started, finished, error }
}

export function statusOf(transfer: Transfer): TransferStatus {
  const { run, version } = transfer
  const progress = run?.download.progress()
  const bytes = Math.max(transfer.bytes, progress?.bytes ?? 0)
  const delivered = new Map(transfer.sources)
  for (const [peer, now] of progress?.sources ?? []) delivered.set(peer, (run?.before.get(peer) ?? 0) + now)
  return {
    id: transfer.id,
    kind: transfer.kind,
    fileId: transfer.fileId,
    root: version.root,
    state: transfer.state,
    bytes,
    total: version.size,
    bytesPerSecond: run?.meter.bytesPerSecond ?? 0,
    etaSeconds: run?.meter.etaSeconds(version.size - bytes) ?? null,
    sources: [...delivered].map(([id, amount]) => ({ id, bytes: amount })),
    startedAt: transfer.started,
    finishedAt: transfer.finished,
    error: transfer.error,
  }
}
