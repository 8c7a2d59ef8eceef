/**
 * Connections of peers that are no members. They may exist only to register: few at a time, briefly, and the clock
 * starts when the handshake has named them. Whoever comes from one place with many leaves room for others: when there are
 * too many, one goes of the place that has the most. Owns one record per connection, until it closes or its peer is admitted.
 */
import type { MultiaddrConnection } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { PeerLimitError } from './errors.ts'
import { originOfAddress } from './origin.ts'

export const MAX_STRANGERS = 64
/** A stranger that opens no `register` stream within this time is closed, milliseconds. */
export const STRANGER_GRACE_MS = 10_000
/**
 * What a stranger may send in all, whatever it is: handshake, identify, `register`, talk that nobody reads. libp2p keeps
 * up to 5 MiB of a stream that nobody reads, and what it asks a stranger for itself is such a stream.
 */
export const MAX_STRANGER_BYTES = 256 * 1024
/** What a stranger gets whose way to a member leads over us: one circuit, this long, milliseconds. */
export const STRANGER_CIRCUIT_MS = 60_000
export const MAX_STRANGER_CIRCUITS = 8
/** of them for strangers from one place: two offices behind one NAT */
export const MAX_CIRCUITS_PER_ORIGIN = 2
/** Time for the last frame to leave before a stranger that was not admitted is closed, milliseconds. */
const LINGER_MS = 500

interface Stranger {
  readonly peer: NodeId
  readonly connection: MultiaddrConnection
  /** where it comes from */
  readonly origin: string
  cancel: () => void
  hasCircuit: boolean
}

export interface StrangersInit {
  clock: Clock
  isMember(node: NodeId): boolean
}

export class Strangers {
  readonly #init: StrangersInit
  readonly #records = new Map<MultiaddrConnection, Stranger>()
  readonly #registering = new Map<NodeId, number>()

  constructor(init: StrangersInit) {
    this.#init = init
  }

  get size(): number {
    return this.#records.size
  }

  /** False when there are too many, and nobody has more than who comes; else the connection is watched from now on. */
  admit(peer: NodeId, connection: MultiaddrConnection): boolean {
    this.#forgetMembers()
    const origin = originOfAddress(connection.remoteAddr)
    if (this.#records.size >= MAX_STRANGERS && !this.#makeRoom(origin)) return false
    const record: Stranger = { peer, connection, origin, cancel: () => {}, hasCircuit: false }
    record.cancel = this.#init.clock.after(STRANGER_GRACE_MS, () => this.#onGraceOver(record))
    this.#records.set(connection, record)
    connection.addEventListener('close', () => this.#drop(record))
    this.#count(record)
    return true
  }

  /** Called around every `register` stream. */
  registerOpened(peer: NodeId): void {
    this.#registering.set(peer, (this.#registering.get(peer) ?? 0) + 1)
  }

  registerEnded(peer: NodeId): void {
    const left = (this.#registering.get(peer) ?? 1) - 1
    if (left > 0) {
      this.#registering.set(peer, left)
      return
    }
    this.#registering.delete(peer)
    for (const record of this.#of(peer)) {
      record.cancel()
      record.cancel = this.#init.clock.after(LINGER_MS, () => this.#onGraceOver(record))
    }
  }

  /** One small circuit for a stranger whose way to a member leads over us. */
  allowCircuit(peer: NodeId): boolean {
    const circuits = [...this.#records.values()].filter((record) => record.hasCircuit)
    if (circuits.length >= MAX_STRANGER_CIRCUITS || circuits.some((record) => record.peer === peer)) return false
    const [record] = this.#of(peer)
    if (record === undefined) return false
    const same = circuits.filter(({ origin }) => origin === record.origin)
    if (same.length >= MAX_CIRCUITS_PER_ORIGIN) return false
    record.hasCircuit = true
    record.cancel()
    record.cancel = this.#init.clock.after(STRANGER_CIRCUIT_MS, () => this.#onGraceOver(record))
    return true
  }

  stop(): void {
    for (const record of [...this.#records.values()]) this.#drop(record)
  }

  /** One of those goes that come from where most come from: the oldest, of those that do nothing if there are any. */
  #makeRoom(origin: string): boolean {
    const byOrigin = Map.groupBy(this.#records.values(), (record) => record.origin)
    const own = byOrigin.get(origin)?.length ?? 0
    let most: Stranger[] = []
    for (const each of byOrigin.values()) if (each.length > most.length) most = each
    const leaving = most.find(({ peer, hasCircuit }) => !hasCircuit && !this.#registering.has(peer)) ?? most[0]
    if (leaving === undefined || most.length <= own) return false
    this.#drop(leaving)
    leaving.connection.abort(new PeerLimitError('strangers from one place'))
    return true
  }

  /** Until it is admitted. */
  #count(record: Stranger): void {
    const { peer, connection } = record
    let bytes = 0
    const onMessage = ({ data }: { data: { byteLength: number } }) => {
      bytes += data.byteLength
      if (bytes <= MAX_STRANGER_BYTES && this.#records.has(connection)) return
      connection.removeEventListener('message', onMessage)
      if (this.#init.isMember(peer) || !this.#records.has(connection)) return
      this.#drop(record)
      connection.abort(new PeerLimitError('bytes before being admitted'))
    }
    connection.addEventListener('message', onMessage)
  }

  #of(peer: NodeId): Stranger[] {
    return [...this.#records.values()].filter((record) => record.peer === peer)
  }

  #onGraceOver(record: Stranger): void {
    if (this.#init.isMember(record.peer)) {
      this.#drop(record)
      return
    }
    // `registerEnded` closes it; the exchange itself has a deadline
    if (this.#registering.has(record.peer)) return
    this.#drop(record)
    record.connection.abort(new PeerLimitError('seconds without registering'))
  }

  #forgetMembers(): void {
    for (const record of [...this.#records.values()]) if (this.#init.isMember(record.peer)) this.#drop(record)
  }

  #drop(record: Stranger): void {
    record.cancel()
    this.#records.delete(record.connection)
  }
}
