/**
 * Spreading of soft facts (docs/specs/facts.md): each node keeps one stream open to every connected member, on which
 * that member tells its own facts since the position that was reached, then each new one. A provider reads its log at
 * the subscriber's pace; nothing is queued in memory.
 */
import type { Clock } from '../clock.ts'
import { sleep } from '../clock.ts'
import type { Database } from '../database/index.ts'
import type { NodeId } from '../ids.ts'
import { isNodeId } from './addresses.ts'
import { type Fact, FactStore, type FactTopic, type Position } from './fact-store.ts'
import {
  BATCH_FACTS,
  decodeFactsBatch,
  decodeFactsHello,
  encodeFactsBatch,
  encodeFactsHello,
  MAX_FACTS_FRAME,
  MAX_OTHERS,
} from './facts-messages.ts'
import type { NetworkHost } from './host-types.ts'
import { createRetry, type Retry } from './retry.ts'
import type { FrameStream } from './types.ts'

/** Bytes of facts in a batch before the next is begun. */
const BATCH_BYTES = 128 * 1024
/** An idle provider says so this often; a subscriber that hears nothing for three of them begins anew. */
const KEEPALIVE_MS = 20_000
/** News within this time go out together. */
const COALESCE_MS = 20
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 60_000
/** How often members that have joined over an open connection are looked for, milliseconds. */
const LOOK_MS = 3_000

export interface FactChange {
  readonly node: NodeId
  readonly topic: FactTopic
  readonly key: string
  /** null: no longer stated */
  readonly value: Uint8Array | null
}

export interface Facts {
  /** States a fact of this node. No effect when it is stated already. @throws {FactInvalidError} */
  set(topic: FactTopic, key: string, value: Uint8Array): void
  /** Takes a fact of this node back. */
  clear(topic: FactTopic, key: string): void
  /** Everything that a node states under a topic. */
  of(node: NodeId, topic: FactTopic): [key: string, value: Uint8Array][]
  get(node: NodeId, topic: FactTopic, key: string): Uint8Array | null
  /** Who states something under this key, this node included. */
  byKey(topic: FactTopic, key: string): [node: NodeId, value: Uint8Array][]
  /** After the commit; own facts too. */
  onChange(listener: (change: FactChange) => void): () => void
  /** What a third member said about a member's address. */
  onHint(listener: (node: NodeId, value: Uint8Array) => void): () => void
  /** Forgets what a former member stated. */
  forget(node: NodeId): void
  /** Members may have changed. */
  refresh(): void
  start(): void
  stop(): Promise<void>
}

export interface FactsInit {
  /** local.db */
  db: Database
  host: NetworkHost
  clock: Clock
  self: NodeId
  log?: (message: string, error?: unknown) => void
}

interface Subscription {
  readonly controller: AbortController
  readonly done: Promise<void>
  readonly retry: Retry
}

export function createFacts(init: FactsInit): Facts {
  return new FactExchange(init)
}

class FactExchange implements Facts {
  readonly #init: FactsInit
  readonly #store: FactStore
  readonly #listeners = new Set<(change: FactChange) => void>()
  readonly #hintListeners = new Set<(node: NodeId, value: Uint8Array) => void>()
  readonly #subscriptions = new Map<NodeId, Subscription>()
  readonly #stopped = new AbortController()
  /** rung when this node states something, or a member tells its address */
  #bell = Promise.withResolvers<void>()
  /** counts changes of others' addresses, so that each provider stream tells each of them once */
  #addressesVersion = 0
  readonly #addressVersions = new Map<NodeId, number>()
  #unsubscribe: () => void = () => {}
  #cancelLook: () => void = () => {}

  constructor(init: FactsInit) {
    this.#init = init
    this.#store = new FactStore(init.db, init.self, init.clock)
    init.host.handle('facts', { maxFrameBytes: 1024, timeoutMs: 0, maxStreamsPerPeer: 2 }, (stream) =>
      this.#provide(stream),
    )
  }

  set(name: FactTopic, factKey: string, factValue: Uint8Array): void {
    this.#state(name, factKey, factValue)
  }

