/**
 * The open connections: which of several to one peer is used, which are closed as worse, what has been measured of each,
 * what is known of each peer while it is connected, and who is told when it comes, goes, or is reached another way.
 */
import type { Connection, Libp2p } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { isRelayed, pathOf } from './addresses.ts'
import { StreamBrokenError } from './errors.ts'
import { nodeIdOf } from './gater.ts'
import { finePathOf, ipOf } from './path-kinds.ts'
import { PathMeter } from './path-meter.ts'
import { bestPath, type Path } from './paths.ts'
import type { PathKind, PathView, PeerConnection } from './types.ts'

/** A worse connection to one peer is closed when it is unused and this old, milliseconds. */
const DUPLICATE_AGE_MS = 10_000
/** A relayed one stays so long beside a direct one, which may be cut by a NAT or a cable as soon as it stands (ms). */
export const RELAY_KEPT_MS = 30_000
/** Then what is still going on over it has had its time to move, and begins anew over the better one (ms). */
export const RELAY_USED_MS = 90_000
/** The larger id waits so many times longer: were the two of two opinions, they would close both. */
const PATIENCE = 3
/** For a graceful end of a connection; then it is cut. */
const CLOSE_MS = 250

export interface PeerEvent {
  readonly type: 'connected' | 'disconnected'
  readonly peer: NodeId
}

export interface ConnectionsInit {
  readonly node: Libp2p
  readonly self: NodeId
  readonly clock: Clock
  readonly listeners: ReadonlySet<(event: PeerEvent) => void>
  readonly pathListeners: ReadonlySet<(peer: NodeId) => void>
  /** sockets beside it carry what is large */
  hasLanes(connection: Connection): boolean
}

/** What is known of one connection. */
export interface PathState {
  readonly path: PathKind
  /** see `Path` */
  readonly via: string
  readonly openedAt: number
  readonly meter: PathMeter
  isSilent: boolean
}

export class Connections {
  readonly #init: ConnectionsInit
  readonly #node: Libp2p
  readonly #clock: Clock
  readonly #identified = new Set<NodeId>()
  /** libp2p keeps them under keys that take it a while to make */
  readonly #all = new Map<NodeId, Connection[]>()
  readonly #states = new WeakMap<Connection, PathState>()
  /** the connection in use, and since when */
  readonly #used = new Map<NodeId, { connection: Connection; since: number }>()

