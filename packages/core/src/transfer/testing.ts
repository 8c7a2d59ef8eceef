/** Members in one process for the tests of this room: real stores, and streams that can be slowed, tampered with and cut. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContentStore, SealedFile, VersionShape } from '../content/index.ts'
import { createStore } from '../content/store.ts'
import { SEAL_OVERHEAD } from '../crypto/index.ts'
import { type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { StreamBrokenError, TimeoutError, UnreachableError } from '../network/errors.ts'
import type { FrameStream, HandlerInit, Host, StreamHandler, Wait } from '../network/index.ts'
import type { Random } from '../random.ts'

/** Seeded chance (mulberry32), so that a failure can be repeated. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
    below: (bound) => next() % bound,
  }
}

/** Frames that a pipe holds before its writer waits. */
const PIPE_FRAMES = 2

class Pipe {
  readonly #frames: Uint8Array[] = []
  #waiters: (() => void)[] = []
  ended = false
  failure: unknown

  get isFull(): boolean {
    return this.#frames.length >= PIPE_FRAMES
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.wake()
  }

  shift(): Uint8Array | undefined {
    const frame = this.#frames.shift()
    if (frame !== undefined) this.wake()
    return frame
  }

  wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }
}

/** Resolves when `ready` gives something; rejects at the deadline or with the signal's reason. */
async function until<T>(pipe: Pipe, wait: Wait, ready: () => T | undefined): Promise<T> {
  const deadline = Promise.withResolvers<never>()
  deadline.promise.catch(() => undefined)
  const abort = () => deadline.reject(wait.signal?.reason)
  const timer =
    wait.timeoutMs === undefined
      ? undefined
      : setTimeout(() => deadline.reject(new TimeoutError('pipe', wait.timeoutMs ?? 0)), wait.timeoutMs)
  wait.signal?.addEventListener('abort', abort, { once: true })
  if (wait.signal?.aborted) abort()
  try {
    for (;;) {
      wait.signal?.throwIfAborted()
      const result = ready()
      if (result !== undefined) return result
      await Promise.race([pipe.change(), deadline.promise])
    }
  } finally {
    clearTimeout(timer)
    wait.signal?.removeEventListener('abort', abort)
  }
}

class PipeStream implements FrameStream {
  readonly path = 'tcp'
  readonly peer: NodeId
  readonly #from: Pipe
  readonly #to: Pipe
  readonly #outgoing: (frame: Uint8Array) => Promise<Uint8Array> | Uint8Array

  constructor(peer: NodeId, from: Pipe, to: Pipe, outgoing: (frame: Uint8Array) => Promise<Uint8Array> | Uint8Array) {
    this.peer = peer
    this.#from = from
    this.#to = to
    this.#outgoing = outgoing
  }

  write(frame: Uint8Array, wait: Wait = {}): Promise<void> {
    return this.writeParts([frame], wait)
  }

  async writeParts(parts: Uint8Array[], wait: Wait = {}): Promise<void> {
    const frame = await this.#outgoing(new Uint8Array(Buffer.concat(parts)))
    await until(this.#to, wait, () => {
      if (this.#to.failure !== undefined) throw this.#to.failure
      return this.#to.isFull ? undefined : true
    })
    this.#to.push(frame)
  }

  read(wait: Wait = {}): Promise<Uint8Array | null> {
    return until(this.#from, wait, () => {
      const frame = this.#from.shift()
      if (frame !== undefined) return frame
      if (this.#from.failure !== undefined) throw this.#from.failure
      return this.#from.ended ? null : undefined
    })
  }

  async close(): Promise<void> {
    this.#to.ended = true
    this.#to.wake()
  }

  abort(reason: Error = new StreamBrokenError('aborted')): void {
    for (const pipe of [this.#from, this.#to]) {
      pipe.failure ??= reason
      pipe.wake()
    }
  }
}

export class TestHost implements Pick<Host, 'id' | 'open' | 'handle'> {
  readonly id: NodeId
  readonly #network: Map<NodeId, TestHost>
  readonly #streams = new Set<PipeStream>()
  #handler: { init: HandlerInit; handler: StreamHandler } | undefined
  /** what happens to the frames that this host's handlers send */
  outgoing: (frame: Uint8Array) => Promise<Uint8Array> | Uint8Array = (frame) => frame
  /** what handlers threw */
  readonly faults: unknown[] = []
  isDown = false

  constructor(id: NodeId, network: Map<NodeId, TestHost>) {
    this.id = id
    this.#network = network
    network.set(id, this)
  }

  handle(_protocol: string, init: HandlerInit, handler: StreamHandler): void {
    this.#handler = { init, handler }
  }

  async open(peer: NodeId): Promise<FrameStream> {
    const other = this.#network.get(peer)
    if (this.isDown || other === undefined || other.isDown || other.#handler === undefined)
      throw new UnreachableError(peer)
    const there = new Pipe()
    const back = new Pipe()
    const ours = new PipeStream(peer, back, there, (frame) => frame)
    const theirs = new PipeStream(this.id, there, back, (frame) => other.outgoing(frame))
    this.#streams.add(ours)
    other.#streams.add(theirs)
    void other.#handler
      .handler(theirs)
      .then(() => theirs.close())
      .catch((error: unknown) => {
        other.faults.push(error)
        theirs.abort(error instanceof Error ? error : undefined)
      })
      .finally(() => other.#streams.delete(theirs))
    return ours
  }

  /** Power cut: every stream breaks, nobody can open one. */
  kill(): void {
    this.isDown = true
    for (const stream of this.#streams) stream.abort(new StreamBrokenError('killed'))
    this.#streams.clear()
  }

  revive(): void {
    this.isDown = false
  }
}

/** Chunk frames only; type byte 1. */
export function isChunkFrame(frame: Uint8Array): boolean {
  return frame[0] === 1
}

export interface TestMember {
  host: TestHost
  store: ContentStore
}

export interface TestWorld {
  member(): Promise<TestMember>
  stop(): Promise<void>
}

export async function createWorld(): Promise<TestWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'malote-transfer-'))
  const network = new Map<NodeId, TestHost>()
  const stores: ContentStore[] = []
  let count = 0
  return {
    async member() {
      count += 1
      const number = count
      const store = await createStore({ folder: join(folder, `${number}`), floorBytes: 0 })
      stores.push(store)
      return { host: new TestHost(nodeIdFromPublicKey(new Uint8Array(32).fill(number)), network), store }
    },
    async stop() {
      for (const store of stores) await store.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export const TEST_CHUNK = 64 * 1024

/** A complete version of so many chunks; the last one is short. What is in them does not matter here. */
export async function sealTestVersion(
  store: ContentStore,
  chunks: number,
  random: Random,
  chunk = TEST_CHUNK,
): Promise<SealedFile> {
  const writer = await store.beginSealing(chunk)
  for (let index = 0; index < chunks; index++) {
    const plain = index === chunks - 1 ? Math.ceil(chunk / 3) : chunk
    await writer.append([random.bytes(plain + SEAL_OVERHEAD)], plain)
  }
  return writer.finish()
}

/** Gives a store some chunks of a version. */
export async function copyChunks(
  from: SealedFile,
  store: ContentStore,
  indexes: readonly number[],
): Promise<SealedFile> {
  const file = await store.open(from)
  if (from.manifest !== null) await file.setManifest(from.manifest)
  for (const index of indexes) await file.write(index, await from.read(index))
  return file
}

export function shapeOf(file: SealedFile): VersionShape {
  return { root: file.root, size: file.size, chunk: file.chunk }
}
