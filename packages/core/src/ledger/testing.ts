/** Ledgers without a node around them, and hosts that are connected in memory, for the tests of this room. */
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { generateSigningKey, SetHash, type SigningKey } from '../crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import { fromHex, idBytes, type NetworkId, type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import type { FrameStream, HandlerInit, Host, ProtocolName, StreamHandler, Wait } from '../network/index.ts'
import { systemRandom } from '../random.ts'
import type { CloseWitness } from './close-witness.ts'
import { createLedger, type Ledger, type LedgerInit } from './ledger.ts'
import type { LocalSettings } from './own-feed.ts'
import type { Entry, KindInfo, SignedBytes } from './types.ts'

/** Of a ledger that nobody runs beside: no clocks to compare with, no copy of the folder, nobody to confirm its feed. */
export const nobodyAround: Pick<LedgerInit, 'skew' | 'twin' | 'closeWitness' | 'witnesses'> = {
  skew: () => null,
  twin: () => null,
  closeWitness: { folder: () => null, take: () => null, leave: () => false },
  witnesses: { members: () => [], isSole: () => false },
}

const CONTROL = new Set(['found', 'admit', 'role', 'invite'])

/** Control kinds as they are; `note` is an ordinary entry about the 16 bytes in `about`. */
export function testKinds(kind: string): KindInfo | undefined {
  if (CONTROL.has(kind)) return { isControl: true, subject: () => null }
  if (kind !== 'note') return undefined
  return {
    isControl: false,
    subject: (body) => {
      const about = (body as { about?: unknown }).about
      return about instanceof Uint8Array && about.length === 16 ? about : null
    },
  }
}

/** A clock that only moves when it is told to. */
export class ManualClock implements Clock {
  #now: number
  #timers: { at: number; callback: () => void }[] = []

  constructor(now = 1_800_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  /** Sets the clock without running timers, as a person would. */
  set(now: number): void {
    this.#now = now
  }

  advance(ms: number): void {
    this.#now += ms
    const due = this.#timers.filter(({ at }) => at <= this.#now)
    this.#timers = this.#timers.filter(({ at }) => at > this.#now)
    for (const { callback } of due) callback()
  }
}

export function memorySettings(): LocalSettings & { values: Map<string, Uint8Array> } {
  const values = new Map<string, Uint8Array>()
  return {
    values,
    getSetting: (name) => values.get(name) ?? null,
    setSetting: (name, value) => void (value === null ? values.delete(name) : values.set(name, value)),
  }
}

/** What stays with one machine while it runs. */
export function memoryWitness(folder: Uint8Array = new Uint8Array(32).fill(7)): CloseWitness {
  let left: Uint8Array | null = null
  return {
    folder: () => folder,
    take() {
      const taken = left
      left = null
      return taken
    },
    leave(nonce) {
      left = nonce
      return true
    },
  }
}

export interface TestLedger {
  ledger: Ledger
  db: Database
  key: SigningKey
  local: LocalSettings
  /** everything that was executed, in that order */
  applied: Entry[]
  /** a digest over the set of executed entries */
  digest(): Uint8Array
}

export function testLedger(options: Partial<LedgerInit> & { path?: string; key?: SigningKey } = {}): TestLedger {
  const { path = ':memory:', key = generateSigningKey(), ...rest } = options
  const db = rest.db ?? openDatabase({ path, migrations: migrationsFolder('shared'), synchronous: 'normal' })
  const local = rest.local ?? memorySettings()
  const applied: Entry[] = []
  const digest = new SetHash()
  const ledger = createLedger({
    network: null,
    clock: systemClock,
    random: systemRandom,
    kinds: testKinds,
    skew: () => null,
    twin: () => null,
    closeWitness: memoryWitness(),
    witnesses: { members: () => [], isSole: () => true },
    ...rest,
    apply: (entries) => {
      rest.apply?.(entries)
      applied.push(...entries)
      for (const entry of entries) digest.add(idBytes(entry.id))
    },
    db,
    local,
    signer: key,
  })
  return { ledger, db, key, local, applied, digest: () => digest.digest() }
}

export const RECOVERY = generateSigningKey()

export function found(founder: TestLedger): NetworkId {
  return founder.ledger.found({ name: 'agency', recovery: RECOVERY.publicKey })
}

/** A ledger whose author has been admitted by `by` and that has all which `by` has. */
export function joined(by: TestLedger, options: Parameters<typeof testLedger>[0] = {}): TestLedger {
  const network = by.ledger.network()
  if (network === null) throw new Error('found a network first')
  const member = testLedger({ network, ...options })
  by.ledger.append('admit', { node: member.key.publicKey })
  copy(by, member)
  return member
}

export function signedBytes({ bytes, sig, cosig }: SignedBytes): SignedBytes {
  return { bytes, sig, cosig }
}

export function allOf({ ledger }: TestLedger): SignedBytes[] {
  return ledger.page(0, 1_000_000).map(({ entry }) => signedBytes(entry))
}

export function copy(from: TestLedger, to: TestLedger): void {
  to.ledger.ingest(allOf(from))
}

export function note(index: number): { about: Uint8Array; index: number } {
  return { about: fromHex((index % 16).toString(16).repeat(32), 16), index }
}

/** Resolves when `condition` holds, looked at again after each entry that arrives. */
export function until(of: TestLedger, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (condition()) return resolve()
    const off = of.ledger.onEntries(() => {
      if (!condition()) return
      off()
      resolve()
    })
  })
}

