/** Every protocol id of this product, in one place. */
import type { NetworkId } from '../ids.ts'
import type { ProtocolName } from './types.ts'

/** `/malote/<first 16 hex digits of the network id>/<name>/1`: another network's node does not even share a protocol. */
export function protocolId(network: NetworkId, protocol: ProtocolName): string {
  return `${protocolPrefix(network)}/${protocol}/1`
}

/** For services that make protocol ids themselves. */
export function protocolPrefix(network: NetworkId): string {
  return `/malote/${network.slice(0, 16)}`
}
