export { isFault, type Problem, problemOf, statusOf } from './error-map.ts'
export {
  buildDocument,
  createServer,
  DEFAULT_API_HOST,
  DEFAULT_API_PORT,
  type RunningServer,
  type ServerInit,
} from './server.ts'
