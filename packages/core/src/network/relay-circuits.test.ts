/**
 * Circuits through a real relay, between two members that do as they like: libp2p without our rules, which asks for a
 * circuit by hand (circuit relay v2, protobuf) and then says nothing of what a circuit is for.
 */
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { generateSigningKey } from '../crypto/index.ts'
import { type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { startLibp2p } from './libp2p-node.ts'
import { createRelayBudget, STRANGER_CIRCUIT_BYTES } from './relay-budget.ts'
import { Circuits, HELD_BYTES } from './relay-circuits.ts'
import { RelayReservations } from './relay-reservations.ts'
import { ManualClock, startTestHost, type TestHost } from './testing.ts'

const HOP = '/libp2p/circuit/relay/0.2.0/hop'
const STOP = '/libp2p/circuit/relay/0.2.0/stop'
const MIB = 1024 * 1024
/** StopMessage {type: STATUS, status: OK}, with its length */
const ACCEPTED = Uint8Array.of(4, 8, 1, 32, 100)

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
})

interface Raw {
  readonly id: NodeId
  readonly node: Libp2p
  readonly reservations: RelayReservations
}

async function startRaw(): Promise<Raw> {
  const signingKey = generateSigningKey()
  const reservations = new RelayReservations()
  const node = await startLibp2p({
    signingKey,
    reservations,
    listen: [],
    announce: [],
    gater: {},
    lanes: { clock: systemClock, takers: new Map() },
    onComponents: () => {},
  })
  ending.push(() => node.stop())
  return { id: nodeIdFromPublicKey(signingKey.publicKey), node, reservations }
}

async function startRelay(relayLimit: number | null): Promise<TestHost> {
  const relay = await startTestHost({ relay: 'always', relayLimit })
  ending.push(() => relay.host.stop())
  return relay
}

/** A reservation at the relay, and the far ends of the circuits that come over it. */
async function awaitCircuits(raw: Raw, relay: TestHost): Promise<{ next(): Promise<Stream> }> {
  const waiting: Stream[] = []
  const bell = new EventTarget()
  await raw.node.handle(
    STOP,
    async (stream) => {
      await once(stream, 'message')
      stream.send(ACCEPTED)
      waiting.push(stream)
      bell.dispatchEvent(new Event('one'))
    },
    { force: true, runOnLimitedConnection: true, maxInboundStreams: 100 },
  )
  await raw.node.dial(multiaddr(relay.host.addresses()[0] ?? ''))
  await raw.reservations.reserve(relay.host.id)
  return {
    async next() {
      while (waiting.length === 0) await once(bell, 'one')
      return waiting.shift() as Stream
    },
  }
}

/** HopMessage {type: CONNECT, peer: {id}}, with its length; the first answer is looked at. */
async function openCircuit(raw: Raw, relay: TestHost, target: NodeId): Promise<Stream> {
  await raw.node.dial(multiaddr(relay.host.addresses()[0] ?? ''))
  const stream = await raw.node.getConnections(peerIdFromString(relay.host.id))[0]?.newStream(HOP)
  if (stream === undefined) throw new Error('not connected')
  const id = peerIdFromString(target).toMultihash().bytes
  const message = Uint8Array.of(8, 1, 18, id.length + 2, 10, id.length, ...id)
  const answer = once(stream, 'message')
  stream.send(Uint8Array.of(message.length, ...message))
  const [{ data }] = (await answer) as [{ data: { subarray(): Uint8Array } }]
  // {type: STATUS, ..., status: OK}
  expect([...data.subarray().subarray(-2)]).toEqual([40, 100])
  return stream
}

/** Sends so much as the way takes, and counts it. */
function sending(stream: Stream, bytes: number): { sent: number } {
  const state = { sent: 0 }
  const piece = new Uint8Array(64 * 1024).fill(7)
  const go = () => {
    while (state.sent < bytes && stream.status === 'open' && !stream.writableNeedsDrain) {
      state.sent += piece.length
      stream.send(piece)
    }
  }
  stream.addEventListener('drain', () => setImmediate(go))
  go()
  return state
}

