/**
 * What libp2p keeps of peers. Identify writes down what a peer says of itself, up to 80 KiB, of everybody who connects,
 * and keeps it for good: strangers that come under ever new names would fill the memory. Of who is no member only those
 * protocols are kept that this node speaks, and nothing at all once it has gone. Of members a loopback address is kept only
 * where it may lead to them: elsewhere this node would meet itself there, or another one.
 */
import type { PeerData, PeerId, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../ids.ts'
import { isLoopback, isRelayed } from './addresses.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'

export interface PeerRecords {
  /** for what this node learnt itself */
  readonly store: Pick<PeerStore, 'get' | 'merge' | 'patch'>
  /** Drops once more what was written after its peer had gone. */
  tend(): void
}

/** `unknown`: not connected, or over a relay alone. */
export type Whereabouts = 'here' | 'elsewhere' | 'unknown'

/** On this machine or on another, by how it is connected. */
export function whereIs(open: readonly { readonly remoteAddr: Multiaddr }[]): Whereabouts {
  const direct = open.filter(({ remoteAddr }) => !isRelayed(remoteAddr))
  if (direct.some(({ remoteAddr }) => isLoopback(remoteAddr))) return 'here'
  return direct.length > 0 ? 'elsewhere' : 'unknown'
}

/** Without loopback addresses that cannot lead there, or need not: whoever is reached otherwise tells how. */
export function mayLeadTo(addresses: readonly Multiaddr[], where: Whereabouts): Multiaddr[] {
  // where a relay is, the relay knows
  const elsewhere = addresses.filter((address) => isRelayed(address) || !isLoopback(address))
  const knowsMore = elsewhere.some((address) => !isRelayed(address))
  return where === 'elsewhere' || (where === 'unknown' && knowsMore) ? elsewhere : [...addresses]
}

/** @param isKept members, and whom a person named */
export function boundPeerRecords(
  {
    peerStore,
    registrar,
    events,
    connectionManager,
  }: Pick<Components, 'peerStore' | 'registrar' | 'events' | 'connectionManager'>,
  isKept: (peer: NodeId) => boolean,
): PeerRecords {
  const store = {
    get: peerStore.get.bind(peerStore),
    merge: peerStore.merge.bind(peerStore),
    patch: peerStore.patch.bind(peerStore),
  }
  const save = peerStore.save.bind(peerStore)
  /** who has gone since the last look, and since the one before: identify may still have been at it */
  let gone = new Map<NodeId, PeerId>()
  let before = gone

  function bounded(peer: PeerId, data: PeerData): PeerData {
    if (isKept(nodeIdOf(peer))) return useful(data, whereIs(connectionManager.getConnections(peer)))
    return data.protocols === undefined ? {} : { protocols: spokenBoth(data.protocols) }
  }

  function spokenBoth(protocols: readonly string[]): string[] {
    const own = new Set(registrar.getProtocols())
    return [...new Set(protocols)].filter((protocol) => own.has(protocol))
  }

  function drop(peer: PeerId): void {
    if (isKept(nodeIdOf(peer)) || connectionManager.getConnections(peer).length > 0) return
    // what cannot be deleted now is not there
    void Promise.resolve(peerStore.delete(peer)).catch(() => undefined)
  }

  peerStore.save = (peer, data, options) => save(peer, bounded(peer, data), options)
  peerStore.patch = (peer, data, options) => store.patch(peer, bounded(peer, data), options)
  // a merge adds to what is there: nothing else of a stranger is
  peerStore.merge = (peer, data, options) => store.merge(peer, bounded(peer, data), options)
  events.addEventListener('peer:disconnect', ({ detail: peer }) => {
    if (isKept(nodeIdOf(peer))) return
    drop(peer)
    gone.set(nodeIdOf(peer), peer)
  })
  return {
    store,
    tend() {
      for (const peer of before.values()) drop(peer)
      before = gone
      gone = new Map()
    },
  }
}

function useful(data: PeerData, where: Whereabouts): PeerData {
  const { addresses, multiaddrs, ...rest } = data
  const kept = new Set(
    mayLeadTo([...(addresses ?? []).map(({ multiaddr }) => multiaddr), ...(multiaddrs ?? [])], where),
  )
  return {
    ...rest,
    ...(addresses === undefined ? {} : { addresses: addresses.filter(({ multiaddr }) => kept.has(multiaddr)) }),
    ...(multiaddrs === undefined ? {} : { multiaddrs: multiaddrs.filter((each) => kept.has(each)) }),
  }
}
