/**
 * Turns a relayed libp2p connection into a direct one where the NATs between two peers allow it.
 *
 * @example
 * const node = await createLibp2p({
 *   transports: [tcp(), circuitRelayTransport()],
 *   services: { identify: identify(), punch: punch() },
 *   // ...
 * })
 * const { connection, way } = await node.services.punch.upgrade(peerId)
 *
 * @packageDocumentation
 */
import { Punch } from './punch.ts'
import type { PunchComponents, PunchInit } from './service-types.ts'

export type { AnsweringInit } from './answering.ts'
export { type Endpoint, isPublic } from './endpoints.ts'
export { PunchBusyError, PunchFailedError, PunchMessageError, PunchUnavailableError } from './errors.ts'
export type { Way } from './messages.ts'
export { type AnsweringPorts, QUESTION } from './observer.ts'
export type { Punch, Upgraded } from './punch.ts'
export { DEFAULT_PREFIX, type PunchComponents, type PunchInit } from './service-types.ts'
export type { Statement } from './statements.ts'

/** A service for `createLibp2p`. */
export function punch(init: PunchInit = {}): (components: PunchComponents) => Punch {
  return (components) => new Punch(components, init)
}
