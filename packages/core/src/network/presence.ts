/**
 * Who of the members is there. Keeps a session to each connected member, tries to reach the others, and tells what has
 * changed. Owns: per member, whether it is connected and when it was last seen; and this node's own presence.
 */
import { decodeCbor, encodeCbor, shape } from '../codec/index.ts'
import type { NodeId } from '../ids.ts'
import { MAX_ADDRESS_LENGTH } from './addresses.ts'
import { Dialler } from './dialler.ts'
import { MAX_FACT_VALUE } from './fact-store.ts'
import { PeerSessions } from './peer-sessions.ts'
import { MAX_ANNOUNCED, MAX_PRESENCE_FRAME } from './presence-messages.ts'
import { type Hello, Session, type SessionEnd } from './presence-session.ts'
import { type PresenceState, PresenceStates } from './presence-states.ts'
import type { ClockDifference, MemberPresence, Presence, PresenceEvent, PresenceInit } from './presence-types.ts'
import { RelayFacts } from './relay-facts.ts'
import { isProof, OwnRun, TWIN_LIFE_MS, type Twin } from './runs.ts'
import { medianSkew, type Skew } from './skew.ts'
import type { Surrounding } from './surroundings.ts'
import type { FrameStream } from './types.ts'

export const DEFAULT_HEARTBEAT_MS = 10_000
/** What a peer said about its clock counts this long. */
const SAMPLE_LIFE_MS = 5 * 60_000
/** A farewell that does not leave within this time is not waited for. */
const BYE_MS = 500
/** Who has connected opens a stream after this time, whoever's turn it is: a second process must be found soon. */
const TURN_MS = 2_000
/** How often sessions and members are looked over, milliseconds. */
const TEND_MS = 1_000
/** Dials that have failed, after which a member counts as out of reach. */
const IN_VAIN = 3
const ADDRESS_KEY = 'self'