/** Until so many questions to the relay in a row were answered while nothing moved. */
async function atRest(raw: Raw, relay: TestHost, value: () => number): Promise<number> {
  let last = -1
  for (let same = 0; same < 60; ) {
    const stream = await raw.node.getConnections(peerIdFromString(relay.host.id))[0]?.newStream('/ipfs/ping/1.0.0')
    if (stream === undefined) throw new Error('not connected')
    const answer = once(stream, 'message')
    stream.send(new Uint8Array(32))
    await answer
    await stream.close()
    same = value() === last ? same + 1 : 0
    last = value()
  }
  return last
}

function received(stream: Stream): { bytes: number } {
  const state = { bytes: 0 }
  stream.addEventListener('message', ({ data }) => {
    state.bytes += data.byteLength
  })
  return state
}

/** Bytes outside of the heap that something still holds. */
function liveBuffers(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().arrayBuffers
}

describe('a circuit', () => {
  it('holds back its source while its target takes nothing, and brings everything when it does, keeping none', async () => {
    const relay = await startRelay(null)
    const [from, to] = [await startRaw(), await startRaw()]
    for (const { id } of [from, to]) relay.gate.members.add(id)
    const circuits = await awaitCircuits(to, relay)
    const near = await openCircuit(from, relay, to.id)
    const far = await circuits.next()
    const got = received(far)
    far.pause()
    const all = 24 * MIB
    const before = liveBuffers()
    const state = sending(near, all)
    const sent = await atRest(from, relay, () => state.sent - near.writeBufferLength)
    // the windows of two streams, and what lies in sockets; not what was there to be sent
    expect(sent).toBeGreaterThan(MIB)
    expect(sent).toBeLessThan(12 * MIB)
    far.resume()
    await expect.poll(() => got.bytes, { timeout: 20_000 }).toBe(all)
    // while it stands: an exchange of files may last for days
    await expect.poll(liveBuffers, { timeout: 8_000 }).toBeLessThan(before + all / 3)
    expect(far.status).toBe('open')
  })

  it('brings what was sent before its end, also while it is held back', async () => {
    const relay = await startRelay(null)
    const [from, to] = [await startRaw(), await startRaw()]
    for (const { id } of [from, to]) relay.gate.members.add(id)
    const circuits = await awaitCircuits(to, relay)
    const near = await openCircuit(from, relay, to.id)
    const far = await circuits.next()
    const got = received(far)
    far.pause()
    const all = 4 * MIB
    const state = sending(near, all)
    await atRest(from, relay, () => state.sent - near.writeBufferLength)
    const ended = once(far, 'end')
    far.resume()
    await expect.poll(() => state.sent).toBe(all)
    await near.close()
    await ended
    expect(got.bytes).toBe(all)
  })

  it('of a newcomer is small, both ways, until it is a member', async () => {
    const relay = await startRelay(null)
    const [from, to] = [await startRaw(), await startRaw()]
    relay.gate.members.add(to.id)
    const circuits = await awaitCircuits(to, relay)
    await openCircuit(from, relay, to.id)
    const far = await circuits.next()
    const near = from.node
      .getConnections(peerIdFromString(relay.host.id))[0]
      ?.streams.find(({ protocol }) => protocol === HOP)
    if (near === undefined) throw new Error('no circuit')
    const got = received(near)
    const state = sending(far, 4 * STRANGER_CIRCUIT_BYTES)
    await atRest(to, relay, () => state.sent + got.bytes)
    expect(got.bytes).toBeLessThan(2 * STRANGER_CIRCUIT_BYTES + MIB)
    relay.gate.members.add(from.id)
    await expect.poll(() => got.bytes, { timeout: 20_000 }).toBe(4 * STRANGER_CIRCUIT_BYTES)
  })

  it('is slowed down to the rate of the relay, and only it', async () => {
    const rate = 4 * MIB
    const relay = await startRelay(rate)
    const [from, to] = [await startRaw(), await startRaw()]
    for (const { id } of [from, to]) relay.gate.members.add(id)
    const circuits = await awaitCircuits(to, relay)
    const near = await openCircuit(from, relay, to.id)
    const far = await circuits.next()
    const got = received(far)
    const began = performance.now()
    sending(near, 10 * MIB)
    await expect.poll(() => got.bytes, { timeout: 20_000 }).toBe(10 * MIB)
    // a rate cannot be passed faster than that, however slow the machine; a second of it and a window go at once
    expect(performance.now() - began).toBeGreaterThan(((10 * MIB - rate - 3 * MIB) / rate) * 1000)
    expect(relay.host.relayLoad()?.circuits).toBe(1)
    near.abort(new Error('done'))
    await expect.poll(() => relay.host.relayLoad()?.circuits).toBe(0)
  })

  it('is one of few between the same two', async () => {
    const relay = await startRelay(null)
    const [from, to] = [await startRaw(), await startRaw()]
    for (const { id } of [from, to]) relay.gate.members.add(id)
    await awaitCircuits(to, relay)
    for (let each = 0; each < 4; each++) await openCircuit(from, relay, to.id)
    await expect(openCircuit(from, relay, to.id)).rejects.toThrow()
    expect(relay.host.relayLoad()?.circuits).toBe(4)
  })
})

