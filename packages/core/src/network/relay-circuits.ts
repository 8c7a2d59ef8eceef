/**
 * The circuits that pass through this node: what comes on one stream of a circuit goes out on the other. Each direction
 * is held back at its source while its target is full, or while its pair or the whole waits for its budget; a source that
 * is held back sends no more than its window. What arrives all the same goes out in small parts, each way in its turn: a
 * way that were silent for as long as its whole window costs would be taken for dead by those at its ends.
 * Owns: the circuits, what each has passed, and what lies between its two streams.
 *
 * A circuit that holds the most is ended when all of them together hold too much.
 */
import type { Stream } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import type { NodeId } from '../ids.ts'
import { PeerLimitError } from './errors.ts'
import { pairOf, type RelayBudget } from './relay-budget.ts'
import { MESSAGE_PAYLOAD_BYTES } from './steady-yamux.ts'

/** What goes out of one way before it is the next one's turn: as much as costs one encryption; less while a budget is used up. */
const PART_BYTES = 32 * 1024
/** So long after somebody has waited for one (ms). */
const SCARCE_MS = 1_000
/** What all circuits together may hold: windows of sources that were held back, and what targets have not taken. */
export const HELD_BYTES = 64 * 1024 * 1024
/** What the sources that are held back may send meanwhile, all together; */
const WINDOWS_BYTES = 8 * 1024 * 1024
/** but each so much. */
const MIN_WINDOW_BYTES = 64 * 1024
/** Held sources, below which they cannot hold as much as that. */
const HELD_SOURCES = 16
/** How often those are looked at that wait for something that tells nobody when it has come, milliseconds. */
const LOOK_MS = 250
/** Circuits of one pair of peers at a time, one after the other opened. */
const MAX_PER_PAIR = 4
/** Circuits at a time. */
export const MAX_CIRCUITS = 4_096

export interface CircuitEnd {
  readonly peer: NodeId
  readonly stream: Stream
}

export interface CircuitsInit {
  readonly clock: Clock
  readonly budget: RelayBudget
  isMember(peer: NodeId): boolean
}

interface Circuit {
  readonly pair: string
  readonly ends: readonly [CircuitEnd, CircuitEnd]
  readonly ways: Way[]
}

/** One direction. */
interface Way {
  readonly circuit: Circuit
  readonly from: Stream
  readonly to: Stream
  /** what its source may send before it is read, at most */
  readonly window: number
  /** arrived, and waiting for its turn */
  readonly waiting: Uint8Array[]
  waitingBytes: number
  isHeld: boolean
  isResuming: boolean
  /** its source has ended */
  isOver: boolean
}

export class Circuits {
  readonly #init: CircuitsInit
  readonly #circuits = new Set<Circuit>()
  readonly #held = new Set<Way>()
  /** their sources have ended, and their targets have not taken everything yet */
  readonly #ending = new Set<Way>()
  /** their targets have room again */
  readonly #ready = new Set<Way>()
  #cancelLook: (() => void) | undefined
  /** somebody has had to wait for a budget */
  #scarceUntil = 0
  #passed = 0

  constructor(init: CircuitsInit) {
    this.#init = init
  }

  get size(): number {
    return this.#circuits.size
  }

  /** Bytes, of both directions of all circuits so far. */
  get passed(): number {
    return this.#passed
  }

