import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import { type NetworkId, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { systemRandom } from '../random.ts'
import {
  inTurns,
  isLoopback,
  isNodeId,
  isRelayed,
  parseAddress,
  parseAddresses,
  parseMultiaddr,
  peersIn,
} from './addresses.ts'
import type { PeerEvent } from './connections.ts'
import { withDeadline } from './deadline.ts'
import { DisconnectedError, UnreachableError } from './errors.ts'
import { nodeIdOf } from './gater.ts'
import { Handlers } from './handlers.ts'
import { type Parts, startParts } from './host-parts.ts'
import type { HostInit, NetworkHost } from './host-types.ts'
import { HostilePeers } from './hostile.ts'
import { Lanes, MAX_LANE_MESSAGE } from './lanes.ts'
import { stopLibp2p } from './libp2p-node.ts'
import type { Nat } from './nat.ts'
import { MemberPunch } from './observed.ts'
import { asOurs, OPEN_TIMEOUT_MS, Opening } from './opening.ts'
import { mayLeadTo, whereIs } from './peer-records.ts'
import { describeReachability } from './reachability.ts'
import type { RelayLoad } from './relay-types.ts'
import { directOf } from './relay-wiring.ts'
import { SpokenNetwork } from './spoken-network.ts'
import { Strangers } from './strangers.ts'
import { type Surrounding, watchSurroundings } from './surroundings.ts'
import { announcedAt, type ChosenTransports, chooseTransports } from './transports.ts'
import type { FrameStream, Gate, HandlerInit, PeerConnection, ProtocolName, StreamHandler, Wait } from './types.ts'
import type { UpnpView } from './upnp-types.ts'

/** How often duplicates are closed and services are told of new members, milliseconds. */
const TEND_INTERVAL_MS = 5_000
/** Peers that were dialled by address and may be dialled again although they are no members. */
const MAX_INVITED = 256

/** @throws {ListenError} */
export async function createHost(init: HostInit): Promise<NetworkHost> {
  const host = new Libp2pHost(init)
  await host.start()
  return host
}

class Libp2pHost implements NetworkHost {
  readonly id: NodeId
  readonly #init: HostInit
  readonly #clock: Clock
  readonly #strangers: Strangers
  readonly #invited = new Set<NodeId>()
  readonly #hostile: HostilePeers
  readonly #spoken: SpokenNetwork
  readonly #lanes: Lanes
  readonly #punch: MemberPunch
  readonly #transports: ChosenTransports
  readonly #peerListeners = new Set<(event: PeerEvent) => void>()
  readonly #pathListeners = new Set<(peer: NodeId) => void>()
  readonly #foundListeners = new Set<(peer: NodeId) => void>()
  readonly #surroundingsListeners = new Set<(what: Surrounding) => void>()
  readonly #stopped = new AbortController()
  readonly #opening: Opening
  #gate: Gate | null = null
  #open = true
  #parts: Parts | undefined
  #cancelTend: () => void = () => {}
  #stopWatching: () => void = () => {}

  constructor(init: HostInit) {
    this.#init = init
    this.#clock = init.clock
    this.id = nodeIdFromPublicKey(init.signingKey.publicKey)
    this.#transports = chooseTransports(init.transports)
    this.#hostile = new HostilePeers(init.clock)
    this.#strangers = new Strangers({ clock: init.clock, isMember: (node) => this.isMember(node) })
    const handlers = new Handlers({
      clock: init.clock,
      gate: () => this.#gate,
      strangers: this.#strangers,
      ...this.#metering(),
      onOpened: (frames, connection) => this.#opening.note(frames, connection),
      onHostile: (peer) => this.#onHostile(peer),
      log: (message, error) => this.#log(message, error),
    })
    this.#punch = new MemberPunch({
      self: this.id,
      clock: init.clock,
      onSocket: (socket) => this.#lanes.accept(socket),
      isTrusted: (peer) => this.#isTrusted(peer),
      isOpen: () => this.#open,
      log: (message, error) => this.#log(message, error),
    })
    this.#spoken = new SpokenNetwork({
      clock: init.clock,
      handlers,
      mdns: init.mdns ?? true,
      parts: () => this.#running(),
      onFound: (peer, addresses, how) => this.#onFound(peer, addresses, how),
      speak: (prefix) => this.#punch.speak(prefix),
      hangUp: () => this.hangUp(),
      log: (message, error) => this.#log(message, error),
    })
    this.#lanes = new Lanes({
      clock: init.clock,
      random: systemRandom,
      isOpen: () => this.#open,
      connection: (peer) => this.#running().connections.best(peer),
      connections: (peer) => this.#running().connections.open(peer),
      request: (peer, frame, signal) =>
        this.request(peer, 'lane', frame, { maxFrameBytes: MAX_LANE_MESSAGE, connectedOnly: true, signal }),
      punch: (connection, signal) => this.#punch.openSocket(connection, signal),
      maxFrameBytes: (protocol) => {
        const registered = this.#spoken.registered(protocol)
        return this.#hasLanes && registered?.init.lane === true ? registered.init.maxFrameBytes : null
      },
      serve: (protocol, stream) => {
        const registered = this.#spoken.registered(protocol)
        if (registered === undefined) stream.abort()
        else handlers.serve(protocol, registered.init, registered.handler, stream)
      },
      ...this.#metering(),
      log: (message, error) => this.#log(message, error),
    })
    this.#opening = new Opening({
      clock: init.clock,
      network: () => this.#spoken.id,
      mayConnect: (peer) => this.#gate?.mayConnect(peer) !== false,
      connections: () => this.#running().connections,
      dial: (peer, signal) => this.#dialPeer(peer, signal),
      lanes: () => (this.#hasLanes ? this.#lanes : null),
    })
    this.handle(
      'lane',
      { maxFrameBytes: MAX_LANE_MESSAGE, timeoutMs: OPEN_TIMEOUT_MS, maxStreamsPerPeer: 16 },
      (stream) => this.#lanes.answer(stream),
    )
    // the lanes of the path before could not be had; those of this one may be
    this.onPath((peer) => this.#lanes.forget(peer))
    this.onPeer(({ type, peer }) => {
      if (type === 'connected') this.#lanes.forget(peer)
      else this.#lanes.end((each) => each === peer)
    })
  }

  async start(): Promise<void> {
    this.#parts = await startParts({
      init: this.#init,
      self: this.id,
      transports: this.#transports,
      gate: () => this.#gate,
      isOpen: () => this.#open,
      isSpeaking: () => this.#spoken.id !== null,
      isTrusted: (peer) => this.#isTrusted(peer),
      isMember: (peer) => this.isMember(peer),
      invited: this.#invited,
      hostile: this.#hostile,
      strangers: this.#strangers,
      lanes: this.#lanes,
      punch: this.#punch,
      peerListeners: this.#peerListeners,
      pathListeners: this.#pathListeners,
      stopped: this.#stopped.signal,
      log: (message, error) => this.#log(message, error),
    })
    const { components, connections, mapper } = this.#parts
    this.#punch.start(connections, components.events)
    this.#stopWatching = watchSurroundings({
      clock: this.#clock,
      reachedAt: () => this.addresses(),
      onChange: (what) => this.#onSurroundings(what),
    })
    mapper.start()
    this.#tendLater()
  }

  addresses(): string[] {
    const { components, relays } = this.#running()
    const all = [...directOf(components), ...relays.addresses()]
    const elsewhere = all.filter((address) => !isLoopback(address))
    const useful = elsewhere.some((address) => !isRelayed(address)) ? elsewhere : all
    return [...new Set(inTurns(useful).map((address) => withPeer(address, this.id)))]
  }

  isMember(node: NodeId): boolean {
    return this.#gate?.isMember(node) === true
  }

  isOpen(): boolean {
    return this.#open
  }

  async setOpen(open: boolean): Promise<void> {
    this.#open = open
    this.#running().mapper.look()
    if (!open) await this.hangUp()
  }

  async useNetwork(network: NetworkId | null, gate: Gate): Promise<void> {
    await this.#spoken.change(network, () => {
      this.#gate = network === null ? null : gate
    })
    this.#running().mapper.look()
  }

  handle(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler): void {
    this.#spoken.handle(protocol, init, handler)
  }

  open(peer: NodeId, protocol: ProtocolName, options: Parameters<NetworkHost['open']>[2]): Promise<FrameStream> {
    return this.#opening.open(peer, protocol, options)
  }

  request(
    peer: NodeId,
    protocol: ProtocolName,
    frame: Uint8Array,
    options: Parameters<NetworkHost['request']>[3],
  ): Promise<Uint8Array> {
    return this.#opening.request(peer, protocol, frame, options)
  }

  async dial(addresses: string[], wait: Wait = {}): Promise<NodeId> {
    if (!this.#open) throw new DisconnectedError()
    const targets = addresses.flatMap((address) => parseAddresses(address)).map(parseMultiaddr)
    if (targets.length === 0) throw new UnreachableError('anyone: no address was given')
    for (const target of targets) for (const peer of peersIn(target)) this.#invite(peer)
    const { dials, connections } = this.#running()
    try {
      return await withDeadline(this.#clock, `dialling ${addresses.join(', ')}`, wait, async (signal) => {
        const named = new Set(targets.map((target) => peersIn(target).at(-1)))
        const [only] = named
        if (named.size === 1 && only !== undefined && connections.best(only) !== undefined) return only
        const connection = await dials.addresses(targets, AbortSignal.any([signal, this.#stopped.signal]))
        const peer = nodeIdOf(connection.remotePeer)
        this.#invite(peer)
        return peer
      })
    } catch (error) {
      if (error instanceof AggregateError) throw new UnreachableError(addresses.join(', '), error)
      throw error
    }
  }

  async connect(peer: NodeId, wait: Wait & { anew?: boolean } = {}): Promise<void> {
    if (this.#running().connections.best(peer) !== undefined) return
    const options = { signal: wait.signal, timeoutMs: wait.timeoutMs ?? OPEN_TIMEOUT_MS }
    try {
      await withDeadline(this.#clock, `dialling ${peer}`, options, (signal) => this.#dialPeer(peer, signal, wait.anew))
    } catch (error) {
      throw asOurs(error, peer, 'presence')
    }
  }

  async find(peer: NodeId, wait: Wait = {}): Promise<string[]> {
    const found = await this.#spoken.find(peer, wait)
    this.learn(peer, found)
    return found
  }

  learn(peer: NodeId, addresses: string[]): void {
    if (peer === this.id || !isNodeId(peer)) return
    const usable: Multiaddr[] = []
    for (const address of addresses.slice(0, 64)) {
      try {
        const parsed = parseMultiaddr(parseAddress(address))
        const target = peersIn(parsed).at(-1)
        if (target === undefined || target === peer || isRelayed(parsed)) usable.push(parsed)
      } catch (error) {
        this.#log(`address of ${peer} is of no use`, error)
      }
    }
    const { book, connections } = this.#running()
    book
      .learn(peer, mayLeadTo(usable, whereIs(connections.open(peer))))
      .then((isNews) => isNews && this.#running().paths.hurry(peer))
      .catch((error: unknown) => this.#log('cannot keep addresses', error))
  }

  async hangUp(peer?: NodeId): Promise<void> {
    this.#lanes.end((each) => peer === undefined || each === peer)
    await this.#running().connections.hangUp(peer)
  }

  cut(stream: FrameStream): void {
    this.#opening.cut(stream)
  }

  connections(): PeerConnection[] {
    return this.#running()
      .connections.list()
      .map((each) => ({ ...each, lanes: this.#lanes.count(each.peer) }))
  }

  isConnected(peer: NodeId): boolean {
    return this.#running().connections.has(peer)
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#peerListeners.add(listener)
    return () => void this.#peerListeners.delete(listener)
  }

  onFound(listener: (peer: NodeId) => void): () => void {
    this.#foundListeners.add(listener)
    return () => void this.#foundListeners.delete(listener)
  }

  onPath(listener: (peer: NodeId) => void): () => void {
    this.#pathListeners.add(listener)
    return () => void this.#pathListeners.delete(listener)
  }

  async nat(wait: Wait = {}): Promise<Nat> {
    return await withDeadline(this.#clock, 'asking where this node is seen', wait, (signal) => this.#punch.nat(signal))
  }

  noteRtt(stream: FrameStream, ms: number): void {
    const connection = this.#opening.carrier(stream)
    if (connection !== undefined) this.#running().connections.noteRtt(connection, ms)
  }

  onSurroundings(listener: (what: Surrounding) => void): () => void {
    this.#surroundingsListeners.add(listener)
    return () => void this.#surroundingsListeners.delete(listener)
  }

  relayLoad(): RelayLoad | null {
    return this.#running().relays.load()
  }

  noteRelay(peer: NodeId, load: RelayLoad | null): void {
    this.#running().relays.note(peer, load)
  }

  reachability(): { tcp: string; udp: string; relay: string; nat: string } {
    const { components, relays } = this.#running()
    return describeReachability(components.addressManager.getAddressesWithMetadata(), {
      announced: announcedAt(this.#init.announce, this.#init.listen, this.#transports),
      transports: this.#transports,
      servesAsRelay: relays.isServing,
      relays: relays.held().length,
      reachedBy: relays.reachedBy,
    })
  }

  upnp(): UpnpView {
    return this.#running().mapper.view()
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    this.#stopped.abort()
    this.#cancelTend()
    this.#stopWatching()
    this.#strangers.stop()
    const { node, components, relays, paths, mapper } = this.#running()
    const mapped = mapper.stop()
    await paths.stop()
    await this.#punch.stop()
    await relays.stop()
    await this.#spoken.stop()
    this.#lanes.stop()
    await this.hangUp()
    await mapped
    await stopLibp2p(node, components)
  }

  get #hasLanes(): boolean {
    return this.#init.lanes !== false
  }

  #metering() {
    return {
      onHeard: (connection: Connection, bytes: number) => this.#running().connections.noteHeard(connection, bytes),
      onSent: (connection: Connection, bytes: number, isBeside?: boolean) =>
        this.#running().connections.noteSent(connection, bytes, isBeside),
    }
  }

  #running(): Parts {
    if (this.#parts === undefined) throw new TypeError('the host has not been started')
    return this.#parts
  }

  async #dialPeer(peer: NodeId, signal: AbortSignal, anew = false): Promise<Connection> {
    if (!this.#open) throw new DisconnectedError()
    return await this.#running().dials.peer(peer, signal, anew)
  }

  #invite(peer: NodeId): void {
    if (this.#invited.size >= MAX_INVITED) this.#invited.clear()
    this.#invited.add(peer)
  }

  #isTrusted(peer: NodeId): boolean {
    const gate = this.#gate
    return gate?.isMember(peer) === true && gate.mayConnect(peer) && !gate.isQuarantined(peer)
  }

  #onHostile(peer: NodeId): void {
    this.#hostile.add(peer)
    this.#log(`${peer} sent too many malformed messages`)
    this.hangUp(peer).catch((error: unknown) => this.#log('cannot hang up', error))
  }

  #onFound(peer: NodeId, addresses: string[], how: 'lan' | 'dht'): void {
    if (peer === this.id || !this.isMember(peer)) return
    this.learn(peer, addresses)
    // what the table tells is a by-product of its traffic; only the LAN says that somebody is there now
    if (how === 'lan') for (const listener of [...this.#foundListeners]) listener(peer)
  }

  #onSurroundings(what: Surrounding): void {
    const { paths, mapper } = this.#running()
    if (what === 'reached') paths.hurry()
    else if (this.#open) paths.test()
    if (what === 'moved') this.#punch.moved()
    if (what !== 'reached') mapper.again()
    for (const listener of [...this.#surroundingsListeners]) listener(what)
  }

  #tendLater(): void {
    this.#cancelTend = this.#clock.after(TEND_INTERVAL_MS, () => {
      this.#tend()
      this.#tendLater()
    })
  }

  #tend(): void {
    const { guard, records, connections } = this.#running()
    this.#hostile.tend()
    records.tend()
    guard.catchUp()
    this.#lanes.end((peer) => this.#gate?.mayConnect(peer) === false)
    connections
      .prune((peer) => this.#gate?.mayConnect(peer) === false)
      .catch((error: unknown) => this.#log('cannot close connections', error))
  }

  #log(message: string, error?: unknown): void {
    this.#init.log?.(message, error)
  }
}

function withPeer(address: Multiaddr, id: NodeId): string {
  if (peersIn(address).at(-1) === id) return address.toString()
  return multiaddr(`${address.toString()}/p2p/${id}`).toString()
}
