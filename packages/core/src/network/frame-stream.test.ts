import type { Stream } from '@libp2p/interface'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { MaloteError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { StreamBrokenError, TimeoutError } from './errors.ts'
import { createFrameStream } from './frame-stream.ts'
import { LISTEN, ManualClock, startTestHost, type TestHost } from './testing.ts'
import { TRANSPORTS } from './transports.ts'
import type { FrameStream, StreamHandler } from './types.ts'
import { END_MS } from './until-ended.ts'

const MIB = 1024 * 1024
const MAX = 2 * MIB

describe.each(TRANSPORTS)('frames over %s', (transport) => {
  const listen = [...LISTEN[transport]]
  let a: TestHost
  let b: TestHost
  /** what b does with the next stream */
  let serve: (stream: FrameStream) => Promise<void>
  let ended: Promise<unknown>

  beforeAll(async () => {
    a = await startTestHost({ listen })
    b = await startTestHost({ listen, members: [a] })
    b.host.handle('transfer', { maxFrameBytes: MAX, timeoutMs: 0, maxStreamsPerPeer: 16 }, (stream) => serve(stream))
    await a.host.dial(b.host.addresses())
  })
  afterAll(async () => {
    await Promise.all([a.host.stop(), b.host.stop()])
  })

  async function open(handler: (stream: FrameStream) => Promise<void>, maxFrameBytes = MAX): Promise<FrameStream> {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    ended = promise
    serve = (stream) =>
      handler(stream).then(
        () => resolve(undefined),
        (error: unknown) => {
          resolve(error)
          throw error
        },
      )
    return await a.host.open(b.host.id, 'transfer', { maxFrameBytes })
  }

  const echo = async (stream: FrameStream) => {
    for (;;) {
      const frame = await stream.read()
      if (frame === null) return
      await stream.write(frame)
    }
  }

  it('carries frames of every size whole and in order', async () => {
    const sizes = [0, 1, 3, 4, 5, 4095, 16_384, 16_385, 65_515, 65_536, 256 * 1024, MIB, MIB + 28, MAX]
    const stream = await open(echo)
    const frames = sizes.map((size, index) => new Uint8Array(size).fill(index + 1))
    const back = (async () => {
      const result: Uint8Array[] = []
      for (const _ of frames) result.push((await stream.read()) ?? new Uint8Array(0))
      return result
    })()
    for (const frame of frames) await stream.write(frame)
    const result = await back
    expect(result.map(({ length }) => length)).toEqual(sizes)
    for (const [index, frame] of result.entries()) expect(Buffer.compare(frame, frames[index] ?? frame)).toBe(0)
    expect(Buffer.isBuffer(result[1])).toBe(false)
    await stream.close()
    expect(await stream.read()).toBeNull()
    expect(await ended).toBeUndefined()
  })

  it('carries what several write at the same time', async () => {
    let received = 0
    const stream = await open(async (far) => {
      for (let frame = await far.read(); frame !== null; frame = await far.read()) received += frame.length
    })
    const writer = async () => {
      for (let each = 0; each < 10; each++) await stream.write(new Uint8Array(300_000))
    }
    await Promise.all(Array.from({ length: 4 }, writer))
    await stream.close()
    expect(await ended).toBeUndefined()
    expect(received).toBe(4 * 10 * 300_000)
  })

  it('joins parts into one frame', async () => {
    const stream = await open(echo)
    const parts = [new Uint8Array([1, 2]), new Uint8Array(100_000).fill(3), new Uint8Array(0), new Uint8Array([4])]
    await stream.writeParts(parts)
    const frame = await stream.read()
    expect(Buffer.compare(frame ?? new Uint8Array(0), Buffer.concat(parts))).toBe(0)
    await stream.close()
  })

  it('stops a sender whose reader does not read, and goes on when it does', async () => {
    const go = Promise.withResolvers<void>()
    let received = 0
    const stream = await open(async (far) => {
      await go.promise
      for (;;) {
        const frame = await far.read()
        if (frame === null) return
        received += frame.length
      }
    })
    const frame = new Uint8Array(MIB)
    let sent = 0
    const blocked = Promise.withResolvers<void>()
    const sending = (async () => {
      for (let i = 0; i < 64; i++) {
        const cancel = setTimeout(blocked.resolve, 500) // no room for half a second: the line is full
        await stream.write(frame)
        clearTimeout(cancel)
        sent += 1
      }
    })()
    await blocked.promise
    // windows, the reader's high-water mark and socket buffers hold some; never all of it
    expect(sent).toBeLessThan(24)
    go.resolve()
    await sending
    await stream.close()
    expect(await ended).toBeUndefined()
    expect(received).toBe(64 * MIB)
  })

  it('resets the stream on a frame over the limit, before it has arrived', async () => {
    const stream = await open(echo)
    await stream.write(new Uint8Array(MAX + 1)).catch(() => {}) // may be told while it is still sending
    await expect(stream.read()).rejects.toBeInstanceOf(StreamBrokenError)
    expect(await ended).toBeInstanceOf(DecodeError)
  })

  it('refuses a frame over its own limit too', async () => {
    const stream = await open(echo, 10)
    await stream.write(new Uint8Array(11))
    await expect(stream.read()).rejects.toBeInstanceOf(DecodeError)
  })

  it('ends a read at its deadline, and the stream can go on', async () => {
    const stream = await open(echo)
    await expect(stream.read({ timeoutMs: 30 })).rejects.toBeInstanceOf(TimeoutError)
    await stream.write(new Uint8Array([7]))
    expect(await stream.read()).toEqual(new Uint8Array([7]))
    stream.abort()
  })

  it('ends a read with the reason of its signal', async () => {
    const stream = await open(echo)
    const controller = new AbortController()
    const reading = stream.read({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    stream.abort()
  })

  it('tells a reader that the other side broke off', async () => {
    const stream = await open(async (far) => {
      await far.read()
      throw new MaloteError('internal', 'handler failed')
    })
    await stream.write(new Uint8Array([1]))
    await expect(stream.read()).rejects.toBeInstanceOf(StreamBrokenError)
    await expect(stream.write(new Uint8Array([1]))).rejects.toBeInstanceOf(StreamBrokenError)
  })

  it('delivers what was sent before a clean end to a reader that comes late', async () => {
    const stream = await open(async (far) => {
      for (let i = 0; i < 10; i++) await far.write(new Uint8Array(300_000).fill(i))
    })
    expect(await ended).toBeUndefined()
    const seen: number[] = []
    for (;;) {
      const frame = await stream.read()
      if (frame === null) break
      expect(frame.length).toBe(300_000)
      seen.push(frame[0] ?? -1)
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await stream.close()
  })
})

describe.each(TRANSPORTS)('the end of an exchange over %s', (transport) => {
  const listen = [...LISTEN[transport]]
  const clock = new ManualClock()
  let near: TestHost
  let far: TestHost
  beforeEach(async () => {
    near = await startTestHost({ listen, clock })
    far = await startTestHost({ listen, clock, members: [near] })
    near.host.learn(far.host.id, far.host.addresses())
  })
  afterEach(() => Promise.all([near.host.stop(), far.host.stop()]))

  const handle = (handler: StreamHandler) => far.host.handle('keys', { maxFrameBytes: MIB, timeoutMs: 0 }, handler)
  const openKeys = () => near.host.open(far.host.id, 'keys', { maxFrameBytes: MIB })
  const talk = async (stream: FrameStream) => {
    for (;;) await stream.write(new Uint8Array(MIB / 4), { timeoutMs: 0 })
  }

  it('is not put off by an answer that goes on without end', async () => {
    const told = Promise.withResolvers<unknown>()
    handle(async (stream) => {
      await stream.read()
      await talk(stream).catch(told.resolve)
    })
    const answer = await near.host.request(far.host.id, 'keys', new Uint8Array(1), { maxFrameBytes: MIB })
    expect(answer.length).toBe(MIB / 4)
    expect(await told.promise).toBeInstanceOf(StreamBrokenError)
  })

  it('is not put off by an asker that goes on without end', async () => {
    handle(async (stream) => {
      await stream.read()
      await stream.write(new Uint8Array(1))
    })
    const stream = await openKeys()
    await stream.write(new Uint8Array(1))
    await stream.read()
    await expect(talk(stream)).rejects.toBeInstanceOf(StreamBrokenError)
  })

  it('comes for a stream whose asker never ends it', async () => {
    handle(async (stream) => {
      await stream.read()
      await stream.write(new Uint8Array(1))
    })
    const stream = await openKeys()
    await stream.write(new Uint8Array(1))
    expect(await stream.read()).toEqual(new Uint8Array(1))
    expect(await stream.read()).toBeNull()
    clock.advance(END_MS)
    await expect(talk(stream)).rejects.toThrow(/reset/)
  })

  it('comes for a stream that we have ended, that nobody reads, and whose other side never ends', async () => {
    const told = Promise.withResolvers<unknown>()
    handle((stream) =>
      stream
        .read()
        .then(() => stream.read())
        .then(() => talk(stream))
        .catch(told.resolve),
    )
    const stream = await openKeys()
    await stream.write(new Uint8Array(1))
    await stream.close()
    // it is full of what nobody reads
    await expect(stream.read()).resolves.not.toBeNull()
    clock.advance(END_MS)
    expect(await told.promise).toBeInstanceOf(StreamBrokenError)
  })
})

describe('the end inside a frame', () => {
  /** As much of a libp2p stream as is asked of it. */
  class Streamlike extends EventTarget {
    status = 'open'
    readStatus = 'readable'
    writeStatus = 'writable'
    readableEnded = false
    readBufferLength = 0
    abort() {
      this.status = 'aborted'
    }
    give(...bytes: number[]) {
      this.dispatchEvent(Object.assign(new Event('message'), { data: Uint8Array.from(bytes) }))
    }
  }
  const open = (stream: Streamlike) =>
    createFrameStream({
      stream: stream as unknown as Stream,
      peer: 'somebody' as NodeId,
      path: 'tcp',
      clock: systemClock,
      maxFrameBytes: 10,
    })

  it('is a fault of who made it', async () => {
    const stream = new Streamlike()
    const frames = open(stream)
    stream.give(0, 0, 0, 3, 1)
    stream.dispatchEvent(new Event('end'))
    await expect(frames.read()).rejects.toBeInstanceOf(DecodeError)
  })

  it('is nobody’s fault where the connection has gone', async () => {
    const stream = new Streamlike()
    const frames = open(stream)
    stream.give(0, 0, 0, 1, 7, 0, 0, 0, 3, 1)
    stream.status = 'closed'
    stream.dispatchEvent(new Event('end'))
    stream.dispatchEvent(new Event('close'))
    expect(await frames.read()).toEqual(Uint8Array.of(7))
    await expect(frames.read()).rejects.toBeInstanceOf(StreamBrokenError)
  })
})
