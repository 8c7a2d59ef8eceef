/**
 * Keeps paths as good as they can be: watches those that stand, dials others when one falls silent, and goes on looking for
 * a direct one where there is none. What of several is used `paths.ts` decides; holes through NATs are punched elsewhere.
 */
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Random } from '../random.ts'
import { isRelayed, pathOf } from './addresses.ts'
import type { Connections } from './connections.ts'
import { withDeadline } from './deadline.ts'
import { PathWatch } from './path-watch.ts'
import { pingOver } from './ping.ts'

/** A ping that is answered later than this has been given up by everybody (ms). */
const PING_MS = 90_000
/** All addresses of one member at once (ms). */
const DIAL_MS = 5_000
/** Between two looks for a better path to one member, at first and at most (ms). */
const FIRST_PAUSE_MS = 2_000
const LAST_PAUSE_MS = 5 * 60_000
/** While a path is silent others are tried so often (ms). */
const REDIAL_MS = 4_000
/** Members that a better path is looked for at a time. */
const PARALLEL = 4
const LOOK_MS = 1_000
/** The larger id looks later, so that not both dial. */
const COURTESY_MS = 1_000

export interface PathKeeperInit {
  readonly clock: Clock
  readonly random: Random
  readonly self: NodeId
  readonly connections: Connections
  /** Dials under those of its addresses that are wanted, also where there is a connection. @throws when none answers */
  dial(peer: NodeId, wanted: (address: Multiaddr) => boolean, timeoutMs: number): Promise<Connection>
  isOpen(): boolean
  isMember(peer: NodeId): boolean
  /** It is dead: ends what goes the same way. */
  onDead(connection: Connection): void
  onWake(): void
  log(message: string, error?: unknown): void
}

interface Search {
  pauseMs: number
  nextAt: number
}

export class PathKeeper {
  readonly #init: PathKeeperInit
  readonly #watch: PathWatch
  readonly #searches = new Map<NodeId, Search>()
  readonly #dialling = new Map<NodeId, Promise<unknown>>()
  readonly #redialled = new Map<NodeId, number>()
  readonly #stopped = new AbortController()
  #cancel: () => void = () => {}

  constructor(init: PathKeeperInit) {
    this.#init = init
    this.#watch = new PathWatch({
      clock: init.clock,
      connections: init.connections,
      isMember: (peer) => init.isMember(peer),
      ping: (connection, signal) =>
        withDeadline(init.clock, 'ping', { signal, timeoutMs: PING_MS }, (both) => pingOver(connection, both)),
      redial: (peer) => this.#redial(peer),
      cut: (connection, reason) => {
        init.log(`${connection.remoteAddr.toString()} is dead`, reason)
        connection.abort(reason)
        init.onDead(connection)
      },
      onWake: () => {
        this.hurry()
        init.onWake()
      },
    })
    this.#cancel = init.clock.after(LOOK_MS, () => this.#look())
  }

  /** There is news of where somebody is, or of where this node is: better paths are looked for at once. */
  hurry(peer?: NodeId): void {
    const now = this.#init.connections.now()
    for (const [each, search] of this.#searches) {
      if (peer !== undefined && each !== peer) continue
      search.pauseMs = FIRST_PAUSE_MS
      search.nextAt = now
    }
  }

  /** This machine may be somewhere else: who cannot be reached by the ways that stand is found out now. */
  test(): void {
    this.#watch.testAll()
    this.hurry()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('stopped'))
    this.#cancel()
    this.#watch.stop()
    await Promise.allSettled(this.#dialling.values())
  }

  #look(): void {
    if (this.#stopped.signal.aborted) return
    this.#cancel = this.#init.clock.after(LOOK_MS, () => this.#look())
    const { connections, isOpen, isMember } = this.#init
    if (!isOpen()) return
    const peers = connections.peers()
    for (const peer of this.#searches.keys()) if (!peers.includes(peer)) this.#searches.delete(peer)
    for (const peer of this.#redialled.keys()) if (!peers.includes(peer)) this.#redialled.delete(peer)
    for (const peer of peers) {
      const wanted = isMember(peer) && connections.has(peer) ? this.#wanted(peer) : null
      if (wanted === null) this.#searches.delete(peer)
      else this.#search(peer, wanted)
    }
  }

  /** What would be better than what there is; null when that is as good as can be. */
  #wanted(peer: NodeId): ((address: Multiaddr) => boolean) | null {
    const best = this.#init.connections.best(peer)
    if (best === undefined) return null
    const path = pathOf(best.remoteAddr)
    if (path === 'relay') return (address) => !isRelayed(address)
    return path === 'udp' ? (address) => pathOf(address) === 'tcp' : null
  }

  #search(peer: NodeId, wanted: (address: Multiaddr) => boolean): void {
    const { connections, self, random } = this.#init
    const now = connections.now()
    const known = this.#searches.get(peer)
    const search = known ?? { pauseMs: FIRST_PAUSE_MS, nextAt: now + (self < peer ? 0 : COURTESY_MS) }
    if (known === undefined) this.#searches.set(peer, search)
    if (search.nextAt > now || this.#dialling.has(peer) || this.#dialling.size >= PARALLEL) return
    search.nextAt = now + DIAL_MS + search.pauseMs / 2 + random.below(search.pauseMs)
    search.pauseMs = Math.min(search.pauseMs * 2, LAST_PAUSE_MS)
    this.#dial(peer, wanted)
  }

  #redial(peer: NodeId): void {
    const now = this.#init.connections.now()
    if (!this.#init.isOpen() || now - (this.#redialled.get(peer) ?? Number.NEGATIVE_INFINITY) < REDIAL_MS) return
    this.#redialled.set(peer, now)
    this.#dial(peer, () => true)
  }

  #dial(peer: NodeId, wanted: (address: Multiaddr) => boolean): void {
    if (this.#dialling.has(peer)) return
    const dialling = this.#init
      .dial(peer, wanted, DIAL_MS)
      .catch(() => undefined)
      .finally(() => this.#dialling.delete(peer))
    this.#dialling.set(peer, dialling)
  }
}
