/** The relays of one host: what `relays.ts` decides about, as it is with libp2p. */
import { isIP } from 'node:net'
import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { AddressBook } from './address-book.ts'
import { isLoopback, isPrivateIp, isRelayed, withoutPeer } from './addresses.ts'
import type { Connections } from './connections.ts'
import { nodeIdOf } from './gater.ts'
import type { Components } from './guard.ts'
import { ipOf } from './path-kinds.ts'
import { Reached } from './reached.ts'
import { createRelayBudget, DEFAULT_RELAY_LIMIT } from './relay-budget.ts'
import { Circuits } from './relay-circuits.ts'
import type { RelayReservations } from './relay-reservations.ts'
import { startRelayServer } from './relay-server.ts'
import type { RelayCandidate, RelayLoad, RelayServing } from './relay-types.ts'
import { Relays } from './relays.ts'
import type { PathKind } from './types.ts'

/** Addresses that are told for each relay of this node: what others need is one that they reach, or a second. */
const ADDRESSES_PER_RELAY = 2

export interface HostRelaysInit {
  readonly clock: Clock
  readonly node: Libp2p
  readonly components: Components
  readonly reservations: RelayReservations
  readonly connections: Connections
  readonly book: AddressBook
  readonly serving: RelayServing | undefined
  /** bytes per second; null: no bound */
  readonly limit: number | null | undefined
  readonly announces: boolean
  isTrusted(peer: NodeId): boolean
  isMember(peer: NodeId): boolean
  log(message: string, error?: unknown): void
}

export interface HostRelays {
  /** over what others reach this node directly */
  readonly reachedBy: ReadonlySet<PathKind>
  readonly isServing: boolean
  /** relays over which this node can be reached */
  held(): NodeId[]
  /** under which others reach this node over them */
  addresses(): Multiaddr[]
  /** how busy this relay is; null when it is none */
  load(): RelayLoad | null
  /** what a member says of itself as relay */
  note(relay: NodeId, load: RelayLoad | null): void
  stop(): Promise<void>
}

export async function startHostRelays(init: HostRelaysInit): Promise<HostRelays> {
  const { clock, node, components, reservations, connections, book } = init
  const budget = createRelayBudget(clock, init.limit === undefined ? DEFAULT_RELAY_LIMIT : init.limit)
  const loads = new Map<NodeId, RelayLoad>()
  /** connected ones that speak the protocol */
  const serving = new Set<NodeId>()
  let circuits: Circuits | undefined

  const reached = new Reached({
    components,
    announces: init.announces,
    isTrusted: ({ remotePeer }) => init.isTrusted(nodeIdOf(remotePeer)),
  })
  const relays = new Relays({
    clock,
    serving: init.serving ?? 'auto',
    isReachable: () => reached.isReached,
    has: (relay) => reservations.has(relay),
    reserve: (relay) => reservations.reserve(relay),
    async serve() {
      const started = new Circuits({ clock, budget, isMember: init.isMember })
      const server = await startRelayServer({ components, circuits: started, addresses: () => directOf(components) })
      circuits = started
      return {
        async stop() {
          circuits = undefined
          await server.stop()
        },
      }
    },
    candidates() {
      return connections
        .list()
        .filter(({ peer, path }) => serving.has(peer) && path !== 'relay' && init.isTrusted(peer))
        .map(({ peer, rttMs }): RelayCandidate => ({ relay: peer, rttMs, load: loads.get(peer) ?? null }))
    },
    log: init.log,
  })
  reservations.onLost((relay) => relays.lost(relay))
  const onProtocols = (peer: NodeId, protocols: readonly string[]) => {
    if (protocols.includes(RELAY_V2_HOP_CODEC)) serving.add(peer)
    else serving.delete(peer)
  }
  node.addEventListener('peer:identify', ({ detail }) => {
    onProtocols(nodeIdOf(detail.peerId), detail.protocols)
    relays.forget(nodeIdOf(detail.peerId))
    relays.look()
  })
  node.addEventListener('peer:update', ({ detail: { peer } }) => onProtocols(nodeIdOf(peer.id), peer.protocols))
  node.addEventListener('peer:disconnect', ({ detail }) => serving.delete(nodeIdOf(detail)))
  await relays.start()

  const addressesOver = (relay: NodeId): Multiaddr[] => {
    const open = node.getConnections(peerIdFromString(relay)).filter(({ remoteAddr }) => !isRelayed(remoteAddr))
    const dialled = open
      .filter(({ direction }) => direction === 'outbound')
      .map(({ remoteAddr }) => remoteAddr.toString())
    const known = [...new Set([...book.known(relay), ...dialled].map(withoutPeer))].filter(
      (each) => !/p2p-circuit/.test(each),
    )
    return nearestOf(known.map((address) => multiaddr(address)))
      .slice(0, ADDRESSES_PER_RELAY)
      .map((address) => multiaddr(`${address.toString()}/p2p/${relay}/p2p-circuit`))
  }
  return {
    get reachedBy() {
      return reached.reachedBy
    },
    get isServing() {
      return relays.isServing
    },
    held: () => relays.held(),
    addresses: () => relays.held().flatMap(addressesOver),
    load: () => (circuits === undefined ? null : { circuits: circuits.size, share: budget.load() }),
    note(relay, load) {
      if (load === null) loads.delete(relay)
      else loads.set(relay, load)
    },
    stop: () => relays.stop(),
  }
}

/** Where others reach this node without a relay. */
export function directOf({ addressManager }: Pick<Components, 'addressManager'>): Multiaddr[] {
  return (
    addressManager
      .getAddressesWithMetadata()
      // what peers believe to have seen of us is dialled by nobody: the port is that of an outgoing socket
      .filter(({ type, multiaddr: address }) => type !== 'observed' && !isRelayed(address))
      .map(({ multiaddr: address }) => address)
  )
}

/** Who has only one of IPv4 and IPv6 needs one of that: the best of each first. */
export function nearestOf(addresses: readonly Multiaddr[]): Multiaddr[] {
  const sorted = addresses.toSorted((a, b) => distance(a) - distance(b))
  const best = new Map(sorted.toReversed().map((address) => [isIP(ipOf(address) ?? ''), address]))
  return [...new Set([...sorted.filter((address) => [...best.values()].includes(address)), ...sorted])]
}

/** Public ones first, loopback last. */
function distance(address: Multiaddr): number {
  if (isLoopback(address)) return 2
  return isPrivateIp(ipOf(address) ?? '') ? 1 : 0
}
