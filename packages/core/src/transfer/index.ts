export { type Budget, type BudgetHolder, createBudget, DEFAULT_BUDGET_BYTES } from './budget.ts'
export { MAX_SOURCES } from './candidates.ts'
export { type ChallengeInit, challenge } from './challenge.ts'
export { createDownload } from './download.ts'
export {
  type Download,
  type DownloadInit,
  type DownloadProgress,
  NO_SOURCE_MS,
  type SourceProblem,
  type SourceProblemKind,
} from './download-types.ts'
export * from './errors.ts'
export { createLimits, MIN_RATE, type TransferLimits, type TransferRates } from './limits.ts'
export { createTransfers, MAX_RUNNING } from './manager.ts'
export { challengeAnswer } from './protocol.ts'
export { createProvider, type MayFetch, type Provider, type ProviderInit } from './provider.ts'
export { MAX_WINDOW, MIN_WINDOW } from './source-rate.ts'
export type {
  TransferKind,
  TransferState,
  TransferStatus,
  Transfers,
  TransfersInit,
  Wanted,
  WantOptions,
} from './types.ts'
