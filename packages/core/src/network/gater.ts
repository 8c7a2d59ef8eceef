/**
 * Who gets a connection at all. libp2p asks here before it dials, after it has accepted a socket, and again when the
 * handshake has proved the peer's key. The gater has no say per protocol: that is `guard.ts`.
 */
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { NodeId } from '../ids.ts'
import type { Strangers } from './strangers.ts'
import type { Gate } from './types.ts'

export interface GaterInit {
  gate(): Gate | null
  /** false while this node's presence is switched off */
  isOpen(): boolean
  /** peers that we were asked to dial by address, members or not */
  invited: ReadonlySet<NodeId>
  strangers: Strangers
}

export function createGater(init: GaterInit): ConnectionGater {
  const isMember = (peer: PeerId) => init.gate()?.isMember(nodeIdOf(peer)) === true
  const mayConnect = (peer: PeerId) => init.isOpen() && init.gate()?.mayConnect(nodeIdOf(peer)) !== false
  const isInvited = (peer: PeerId) => init.invited.has(nodeIdOf(peer))
  const isTrusted = (peer: PeerId) => isMember(peer) && init.gate()?.isQuarantined(nodeIdOf(peer)) !== true
  return {
    // branches reach each other over private addresses, tests over loopback
    denyDialMultiaddr: () => false,
    // what the routing table or a lie names is dialled only when it is a member
    denyDialPeer: (peer) => !mayConnect(peer) || !(isMember(peer) || isInvited(peer)),
    denyInboundConnection: () => !init.isOpen(),
    denyOutboundEncryptedConnection: (peer) => !mayConnect(peer),
    denyInboundEncryptedConnection: (peer, connection) => {
      if (!mayConnect(peer)) return true
      return !isMember(peer) && !init.strangers.admit(nodeIdOf(peer), connection)
    },
    denyInboundRelayReservation: (source) => !isTrusted(source),
    denyOutboundRelayedConnection: (source, destination) =>
      !isMember(destination) || !(isTrusted(source) || init.strangers.allowCircuit(nodeIdOf(source))),
    denyInboundRelayedConnection: (relay, remote) => !isMember(relay) || !mayConnect(remote),
  }
}

/** A PeerId as the product's id. Keys other than Ed25519 give ids that are members of nothing. */
export function nodeIdOf(peer: PeerId): NodeId {
  return peer.toString() as NodeId
}
