/**
 * Dialling one peer under several addresses at once: each a little after the one before, or as soon as all before it have
 * failed; the first that stands wins, and the others are given up. libp2p tries them one after the other, four seconds
 * for each that swallows packets. Order: TCP, then UDP, then relays, so that TCP wins wherever it works (decision 0043).
 */
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import type { AddressBook } from './address-book.ts'
import { isLoopback, isPrivateIp, isRelayed, pathOf } from './addresses.ts'
import { closeQuickly } from './connections.ts'
import { withDeadline } from './deadline.ts'
import { TransportOffError, UnreachableError } from './errors.ts'
import type { Components } from './guard.ts'
import { ipOf } from './path-kinds.ts'

/** Addresses of one peer that are tried: what the book keeps, and what was dialled by hand. */
export const MAX_DIALLED = 24
/** From one address to the next of its kind, and to the first of the next kind, milliseconds. */
const GAP_MS = 100
const HEAD_START_MS = 300
/** A relayed one waits no longer for the direct ones before it (ms): it is the certain way. */
const RELAYED_AFTER_MS = 500
/** The whole race of one peer, whoever waits for it (ms). */
const RACE_MS = 8_000

export interface RaceInit<T> {
  readonly clock: Clock
  readonly signal: AbortSignal
  dial(address: Multiaddr, signal: AbortSignal): Promise<T>
  /** it came after another had won */
  discard(late: T): void
}

/** @throws {AggregateError} when all have failed; the signal's reason */
export async function race<T>(addresses: readonly Multiaddr[], init: RaceInit<T>): Promise<T> {
  init.signal.throwIfAborted()
  const waiting = inOrder(addresses)
  // of its own for each: a socket of node:net belongs to the signal that it was dialled with for as long as it lives
  const running = new Set<AbortController>()
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const errors: unknown[] = []
  let isOver = false
  let cancelNext: () => void = () => {}
  const firstRelayed = waiting.find(isRelayed)
  // however many direct ones there are
  const cancelRelayed = init.clock.after(firstRelayed === undefined ? 0 : RELAYED_AFTER_MS, () => {
    if (isOver || firstRelayed === undefined || !waiting.includes(firstRelayed)) return
    waiting.splice(waiting.indexOf(firstRelayed), 1)
    begin(firstRelayed)
  })

  const next = () => {
    cancelNext()
    const address = waiting.shift()
    if (address === undefined) {
      if (running.size === 0) reject(new AggregateError(errors, 'no address answered'))
      return
    }
    begin(address)
    const [after] = waiting
    if (after !== undefined)
      cancelNext = init.clock.after(pathOf(after) === pathOf(address) ? GAP_MS : HEAD_START_MS, next)
  }
  const begin = (address: Multiaddr) => {
    const controller = new AbortController()
    running.add(controller)
    init.dial(address, controller.signal).then(
      (result) => {
        running.delete(controller)
        if (isOver) init.discard(result)
        isOver = true
        resolve(result)
      },
      (error: unknown) => {
        running.delete(controller)
        errors.push(error)
        if (!isOver && running.size === 0) next()
      },
    )
  }
  const onAbort = () => reject(init.signal.reason)
  init.signal.addEventListener('abort', onAbort, { once: true })
  try {
    next()
    return await promise
  } finally {
    isOver = true
    cancelNext()
    cancelRelayed()
    init.signal.removeEventListener('abort', onAbort)
    for (const controller of running) controller.abort()
  }
}

const KINDS = { tcp: 0, udp: 10, relay: 20 } as const

/** Within a kind: what may be on the same LAN answers at once or never; this machine's own comes last. */
function inOrder(addresses: readonly Multiaddr[]): Multiaddr[] {
  const rank = (address: Multiaddr) => {
    return KINDS[pathOf(address)] + (isLoopback(address) ? 2 : isPrivateIp(ipOf(address) ?? '') ? 0 : 1)
  }
  const unique = new Map(addresses.map((address) => [address.toString(), address]))
  return [...unique.values()].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_DIALLED)
}

/** One race per peer at a time, whoever asks; a second only for who knows that there is news. */
export class Dials {
  readonly #components: Components
  readonly #clock: Clock
  readonly #book: Pick<AddressBook, 'known'>
  readonly #stopped: AbortSignal
  readonly #running = new Map<NodeId, Promise<Connection>>()

  constructor(components: Components, clock: Clock, book: Pick<AddressBook, 'known'>, stopped: AbortSignal) {
    this.#components = components
    this.#clock = clock
    this.#book = book
    this.#stopped = stopped
  }

  /**
   * Under the addresses that are known.
   * @param anew beside the race that may be under way, which has begun without the news that there is
   * @throws {UnreachableError} @throws {TimeoutError}
   */
  async peer(peer: NodeId, signal: AbortSignal, anew = false): Promise<Connection> {
    const known = this.#running.get(peer)
    if (known !== undefined && !anew) return await orSignal(known, signal)
    const dialling = this.#dialPeer(peer).finally(() => {
      if (this.#running.get(peer) === dialling) this.#running.delete(peer)
    })
    this.#running.set(peer, dialling)
    return await orSignal(dialling, signal)
  }

  /** Beside what stands: one of those addresses that are wanted. @throws {UnreachableError} @throws {TimeoutError} */
  async another(peer: NodeId, wanted: (address: Multiaddr) => boolean, timeoutMs: number): Promise<Connection> {
    return await this.#dialPeer(peer, wanted, timeoutMs)
  }

  async addresses(addresses: readonly Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const { transportManager, peerStore } = this.#components
    const usable = addresses.filter((address) => transportManager.dialTransportForMultiaddr(address) !== undefined)
    if (usable.length === 0) throw new TransportOffError(`${addresses.join(', ')}: the transport is off`)
    const connection = await race(usable, {
      clock: this.#clock,
      signal,
      dial: (address, each) => transportManager.dial(address, { signal: each }),
      discard: (late) => void closeQuickly(late),
    })
    // as libp2p does: where it answered once it may answer again
    await peerStore.merge(connection.remotePeer, { multiaddrs: [connection.remoteAddr] }).catch(() => undefined)
    return connection
  }

  async #dialPeer(
    peer: NodeId,
    wanted: (address: Multiaddr) => boolean = () => true,
    timeoutMs = RACE_MS,
  ): Promise<Connection> {
    const { peerStore, connectionGater } = this.#components
    const id = peerIdFromString(peer)
    if ((await connectionGater.denyDialPeer?.(id)) === true) throw new UnreachableError(`${peer}: it is no member`)
    const stored = await peerStore.get(id).catch(() => undefined)
    // identify replaces what libp2p keeps by what the peer's own interfaces have: no relay, no address that others know
    const known = [
      ...this.#book.known(peer).map((address) => multiaddr(address)),
      ...(stored?.addresses ?? []).map((address) => address.multiaddr),
    ]
      .filter(wanted)
      .map((address) => (address.toString().endsWith(peer) ? address : address.encapsulate(`/p2p/${peer}`)))
    const named = [...new Map(known.map((address) => [address.toString(), address])).values()].slice(0, MAX_DIALLED)
    if (named.length === 0) throw new UnreachableError(`${peer}: no address is known`)
    return await withDeadline(this.#clock, `dialling ${peer}`, { signal: this.#stopped, timeoutMs }, (signal) =>
      this.addresses(named, signal),
    )
  }
}

function orSignal<T>(coming: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    coming.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject)
  })
}
