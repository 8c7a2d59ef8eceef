/**
 * What a peer may do to a protocol without saying anything of it: too much, too little, and never to the end. For every
 * protocol id that a node handles, as the node itself tells whoever connects.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Connection, Stream } from '@libp2p/interface'
import { decodeCbor, encodeCbor, encodeFrame, FrameDecoder } from '../../packages/core/src/codec/index.ts'
import { ask } from './stranger.ts'

const IDENTIFY = '/ipfs/id/1.0.0'

/** How messages are delimited: by our frames, by the same of a service that reads them itself, by the varints of protobuf, or not at all. */
export type Delimiter = 'frame' | 'service-frame' | 'varint' | 'none'
/**
 * Every protocol that a node handles, by its name in the network or its whole id. One that is missing here is a protocol
 * that nobody has been hostile to yet: the test that compares the two says so.
 */
export const HANDLED: Readonly<Record<string, Delimiter>> = {
  boxes: 'frame',
  dht: 'varint',
  facts: 'frame',
  keys: 'frame',
  lane: 'frame',
  ledger: 'frame',
  observe: 'service-frame',
  presence: 'frame',
  punch: 'service-frame',
  register: 'frame',
  transfer: 'frame',
  [IDENTIFY]: 'varint',
  '/ipfs/id/push/1.0.0': 'varint',
  '/ipfs/ping/1.0.0': 'none',
  '/libp2p/circuit/relay/0.2.0/hop': 'varint',
  '/libp2p/circuit/relay/0.2.0/stop': 'varint',
  '/malote/autonat/1.0.0': 'varint',
}
/**
 * `oversized`: a length far beyond everything, and the beginning of it. `endless`: a small length, and then a byte now and
 * then. `cut`: half a message, and the end. `silent`: nothing.
 */
export const FORMS = ['oversized', 'endless', 'cut', 'silent'] as const
export type Form = (typeof FORMS)[number]

const DRIP_MS = 200
/** of a message that never arrives: every protocol accepts as much, and a byte each 200 ms takes 50 s */
const SMALL = 250

function lengthOf(bytes: number, delimiter: Delimiter): Uint8Array {
  if (delimiter === 'none') return new Uint8Array(0)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes)
  if (delimiter === 'frame' || delimiter === 'service-frame') return head
  const varint: number[] = []
  for (let left = bytes; ; left = Math.floor(left / 128)) {
    if (left < 128) return Uint8Array.from([...varint, left])
    varint.push((left % 128) | 128)
  }
}

/** What is said at once. */
function beginningOf(form: Form, delimiter: Delimiter): Uint8Array {
  if (form === 'oversized') return Buffer.concat([lengthOf(0xffff_ffff, delimiter), randomBytes(60_000)])
  if (form === 'endless') return lengthOf(SMALL, delimiter)
  return form === 'cut' ? Buffer.concat([lengthOf(SMALL, delimiter), randomBytes(SMALL / 2)]) : new Uint8Array(0)
}

export interface Ended {
  readonly bytes: Buffer
  /** milliseconds until the other side had ended the stream, or everything; null when it had not by the deadline */
  readonly afterMs: number | null
}

export interface Try {
  readonly protocol: string
  readonly form: Form
  readonly delimiter: Delimiter
  readonly deadlineMs: number
}

/** Does it on one stream, and waits for the other side to end that. */
export async function tryForm(connection: Connection, { protocol, form, delimiter, deadlineMs }: Try): Promise<Ended> {
  const began = performance.now()
  const bytes: Uint8Array[] = []
  let stream: Stream
  try {
    stream = await connection.newStream(protocol, {
      signal: AbortSignal.timeout(deadlineMs),
      runOnLimitedConnection: true,
    })
  } catch {
    return { bytes: Buffer.alloc(0), afterMs: performance.now() - began }
  }
  return await new Promise((resolve) => {
    const isOver = () => !['open', 'closing'].includes(stream.status) || connection.status !== 'open'
    const settle = (isEnded: boolean) => {
      for (const timer of timers) clearInterval(timer)
      resolve({ bytes: Buffer.concat(bytes), afterMs: isEnded ? performance.now() - began : null })
      if (!isEnded) stream.abort(new Error('waited long enough'))
    }
    const timers = [setTimeout(() => settle(false), deadlineMs)]
    stream.addEventListener('message', ({ data }) => bytes.push(data instanceof Uint8Array ? data : data.subarray()))
    stream.addEventListener('close', () => settle(true))
    if (isOver()) return settle(true)
    const say = (data: Uint8Array) => {
      try {
        if (!isOver()) stream.send(data)
      } catch {
        // it ended meanwhile: `close` tells
      }
    }
    const first = beginningOf(form, delimiter)
    if (first.length > 0) say(first)
    if (form === 'endless') timers.push(setInterval(() => say(Uint8Array.of(0)), DRIP_MS))
    if (form === 'cut') void stream.close().catch(() => undefined)
  })
}

