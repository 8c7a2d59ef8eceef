/**
 * Finding members without knowing an address: a distributed hash table of the network's own, and multicast DNS on the
 * LAN. Both exist only while the network is known, and only members are believed: what they name is dialled, and the
 * dial proves the PeerId.
 */
import { createHash } from 'node:crypto'
import { type PeerInfo, peerDiscoverySymbol, start, stop } from '@libp2p/interface'
import { type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Ping } from '@libp2p/ping'
import type { Clock } from '../clock.ts'
import { idBytes, type NetworkId, type NodeId } from '../ids.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'
import { Lan } from './lan.ts'
import { protocolId } from './protocols.ts'

/** Questions of one member to the routing table at a time. */
const DHT_STREAMS = 4

export interface DiscoveryInit {
  clock: Clock
  components: Components
  network: NetworkId
  mdns: boolean
  onFound(peer: NodeId, addresses: string[], how: 'lan' | 'dht'): void
  log(message: string, error?: unknown): void
}

export interface Discovery {
  /** Addresses of a member, asked of the members nearest to its id; empty when nobody knows. */
  find(peer: NodeId, signal: AbortSignal): Promise<string[]>
  stop(): Promise<void>
}

export async function startDiscovery(init: DiscoveryInit): Promise<Discovery> {
  const { peerId, privateKey, registrar, addressManager, peerStore, connectionManager, datastore, events, logger } =
    init.components
  const parts: KadDHTComponents = {
    peerId,
    privateKey,
    registrar,
    addressManager,
    peerStore,
    connectionManager,
    datastore,
    events,
    logger,
    ping: init.components.ping as Ping,
  }
  const dht = kadDHT({
    protocol: protocolId(init.network, 'dht'),
    // every member serves: there are no others, and branches have private addresses
    clientMode: false,
    // each holds a message of up to 4 MiB until it is whole or 10 s are over
    maxInboundStreams: DHT_STREAMS,
    peerInfoMapper: passthroughMapper,
    logPrefix: 'malote:dht',
    // a first query before any peer is known must fail at once, not wait
    allowQueryWithZeroPeers: true,
  })(parts)
  listen(dht, (peer) => init.onFound(nodeIdOf(peer.id), addressesOf(peer), 'dht'))
  await start(dht)

  const lan = init.mdns
    ? new Lan({
        clock: init.clock,
        self: nodeIdOf(peerId),
        tag: serviceTag(init.network),
        addresses: () => addressManager.getAddresses(),
        onFound: (peer, addresses) => init.onFound(peer, addresses, 'lan'),
        log: init.log,
      })
    : undefined
  lan?.start()
  return {
    async find(peer, signal) {
      for await (const event of dht.findPeer(peerIdFromString(peer), { signal })) {
        if (event.name === 'FINAL_PEER') return addressesOf(event.peer)
      }
      return []
    },
    async stop() {
      await Promise.all([lan?.stop(), stop(dht)])
    },
  }
}

/** Says nothing about the network but that two nodes are in the same one. */
function serviceTag(network: NetworkId): string {
  const digest = createHash('sha256').update('malote/1/mdns').update(idBytes(network)).digest('hex')
  return `_malote-${digest.slice(0, 16)}._udp.local`
}

/** The table tells of peers by `peer` events, which its type does not declare. */
function listen(service: object, onPeer: (peer: PeerInfo) => void): void {
  const source: unknown = Reflect.get(service, peerDiscoverySymbol)
  if (!(source instanceof EventTarget)) return
  source.addEventListener('peer', (event) => {
    if (event instanceof CustomEvent) onPeer(event.detail as PeerInfo)
  })
}

function addressesOf(peer: PeerInfo): string[] {
  return peer.multiaddrs.map((address) => address.toString())
}