const addressesShape = shape.array(shape.text(MAX_ADDRESS_LENGTH), MAX_ANNOUNCED)

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
  readonly #run: OwnRun
  readonly #relayFacts: RelayFacts
  readonly #doubled = new Map<NodeId, number>()
  #cancelTend: () => void = () => {}
  #announced = ''

  constructor(init: PresenceInit) {
    this.#init = init
    this.#heartbeatMs = init.heartbeatMs ?? DEFAULT_HEARTBEAT_MS
    this.#run = new OwnRun({ ...init, self: init.host.id })
    this.#relayFacts = new RelayFacts(init)
    this.#states = new PresenceStates({
      db: init.db,
      clock: init.clock,
      sessions: (node) => this.#sessionsWith(node),
      onProblem: (error) => init.log?.('presence cannot be kept', error),
    })
    this.#dialler = new Dialler({
      host: init.host,
      clock: init.clock,
      random: init.random,
      wanted: () => this.#others().filter((node) => !this.#hasConnection(node)),
      isAlone: () => this.#isAlone(),
    })
    const handler = { maxFrameBytes: MAX_PRESENCE_FRAME, timeoutMs: 0, maxStreamsPerPeer: 4 }
    init.host.handle('presence', handler, (stream) => this.#serve(stream))
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

  twin(): Twin | null {
    return this.#run.twin()
  }

  isSole(node: NodeId): boolean {
    return this.#run.isSole(node)
  }

  doubled(): NodeId[] {
    const since = this.#init.clock.now() - TWIN_LIFE_MS
    for (const [node, at] of this.#doubled) if (at < since) this.#doubled.delete(node)
    return [...this.#doubled.keys()]
  }

  onChange(listener: (event: PresenceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async start(): Promise<void> {
    const { host, facts, disconnected } = this.#init
    this.#cleanUp.push(
      host.onPeer(({ type, peer }) => (type === 'connected' ? this.#onConnection(peer) : this.#onGone(peer))),
      host.onPath((peer) => this.#onPath(peer)),
      host.onFound((peer) => this.#dialler.tryNow(peer)),
      facts.onChange(({ node, topic, value }) => {
        if (topic === 'address' && node !== host.id && value !== null) this.#learn(node, value, true)
      }),
      facts.onHint((node, value) => this.#learn(node, value, false)),
      this.#relayFacts.start(this.#others()),
      host.onSurroundings((what) => this.#onSurroundings(what)),
    )
    for (const node of this.#others()) {
      const saved = this.#states.savedAddresses(node)
      if (saved !== null) this.#learn(node, saved, true)
      const known = facts.get(node, 'address', ADDRESS_KEY)
      if (known !== null) this.#learn(node, known, true)
    }
    if (disconnected === true) await host.setOpen(false)
    this.#dialler.start()
    this.#publishAddresses()
    this.#tend()
  }

  refresh(): void {
    for (const { peer } of this.#init.host.connections()) this.#onConnection(peer)
    this.#dialler.look()
  }

  async connect(): Promise<void> {
    await this.#init.host.setOpen(true)
    // who had said farewell before may have come back while nobody could tell this node
    for (const [, state] of this.#states.all()) state.hasLeft = false
    this.#dialler.tryAllNow()
  }

  async disconnect(): Promise<void> {
    await this.#farewell()
    await this.#init.host.setOpen(false)
    for (const [node, { sessions }] of this.#states.all()) {
      // a farewell that was not read yet must not end what comes after the next `connect`
      sessions.endAll()
      this.#setConnected(node, false)
    }
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
    this.#states.known(node)?.sessions.endAll()
    this.#init.host.hangUp(node).catch((error: unknown) => this.#init.log?.('cannot hang up', error))
    this.#dialler.tryNow(node)
  }

  unreachable(): NodeId[] {
    return this.#others().filter(
      (node) =>
        !this.isConnected(node) &&
        this.#states.known(node)?.hasLeft !== true &&
        this.#dialler.failures(node) >= IN_VAIN,
    )
  }

  skew(): Skew | null {
    return medianSkew(this.clocks().map(({ ms }) => ({ offsetMs: -ms })))
  }

  clocks(): ClockDifference[] {
    const since = this.#init.clock.now() - SAMPLE_LIFE_MS
    return this.#states
      .all()
      .flatMap(([node, { connected, sample }]) =>
        connected && sample !== null && sample.at >= since ? [{ node, ms: -sample.offsetMs }] : [],
      )
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
    // one that is refused after the handshake looks open for a moment, and nobody would tell of its end
    if (!this.#isMember(node) || !this.#hasConnection(node)) return
    const state = this.#states.of(node)
    this.#states.seen(node)
    this.#setConnected(node, true)
    state.hasLeft = false
    // the smaller id opens the stream, so that there is one; the other does when it waits in vain
    state.aloneSince ??= this.#init.clock.now()
    const waited = this.#init.clock.now() - state.aloneSince > Math.min(2 * this.#heartbeatMs, TURN_MS)
    if (state.sessions.size > 0 || state.opening) return
    if (this.#init.host.id < node || waited) void this.#openSession(node, state)
  }

  /** Its session moves to the path that is used now: it measures that, and the other is of no more use. */
  #onPath(node: NodeId): void {
    const state = this.#states.known(node)
    if (state === undefined || state.sessions.size === 0 || state.opening || this.#init.host.id > node) return
    void this.#openSession(node, state)
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
      await this.#serve(stream)
    } catch (error) {
      // it has not let us in yet, or is gone: looked at again by the next tending
      if (!signal.aborted && state.patience.isOver(error)) this.#init.log?.(`no presence stream to ${node}`, error)
    } finally {
      state.opening = false
    }
  }

  async #serve(stream: FrameStream): Promise<void> {
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
      run: this.#run,
      onRefused: (node) => {
        state.hasLeft = true // before its connection goes, so that it is not dialled at once
        this.#init.log?.(`${node} has met another process with the identity of this node`)
      },
      onHello: (from) => state.sessions.onHello(from),
      isProof: (proof, against) => isProof(this.#init.network, peer, proof, against),
      onBeat: (_node, rttMs, offsetMs) => {
        if (state.sessions.main !== session) return
        this.#init.host.noteRtt(stream, rttMs)
        state.rttMs = rttMs
        state.sample = { offsetMs, at: this.#init.clock.now() }
      },
      onHeard: (node) => this.#states.seen(node),
    })
    state.sessions.add(session)
    state.aloneSince = null
    state.patience.worked()
    const end = await session.run(this.#stopped.signal)
    await this.#onEnd(session, end)
    // counts against the peer, which the room's handlers see to
    if (session.fault !== undefined) throw session.fault
  }

  async #onEnd(session: Session, end: SessionEnd): Promise<void> {
    const { peer, stream } = session
    const state = this.#states.of(peer)
    const isLast = state.sessions.remove(session)
    if (!isLast) {
      if (end === 'silent') this.#init.host.cut(stream)
      return
    }
    state.aloneSince = this.#init.clock.now()
    if (this.#stopped.signal.aborted) return
    if (end === 'broken') {
      if (!this.#hasConnection(peer)) this.#setConnected(peer, false)
      return
    }
    // after silence the connection only looks open; after a farewell or refusal there is nothing to say over it
    state.hasLeft = end === 'bye' || end === 'refused'
    this.#setConnected(peer, false)
    await this.#init.host.hangUp(peer)
  }

  #sessionsWith(node: NodeId): PeerSessions {
    return new PeerSessions({
      onAdopted: ({ hello }) => {
        if (hello !== null) this.#onHello(node, hello)
      },
      onTwins: () => {
        this.#doubled.set(node, this.#init.clock.now())
        this.#init.log?.(`two processes have the identity of ${node}`)
      },
      cut: ({ stream }) => this.#init.host.cut(stream),
    })
  }

  #onHello(node: NodeId, { addresses, version }: Hello): void {
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
    this.#states.known(node)?.sessions.endAll()
    this.#setConnected(node, false)
    if (this.#states.known(node)?.hasLeft === true) this.#dialler.rest(node)
    else this.#dialler.tryNow(node)
  }

  async #farewell(): Promise<void> {
    const sessions = this.#states.all().flatMap(
      ([
        ,
        {
          sessions: { main },
        },
      ]) => main ?? [],
    )
    await Promise.all(sessions.map((session) => session.bye(BYE_MS)))
  }

  // ------------------------------------------------------------------------------------------------------- state

  /** Who could not be reached from where we were may be reached now; who is connected hears where we are. */
  #onSurroundings(what: Surrounding): void {
    this.#publishAddresses()
    if (what === 'reached') return
    this.#init.log?.(what === 'moved' ? 'this machine has other addresses' : 'this machine has slept')
    if (this.isOpen()) this.#dialler.tryAllNow()
  }

  #tend(): void {
    this.#relayFacts.tend()
    for (const { peer } of this.#init.host.connections()) if (this.#isMember(peer)) this.#onOpenConnection(peer)
    this.#cancelTend = this.#init.clock.after(TEND_MS, () => this.#tend())
  }

  /** A stranger that was admitted, or a session that could not be opened before. */
  #onOpenConnection(node: NodeId): void {
    const state = this.#states.of(node)
    if (state.sessions.size === 0 && !state.opening) this.#onConnection(node)
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
    for (const [, { sessions }] of this.#states.all()) {
      const { main } = sessions
      main?.announce().catch(() => main.end())
    }
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

  #isAlone(): boolean {
    return !this.#states.all().some(([node, { connected }]) => connected && this.#isMember(node))
  }

  #isMember(node: NodeId): boolean {
    return node !== this.#init.host.id && this.#init.host.isMember(node)
  }

  #setConnected(node: NodeId, connected: boolean): void {
    const state = this.#states.of(node)
    if (state.connected === connected) return
    const wasAlone = connected && this.#isAlone()
    state.connected = connected
    if (connected) this.#dialler.reached(node)
    else this.#states.saveSeen(node)
    if (wasAlone) this.#dialler.lineIsBack()
    this.#tell({ type: connected ? 'connected' : 'disconnected', node })
  }

  #tell(event: PresenceEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
