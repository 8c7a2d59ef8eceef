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
  send(data: unknown): boolean {
    if (this.status !== 'open' || this.isDead) throw new Error(`Cannot write to a stream that is ${this.status}`)
    this.sent.push(data)
    return true
  }
  cut(): void {
    this.status = 'aborted'
    this.dispatchEvent(new Event('close'))
  }
  abort(): void {
    this.cut()
  }
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
