/**
 * Typed client of the HTTP API of a node: `connectTo`, `MaloteClient`.
 * @module @malote/client
 */
export * from './api.ts'
export { type Download, MaloteClient, type MaloteClientInit, type Preview, type UploadOptions } from './client.ts'
export { connectTo, proveServer } from './connect.ts'
export {
  ConnectionLostError,
  FileChangedError,
  FileUnreadableError,
  NotRunningError,
  type NotRunningReason,
  type ProblemDocument,
  ProblemError,
} from './errors.ts'
export type { ClientEvent } from './events.ts'
export type { StreamSource, TransferProgress, UploadFields } from './upload.ts'
