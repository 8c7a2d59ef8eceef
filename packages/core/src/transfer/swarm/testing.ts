/**
 * Members behind capped links, in virtual time and without a network: the real provider and the real download over
 * modelled streams. What a flow gets follows from who else sends and receives (max-min fair, as TCP flows over equal
 * paths share), so a swarm of minutes is a second's work and gives the same figures on every machine.
 *
 * A chunk here has 64 KiB and stands for one of 1 MiB: memory and copying are not what is modelled.
 */
import type { Clock } from '../../clock.ts'
import type { ContentStore, Manifest, SealedFile, VersionShape } from '../../content/index.ts'
import { createManifestBuilder } from '../../content/manifest.ts'
import { SEAL_OVERHEAD } from '../../crypto/index.ts'
import { type NodeId, nodeIdFromPublicKey, type Root } from '../../ids.ts'
import { StreamBrokenError, UnreachableError } from '../../network/errors.ts'
import type { FrameStream, HandlerInit, Host, StreamHandler } from '../../network/index.ts'
import { createBudget, DEFAULT_BUDGET_BYTES } from '../budget.ts'
import { createDownload } from '../download.ts'
import type { Download } from '../download-types.ts'
import { createLimits } from '../limits.ts'
import { createProvider, type Provider } from '../provider.ts'
import { seededRandom } from '../testing.ts'

const CHUNK = 64 * 1024
/** modelled bytes for each real one */
const SCALE = (1024 * 1024) / CHUNK
/** from one end to the other, with what waits in front of a busy link (ms) */
const DELAY_MS = 25
export const ROUND_TRIP_MS = 2 * DELAY_MS
/** to agree on the protocol of a stream; and for a lane also to get a ticket, for TCP and TLS */
const STREAM_TRIPS = 1
const LANE_TRIPS = 4
/** what a sending socket takes before it makes the sender wait, modelled bytes */
const SOCKET_BYTES = 1024 * 1024
/** no step is shorter: sums of smaller ones would be lost in rounding */
const SHORTEST_MS = 0.01
/** per modelled frame below this, it is a message and no chunk */
const SMALL = CHUNK / 2
/** a member tells that it has begun, and the others hear it (ms) */
const FACT_MS = 60

export interface Rates {
  /** Mbit/s */
  readonly up: number
  readonly down: number
}

/** Time that goes on when nothing more happens at the present moment. */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  readonly #timers: { at: number; order: number; callback: () => void }[] = []

  now(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, callback }
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#timers[middle]
      if (other !== undefined && (other.at > timer.at || (other.at === timer.at && other.order > timer.order)))
        low = middle + 1
      else high = middle
    }
    this.#timers.splice(low, 0, timer)
    return () => {
      const at = this.#timers.indexOf(timer)
      if (at !== -1) this.#timers.splice(at, 1)
    }
  }

  /** Until it is so. @throws when it is not within that time */
  async run(isSo: () => boolean, limitMs: number): Promise<void> {
    for (;;) {
      await new Promise(setImmediate) // all that promises still have to do now
      if (isSo()) return
      const next = this.#timers.pop()
      if (next === undefined || next.at > limitMs) throw new Error(`not within ${limitMs} ms of virtual time`)
      this.#now = next.at
      next.callback()
    }
  }
}

interface Flow {
  readonly from: CappedMember
  readonly to: CappedMember
  readonly frames: { readonly frame: Uint8Array | null; left: number }[]
  backlog: number
  rate: number
  readonly deliver: (frame: Uint8Array | null) => void
  readonly drained: () => void
}

/** What each flow gets: all grow alike until a link of theirs is full. */
class Sharing {
  readonly #clock: VirtualClock
  readonly #active = new Set<Flow>()
  #at = 0
  #cancel = () => {}
  #dirty = false

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  send(flow: Flow, frame: Uint8Array | null): void {
    const bytes = frame === null ? 1 : frame.length < SMALL ? frame.length : frame.length * SCALE
    this.#advance()
    flow.frames.push({ frame, left: bytes })
    flow.backlog += bytes
    this.#active.add(flow)
    this.#soon()
  }

  drop(flow: Flow): void {
    this.#advance()
    flow.frames.length = 0
    flow.backlog = 0
    this.#active.delete(flow)
    this.#soon()
  }

  changed(): void {
    this.#advance()
    this.#soon()
  }

  #soon(): void {
    if (this.#dirty) return
    this.#dirty = true
    queueMicrotask(() => {
      this.#dirty = false
      this.#share()
      this.#schedule()
    })
  }

