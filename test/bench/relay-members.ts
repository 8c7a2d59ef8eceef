/**
 * `npm run bench -- relay [members] [MiB/s]`: what a relay takes that serves a company whose branches are all hidden, each with
 * a circuit to each: memory and processor time of its process, idle with small talk, and while half of them send files. The
 * members are libp2p nodes without our rules, which speak to the relay as branches do and put on the circuits what a branch
 * would: no noise inside, which only they would pay for.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../../packages/core/src/clock.ts'
import { generateSigningKey } from '../../packages/core/src/crypto/index.ts'
import { type NodeId, nodeIdFromPublicKey } from '../../packages/core/src/ids.ts'
import { startLibp2p } from '../../packages/core/src/network/libp2p-node.ts'
import { RelayReservations } from '../../packages/core/src/network/relay-reservations.ts'
import { median } from './measure.ts'

const MiB = 1024 * 1024
const HOP = '/libp2p/circuit/relay/0.2.0/hop'
const STOP = '/libp2p/circuit/relay/0.2.0/stop'
/** StopMessage {type: STATUS, status: OK}, with its length */
const ACCEPTED = Uint8Array.of(4, 8, 1, 32, 100)
/** As presence: a heartbeat each way of each circuit. */
const TALK_MS = 10_000
const TALK = new Uint8Array(200)
const PIECE = new Uint8Array(64 * 1024)
const IDLE_MS = 30_000
const BULK_MS = 30_000
const OPENING = 16

interface Member {
  readonly id: NodeId
  readonly node: Libp2p
  /** to the relay */
  readonly connection: Connection
  /** circuits that it has opened, and those that others have opened to it */
  readonly near: Stream[]
  readonly far: Stream[]
}

interface Relay {
  readonly id: string
  readonly address: string
  readonly child: ChildProcess
  load(): Promise<{ circuits: number; heapUsed: number; arrayBuffers: number }>
}

export async function benchRelay(members = 70, mibPerSecond = 10): Promise<void> {
  const relay = await startRelay(mibPerSecond)
  const all: Member[] = []
  const rows: Record<string, string | number>[] = []
  const told = async (what: string, since: number, cpuBefore: number, more: Record<string, string | number> = {}) => {
    const seconds = (performance.now() - since) / 1000
    const { rss, peak, cpu } = usage(relay.child)
    const { circuits, heapUsed, arrayBuffers } = await relay.load()
    const held = `${Math.round(heapUsed / MiB)} + ${Math.round(arrayBuffers / MiB)}`
    const share = `${(((cpu - cpuBefore) / seconds) * 100).toFixed(0)} %`
    const taken = {
      'MiB now': rss,
      'at most': peak,
      'heap + buffers': held,
      'cpu s': +(cpu - cpuBefore).toFixed(1),
      share,
    }
    rows.push({ what, circuits, ...taken, ...more })
  }
  try {
    rows.push({ what: 'alone', 'MiB now': usage(relay.child).rss })
    let began = performance.now()
    let cpu = usage(relay.child).cpu
    for (let at = 0; at < members; at++) all.push(await startMember(relay))
    await told(`${members} members with reservations`, began, cpu)
    began = performance.now()
    cpu = usage(relay.child).cpu
    const refused = await openAll(all)
    await told('each has opened a circuit to each', began, cpu, { refused })
    began = performance.now()
    cpu = usage(relay.child).cpu
    const talk = smallTalk(all)
    await sleep(IDLE_MS)
    await told(`small talk each ${TALK_MS / 1000} s`, began, cpu, { 'ms, median (worst)': talk.told() })
    began = performance.now()
    cpu = usage(relay.child).cpu
    const bulk = sendMuch(all)
    await sleep(BULK_MS)
    const { least, most, sum, longest } = bulk.end()
    await told(`${bulk.circuits} circuits full besides`, began, cpu, {
      'MiB/s': +(sum / MiB / (BULK_MS / 1000)).toFixed(1),
      'KiB/s of one': `${(least / 1024 / (BULK_MS / 1000)).toFixed(0)} to ${(most / 1024 / (BULK_MS / 1000)).toFixed(0)}`,
      'longest silence s': +(longest / 1000).toFixed(1),
      'ms, median (worst)': talk.told(),
    })
    talk.stop()
    console.table(rows)
    console.log(`load at the end ${loadavg()[0]?.toFixed(1)}`)
  } finally {
    relay.child.kill()
    await Promise.all(all.map(({ node }) => node.stop()))
  }
}

async function startRelay(mibPerSecond: number): Promise<Relay> {
  const program = join(import.meta.dirname, 'relay-host.ts')
  const limit = mibPerSecond === 0 ? 'unlimited' : `${mibPerSecond * MiB}`
  const child = spawn(process.execPath, ['--no-warnings', program, limit], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value as string)
  const { id, address } = await next()
  const load = () => {
    child.stdin?.write('\n')
    return next()
  }
  return { id, address, child, load }
}

