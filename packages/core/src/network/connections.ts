/**
 * The open connections: which of several to one peer is used, which are closed as duplicates, what is known of each
 * peer while it is connected, and who is told when it comes and goes.
 */
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { isPrivateIp, isRelayed, pathOf } from './addresses.ts'
import { StreamBrokenError } from './errors.ts'
import { nodeIdOf } from './gater.ts'
import type { PeerConnection } from './types.ts'

/** A second connection to one peer is closed when it is unused and this old, milliseconds. */
const DUPLICATE_AGE_MS = 10_000
/** For a graceful end of a connection; then it is cut. */
const CLOSE_MS = 250

export interface PeerEvent {
  readonly type: 'connected' | 'disconnected'
  readonly peer: NodeId
}

export class Connections {
  readonly #node: Libp2p
  readonly #self: NodeId
  readonly #clock: Clock
  readonly #identified = new Set<NodeId>()
  readonly #rtts = new Map<NodeId, number>()
  readonly #heard = new Map<NodeId, number>()
  readonly #listeners: ReadonlySet<(event: PeerEvent) => void>
  #wasReached = false

  constructor(node: Libp2p, self: NodeId, clock: Clock, listeners: ReadonlySet<(event: PeerEvent) => void>) {
    this.#node = node
    this.#self = self
    this.#clock = clock
    this.#listeners = listeners
    node.addEventListener('connection:open', ({ detail: { direction, remoteAddr } }) => {
      const isFromOutside = !isRelayed(remoteAddr) && !isPrivateIp(remoteAddr.getComponents()[0]?.value ?? '')
      if (direction === 'inbound' && isFromOutside) this.#wasReached = true
    })
    node.addEventListener('peer:identify', (event) => this.#onIdentified(nodeIdOf(event.detail.peerId)))
    node.addEventListener('peer:disconnect', (event) => this.#onGone(nodeIdOf(event.detail)))
  }

  /** Somebody with a public address has dialled this node directly. */
  get wasReached(): boolean {
    return this.#wasReached
  }

  has(peer: NodeId): boolean {
    return this.#identified.has(peer)
  }

  /** Of several: direct before relayed, then the one that the smaller id has opened (both ends choose alike), then the oldest. */
  best(peer: NodeId): Connection | undefined {
    return this.#bestOf(peerIdFromString(peer))
  }

  list(): PeerConnection[] {
    const result: PeerConnection[] = []
    for (const peerId of this.#node.getPeers()) {
      const connection = this.#bestOf(peerId)
      if (connection === undefined) continue
      const peer = nodeIdOf(peerId)
      const address = connection.remoteAddr.toString()
      result.push({ peer, path: pathOf(connection.remoteAddr), rttMs: this.#rtts.get(peer) ?? null, address })
    }
    return result
  }

  async hangUp(peer?: NodeId): Promise<void> {
    const all = peer === undefined ? this.#node.getConnections() : this.#node.getConnections(peerIdFromString(peer))
    await Promise.all(all.map(closeQuickly))
  }

  /** Closes unused duplicates, and connections to those whom we do not want to hear from. */
  async prune(isUnwanted: (peer: NodeId) => boolean): Promise<void> {
    const oldest = this.#clock.now() - DUPLICATE_AGE_MS
    const closing: Connection[] = []
    for (const peerId of this.#node.getPeers()) {
      const best = this.#bestOf(peerId)
      const unwanted = isUnwanted(nodeIdOf(peerId))
      for (const connection of this.#node.getConnections(peerId)) {
        const isSpare = connection !== best && connection.timeline.open < oldest && connection.streams.length === 0
        if (unwanted || isSpare) closing.push(connection)
      }
    }
    await Promise.all(closing.map(closeQuickly))
  }

  noteRtt(peer: NodeId, ms: number): void {
    if (this.#identified.has(peer)) this.#rtts.set(peer, ms)
  }

  noteHeard(peer: NodeId): void {
    this.#heard.set(peer, this.#clock.now())
  }

  /** True when anything came from the peer since then, over any stream. */
  heardSince(peer: NodeId, ms: number): boolean {
    return (this.#heard.get(peer) ?? 0) >= ms
  }

  #bestOf(peerId: PeerId): Connection | undefined {
    const [first, ...rest] = this.#node.getConnections(peerId).filter(({ status }) => status === 'open')
    if (first === undefined || rest.length === 0) return first
    const isPreferred = this.#self < nodeIdOf(peerId) ? 'outbound' : 'inbound'
    const rank = ({ remoteAddr, direction }: Connection) =>
      (isRelayed(remoteAddr) ? 2 : 0) + (direction === isPreferred ? 0 : 1)
    return [first, ...rest].sort((a, b) => rank(a) - rank(b) || a.timeline.open - b.timeline.open)[0]
  }

  #onIdentified(peer: NodeId): void {
    if (this.#identified.has(peer)) return
    this.#identified.add(peer)
    this.#tell({ type: 'connected', peer })
  }

  #onGone(peer: NodeId): void {
    this.#rtts.delete(peer)
    this.#heard.delete(peer)
    if (this.#identified.delete(peer)) this.#tell({ type: 'disconnected', peer })
  }

  #tell(event: PeerEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}

export async function closeQuickly(connection: Connection): Promise<void> {
  try {
    await connection.close({ signal: AbortSignal.timeout(CLOSE_MS) })
  } catch (error) {
    connection.abort(error instanceof Error ? error : new StreamBrokenError('closing'))
  }
}
