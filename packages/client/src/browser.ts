export * from './api.ts'
export { type ProblemDocument, ProblemError } from './errors.ts'
