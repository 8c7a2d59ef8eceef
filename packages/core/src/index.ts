/**
 * Malote's node as a library: `createNode`.
 * @module @malote/core
 */
export type { Clock } from './clock.ts'
/** For programs that write files under names that other branches have chosen. */
export { safeFileName } from './content/index.ts'
export { type ErrorCode, MaloteError, type MaloteErrorOptions } from './errors.ts'
export type { TransportName } from './network/index.ts'
export { createNode, DEFAULT_TUNING } from './node/node.ts'
/** For moving a node to another machine; both want a data folder that no node uses. */
export { exportIdentity, importIdentity, type Moved } from './node/portable.ts'
export type * from './node/types.ts'
/** For programs that show what other branches have chosen. */
export { showText } from './show-text.ts'