  #share(): void {
    const left = new Map<CappedMember, { up: number; down: number; ups: number; downs: number }>()
    const of = (member: CappedMember) => {
      const known = left.get(member)
      if (known !== undefined) return known
      const { up, down } = member.rates
      const fresh = { up: up * 125, down: down * 125, ups: 0, downs: 0 }
      left.set(member, fresh)
      return fresh
    }
    const open = new Set(this.#active)
    for (const { from, to } of open) {
      of(from).ups += 1
      of(to).downs += 1
    }
    while (open.size > 0) {
      let least = Number.POSITIVE_INFINITY
      for (const link of left.values()) {
        if (link.ups > 0) least = Math.min(least, link.up / link.ups)
        if (link.downs > 0) least = Math.min(least, link.down / link.downs)
      }
      for (const flow of open) {
        const [from, to] = [of(flow.from), of(flow.to)]
        if (from.up / from.ups > least * 1.000001 && to.down / to.downs > least * 1.000001) continue
        flow.rate = least
        open.delete(flow)
        from.ups -= 1
        from.up -= least
        to.downs -= 1
        to.down -= least
      }
    }
  }

  #schedule(): void {
    this.#cancel()
    let soonest = Number.POSITIVE_INFINITY
    for (const flow of this.#active) {
      const [first] = flow.frames
      if (first !== undefined && flow.rate > 0) soonest = Math.min(soonest, first.left / flow.rate)
      const over = flow.backlog - SOCKET_BYTES
      if (over > 1 && flow.rate > 0) soonest = Math.min(soonest, over / flow.rate)
    }
    if (soonest === Number.POSITIVE_INFINITY) return
    this.#cancel = this.#clock.after(Math.max(SHORTEST_MS, soonest), () => {
      this.#advance()
      this.#soon()
    })
  }

  #advance(): void {
    const elapsed = this.#clock.now() - this.#at
    this.#at = this.#clock.now()
    if (elapsed <= 0) return
    for (const flow of this.#active) {
      let bytes = flow.rate * elapsed
      flow.from.sent += Math.min(bytes, flow.backlog)
      while (flow.frames.length > 0 && bytes > 0) {
        const first = flow.frames[0] as Flow['frames'][number]
        const taken = Math.min(first.left, bytes)
        first.left -= taken
        flow.backlog -= taken
        bytes -= taken
        if (first.left > 0.01) break
        flow.backlog -= first.left
        flow.frames.shift()
        this.#clock.after(DELAY_MS, () => flow.deliver(first.frame))
      }
      if (flow.backlog <= SOCKET_BYTES + 1) flow.drained()
      if (flow.frames.length === 0) this.#active.delete(flow)
    }
  }
}

/** One end of a stream. Deadlines of the caller are left to the caller's own clock. */
class ModelStream implements FrameStream {
  readonly path = 'tcp'
  readonly peer: NodeId
  readonly #send: (frame: Uint8Array | null) => Promise<void>
  readonly #inbox: (Uint8Array | null)[] = []
  #waiter: { resolve: (frame: Uint8Array | null) => void; reject: (error: unknown) => void } | undefined
  failure: unknown
  readonly onAbort: () => void

  constructor(peer: NodeId, send: (frame: Uint8Array | null) => Promise<void>, onAbort: () => void) {
    this.peer = peer
    this.#send = send
    this.onAbort = onAbort
  }

  push(frame: Uint8Array | null): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter === undefined) this.#inbox.push(frame)
    else waiter.resolve(frame)
  }

  fail(reason: unknown): void {
    this.failure ??= reason
    this.#waiter?.reject(reason)
    this.#waiter = undefined
  }

  write(frame: Uint8Array): Promise<void> {
    return this.writeParts([frame])
  }

  async writeParts(parts: Uint8Array[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    await this.#send(new Uint8Array(Buffer.concat(parts)))
    if (this.failure !== undefined) throw this.failure
  }

  read({ signal }: { signal?: AbortSignal } = {}): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      const next = this.#inbox.shift()
      if (next !== undefined) return resolve(next)
      if (this.failure !== undefined) return reject(this.failure)
      if (signal?.aborted) return reject(signal.reason)
      const stop = () => {
        this.#waiter = undefined
        reject(signal?.reason)
      }
      this.#waiter = {
        resolve: (frame) => {
          signal?.removeEventListener('abort', stop)
          resolve(frame)
        },
        reject,
      }
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  async close(): Promise<void> {
    if (this.failure === undefined) await this.#send(null)
  }

  abort(reason: Error = new StreamBrokenError('aborted')): void {
    this.fail(reason)
    this.onAbort()
  }
}

class ModelFile implements SealedFile {
  readonly root: Root
  readonly size: number
  readonly chunk = CHUNK
  readonly count: number
  manifest: Manifest | null
  readonly #here: Set<number>