/** A TLS record of a handshake: type, version, length. */
const TLS_RECORD = [0x16, 3, 1] as const

/** The same on a bare socket, as if a lane began there; and `noise`: what is no handshake at all. */
export function tryPort(port: number, form: Form | 'noise', deadlineMs: number): Promise<Ended> {
  const beginnings = {
    oversized: Buffer.concat([Buffer.of(...TLS_RECORD, 0xff, 0xff), randomBytes(60_000)]),
    endless: Buffer.of(...TLS_RECORD, 0x40, 0),
    cut: Buffer.concat([Buffer.of(...TLS_RECORD, 0, SMALL), randomBytes(SMALL / 2)]),
    silent: Buffer.of(TLS_RECORD[0]),
    noise: Buffer.concat([Buffer.of(TLS_RECORD[0]), Buffer.alloc(60_000, 0xff)]),
  }
  const socket = connect({ port, host: '127.0.0.1' })
  return onSocket(socket, beginnings[form], form === 'noise' ? 'silent' : form, deadlineMs)
}

/** The same on a lane, by who has a ticket for it. */
export async function tryLane(
  connection: Connection,
  { protocol, port, form, deadlineMs }: { protocol: string; port: number; form: Form; deadlineMs: number },
): Promise<Ended> {
  const question = encodeFrame(encodeCbor({ t: 'ask', protocol: 'transfer' }))
  const { bytes } = await ask(connection, protocol, question, { untilAnswered: true })
  const [frame] = new FrameDecoder(1024).push(bytes)
  const ticket = decodeCbor(frame ?? new Uint8Array(0), 1024) as { t: string; identity: Uint8Array; key: Uint8Array }
  if (ticket.t !== 'ticket') throw new Error(`no ticket: ${ticket.t}`)
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    pskCallback: () => ({ psk: Buffer.from(ticket.key), identity: Buffer.from(ticket.identity).toString('hex') }),
    checkServerIdentity: () => undefined,
  })
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  // the greatest length of all is the end of a lane
  const first = form === 'oversized' ? Buffer.concat([Buffer.of(0x7f, 0xff, 0xff, 0xff), randomBytes(60_000)]) : null
  return await onSocket(socket, first ?? beginningOf(form, 'frame'), form, deadlineMs)
}

function onSocket(socket: Socket, first: Uint8Array, form: Form, deadlineMs: number): Promise<Ended> {
  const began = performance.now()
  return new Promise((resolve) => {
    const bytes: Uint8Array[] = []
    const settle = (isEnded: boolean) => {
      for (const timer of timers) clearInterval(timer)
      resolve({ bytes: Buffer.concat(bytes), afterMs: isEnded ? performance.now() - began : null })
      socket.destroy()
    }
    const timers = [setTimeout(() => settle(false), deadlineMs)]
    socket.on('data', (data: Uint8Array) => bytes.push(data))
    socket.on('error', () => undefined) // an end like any other
    socket.once('close', () => settle(true))
    if (first.length > 0) socket.write(first)
    if (form === 'endless') timers.push(setInterval(() => socket.write(Uint8Array.of(0)), DRIP_MS))
    if (form === 'cut') socket.end()
  })
}

/** Every protocol id that the other side handles, as it tells everybody who connects. */
export async function protocolsOf(connection: Connection): Promise<string[]> {
  const { bytes } = await ask(connection, IDENTIFY, new Uint8Array(0))
  // Identify: one length, then fields; `protocols` is field 3
  return [...fields(bytes.subarray(varintAt(bytes, 0).end))]
    .filter(({ number }) => number === 3)
    .map(({ value }) => value.toString())
    .sort()
}

function* fields(message: Buffer): Generator<{ number: number; value: Buffer }> {
  for (let at = 0; at < message.length; ) {
    const tag = varintAt(message, at)
    const length = varintAt(message, tag.end)
    if ((tag.value & 7) !== 2) throw new Error('a field of another kind')
    at = length.end + length.value
    yield { number: tag.value >> 3, value: message.subarray(length.end, at) }
  }
}

function varintAt(bytes: Buffer, from: number): { value: number; end: number } {
  let value = 0
  for (let at = from, shift = 1; ; at++, shift *= 128) {
    const byte = bytes[at]
    if (byte === undefined) throw new Error('cut off')
    value += (byte & 127) * shift
    if (byte < 128) return { value, end: at + 1 }
  }
}