function usage({ pid }: ChildProcess): { rss: number; peak: number; cpu: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const of = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024)
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { rss: of('VmRSS'), peak: of('VmHWM'), cpu: (Number(fields[11]) + Number(fields[12])) / 100 }
}

async function startMember(relay: Relay): Promise<Member> {
  const signingKey = generateSigningKey()
  const id = nodeIdFromPublicKey(signingKey.publicKey)
  relay.child.stdin?.write(`${id}\n`)
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
  const far: Stream[] = []
  const take = async (stream: Stream) => {
    await once(stream, 'message')
    stream.send(ACCEPTED)
    far.push(stream)
  }
  await node.handle(STOP, take, { force: true, runOnLimitedConnection: true, maxInboundStreams: 1000 })
  const connection = await node.dial(multiaddr(relay.address))
  await reservations.reserve(relay.id as NodeId)
  return { id, node, connection, near: [], far }
}

/** @returns how many were refused */
async function openAll(all: readonly Member[]): Promise<number> {
  const pairs = all.flatMap((from, at) => all.slice(at + 1).map((to) => [from, to] as const))
  let refused = 0
  const next = async () => {
    for (let pair = pairs.shift(); pair !== undefined; pair = pairs.shift()) {
      const [from, to] = pair
      const stream = await openCircuit(from, to)
      if (stream === null) refused += 1
      else from.near.push(stream)
    }
  }
  await Promise.all(Array.from({ length: OPENING }, next))
  return refused
}

/** HopMessage {type: CONNECT, peer: {id}}, with its length. */
async function openCircuit({ connection }: Member, { node }: Member): Promise<Stream | null> {
  const stream = await connection.newStream(HOP, { maxOutboundStreams: 1000 })
  const id = node.peerId.toMultihash().bytes
  const message = Uint8Array.of(8, 1, 18, id.length + 2, 10, id.length, ...id)
  const answer = once(stream, 'message')
  stream.send(Uint8Array.of(message.length, ...message))
  const [{ data }] = (await answer) as [{ data: { subarray(): Uint8Array } }]
  const bytes = data.subarray()
  // {type: STATUS, ..., status: OK}
  return bytes.at(-2) === 40 && bytes.at(-1) === 100 ? stream : null
}

/** One says, the other answers, on every circuit that carries nothing else. */
function smallTalk(all: readonly Member[]): { told(): string; stop(): void } {
  const times: number[] = []
  const timers = new Set<NodeJS.Timeout>()
  for (const { far } of all)
    for (const stream of far)
      stream.addEventListener('message', ({ data }) => data.byteLength === TALK.length && stream.send(TALK))
  for (const stream of all.flatMap(({ near }) => near.slice(1))) {
    let said = 0
    stream.addEventListener('message', () => times.push(performance.now() - said))
    const say = () => {
      said = performance.now()
      stream.send(TALK)
      timers.add(setTimeout(say, TALK_MS))
    }
    timers.add(setTimeout(say, Math.random() * TALK_MS))
  }
  return {
    told: () => {
      const now = times.splice(0)
      return now.length === 0 ? '-' : `${median(now).toFixed(0)} (${Math.max(...now).toFixed(0)})`
    },
    stop: () => {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

/** Over the first circuit of each, as much as goes. */
function sendMuch(all: readonly Member[]) {
  let isOver = false
  const far = new Map(all.flatMap((member) => member.far.map((stream) => [stream, { bytes: 0, at: 0, longest: 0 }])))
  const began = performance.now()
  for (const [stream, state] of far)
    stream.addEventListener('message', ({ data }) => {
      if (data.byteLength <= TALK.length) return
      const now = performance.now()
      state.longest = Math.max(state.longest, now - (state.at || began))
      state.at = now
      state.bytes += data.byteLength
    })
  const senders = all.flatMap(({ near }) => near.slice(0, 1))
  for (const stream of senders) {
    const go = () => {
      while (!isOver && stream.status === 'open' && !stream.writableNeedsDrain) stream.send(PIECE)
    }
    stream.addEventListener('drain', () => setImmediate(go))
    go()
  }
  return {
    circuits: senders.length,
    end() {
      isOver = true
      const now = performance.now()
      const used = [...far.values()].filter(({ bytes }) => bytes > 0)
      const sizes = used.map(({ bytes }) => bytes)
      return {
        least: used.length < senders.length ? 0 : Math.min(...sizes),
        most: Math.max(...sizes),
        sum: sizes.reduce((sum, bytes) => sum + bytes, 0),
        longest: Math.max(...used.map(({ longest, at }) => Math.max(longest, now - at))),
      }
    },
  }
}