  constructor({ root, size }: VersionShape, manifest: Manifest | null, here: Iterable<number> = []) {
    this.manifest = manifest
    this.root = root
    this.size = size
    this.count = Math.ceil(size / CHUNK)
    this.#here = new Set(here)
  }
  get held() {
    return this.#here.size
  }
  get complete() {
    return this.#here.size === this.count
  }
  async setManifest(manifest: Manifest) {
    this.manifest = manifest
  }
  has(index: number) {
    return this.#here.has(index)
  }
  bitfield() {
    const bits = new Uint8Array(Math.ceil(this.count / 8))
    for (const index of this.#here) bits[index >> 3] = (bits[index >> 3] ?? 0) | (0x80 >> (index & 7))
    return bits
  }
  sealedLength() {
    return CHUNK + SEAL_OVERHEAD
  }
  async read(index: number) {
    const bytes = new Uint8Array(CHUNK + SEAL_OVERHEAD)
    new DataView(bytes.buffer).setUint32(0, index)
    return bytes
  }
  async write(index: number, sealed: Uint8Array) {
    if (this.manifest === null) throw new Error('nothing can be verified yet')
    const isRight = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0) === index
    if (isRight) this.#here.add(index)
    return isRight
  }
  waitFor(): Promise<void> {
    return Promise.reject(new Error('nobody reads it'))
  }
  async flush() {}
}

export interface CappedMember {
  readonly id: NodeId
  rates: Rates
  /** bytes that have left it */
  sent: number
  /** virtual ms at which it had everything */
  doneAt: number | null
  /** virtual ms at which each chunk came */
  readonly cameAt: ReadonlyMap<number, number>
  /** streams and lanes that it has opened */
  readonly opened: { streams: number; lanes: number }
  readonly isDown: boolean
  readonly download: Download | undefined
  /** Power cut. */
  kill(): void
}

export interface CappedSwarm {
  readonly clock: VirtualClock
  readonly owner: CappedMember
  readonly others: readonly CappedMember[]
  /** all bytes of the file, as modelled */
  readonly bytes: number
}

export interface SwarmInit {
  readonly chunks: number
  readonly owner: Rates
  readonly others: readonly Rates[]
  readonly seed: number
  /** those of `others` that have everything already: sources only */
  readonly complete?: number
  /** those that fetch do it for a person */
  readonly urgent?: boolean
  /** who reads at this chunk, and has nothing yet: opening costs round trips, and the manifest has to be fetched */
  readonly position?: number
}

/** What it takes a chunk to leave over a link of so many Mbit/s. */
export function chunkMs(mbit: number): number {
  return ((CHUNK + SEAL_OVERHEAD) * SCALE * 8) / 1000 / mbit
}

/** No way of sending is faster: max(F/u_s, F/d_min, N·F/(u_s+Σu_i)) (Kumar and Ross, HotMedia 2006). */
export function leastMs({ chunks, owner, others }: SwarmInit): number {
  const kilobits = (chunks * 1024 * 1024 * 8) / 1000
  const slowest = Math.min(...others.map(({ down }) => down))
  const together = others.reduce((sum, { up }) => sum + up, owner.up)
  return Math.max(kilobits / owner.up, kilobits / slowest, (others.length * kilobits) / together)
}

