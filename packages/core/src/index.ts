export { type ErrorCode, MaloteError } from './errors.ts'
export type * from './node/types.ts'