  constructor(init: ConnectionsInit) {
    this.#init = init
    this.#clock = init.clock
    this.#node = init.node
    const { node } = init
    node.addEventListener('connection:open', ({ detail: connection }) => {
      this.state(connection)
      const peer = nodeIdOf(connection.remotePeer)
      this.#all.set(peer, [...(this.#all.get(peer) ?? []), connection])
      // libp2p counts it among the peer's after this event
      queueMicrotask(() => this.best(peer))
    })
    node.addEventListener('connection:close', ({ detail: connection }) => {
      const peer = nodeIdOf(connection.remotePeer)
      const others = this.#all.get(peer)?.filter((each) => each !== connection) ?? []
      if (others.length === 0) this.#all.delete(peer)
      else this.#all.set(peer, others)
      this.best(peer)
    })
    node.addEventListener('peer:identify', (event) => this.#onIdentified(nodeIdOf(event.detail.peerId)))
    node.addEventListener('peer:disconnect', (event) => this.#onGone(nodeIdOf(event.detail)))
  }

  has(peer: NodeId): boolean {
    return this.#identified.has(peer)
  }

  /** The connection to use; tells when it is another one than before. */
  best(peer: NodeId): Connection | undefined {
    const open = this.open(peer)
    const used = this.#used.get(peer)
    if (used !== undefined && open.length === 1 && open[0] === used.connection) return used.connection
    const best = bestPath(
      open.map((each) => this.#pathOf(each)),
      {
        current: used?.connection.id,
        isSmaller: this.#init.self < peer,
      },
    )
    const connection = open.find(({ id }) => id === best?.id)
    if (connection === used?.connection) return connection
    if (connection === undefined) this.#used.delete(peer)
    else {
      this.#used.set(peer, { connection, since: this.now() })
      if (used !== undefined) for (const listener of [...this.#init.pathListeners]) listener(peer)
    }
    return connection
  }

  /** All to that peer. */
  open(peer: NodeId): Connection[] {
    return this.#all.get(peer)?.filter(({ status }) => status === 'open') ?? []
  }

  /** Everybody to whom there is a connection. */
  peers(): NodeId[] {
    return [...this.#all.keys()]
  }

  state(connection: Connection): PathState {
    const known = this.#states.get(connection)
    if (known !== undefined) return known
    const { remoteAddr } = connection
    const path = pathOf(remoteAddr)
    const via = path === 'relay' ? relayOf(connection) : (ipOf(remoteAddr) ?? remoteAddr.toString())
    const state = { path, via, openedAt: this.now(), meter: new PathMeter(), isSilent: false }
    this.#states.set(connection, state)
    return state
  }

  list(): PeerConnection[] {
    return this.peers().flatMap((peer): PeerConnection[] => {
      const best = this.best(peer)
      if (best === undefined) return []
      const paths = [best, ...this.open(peer).filter((each) => each !== best)].map((each) => this.#viewOf(each))
      const [used] = paths
      return used === undefined ? [] : [{ peer, ...used, paths }]
    })
  }

  async hangUp(peer?: NodeId): Promise<void> {
    const all = peer === undefined ? this.#node.getConnections() : (this.#all.get(peer) ?? [])
    await Promise.all(all.map(closeQuickly))
  }

  /** Closes what is worse, and connections to those whom we do not want to hear from. */
  async prune(isUnwanted: (peer: NodeId) => boolean): Promise<void> {
    const closing: Connection[] = []
    for (const peer of this.peers()) {
      const unwanted = isUnwanted(peer)
      const best = this.best(peer)
      for (const connection of this.#all.get(peer) ?? []) {
        if (unwanted || (best !== undefined && this.#isSpare(connection, best))) closing.push(connection)
      }
    }
    await Promise.all(closing.map(closeQuickly))
  }

  noteHeard(connection: Connection, bytes: number): void {
    this.state(connection).meter.heard(bytes, this.now())
  }

  /** @param isBeside over a lane */
  noteSent(connection: Connection, bytes: number, isBeside?: boolean): void {
    this.state(connection).meter.sent(bytes, this.now(), isBeside)
  }

  noteRtt(connection: Connection, ms: number): void {
    const state = this.state(connection)
    state.meter.answered(ms, this.now())
    // not at the first byte: one that comes and goes would be changed to and fro
    state.isSilent = false
  }

  /** True when anything came over it since then. */
  heardSince(connection: Connection, time: number): boolean {
    return this.state(connection).meter.heardAt >= time
  }

  /** The time that all of this is reckoned in. */
  now(): number {
    return this.#clock.monotonic?.() ?? this.#clock.now()
  }

  /** Worse than the one in use, for long enough, and of no more use. */
  #isSpare(connection: Connection, best: Connection): boolean {
    const used = this.#used.get(nodeIdOf(connection.remotePeer))
    if (connection === best || used === undefined) return false
    const now = this.now()
    const patience = this.#init.self < nodeIdOf(connection.remotePeer) ? 1 : PATIENCE
    const isIdle = connection.streams.length === 0 && !this.#init.hasLanes(connection)
    const age = Math.min(now - this.state(connection).openedAt, now - used.since)
    if (!isRelayed(connection.remoteAddr)) return isIdle && age > DUPLICATE_AGE_MS * patience
    const isProved = isRelayed(best.remoteAddr) || this.state(best).meter.heardAt > used.since
    return isProved && age > (isIdle ? RELAY_KEPT_MS : RELAY_USED_MS) * patience
  }

  #pathOf(connection: Connection): Path {
    const { meter, openedAt, isSilent, path, via } = this.state(connection)
    const { id, direction } = connection
    return {
      id,
      path,
      kind: finePathOf(connection, path),
      isOutbound: direction === 'outbound',
      via,
      openedAt,
      rttMs: meter.rttMs,
      bytesPerMs: meter.bytesPerMs(this.now()),
      isSilent,
    }
  }

  #viewOf(connection: Connection): PathView {
    const { path, kind, openedAt, rttMs, bytesPerMs, isSilent } = this.#pathOf(connection)
    return {
      path,
      kind,
      address: connection.remoteAddr.toString(),
      ageMs: Math.max(0, Math.round(this.now() - openedAt)),
      rttMs: rttMs === null ? null : Math.round(rttMs * 10) / 10,
      bytesPerSecond: bytesPerMs === null ? null : Math.round(bytesPerMs * 1000),
      isSilent,
    }
  }

  #onIdentified(peer: NodeId): void {
    if (this.#identified.has(peer)) return
    this.#identified.add(peer)
    this.#tell({ type: 'connected', peer })
  }

  #onGone(peer: NodeId): void {
    this.#used.delete(peer)
    if (this.#identified.delete(peer)) this.#tell({ type: 'disconnected', peer })
  }

  #tell(event: PeerEvent): void {
    for (const listener of [...this.#init.listeners]) listener(event)
  }
}

/** The member over whom it goes. */
function relayOf({ remoteAddr }: Connection): string {
  return remoteAddr.getComponents().find(({ name }) => name === 'p2p')?.value ?? ''
}

export async function closeQuickly(connection: Connection): Promise<void> {
  try {
    await connection.close({ signal: AbortSignal.timeout(CLOSE_MS) })
  } catch (error) {
    connection.abort(error instanceof Error ? error : new StreamBrokenError('closing'))
  }
}
