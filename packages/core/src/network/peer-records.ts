/**
 * What libp2p keeps of peers. Identify writes down what a peer says of itself, up to 80 KiB, of everybody who connects,
 * and keeps it for good: strangers that come under ever new names would fill the memory. Of who is no member only those
 * protocols are kept that this node speaks, and nothing at all once it has gone.
 */
import type { PeerData, PeerId, PeerStore } from '@libp2p/interface'
import type { NodeId } from '../ids.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'

export interface PeerRecords {
  /** for what this node learnt itself */
  readonly store: Pick<PeerStore, 'get' | 'merge' | 'patch'>
  /** Drops once more what was written after its peer had gone. */
  tend(): void
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
    if (isKept(nodeIdOf(peer))) return data
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
