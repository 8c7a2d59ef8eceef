/** What a host is made of, made and joined: libp2p's node, and what keeps its connections, addresses, relays and paths. */
import type { Socket } from 'node:net'
import type { Libp2p } from '@libp2p/interface'
import { QUESTION } from '@malote/punch'
import type { NodeId } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { AddressBook } from './address-book.ts'
import { parseMultiaddr } from './addresses.ts'
import { Connections, type PeerEvent } from './connections.ts'
import { Dials } from './dial-race.ts'
import { UdpUnavailableError } from './errors.ts'
import { createGater } from './gater.ts'
import { type Components, guardRegistrar, type RegistrarGuard } from './guard.ts'
import type { HostInit } from './host-types.ts'
import type { HostilePeers } from './hostile.ts'
import { TLS_HANDSHAKE } from './lane-listener.ts'
import type { Lanes } from './lanes.ts'
import { startLibp2p } from './libp2p-node.ts'
import type { MemberPunch } from './observed.ts'
import { PathKeeper } from './path-keeper.ts'
import { boundPeerRecords, type PeerRecords } from './peer-records.ts'
import { RelayReservations } from './relay-reservations.ts'
import { type HostRelays, startHostRelays } from './relay-wiring.ts'
import type { Strangers } from './strangers.ts'
import { announcedAt, type ChosenTransports } from './transports.ts'
import type { Gate } from './types.ts'
import type { PortMapper } from './upnp-mapping.ts'
import { memberPortMapper } from './upnp-wiring.ts'

export interface Parts {
  readonly node: Libp2p
  readonly components: Components
  readonly guard: RegistrarGuard
  readonly records: PeerRecords
  readonly book: AddressBook
  readonly connections: Connections
  readonly relays: HostRelays
  readonly paths: PathKeeper
  readonly dials: Dials
  readonly mapper: PortMapper
}

export interface PartsInit {
  readonly init: HostInit
  readonly self: NodeId
  readonly transports: ChosenTransports
  gate(): Gate | null
  /** false while this node's presence is switched off */
  isOpen(): boolean
  /** the protocols of a network are registered */
  isSpeaking(): boolean
  /** a member, not quarantined, with whom we want to have to do */
  isTrusted(peer: NodeId): boolean
  isMember(peer: NodeId): boolean
  /** peers that we were asked to dial by address, members or not */
  readonly invited: ReadonlySet<NodeId>
  readonly hostile: HostilePeers
  readonly strangers: Strangers
  readonly lanes: Lanes
  readonly punch: MemberPunch
  readonly peerListeners: ReadonlySet<(event: PeerEvent) => void>
  readonly pathListeners: ReadonlySet<(peer: NodeId) => void>
  readonly stopped: AbortSignal
  log(message: string, error?: unknown): void
}

/** @throws {ListenError} @throws {UdpUnavailableError} */
export async function startParts(given: PartsInit): Promise<Parts> {
  const { init, self, transports, isOpen, isTrusted, isMember, lanes, punch, log } = given
  const { clock, listen } = init
  let components: Components | undefined
  let guard: RegistrarGuard | undefined
  let records: PeerRecords | undefined
  if (transports.udp === 'unavailable' && listen.some((address) => address.includes('/quic-v1')))
    throw new UdpUnavailableError()
  const reservations = new RelayReservations()
  const announces = (init.announce ?? []).length > 0
  const node = await startLibp2p({
    signingKey: init.signingKey,
    listen: listen.map((address) => parseMultiaddr(address).toString()),
    announce: announcedAt(init.announce, listen, transports),
    transports,
    reservations,
    gater: createGater({
      gate: () => given.hostile.gate(given.gate()),
      isOpen,
      invited: given.invited,
      strangers: given.strangers,
    }),
    lanes: {
      clock,
      takers: new Map<number, (socket: Socket) => void>([
        [TLS_HANDSHAKE, (socket) => lanes.accept(socket)],
        [QUESTION, (socket) => punch.accept(socket)],
      ]),
    },
    punch: punch.service,
    onComponents: (built) => {
      components = built
      guard = guardRegistrar(built.registrar, isTrusted, clock)
      records = boundPeerRecords(built, (peer) => isMember(peer) || given.invited.has(peer))
    },
  })
  if (components === undefined || guard === undefined || records === undefined)
    throw new TypeError('libp2p built no services')
  const connections = new Connections({
    node,
    self,
    clock,
    listeners: given.peerListeners,
    pathListeners: given.pathListeners,
    hasLanes: (connection) => lanes.stand(connection),
  })
  const book = new AddressBook(records.store)
  const relays = await startHostRelays({
    clock,
    node,
    components,
    reservations,
    connections,
    book,
    serving: init.relay,
    limit: init.relayLimit,
    announces,
    isTrusted,
    isMember,
    log,
  })
  const dials = new Dials(components, clock, book, given.stopped)
  const paths = new PathKeeper({
    clock,
    random: systemRandom,
    self,
    connections,
    dial: (peer, wanted, timeoutMs) => dials.another(peer, wanted, timeoutMs),
    isOpen,
    isMember,
    onDead: (connection) => lanes.endBeside(connection),
    onWake: () => log('the machine has slept, or this process stood still: all paths are tested'),
    log,
  })
  const mapper = memberPortMapper({
    clock,
    components,
    isOn: init.upnp ?? true,
    isWanted: () => isOpen() && given.isSpeaking(),
    announces,
    nat: (signal) => punch.nat(signal),
    log,
  })
  return { node, components, guard, records, book, connections, relays, paths, dials, mapper }
}