  mayOpen(one: NodeId, other: NodeId): boolean {
    if (this.#circuits.size >= MAX_CIRCUITS) return false
    const pair = pairOf(one, other)
    return [...this.#circuits].filter((circuit) => circuit.pair === pair).length < MAX_PER_PAIR
  }

  /** Counts it from now on. @returns joins the two streams, once both have carried their handshakes */
  watch(source: CircuitEnd, target: CircuitEnd): () => void {
    const circuit: Circuit = { pair: pairOf(source.peer, target.peer), ends: [source, target], ways: [] }
    circuit.ways.push(wayOf(circuit, source.stream, target.stream), wayOf(circuit, target.stream, source.stream))
    this.#circuits.add(circuit)
    for (const { from, window } of circuit.ways) {
      setWindow(from, window)
      from.addEventListener('close', () => this.#forget(circuit))
    }
    let isJoined = false
    return () => {
      if (isJoined) return
      isJoined = true
      for (const way of circuit.ways) this.#join(way)
    }
  }

  stop(): void {
    this.#cancelLook?.()
    for (const circuit of [...this.#circuits]) end(circuit, 'the relay has stopped')
  }

  #join(way: Way): void {
    const { from, to } = way
    to.addEventListener('drain', () => this.#drained(way))
    // before libp2p hears of the end, and takes no more: what is still held goes out first
    from.addEventListener('remoteCloseWrite', () => {
      way.isOver = true
      while (this.#pass(way));
      this.#check(way)
      this.#ending.add(way)
      if (this.#held.size + this.#ending.size > HELD_SOURCES) this.#bound()
    })
    from.addEventListener('message', ({ data }) => {
      for (const piece of data instanceof Uint8Array ? [data] : data) way.waiting.push(piece)
      way.waitingBytes += data.byteLength
      // who has waited goes first
      if (!way.isHeld || way.isOver) while (this.#pass(way));
      // all of it has gone: the source goes on, also where it was granted nothing for what it had sent before
      if (way.waitingBytes === 0 && !to.writableNeedsDrain) setWindow(from, this.#share(way))
      this.#check(way)
    })
  }

  #share({ window }: Way): number {
    return Math.min(window, Math.max(MIN_WINDOW_BYTES, WINDOWS_BYTES / (this.#held.size + 1)))
  }

  /** As much as its target takes now, in turns with the others whose targets have room again. */
  #drained(way: Way): void {
    this.#ready.add(way)
    if (this.#ready.size > 1) return
    queueMicrotask(() => {
      while (this.#ready.size > 0) {
        for (const each of [...this.#ready]) {
          if (this.#pass(each)) continue
          this.#ready.delete(each)
          this.#check(each)
        }
      }
    })
  }

  /** One part goes out, if it may. What was sent before its end does not wait. @returns whether one has gone */
  #pass(way: Way): boolean {
    const { circuit, to } = way
    if (way.waitingBytes === 0) return false
    if (!way.isOver && (to.writableNeedsDrain || this.#waitMs(circuit) !== 0)) return false
    const part = takePart(way, this.#init.clock.now() < this.#scarceUntil ? PART_BYTES : MESSAGE_PAYLOAD_BYTES)
    this.#passed += part.length
    this.#init.budget.spend(circuit.pair, part.length)
    try {
      to.send(part)
      return true
    } catch (error) {
      way.waiting.length = 0
      way.waitingBytes = 0
      for (const { stream } of circuit.ends) stream.abort(error instanceof Error ? error : new Error(String(error)))
      return false
    }
  }

  /** Holds the source back, or lets it go on. */
  #check(way: Way): void {
    if (way.isResuming || !this.#circuits.has(way.circuit)) return
    const isFull = way.to.writableNeedsDrain || way.waitingBytes > 0
    const mustWait = !way.isOver && (isFull || this.#waitMs(way.circuit) !== 0)
    if (mustWait === way.isHeld) return
    way.isHeld = mustWait
    if (mustWait) {
      this.#held.add(way)
      if (way.from.readStatus === 'readable') way.from.pause()
      if (this.#held.size + this.#ending.size > HELD_SOURCES) this.#bound()
      this.#lookLater()
    } else {
      this.#held.delete(way)
      if (way.from.readStatus !== 'paused') return
      // what all may send while they are held back is bounded, as far as windows can be: they all begin with one
      setWindow(way.from, this.#share(way) - way.from.readBufferLength)
      // what it has kept arrives before this returns; a pause within it would be undone at its end
      way.isResuming = true
      way.from.resume()
      way.isResuming = false
      this.#check(way)
    }
  }

  #waitMs({ pair, ends }: Circuit): number | null {
    const ms = this.#init.budget.waitMs(pair, !ends.every(({ peer }) => this.#init.isMember(peer)))
    if (ms !== 0) this.#scarceUntil = this.#init.clock.now() + SCARCE_MS
    return ms
  }

  /** In the order in which they began to wait: each gets its turn. */
  #lookLater(): void {
    if (this.#cancelLook !== undefined || this.#held.size === 0) return
    const waits = [...this.#held].map(({ circuit }) => this.#waitMs(circuit) ?? LOOK_MS)
    const soon = Math.min(LOOK_MS, ...waits.filter((ms) => ms > 0))
    this.#cancelLook = this.#init.clock.after(soon, () => {
      this.#cancelLook = undefined
      for (let isMoving = true; isMoving; ) {
        isMoving = false
        for (const way of [...this.#held]) {
          if (this.#pass(way)) {
            isMoving = true
            this.#held.delete(way)
            this.#held.add(way)
          }
          this.#check(way)
        }
      }
      this.#bound()
      this.#lookLater()
    })
  }

  /** Ends those that hold the most, until the rest is small enough. */
  #bound(): void {
    let all = 0
    const sizes = new Map<Circuit, number>()
    for (const way of this.#ending) if (way.to.writeBufferLength === 0) this.#ending.delete(way)
    for (const { circuit, from, to, waitingBytes } of new Set([...this.#held, ...this.#ending])) {
      const bytes = waitingBytes + from.readBufferLength + to.writeBufferLength
      all += bytes
      sizes.set(circuit, (sizes.get(circuit) ?? 0) + bytes)
    }
    if (all <= HELD_BYTES) return
    for (const [circuit, bytes] of [...sizes].sort(([, a], [, b]) => b - a)) {
      end(circuit, 'bytes held for circuits')
      all -= bytes
      if (all <= HELD_BYTES) return
    }
  }

  #forget(circuit: Circuit): void {
    if (!this.#circuits.delete(circuit)) return
    for (const way of circuit.ways) {
      this.#held.delete(way)
      this.#ending.delete(way)
      way.isOver = true
      // what the source has sent before its end still goes out
      if (way.isHeld && way.from.readStatus === 'paused') way.from.resume()
    }
  }
}

function wayOf(circuit: Circuit, from: Stream, to: Stream): Way {
  const window = Number(Reflect.get(from, 'recvWindow'))
  return { circuit, from, to, window, waiting: [], waitingBytes: 0, isHeld: false, isResuming: false, isOver: false }
}

/** The first bytes that wait, in one piece: each piece costs a frame and an encryption. */
function takePart(way: Way, most: number): Uint8Array {
  const { waiting } = way
  const pieces: Uint8Array[] = []
  let bytes = 0
  for (let first = waiting[0]; first !== undefined && bytes < most; first = waiting[0]) {
    const piece = first.subarray(0, most - bytes)
    if (piece.length < first.length) waiting[0] = first.subarray(piece.length)
    else waiting.shift()
    pieces.push(piece)
    bytes += piece.length
  }
  way.waitingBytes -= bytes
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, bytes)
}

function end({ ends }: Circuit, why: string): void {
  for (const { stream } of ends) stream.abort(new PeerLimitError(why))
}

/**
 * What its source may send from now on, if it may not send more already. A window is memory of this node for each circuit
 * whose target is slow: it never grows here, and with many that wait it is small. @libp2p/yamux has no setting per stream;
 * where its fields are renamed windows are as they are elsewhere, and what all hold stays bounded.
 */
function setWindow(stream: Stream, bytes: number): void {
  const granted: unknown = Reflect.get(stream, 'recvWindowCapacity')
  if (typeof granted !== 'number' || !Number.isFinite(bytes)) return
  const window = Math.max(granted, Math.floor(bytes))
  Reflect.set(stream, 'recvWindow', window)
  Reflect.set(stream, 'maxStreamWindowSize', window)
}
