/**
 * The same for a page that the node itself has served: no token, no files.
 * @module @malote/client/browser
 */
export * from './api.ts'
export { type ProblemDocument, ProblemError } from './errors.ts'
