export { type ErrorCode, MaloteError } from './errors.ts'
export { createNode, DEFAULT_TUNING } from './node/node.ts'
export type * from './node/types.ts'
