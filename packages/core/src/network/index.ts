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
} from './errors.ts'
export { createHost, type HostInit, type NetworkHost, OPEN_TIMEOUT_MS } from './host.ts'
export { protocolId } from './protocols.ts'
export type * from './types.ts'