/** A stream that takes what it has room for, or a little more, and keeps what comes while it is paused. */
class Pipe extends EventTarget {
  /** bytes until it is full @default without end */
  room = Number.POSITIVE_INFINITY
  status = 'open'
  readStatus = 'readable'
  writableNeedsDrain = false
  /** bytes beyond its room */
  writeBufferLength = 0
  recvWindow = MIB
  maxStreamWindowSize = 4 * MIB
  /** granted, and not used yet */
  recvWindowCapacity = 0
  readonly unread: Uint8Array[] = []
  /** what was sent to it */
  readonly sent: number[] = []
  #filled = 0

  get readBufferLength(): number {
    return this.unread.reduce((sum, { length }) => sum + length, 0)
  }

  arrive(data: Uint8Array): void {
    if (this.readStatus === 'paused') this.unread.push(data)
    else this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }

  send(data: Uint8Array): boolean {
    this.sent.push(data.byteLength)
    this.#filled += data.byteLength
    this.writableNeedsDrain = this.#filled >= this.room
    this.writeBufferLength = Math.max(0, this.#filled - this.room)
    return !this.writableNeedsDrain
  }

  drain(): void {
    this.#filled = 0
    this.writableNeedsDrain = false
    this.writeBufferLength = 0
    this.dispatchEvent(new Event('drain'))
  }

  pause(): void {
    this.readStatus = 'paused'
  }

  resume(): void {
    this.readStatus = 'readable'
    for (const data of this.unread.splice(0)) this.arrive(data)
  }

  abort(): void {
    this.status = 'aborted'
    this.writeBufferLength = 0
    this.dispatchEvent(new Event('close'))
  }
}

describe('ways that wait for the rate', () => {
  const RATE = MIB

  /** Circuits with a window each, at once. */
  function scene(count: number) {
    const clock = new ManualClock()
    const circuits = new Circuits({ clock, budget: createRelayBudget(clock, RATE), isMember: () => true })
    const order: number[] = []
    const targets = Array.from({ length: count }, (_, at) => {
      const [from, to] = [new Pipe(), new Pipe()]
      const take = to.send.bind(to)
      to.send = (data) => {
        order.push(at)
        return take(data)
      }
      const end = (name: string, stream: Pipe) => ({
        peer: `${name}${at}` as NodeId,
        stream: stream as unknown as Stream,
      })
      circuits.watch(end('a', from), end('b', to))()
      return { from, to }
    })
    return { clock, circuits, order, targets }
  }

  it('go out in small parts, in turns, and all of it', () => {
    const { clock, circuits, order, targets } = scene(4)
    for (const { from } of targets) for (let at = 0; at < 32; at++) from.arrive(new Uint8Array(64 * 1024))
    const began = order.length
    const before = targets.map(({ to }) => to.sent.length)
    const waited = () => targets.map(({ to }, at) => to.sent.slice(before[at]))
    // what goes at once is not what waits: the rate of a second, and small talk of each
    expect(circuits.passed).toBeLessThan(RATE + 4 * 640 * 1024)
    // what has gone at once is a debt
    for (let ms = 0; ms < (8 * MIB * 1000) / RATE; ms += 10) clock.advance(10)
    expect(targets.map(({ to }) => to.sent.reduce((sum, bytes) => sum + bytes, 0))).toEqual(Array(4).fill(2 * MIB))
    const later = order.slice(began)
    const gaps = later.map((at, place) => later.indexOf(at, place + 1) - place).filter((gap) => gap > 0)
    // until the first has nothing left nobody waits for more than the three others
    expect(Math.max(...gaps.slice(0, later.length / 2))).toBeLessThanOrEqual(4)
    for (const sizes of waited()) expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1024)
    circuits.stop()
  })

  it('go on as soon as their targets have room, not at the next look', async () => {
    const { targets } = scene(2)
    for (const { to } of targets) to.room = 40 * 1024
    for (const { from } of targets) for (let at = 0; at < 4; at++) from.arrive(new Uint8Array(64 * 1024))
    // time stands still
    for (let turn = 0; turn < 4; turn++) {
      for (const { to } of targets) to.drain()
      await Promise.resolve()
    }
    expect(targets.map(({ to }) => to.sent.reduce((sum, bytes) => sum + bytes, 0))).toEqual(Array(2).fill(256 * 1024))
    for (const { from } of targets) expect(from.readStatus).toBe('readable')
  })

  it('wait for nothing once their source has ended, and lose nothing', () => {
    const { clock, targets } = scene(2)
    for (const { from } of targets) for (let at = 0; at < 48; at++) from.arrive(new Uint8Array(64 * 1024))
    clock.advance(100)
    for (const { from, to } of targets) {
      from.dispatchEvent(new Event('remoteCloseWrite'))
      expect(to.sent.reduce((sum, bytes) => sum + bytes, 0)).toBe(3 * MIB)
      expect(from.unread).toEqual([])
    }
  })

  it('have small windows when they are many, and those that wait alone large ones', () => {
    const many = scene(64)
    for (const { from } of many.targets) for (let at = 0; at < 16; at++) from.arrive(new Uint8Array(64 * 1024))
    for (let ms = 0; ms < 100_000; ms += 10) many.clock.advance(10)
    const windows = many.targets.map(({ from }) => from.recvWindow)
    // the last ones to go on had fewer beside them
    expect(windows.toSorted((a, b) => a - b)[32]).toBeLessThanOrEqual(256 * 1024)
    for (const { from } of many.targets) expect(from.maxStreamWindowSize).toBe(from.recvWindow)
    const alone = scene(1)
    for (let at = 0; at < 64; at++) alone.targets[0]?.from.arrive(new Uint8Array(64 * 1024))
    for (let ms = 0; ms < 10_000; ms += 10) alone.clock.advance(10)
    expect(alone.targets[0]?.from.recvWindow).toBe(MIB)
  })

  it('go on with large ones when the others have gone', () => {
    const { clock, targets } = scene(64)
    for (const { from } of targets) for (let at = 0; at < 16; at++) from.arrive(new Uint8Array(64 * 1024))
    for (let ms = 0; ms < 100_000; ms += 10) clock.advance(10)
    const [first] = targets
    if (first === undefined) throw new Error('nobody')
    expect(first.from.readStatus).toBe('readable')
    first.from.arrive(new Uint8Array(1024))
    expect(first.from.recvWindow).toBe(MIB)
    // what it has kept unread is not granted again before it has gone out
    first.to.room = 1
    first.from.arrive(new Uint8Array(64 * 1024))
    expect(first.from.readStatus).toBe('paused')
    for (let at = 0; at < 16; at++) first.from.arrive(new Uint8Array(64 * 1024))
    for (let parts = 0; parts < 2; parts++) {
      first.to.drain()
      clock.advance(1_000)
    }
    expect(first.from.recvWindow).toBe(0)
    first.to.room = Number.POSITIVE_INFINITY
    first.to.drain()
    clock.advance(1_000)
    expect(first.from.recvWindow).toBe(MIB)
  })

  it('whose sources have ended are counted', () => {
    const { targets } = scene(80)
    for (const { from, to } of targets) {
      to.room = 1
      for (let at = 0; at < 16; at++) from.arrive(new Uint8Array(64 * 1024))
      from.dispatchEvent(new Event('remoteCloseWrite'))
    }
    const held = () => targets.reduce((sum, { to }) => sum + to.writeBufferLength, 0)
    expect(held()).toBeGreaterThan(HELD_BYTES / 2)
    expect(held()).toBeLessThanOrEqual(HELD_BYTES)
  })
})