export function startSwarm(init: SwarmInit): CappedSwarm {
  const clock = new VirtualClock()
  const sharing = new Sharing(clock)
  const manifest = testManifest(init.chunks)
  const version: VersionShape = { root: manifest.root, size: manifest.size, chunk: CHUNK }
  const isReading = init.position !== undefined
  const all = new Map<NodeId, Member>()
  const stated = new Set<NodeId>()
  const state = (member: Member) =>
    clock.after(FACT_MS, () => {
      stated.add(member.id)
      for (const other of all.values()) if (other !== member) other.download?.refresh()
    })

  class Member implements CappedMember, Pick<Host, 'id' | 'open' | 'handle'> {
    readonly id: NodeId
    readonly #streams = new Set<ModelStream>()
    readonly #provider: Provider
    #handler: StreamHandler | undefined
    readonly #stop = new AbortController()
    rates: Rates
    sent = 0
    doneAt: number | null = null
    readonly cameAt = new Map<number, number>()
    readonly opened = { streams: 0, lanes: 0 }
    download: Download | undefined
    file: ModelFile | undefined
    isDown = false

    constructor(at: number, rates: Rates, file: ModelFile | undefined) {
      this.id = nodeIdFromPublicKey(new Uint8Array(32).fill(at + 1))
      this.rates = rates
      this.file = file
      const limits = createLimits({ clock })
      this.#provider = createProvider({
        store: {
          get: async () => this.file ?? null,
          onChange: () => () => {},
        } as unknown as ContentStore,
        host: this,
        clock,
        mayFetch: () => true,
        up: limits.up,
        readingBytes: (32 * 1024 * 1024) / SCALE,
      })
    }

    fetch(): void {
      const file = new ModelFile(version, isReading ? null : manifest)
      this.file = file
      const limits = createLimits({ clock })
      this.download = createDownload({
        version,
        store: { open: async () => file },
        host: this,
        clock,
        random: seededRandom(
          init.seed * 1000 + all.size + this.id.charCodeAt(20) * 7 + [...all.keys()].indexOf(this.id),
        ),
        sources: () => [...stated].filter((id) => id !== this.id),
        budget: createBudget(DEFAULT_BUDGET_BYTES / SCALE),
        limits,
        urgent: init.urgent ?? false,
        onFile: (opened) => {
          this.#provider.offer(opened)
          state(this)
        },
        onChunk: (index) => {
          this.cameAt.set(index, clock.now())
          this.#provider.arrived(version.root, index)
        },
        priority: init.position === undefined ? [] : [init.position],
        signal: this.#stop.signal,
      })
      this.download.done.then(
        () => {
          this.doneAt = clock.now()
        },
        () => undefined,
      )
    }

    handle(_protocol: string, _init: HandlerInit, handler: StreamHandler): void {
      this.#handler = handler
    }

    async open(peer: NodeId, _protocol: string, { bulk = false }: { bulk?: boolean }): Promise<FrameStream> {
      const other = all.get(peer)
      if (isReading) {
        const trips = bulk ? LANE_TRIPS : STREAM_TRIPS
        await new Promise<void>((resolve) => clock.after(trips * ROUND_TRIP_MS, resolve))
      }
      this.opened[bulk ? 'lanes' : 'streams'] += 1
      if (this.isDown || other === undefined || other.isDown || other.#handler === undefined)
        throw new UnreachableError(peer)
      const link = (from: Member, to: Member, deliver: (frame: Uint8Array | null) => void) => {
        let waiters: (() => void)[] = []
        const flow: Flow = {
          from,
          to,
          frames: [],
          backlog: 0,
          rate: 0,
          deliver,
          drained: () => {
            const ready = waiters
            waiters = []
            for (const each of ready) each()
          },
        }
        const send = (frame: Uint8Array | null) => {
          sharing.send(flow, frame)
          return flow.backlog <= SOCKET_BYTES
            ? Promise.resolve()
            : new Promise<void>((resolve) => waiters.push(resolve))
        }
        return { flow, send, drained: flow.drained }
      }
      const there = link(this, other, (frame) => theirs.push(frame))
      const back = link(other, this, (frame) => ours.push(frame))
      const cut = (reason: unknown) => {
        for (const { flow, drained } of [there, back]) {
          sharing.drop(flow)
          drained()
        }
        for (const stream of [ours, theirs]) stream.fail(reason)
        this.#streams.delete(ours)
        other.#streams.delete(theirs)
      }
      const ours: ModelStream = new ModelStream(peer, there.send, () => cut(new StreamBrokenError('aborted')))
      const theirs: ModelStream = new ModelStream(this.id, back.send, () => cut(new StreamBrokenError('aborted')))
      this.#streams.add(ours)
      other.#streams.add(theirs)
      void other.#handler(theirs).catch(() => theirs.abort())
      return ours
    }

    kill(): void {
      this.isDown = true
      this.#stop.abort(new Error('killed'))
      this.#provider.stop()
      for (const stream of [...this.#streams]) stream.abort(new StreamBrokenError('killed'))
    }
  }

  const everything = Array.from({ length: init.chunks }, (_, index) => index)
  const members = [init.owner, ...init.others].map((rates, at) => {
    const isComplete = at === 0 || at <= (init.complete ?? 0)
    return new Member(at, rates, isComplete ? new ModelFile(version, manifest, everything) : undefined)
  })
  for (const member of members) {
    all.set(member.id, member)
    if (member.file !== undefined) stated.add(member.id)
  }
  for (const member of members) if (member.file === undefined) member.fetch()
  const [owner, ...others] = members as [Member, ...Member[]]
  return { clock, owner, others, bytes: init.chunks * 1024 * 1024 }
}

function testManifest(chunks: number): Manifest {
  const builder = createManifestBuilder(CHUNK)
  for (let index = 0; index < chunks; index++) builder.add(new Uint8Array(32).fill(index))
  return builder.finish(chunks * CHUNK)
}
