/**
 * Who of the members is there. Keeps a session to each connected member, tries to reach the others, and tells what has
 * changed. Owns: per member, whether it is connected and when it was last seen; and this node's own presence.
 */
import type { Clock } from '../clock.ts'
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { Database } from '../database/index.ts'
import type { NodeId } from '../ids.ts'
import type { Random } from '../random.ts'
import { MAX_ADDRESS_LENGTH } from './addresses.ts'
import { Dialler } from './dialler.ts'
import { MAX_FACT_VALUE } from './fact-store.ts'
import type { Facts } from './facts.ts'
import type { NetworkHost } from './host-types.ts'
import { MAX_ANNOUNCED, MAX_PRESENCE_FRAME } from './presence-messages.ts'
import { Session } from './presence-session.ts'
import { type PresenceState, PresenceStates } from './presence-states.ts'
import { medianSkew, type Skew } from './skew.ts'
import type { FrameStream } from './types.ts'

export const DEFAULT_HEARTBEAT_MS = 10_000
/** What a peer said about its clock counts this long. */
const SAMPLE_LIFE_MS = 5 * 60_000
/** A farewell that does not leave within this time is not waited for. */
const BYE_MS = 500
/** How often sessions, members and own addresses are looked over, milliseconds. */
const TEND_MS = 1_000
const ADDRESS_KEY = 'self'

const addressesShape = shape.array(shape.text(MAX_ADDRESS_LENGTH), MAX_ANNOUNCED)

export interface MemberPresence {
  readonly node: NodeId
  readonly connected: boolean
  /** ms since the epoch; null when this node has never seen it */
  readonly lastSeen: number | null
  readonly rttMs: number | null
  /** software that it runs; null until it has said so */
  readonly version: string | null
  /** multiaddrs under which it was last known */
  readonly addresses: readonly string[]
}

export interface PresenceEvent {
  /** `changed`: addresses or version */
  readonly type: 'connected' | 'disconnected' | 'changed'
  readonly node: NodeId
}

export interface Presence {
  /** False for this node itself, and for whoever is no member. */
  isConnected(node: NodeId): boolean
  get(node: NodeId): MemberPresence
  list(): MemberPresence[]
  /** This node's own presence. */
  isOpen(): boolean
  /** Announces this node to all members, and tries to reach them. */
  connect(): Promise<void>
  /** Says farewell to all, hangs up, refuses; until `connect`. */
  disconnect(): Promise<void>
  /** Told by whoever let this node in; counts, also after a restart, until the member tells its own addresses. */
  learn(node: NodeId, addresses: readonly string[]): void
  /** A request to it failed: it is not connected until it is heard of again. */
  markUnreachable(node: NodeId): void
  /** This node's clock against those of its connected peers. Null without a witness. */
  skew(): Skew | null
  onChange(listener: (event: PresenceEvent) => void): () => void
  /** Members may have changed. */
  refresh(): void
  start(): Promise<void>
  /** Says farewell and ends; this node's own presence stays what it was. */
  stop(): Promise<void>
}

export interface PresenceInit {
  host: NetworkHost
  facts: Facts
  /** local.db */
  db: Database
  clock: Clock
  random: Random
  /** current members, this node among them or not */
  members(): readonly NodeId[]
  /** of this software */
  version: string
  /** begin with the presence switched off @default false */
  disconnected?: boolean
  /** @default 10 s; three missed: offline */
  heartbeatMs?: number
  log?: (message: string, error?: unknown) => void
}

export function createPresence(init: PresenceInit): Presence {
  return new PresenceKeeper(init)
}

class PresenceKeeper implements Presence {
  readonly #init: PresenceInit
  readonly #heartbeatMs: number
  readonly #states: PresenceStates
  readonly #listeners = new Set<(event: PresenceEvent) => void>()
  readonly #dialler: Dialler
  readonly #stopped = new AbortController()
  readonly #cleanUp: (() => void)[] = []
  #cancelTend: () => void = () => {}
  #announced = ''

