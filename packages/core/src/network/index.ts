export { DEFAULT_PORT, parseAddress } from './addresses.ts'
export { DEFAULT_TIMEOUT_MS, withDeadline } from './deadline.ts'
export {
  AddressInvalidError,
  DisconnectedError,
  FactInvalidError,
  ListenError,
  NoNetworkError,
  NotMemberError,
  PeerLimitError,
  ProtocolUnsupportedError,
  QuarantinedPeerError,
  StreamBrokenError,
  TimeoutError,
  UnreachableError,
  whyUnreachable,
} from './errors.ts'
export { FACT_TOPICS, type FactTopic, MAX_FACT_KEY, MAX_FACT_VALUE } from './fact-store.ts'
export { createFacts, type FactChange, type Facts, type FactsInit } from './facts.ts'
export { createHost } from './host.ts'
export type { HostInit, NetworkHost } from './host-types.ts'
export type { Nat } from './nat.ts'
export { OPEN_TIMEOUT_MS } from './opening.ts'
export { createPatience, type Patience } from './patience.ts'
export { createPresence, DEFAULT_HEARTBEAT_MS } from './presence.ts'
export type { MemberPresence, Presence, PresenceEvent, PresenceInit } from './presence-types.ts'
export { protocolId } from './protocols.ts'
export { createRetry } from './retry.ts'
export type { Twin } from './runs.ts'
export type { Skew } from './skew.ts'
export { atPort, TRANSPORTS, type TransportName } from './transports.ts'
export type * from './types.ts'
export type { UpnpView } from './upnp-types.ts'
