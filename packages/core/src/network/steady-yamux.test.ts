import type { Logger, MessageStream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { MAX_FRAME_BYTES, steadyYamux } from './steady-yamux.ts'

const log: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => log,
})

/** A connection as a muxer sees it; sending on it throws once it has ended, as in libp2p. */
class Line extends EventTarget {
  readonly log = log
  readonly direction = 'outbound'
  readonly sent: unknown[] = []
  status = 'open'
  /** what carries it has ended */
  isDead = false
  /** takes one thing more, and then nothing until it has drained */
  isFull = false
  writableNeedsDrain = false
  send(data: unknown): boolean {
    if (this.status !== 'open' || this.isDead) throw new Error(`Cannot write to a stream that is ${this.status}`)
    this.sent.push(data)
    this.writableNeedsDrain = this.isFull
    return !this.isFull
  }
  drain(): void {
    this.writableNeedsDrain = false
    this.dispatchEvent(new Event('drain'))
  }
  receive(data: Uint8Array): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
  cut(): void {
    this.status = 'aborted'
    this.dispatchEvent(new Event('close'))
  }
  abort(): void {
    this.cut()
  }
}

const [DATA, WINDOW_UPDATE] = [0, 1]

/** A header (yamux, "Framing"). */
function frame(type: number, stream: number, length: number): Uint8Array {
  const header = Buffer.alloc(12)
  header.writeUInt8(type, 1)
  header.writeUInt32BE(stream, 4)
  header.writeUInt32BE(length, 8)
  return header
}

function start() {
  const line = new Line()
  const muxer = steadyYamux({})().createStreamMuxer(line as unknown as MessageStream)
  return { line, muxer }
}

it('what is large goes in small frames, however large the window', async () => {
  const line = new Line()
  const create = steadyYamux({ streamOptions: { initialStreamWindowSize: 1 << 20 } })()
  const stream = await create.createStreamMuxer(line as unknown as MessageStream).createStream()
  stream.send(new Uint8Array(900_000))
  await new Promise(setImmediate)
  const sizes = line.sent.map((data) => (data as Uint8Array).byteLength)
  expect(sizes.reduce((sum, size) => sum + size)).toBeGreaterThan(900_000)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES + 12)
})

describe('a connection that ends', () => {
  it('while a stream is being opened hurts nothing else', async () => {
    const uncaught: unknown[] = []
    const onUncaught = (error: unknown) => void uncaught.push(error)
    process.on('uncaughtExceptionMonitor', onUncaught)
    const { line, muxer } = start()
    const opening = muxer.createStream()
    // it has told nobody yet
    line.status = 'closing'
    const stream = await opening
    await new Promise(setImmediate)
    process.off('uncaughtExceptionMonitor', onUncaught)
    expect(uncaught).toEqual([])
    expect(stream.status).toBe('open')
    line.cut()
    expect(stream.status).toBe('closed')
  })

  it('below, without its knowing, is ended when somebody sends', async () => {
    const uncaught: unknown[] = []
    const onUncaught = (error: unknown) => void uncaught.push(error)
    process.on('uncaughtExceptionMonitor', onUncaught)
    const { line, muxer } = start()
    const stream = await muxer.createStream()
    await new Promise(setImmediate)
    line.isDead = true
    stream.send(Uint8Array.of(1))
    await muxer.createStream()
    await new Promise(setImmediate)
    process.off('uncaughtExceptionMonitor', onUncaught)
    expect(uncaught).toEqual([])
    expect(stream.status).toBe('closed')
  })

  it('before its streams were wanted gets none', () => {
    const line = new Line()
    line.cut()
    expect(() => steadyYamux({})().createStreamMuxer(line as unknown as MessageStream)).toThrow('has ended')
  })

  it('carried everything until then', async () => {
    const { line, muxer } = start()
    const stream = await muxer.createStream()
    await new Promise(setImmediate)
    const before = line.sent.length
    expect(before).toBeGreaterThan(0)
    stream.send(Uint8Array.of(1, 2, 3))
    expect(line.sent.length).toBe(before + 1)
  })
})

describe('a full connection', () => {
  const STREAM_BYTES = 900_000

  async function filled(count: number) {
    const line = new Line()
    const create = steadyYamux({ streamOptions: { initialStreamWindowSize: 1 << 20 } })()
    const muxer = create.createStreamMuxer(line as unknown as MessageStream)
    const streams = await Promise.all(Array.from({ length: count }, () => muxer.createStream()))
    await new Promise(setImmediate)
    line.isFull = true
    for (const stream of streams) stream.send(new Uint8Array(STREAM_BYTES))
    await new Promise(setImmediate)
    return { line, muxer, streams }
  }
  const sentBytes = (line: Line) => line.sent.reduce<number>((sum, data) => sum + (data as Uint8Array).byteLength, 0)

  it('gets no more, however often the other side opens its windows', async () => {
    const { line, muxer, streams } = await filled(3)
    const before = sentBytes(line)
    expect(before).toBeLessThan(MAX_FRAME_BYTES + 1_000)
    for (let times = 0; times < 50; times++)
      for (const { id } of streams) line.receive(frame(WINDOW_UPDATE, Number(id), 1 << 20))
    await new Promise(setImmediate)
    expect(sentBytes(line)).toBe(before)
    // nor by a stream that has been told nothing yet, but that it begins
    const late = await muxer.createStream()
    late.send(new Uint8Array(STREAM_BYTES))
    await new Promise(setImmediate)
    expect(sentBytes(line)).toBe(before + 12)
    // told in their turn
    line.drain()
    await new Promise(setImmediate)
    expect(sentBytes(line)).toBeGreaterThan(before)
  })

  it('is shared by those that have to send', async () => {
    const { line, streams } = await filled(3)
    for (let turn = 0; turn < 12; turn++) {
      line.drain()
      await new Promise(setImmediate)
    }
    const left = streams.map((stream) => stream.writeBufferLength)
    // each has had several turns
    for (const bytes of left) expect(bytes).toBeLessThan(STREAM_BYTES - 2 * 100_000)
  })
})

it('a frame that is longer than a stream may keep ends the connection, and is not kept', () => {
  const line = new Line()
  steadyYamux({ streamOptions: { maxReadBufferLength: 1 << 20 } })().createStreamMuxer(line as unknown as MessageStream)
  line.receive(frame(DATA, 1, 0xffff_ffff))
  let pieces = 0
  while (line.status === 'open' && pieces < 100) {
    line.receive(new Uint8Array(64 * 1024))
    pieces += 1
  }
  expect(line.status).toBe('aborted')
  expect(pieces).toBe(17)
})