  constructor(init: PresenceInit) {
    this.#init = init
    this.#heartbeatMs = init.heartbeatMs ?? DEFAULT_HEARTBEAT_MS
    this.#states = new PresenceStates({
      db: init.db,
      clock: init.clock,
      onProblem: (error) => init.log?.('presence cannot be kept', error),
    })
    this.#dialler = new Dialler({
      host: init.host,
      clock: init.clock,
      random: init.random,
      wanted: () => this.#others().filter((node) => !this.#hasConnection(node)),
    })
    const handler = { maxFrameBytes: MAX_PRESENCE_FRAME, timeoutMs: 0, maxStreamsPerPeer: 2 }
    init.host.handle('presence', handler, (stream) => this.#run(stream))
  }

  isConnected(node: NodeId): boolean {
    return this.#states.known(node)?.connected === true
  }

  isOpen(): boolean {
    return this.#init.host.isOpen()
  }

  get(node: NodeId): MemberPresence {
    const { connected, lastSeen, version, addresses, rttMs } = this.#states.of(node)
    return { node, connected, lastSeen, version, addresses: [...addresses], rttMs: connected ? rttMs : null }
  }

  list(): MemberPresence[] {
    return this.#others().map((node) => this.get(node))
  }

  onChange(listener: (event: PresenceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async start(): Promise<void> {
    const { host, facts, disconnected } = this.#init
    this.#cleanUp.push(
      host.onPeer(({ type, peer }) => (type === 'connected' ? this.#onConnection(peer) : this.#onGone(peer))),
      host.onFound((peer) => this.#dialler.tryNow(peer)),
      facts.onChange(({ node, topic, value }) => {
        if (topic === 'address' && node !== host.id && value !== null) this.#learn(node, value, true)
      }),
      facts.onHint((node, value) => this.#learn(node, value, false)),
    )
    for (const node of this.#others()) {
      const saved = this.#states.savedAddresses(node)
      if (saved !== null) this.#learn(node, saved, true)
      const known = facts.get(node, 'address', ADDRESS_KEY)
      if (known !== null) this.#learn(node, known, true)
    }
    if (disconnected === true) await host.setOpen(false)
    this.#dialler.start()
    this.#tend()
  }

  refresh(): void {
    for (const { peer } of this.#init.host.connections()) this.#onConnection(peer)
    this.#dialler.look()
  }

  async connect(): Promise<void> {
    await this.#init.host.setOpen(true)
    this.#dialler.tryAllNow()
  }

  async disconnect(): Promise<void> {
    await this.#farewell()
    await this.#init.host.setOpen(false)
    for (const [node] of this.#states.all()) this.#setConnected(node, false)
  }

  learn(node: NodeId, addresses: readonly string[]): void {
    if (!this.#isMember(node) || this.#states.of(node).addresses.length > 0) return
    const usable = addresses.filter(({ length }) => length <= MAX_ADDRESS_LENGTH).slice(0, MAX_ANNOUNCED)
    const value = encodeCbor(usable)
    this.#states.saveAddresses(node, value)
    this.#learn(node, value, true)
  }

  markUnreachable(node: NodeId): void {
    this.#setConnected(node, false)
    this.#states.known(node)?.session?.end()
    this.#init.host.hangUp(node).catch((error: unknown) => this.#init.log?.('cannot hang up', error))
    this.#dialler.tryNow(node)
  }

  skew(): Skew | null {
    const since = this.#init.clock.now() - SAMPLE_LIFE_MS
    const samples = this.#states
      .all()
      .filter(([, { connected }]) => connected)
      .map(([, { sample }]) => sample)
      .filter((sample) => sample !== null)
      .filter(({ at }) => at >= since)
    return medianSkew(samples)
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    this.#cancelTend()
    for (const undo of this.#cleanUp) undo()
    await this.#dialler.stop()
    await this.#farewell()
    this.#stopped.abort()
    for (const [node, state] of this.#states.all()) if (state.connected) this.#states.saveSeen(node)
  }

  // ---------------------------------------------------------------------------------------------------- sessions

  #onConnection(node: NodeId): void {
    if (!this.#isMember(node)) return
    const state = this.#states.of(node)
    this.#states.seen(node)
    this.#setConnected(node, true)
    state.hasLeft = false
    // the smaller id opens the stream, so that there is one; the other does when it waits in vain
    state.aloneSince ??= this.#init.clock.now()
    const waited = this.#init.clock.now() - state.aloneSince > 2 * this.#heartbeatMs
    if (state.session !== null || state.opening) return
    if (this.#init.host.id < node || waited) void this.#openSession(node, state)
  }

  async #openSession(node: NodeId, state: PresenceState): Promise<void> {
    state.opening = true
    const { signal } = this.#stopped
    try {
      // nothing heard in this time: `open` cuts the connection, as silence in a session does
      const timeoutMs = 3 * this.#heartbeatMs
      const options = { maxFrameBytes: MAX_PRESENCE_FRAME, connectedOnly: true, signal, timeoutMs }
      const stream = await this.#init.host.open(node, 'presence', options)
      state.opening = false
      await this.#run(stream)
    } catch (error) {
      // it has not let us in yet, or is gone: looked at again by the next tending
      if (!signal.aborted && state.patience.isOver(error)) this.#init.log?.(`no presence stream to ${node}`, error)
    } finally {
      state.opening = false
    }
  }

  async #run(stream: FrameStream): Promise<void> {
    const { peer } = stream
    if (!this.#isMember(peer)) {
      stream.abort()
      return
    }
    const state = this.#states.of(peer)
    const session = new Session({
      stream,
      clock: this.#init.clock,
      heartbeatMs: this.#heartbeatMs,
      hello: () => ({ addresses: this.#ownAddresses(), version: this.#init.version }),
      onHello: (node, addresses, version) => this.#onHello(node, addresses, version),
      onBeat: (node, rttMs, offsetMs) => {
        this.#init.host.noteRtt(node, rttMs)
        state.rttMs = rttMs
        state.sample = { offsetMs, at: this.#init.clock.now() }
      },
      onHeard: (node) => this.#states.seen(node),
    })
    state.session?.end()
    state.session = session
    state.aloneSince = null
    state.patience.worked()
    const end = await session.run(this.#stopped.signal)
    if (state.session !== session) return
    state.session = null
    state.aloneSince = this.#init.clock.now()
    if (this.#stopped.signal.aborted || end === 'broken') return
    // after silence the connection only looks open; after a farewell there is nothing to say over it
    state.hasLeft = end === 'bye'
    this.#setConnected(peer, false)
    await this.#init.host.hangUp(peer)
  }

  #onHello(node: NodeId, addresses: string[], version: string): void {
    const state = this.#states.of(node)
    this.#init.host.learn(node, addresses)
    const isNew = state.version !== version || state.addresses.join() !== addresses.join()
    if (state.addresses.join() !== addresses.join()) this.#states.saveAddresses(node, encodeCbor(addresses))
    state.version = version
    state.addresses = addresses
    this.#setConnected(node, true)
    if (isNew) this.#tell({ type: 'changed', node })
  }

  #onGone(node: NodeId): void {
    this.#states.known(node)?.session?.end()
    this.#setConnected(node, false)
    if (this.#states.known(node)?.hasLeft === true) this.#dialler.rest(node)
    else this.#dialler.tryNow(node)
  }

  async #farewell(): Promise<void> {
    const sessions = this.#states.all().flatMap(([, { session }]) => session ?? [])
    await Promise.all(sessions.map((session) => session.bye(BYE_MS)))
  }

  // ------------------------------------------------------------------------------------------------------- state

  #tend(): void {
    this.#publishAddresses()
    for (const { peer } of this.#init.host.connections()) if (this.#isMember(peer)) this.#onOpenConnection(peer)
    this.#cancelTend = this.#init.clock.after(TEND_MS, () => this.#tend())
  }

  /** A stranger that was admitted, or a session that could not be opened before. */
  #onOpenConnection(node: NodeId): void {
    const state = this.#states.of(node)
    if (state.session === null && !state.opening) this.#onConnection(node)
  }

  #publishAddresses(): void {
    const addresses = this.#ownAddresses()
    const text = addresses.join()
    if (text === this.#announced) return
    this.#announced = text
    try {
      this.#init.facts.set('address', ADDRESS_KEY, encodeCbor(addresses))
    } catch (error) {
      // connected members are told all the same, the others by the next change or start
      this.#init.log?.('own addresses cannot be kept', error)
    }
    for (const [, { session }] of this.#states.all()) session?.announce().catch(() => session.end())
  }

  #ownAddresses(): string[] {
    return this.#init.host
      .addresses()
      .filter(({ length }) => length <= MAX_ADDRESS_LENGTH)
      .slice(0, MAX_ANNOUNCED)
  }

  /** @param isItsOwn said by the node itself, not by a third one */
  #learn(node: NodeId, value: Uint8Array, isItsOwn: boolean): void {
    if (!this.#isMember(node)) return
    try {
      const addresses = addressesShape(decodeCbor(value, MAX_FACT_VALUE))
      this.#init.host.learn(node, addresses)
      if (isItsOwn) this.#states.of(node).addresses = addresses
      if (!this.#hasConnection(node)) this.#dialler.tryNow(node)
    } catch (error) {
      this.#init.log?.(`addresses of ${node} are malformed`, error)
    }
  }

  #hasConnection(node: NodeId): boolean {
    return this.#init.host.isConnected(node)
  }

  #others(): NodeId[] {
    return this.#init.members().filter((node) => node !== this.#init.host.id)
  }

  #isMember(node: NodeId): boolean {
    return node !== this.#init.host.id && this.#init.host.isMember(node)
  }

  #setConnected(node: NodeId, connected: boolean): void {
    const state = this.#states.of(node)
    if (state.connected === connected) return
    state.connected = connected
    if (connected) this.#dialler.reached(node)
    else this.#states.saveSeen(node)
    this.#tell({ type: connected ? 'connected' : 'disconnected', node })
  }

  #tell(event: PresenceEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
