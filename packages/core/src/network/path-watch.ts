/**
 * Finds out within seconds which paths are dead, also where nobody says so (a cable pulled, a mapping forgotten by a NAT).
 * Looks closely only at paths that owe an answer. Owns: the pings under way, and since when each path is doubted.
 * Figures: docs/specs/paths.md.
 */
import type { Connection } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { Connections } from './connections.ts'
import { TimeoutError } from './errors.ts'

/** How often it is looked who owes an answer, milliseconds. */
export const WATCH_MS = 1_000
/** What was sent and has had no answer for so long is asked after (ms). */
const ASK_MS = 1_000
/** Nothing has come for so long, though asked for: another path is used, if there is one, and looked for (ms). */
export const SILENT_MS = 3_000
/** The same with no path that answers: the machine or the line is gone (ms). */
export const GONE_MS = 10_000
/** A path on which nothing happens is asked after so long (ms): a heartbeat of its own. */
const IDLE_MS = 15_000
/** What is large may wait in the buffers of a slow link before a ping, so such a path is cut only after this (ms). */
const BUFFERED_MS = 60_000
/** From so much on, sent within that time. */
const BUFFERED_BYTES = 256 * 1024
/** A clock that went so much further than the ticks did: the machine has slept, or the process stood still (ms). */
const JUMP_MS = 5_000
/** Pings begun in one look. */
const PINGS_AT_ONCE = 64

export interface PathWatchInit {
  readonly clock: Clock
  readonly connections: Connections
  isMember(peer: NodeId): boolean
  /** Resolves when anything came back. */
  ping(connection: Connection, signal: AbortSignal): Promise<void>
  /** Its path is silent: look for another one. */
  redial(peer: NodeId): void
  cut(connection: Connection, reason: Error): void
  /** The machine has slept, or the process stood still: what is known of others may be old. */
  onWake(): void
}

export class PathWatch {
  readonly #init: PathWatchInit
  readonly #pings = new Map<Connection, { readonly since: number; readonly ending: AbortController }>()
  #cancel: () => void = () => {}
  #lookedAt: number
  #wallAt: number
  #stopped = false

  constructor(init: PathWatchInit) {
    this.#init = init
    this.#lookedAt = init.connections.now()
    this.#wallAt = init.clock.now()
    this.#later()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    for (const { ending } of this.#pings.values()) ending.abort(new Error('stopped'))
    this.#pings.clear()
  }

  /** Asks over all paths, now. */
  testAll(): void {
    for (const peer of this.#peers()) for (const each of this.#init.connections.open(peer)) this.#ping(each)
  }

  #later(): void {
    if (this.#stopped) return
    this.#cancel = this.#init.clock.after(WATCH_MS, () => {
      // what has arrived while this process was busy is heard first
      setImmediate(() => {
        if (this.#stopped) return
        this.#look()
        this.#later()
      })
    })
  }

  #look(): void {
    const { clock, connections } = this.#init
    const now = connections.now()
    const slept = Math.max(now - this.#lookedAt, clock.now() - this.#wallAt) - WATCH_MS
    this.#lookedAt = now
    this.#wallAt = clock.now()
    if (slept > JUMP_MS) {
      // their deadlines passed while nobody could answer
      for (const { ending } of this.#pings.values()) ending.abort(new Error('slept'))
      this.#pings.clear()
      this.testAll()
      this.#init.onWake()
      return
    }
    // we were late ourselves: nothing is held against anybody
    if (slept > WATCH_MS) return
    for (const peer of this.#peers()) this.#lookAt(peer, now)
  }

  #peers(): NodeId[] {
    const { connections, isMember } = this.#init
    return connections.peers().filter((peer) => connections.has(peer) && isMember(peer))
  }

  #lookAt(peer: NodeId, now: number): void {
    const { connections } = this.#init
    const open = connections.open(peer)
    for (const connection of open) {
      const state = connections.state(connection)
      const { meter } = state
      const pinged = this.#pings.get(connection)
      if (pinged === undefined) {
        const owes = meter.owedSince !== null && now - meter.owedSince >= ASK_MS
        const isNew = meter.rttMs === null && meter.askedAt < state.openedAt
        const quietSince = Math.max(state.openedAt, meter.heardAt, meter.askedAt)
        if (owes || isNew || now - quietSince >= IDLE_MS) this.#ping(connection)
        continue
      }
      const silentMs = now - Math.max(pinged.since, meter.heardAt)
      if (silentMs < SILENT_MS - ASK_MS) continue
      if (!state.isSilent) {
        state.isSilent = true
        // whoever answers proves that the peer is there, and this path is not
        for (const other of open) if (other !== connection) this.#ping(other)
        connections.best(peer)
      }
      const answering = open.some((other) => other !== connection && connections.heardSince(other, pinged.since))
      if (!answering) this.#init.redial(peer)
      const patienceMs = meter.sentLately(now) >= BUFFERED_BYTES ? BUFFERED_MS : answering ? 0 : GONE_MS
      if (silentMs >= patienceMs) {
        this.#init.cut(connection, new TimeoutError(`a path to ${peer}`, Math.round(silentMs)))
      }
    }
  }

  #ping(connection: Connection): void {
    if (this.#pings.has(connection) || this.#pings.size >= PINGS_AT_ONCE) return
    const { connections } = this.#init
    const since = connections.now()
    const ending = new AbortController()
    const ping = { since, ending }
    const onClose = () => ending.abort(new Error('closed'))
    connection.addEventListener('close', onClose)
    this.#pings.set(connection, ping)
    connections.state(connection).meter.asked(since)
    this.#init
      .ping(connection, ending.signal)
      .then(
        () => connections.noteRtt(connection, connections.now() - since),
        () => undefined,
      )
      .finally(() => {
        connection.removeEventListener('close', onClose)
        if (this.#pings.get(connection) === ping) this.#pings.delete(connection)
      })
  }
}
