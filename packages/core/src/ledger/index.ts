/** The door of the ledger room. */
export { createFindings } from './check.ts'
export { CLOCK_TOLERANCE_MS } from './clock.ts'
export { type CloseWitness, createCloseWitness } from './close-witness.ts'
export { decodeEntry, ENTRY_MAX_BYTES, isCosigned, isSigned, recoveryKeyOf, SEEN_MAX, signedShape } from './entry.ts'
export {
  BuildsOnFutureError,
  ClockSkewError,
  EntryForeignError,
  EntryTooLargeError,
  LedgerDamagedError,
  LedgerTakenError,
  NotInNetworkError,
  RunningTwiceError,
} from './errors.ts'
export type { IngestResult, RefusedCode } from './ingest.ts'
export {
  type AppendOptions,
  createLedger,
  type EntriesEvent,
  type Ledger,
  type LedgerInit,
  type Origin,
} from './ledger.ts'
export {
  type ControlFold,
  type ControlNode,
  compareOrdinary,
  foldControl,
  foldControlSteps,
  foldsLast,
  frontier,
  hasSeen,
  seenAmong,
} from './order.ts'
export {
  BEGIN_ANEW,
  type FeedReason,
  type FeedWitnesses,
  type LocalSettings,
  ORDERLY_CLOSE,
  type OwnFeedState,
} from './own-feed.ts'
export { foundingIn, openRemains, type Remains } from './remains.ts'
export type { StoredEntry } from './store.ts'
export { createSync, HEADS_INTERVAL_MS, type Sync, type SyncInit } from './sync.ts'
export type { PeerHeads } from './sync-compare.ts'
export type { FetchResult } from './sync-fetch.ts'
export type { CatchUp } from './sync-progress.ts'
export type { Apply, Entry, EntryReader, EntryStore, Fork, Head, KindInfo, OrderKey, SignedBytes } from './types.ts'