  clear(name: FactTopic, factKey: string): void {
    this.#state(name, factKey, null)
  }

  #state(name: FactTopic, factKey: string, factValue: Uint8Array | null): void {
    if (!this.#store.setOwn(name, factKey, factValue)) return
    this.#init.db.afterCommit(() => {
      this.#ring()
      this.#tell({ node: this.#init.self, topic: name, key: factKey, value: factValue })
    })
  }

  of(node: NodeId, name: FactTopic): [string, Uint8Array][] {
    return this.#store.of(node, name)
  }

  get(node: NodeId, name: FactTopic, factKey: string): Uint8Array | null {
    return this.#store.get(node, name, factKey)
  }

  byKey(name: FactTopic, factKey: string): [NodeId, Uint8Array][] {
    return this.#store.byKey(name, factKey)
  }

  onChange(listener: (change: FactChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  onHint(listener: (node: NodeId, value: Uint8Array) => void): () => void {
    this.#hintListeners.add(listener)
    return () => void this.#hintListeners.delete(listener)
  }

  forget(node: NodeId): void {
    this.#subscriptions.get(node)?.controller.abort()
    this.#store.forget(node)
  }

  refresh(): void {
    if (this.#stopped.signal.aborted) return
    for (const { peer } of this.#init.host.connections()) this.#follow(peer)
  }

  start(): void {
    this.#unsubscribe = this.#init.host.onPeer(({ type, peer }) => {
      if (type === 'connected') this.#follow(peer)
      else this.#subscriptions.get(peer)?.controller.abort()
    })
    this.refresh()
    this.#lookLater()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#unsubscribe()
    this.#cancelLook()
    this.#ring()
    for (const { controller } of this.#subscriptions.values()) controller.abort()
    await Promise.all([...this.#subscriptions.values()].map(({ done }) => done))
  }

  #lookLater(): void {
    this.#cancelLook = this.#init.clock.after(LOOK_MS, () => {
      this.refresh()
      this.#lookLater()
    })
  }

  #ring(): void {
    this.#bell.resolve()
    this.#bell = Promise.withResolvers<void>()
  }

  #tell(change: FactChange): void {
    for (const listener of [...this.#listeners]) listener(change)
  }

  // ---------------------------------------------------------------------------------------------------- provider

  async #provide(stream: FrameStream): Promise<void> {
    const frame = await stream.read({ signal: this.#stopped.signal })
    if (frame === null) return
    const hello = decodeFactsHello(frame)
    // whoever asks us can be asked: a newcomer that was not ready before
    this.#subscriptions.get(stream.peer)?.retry.hurry()
    // a subscriber that ends its side ends the exchange; it has nothing more to say
    const gone = new AbortController()
    const over = stream.read({ signal: this.#stopped.signal, timeoutMs: 0 }).then(
      () => gone.abort(),
      () => gone.abort(),
    )
    const signal = AbortSignal.any([gone.signal, this.#stopped.signal])
    try {
      await this.#tellLog(stream, hello, signal)
    } finally {
      if (!gone.signal.aborted) stream.abort()
      await over
    }
  }

  async #tellLog(stream: FrameStream, hello: Position, signal: AbortSignal): Promise<void> {
    let reset = !this.#store.knows(hello)
    let at: Position = reset ? { start: 0, counter: 0 } : { start: hello.start, counter: hello.counter }
    let toldAddresses = -1
    while (!signal.aborted) {
      const { promise: rung } = this.#bell // taken before the log is read, so that nothing falls between
      const facts = withinBytes(this.#store.ownSince(at, BATCH_FACTS))
      const others = this.#othersAddresses(stream.peer, toldAddresses)
      toldAddresses = this.#addressesVersion
      at = facts.at(-1) ?? at
      await stream.write(encodeFactsBatch({ reset, facts, at, others }), { signal })
      reset = false
      if (facts.length > 0) continue
      await this.#nextNews(rung, signal)
    }
  }

  /** Until there is something to tell, or it is time to say that there is not. */
  async #nextNews(rung: Promise<void>, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    const either = AbortSignal.any([signal, waiting.signal])
    try {
      await Promise.race([rung, sleep(this.#init.clock, KEEPALIVE_MS, either)])
      waiting.abort()
      await sleep(this.#init.clock, COALESCE_MS, signal)
    } catch {
      // ended by the signal, which the caller asks
    } finally {
      waiting.abort()
    }
  }

  #othersAddresses(subscriber: NodeId, after: number): [NodeId, Uint8Array][] {
    if (after === this.#addressesVersion) return []
    return this.#store
      .byTopic('address')
      .filter(([node]) => node !== this.#init.self && node !== subscriber && this.#init.host.isMember(node))
      .filter(([node]) => (this.#addressVersions.get(node) ?? 0) > after)
      .slice(0, MAX_OTHERS)
      .map(([node, , bytes]) => [node, bytes])
  }

  // -------------------------------------------------------------------------------------------------- subscriber

  #follow(peer: NodeId): void {
    if (peer === this.#init.self || this.#stopped.signal.aborted) return
    if (this.#subscriptions.has(peer) || !this.#init.host.isMember(peer)) return
    const controller = new AbortController()
    const retry = createRetry({ clock: this.#init.clock, firstMs: RETRY_MIN_MS, lastMs: RETRY_MAX_MS })
    const done = this.#subscribe(peer, retry, controller.signal).finally(() => {
      this.#subscriptions.delete(peer)
      // it may have come back while this one was ending
      if (!this.#stopped.signal.aborted && this.#isConnected(peer)) this.#follow(peer)
    })
    this.#subscriptions.set(peer, { controller, done, retry })
  }

  #isConnected(peer: NodeId): boolean {
    return this.#init.host.isConnected(peer)
  }

  async #subscribe(peer: NodeId, retry: Retry, signal: AbortSignal): Promise<void> {
    const { clock, host, log } = this.#init
    while (!signal.aborted && host.isMember(peer) && this.#isConnected(peer)) {
      const began = clock.now()
      try {
        await this.#receive(peer, signal)
        if (clock.now() - began > RETRY_MAX_MS) retry.worked()
      } catch (error) {
        if (signal.aborted) return
        if (clock.now() - began > RETRY_MAX_MS) retry.worked()
        if (retry.failed(error)) log?.(`facts of ${peer} ended`, error)
      }
      await retry.pause(signal)
    }
  }

  async #receive(peer: NodeId, signal: AbortSignal): Promise<void> {
    const stream = await this.#init.host.open(peer, 'facts', {
      maxFrameBytes: MAX_FACTS_FRAME,
      connectedOnly: true,
      signal,
    })
    try {
      await stream.write(encodeFactsHello(this.#store.positionOf(peer)), { signal })
      for (;;) {
        const frame = await stream.read({ signal, timeoutMs: 3 * KEEPALIVE_MS })
        if (frame === null) return
        this.#take(peer, frame)
      }
    } finally {
      stream.abort()
    }
  }

  #take(peer: NodeId, frame: Uint8Array): void {
    const { reset, facts, at, others } = decodeFactsBatch(frame)
    if (reset || facts.length > 0) {
      const changed = this.#store.takeFrom(peer, facts, reset, at)
      if (changed.some((fact) => fact.topic === 'address')) {
        this.#addressesVersion += 1
        this.#addressVersions.set(peer, this.#addressesVersion)
        this.#ring()
      }
      for (const fact of changed) this.#tell({ node: peer, topic: fact.topic, key: fact.key, value: fact.value })
    }
    for (const [node, bytes] of others) this.#hint(node, bytes)
  }

  /** Hearsay is used and not kept: a lie costs a failed dial, and cannot stand before what the node says itself. */
  #hint(node: string, bytes: Uint8Array): void {
    if (!isNodeId(node) || node === this.#init.self || !this.#init.host.isMember(node)) return
    for (const listener of [...this.#hintListeners]) listener(node, bytes)
  }
}

function withinBytes(facts: readonly Fact[]): Fact[] {
  let bytes = 0
  const end = facts.findIndex((fact) => {
    bytes += (fact.value?.length ?? 0) + fact.key.length
    return bytes > BATCH_BYTES
  })
  return facts.slice(0, end < 0 ? facts.length : Math.max(end, 1))
}