// ------------------------------------------------------------------------------------------------ hosts in memory

/** Frames that may lie between two ends before `write` waits. */
const PIPE_FRAMES = 4

class Pipe {
  readonly #frames: Uint8Array[] = []
  #ended = false
  #error: Error | undefined
  #wakeups: (() => void)[] = []

  #wake(): void {
    for (const wake of this.#wakeups.splice(0)) wake()
  }

  #change(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      this.#wakeups.push(resolve)
    })
  }

  async write(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    while (this.#frames.length >= PIPE_FRAMES && this.#error === undefined) await this.#change(signal)
    if (this.#error !== undefined || this.#ended) throw this.#error ?? new Error('ended')
    this.#frames.push(frame.slice())
    this.#wake()
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error
      const frame = this.#frames.shift()
      this.#wake()
      if (frame !== undefined) return frame
      if (this.#ended) return null
      await this.#change(signal)
    }
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  fail(error: Error): void {
    this.#error ??= error
    this.#wake()
  }
}

/** Many hosts in one process; whoever is connected may open streams to the other. */
export class MemoryNetwork {
  readonly #hosts = new Map<NodeId, MemoryHost>()

  host(key: SigningKey): MemoryHost {
    const host = new MemoryHost(nodeIdFromPublicKey(key.publicKey), (id) => this.#hosts.get(id))
    this.#hosts.set(host.id, host)
    return host
  }

  connect(a: MemoryHost, b: MemoryHost): void {
    a.peers.add(b.id)
    b.peers.add(a.id)
    a.tell('connected', b.id)
    b.tell('connected', a.id)
  }

  disconnect(a: MemoryHost, b: MemoryHost): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      one.peers.delete(other.id)
      one.cut(other.id)
      one.tell('disconnected', other.id)
    }
  }
}

export class MemoryHost implements Host {
  readonly id: NodeId
  readonly peers = new Set<NodeId>()
  /** frames that went out from here, by their first CBOR item */
  readonly sent: Uint8Array[] = []
  /** what handlers threw */
  readonly faults: unknown[] = []
  readonly #find: (id: NodeId) => MemoryHost | undefined
  readonly #handlers = new Map<ProtocolName, { init: HandlerInit; handler: StreamHandler }>()
  readonly #listeners = new Set<(event: { type: 'connected' | 'disconnected'; peer: NodeId }) => void>()
  readonly #streams = new Set<FrameStream>()

  constructor(id: NodeId, find: (id: NodeId) => MemoryHost | undefined) {
    this.id = id
    this.#find = find
  }

  tell(type: 'connected' | 'disconnected', peer: NodeId): void {
    for (const listener of this.#listeners) listener({ type, peer })
  }

  cut(peer: NodeId): void {
    for (const stream of this.#streams) if (stream.peer === peer) stream.abort(new Error('cut'))
  }

  handle(protocol: ProtocolName, init: HandlerInit, handler: StreamHandler): void {
    this.#handlers.set(protocol, { init, handler })
  }

  async open(peer: NodeId, protocol: ProtocolName, options: Wait & { maxFrameBytes: number }): Promise<FrameStream> {
    options.signal?.throwIfAborted()
    const other = this.#find(peer)
    const known = other === undefined ? undefined : other.#handlers.get(protocol)
    if (other === undefined || known === undefined || !this.peers.has(peer)) throw new Error('unreachable')
    const there = new Pipe()
    const back = new Pipe()
    const ours = this.#stream(peer, back, there, options.maxFrameBytes)
    const theirs = other.#stream(this.id, there, back, known.init.maxFrameBytes)
    known.handler(theirs).then(
      () => theirs.close(),
      (error: unknown) => {
        other.faults.push(error)
        theirs.abort(new Error('reset'))
      },
    )
    return ours
  }

  #stream(peer: NodeId, from: Pipe, to: Pipe, maxFrameBytes: number): FrameStream {
    const stream: FrameStream = {
      peer,
      path: 'tcp',
      write: (frame, wait) => {
        this.sent.push(frame)
        return to.write(frame, wait?.signal)
      },
      writeParts: (parts, wait) => to.write(Buffer.concat(parts), wait?.signal),
      read: async (wait) => {
        const frame = await from.read(wait?.signal)
        if (frame !== null && frame.length > maxFrameBytes) throw new DecodeError('frame too large')
        return frame
      },
      close: async () => {
        this.#streams.delete(stream)
        to.end()
      },
      abort: (reason = new Error('aborted')) => {
        this.#streams.delete(stream)
        to.fail(reason)
        from.fail(reason)
      },
    }
    this.#streams.add(stream)
    return stream
  }

  connections() {
    return [...this.peers].map((peer) => ({ peer, path: 'tcp' as const, rttMs: 1, address: '/memory' }))
  }

  onPeer(listener: (event: { type: 'connected' | 'disconnected'; peer: NodeId }) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  addresses(): string[] {
    return []
  }
  async useNetwork(): Promise<void> {}
  async request(): Promise<Uint8Array> {
    throw new Error('not in memory')
  }
  async dial(): Promise<NodeId> {
    throw new Error('not in memory')
  }
  learn(): void {}
  async hangUp(): Promise<void> {}
  reachability() {
    return { tcp: '', udp: '', relay: '', nat: '' }
  }
  async stop(): Promise<void> {}
}
