import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { StreamBrokenError, TimeoutError } from './errors.ts'
import type { NetworkHost } from './host-types.ts'
import { ManualClock, peerEvent, startLine, startTestHost, type TestHost, type TestLine } from './testing.ts'
import type { FrameStream, HandlerInit } from './types.ts'

const HANDLER: HandlerInit = { maxFrameBytes: 4 << 20, timeoutMs: 20_000, lane: true }
const OPTIONS = { maxFrameBytes: 4 << 20, timeoutMs: 8_000, bulk: true }

const running: TestHost[] = []
const lines: TestLine[] = []
async function start(...args: Parameters<typeof startTestHost>): Promise<TestHost> {
  const host = await startTestHost(...args)
  running.push(host)
  return host
}
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ host }) => host.stop()))
  await Promise.all(lines.splice(0).map((line) => line.stop()))
})

const echo = async (stream: FrameStream) => {
  for (let frame = await stream.read(); frame !== null; frame = await stream.read()) {
    await stream.writeParts([Uint8Array.of(7), frame])
  }
}

/** The second has dialled the first. */
async function pair(init: Partial<HandlerInit> = {}): Promise<{ first: TestHost; second: TestHost }> {
  const first = await start()
  const second = await start({ members: [first] })
  for (const { host } of [first, second]) host.handle('transfer', { ...HANDLER, ...init }, echo)
  await meet(second.host, first.host)
  return { first, second }
}

async function meet(from: NetworkHost, to: NetworkHost, addresses = to.addresses()): Promise<void> {
  const both = Promise.all([peerEvent(from, 'connected', to.id), peerEvent(to, 'connected', from.id)])
  await from.dial(addresses)
  await both
}

const lanesOf = (host: NetworkHost) => host.connections().reduce((sum, { lanes = 0 }) => sum + lanes, 0)
const portOf = (host: NetworkHost) => Number(/\/tcp\/(\d+)/.exec(host.addresses()[0] ?? '')?.[1])

describe('a lane', () => {
  it.each(['who dialled', 'who was dialled'])('carries frames of any size both ways, for %s', async (who) => {
    const { first, second } = await pair()
    const [from, to] = who === 'who dialled' ? [second, first] : [first, second]
    const stream = await from.host.open(to.host.id, 'transfer', OPTIONS)
    expect(lanesOf(from.host)).toBe(1)
    await expect.poll(() => lanesOf(to.host)).toBe(1)
    expect(stream).toMatchObject({ peer: to.host.id, path: 'tcp' })
    for (const size of [0, 1, 3, 70_000, 3_000_000, 5]) {
      const frame = new Uint8Array(size).fill(size % 251)
      await stream.write(frame)
      const back = await stream.read()
      expect(Buffer.compare(back ?? Buffer.alloc(0), Buffer.concat([Buffer.of(7), frame]))).toBe(0)
    }
    await stream.close()
    await expect.poll(() => [lanesOf(from.host), lanesOf(to.host)]).toEqual([0, 0])
  })

  it('gives way to a stream where the other takes none, and to any other protocol', async () => {
    const { first, second } = await pair({ lane: false })
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      const stream = await from.host.open(to.host.id, 'transfer', OPTIONS)
      expect(lanesOf(from.host)).toBe(0)
      await stream.write(Uint8Array.of(1))
      expect([...((await stream.read()) ?? [])]).toEqual([7, 1])
      await stream.close()
    }
  })

  it('gives way to a stream where a relay is between them', async () => {
    const relay = await start({ relay: true })
    const inside = await start({ members: [relay], listen: [] })
    const outside = await start({ members: [relay, inside] })
    inside.gate.members.add(outside.host.id)
    relay.gate.members.add(outside.host.id)
    inside.host.handle('transfer', HANDLER, echo)
    await meet(inside.host, relay.host)
    await expect
      .poll(() => inside.host.addresses().some((each) => each.includes('p2p-circuit')), { timeout: 8000 })
      .toBe(true)
    await meet(
      outside.host,
      inside.host,
      inside.host.addresses().filter((each) => each.includes('p2p-circuit')),
    )
    const stream = await outside.host.open(inside.host.id, 'transfer', OPTIONS)
    expect(stream.path).toBe('relay')
    expect(lanesOf(outside.host)).toBe(0)
    await stream.write(Uint8Array.of(1))
    expect([...((await stream.read()) ?? [])]).toEqual([7, 1])
    await stream.close()
  })

  it('holds back a sender whose frames nobody reads', async () => {
    const { first, second } = await pair()
    let taken = 0
    const { promise: go, resolve } = Promise.withResolvers<void>()
    first.host.handle('transfer', HANDLER, async (stream) => {
      await go
      for (let frame = await stream.read(); frame !== null; frame = await stream.read()) taken += frame.length
    })
    const stream = await second.host.open(first.host.id, 'transfer', OPTIONS)
    let written = 0
    const fill = async () => {
      for (; written < 64; written++) await stream.write(new Uint8Array(1 << 20), { timeoutMs: 700 })
    }
    await expect(fill()).rejects.toBeInstanceOf(TimeoutError)
    const held = written + 1 // the last was handed on, too
    resolve()
    await stream.close()
    await expect.poll(() => taken).toBe(held * (1 << 20))
  })

  it('refuses a frame over the limit before it takes memory for it', async () => {
    const { first, second } = await pair({ maxFrameBytes: 1000 })
    const stream = await second.host.open(first.host.id, 'transfer', OPTIONS)
    await stream.write(new Uint8Array(1001)).catch(() => undefined)
    await expect(stream.read()).rejects.toBeInstanceOf(StreamBrokenError)
  })

  it('ends with the connection, with a broken line, and with membership', async () => {
    const first = await start()
    const second = await start({ members: [first] })
    const line = await startLine(first.host)
    lines.push(line)
    first.host.handle('transfer', HANDLER, echo)
    const open = async () => {
      await meet(second.host, first.host, [line.address])
      const stream = await second.host.open(first.host.id, 'transfer', OPTIONS)
      expect(lanesOf(second.host)).toBe(1)
      return stream
    }
    for (const end of [
      () => line.cut(),
      () => void second.host.hangUp(first.host.id),
      () => void first.host.hangUp(),
    ]) {
      const stream = await open()
      const gone = Promise.all([peerEvent(second.host, 'disconnected'), peerEvent(first.host, 'disconnected')])
      end()
      await expect(stream.read()).rejects.toThrow()
      await gone
    }
  })

  it('is for members alone, and the gate is asked when it stands', async () => {
    const { first, second } = await pair()
    first.gate.quarantined.add(second.host.id)
    const refused = await second.host.open(first.host.id, 'transfer', OPTIONS).catch(() => null)
    expect(lanesOf(second.host)).toBe(0)
    if (refused !== null) await expect(refused.read()).rejects.toThrow()
  })
})

describe('the port', () => {
  it('ends a TLS handshake that nobody awaits', async () => {
    const { first } = await pair()
    const socket = connectTls({
      port: portOf(first.host),
      host: '127.0.0.1',
      minVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_128_GCM_SHA256',
      pskCallback: () => ({ psk: Buffer.alloc(32, 1), identity: 'ab'.repeat(16) }),
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
    })
    const secured = new Promise((resolve) => {
      socket.once('secureConnect', () => resolve('secured'))
      socket.once('close', () => resolve('closed'))
      socket.on('error', () => undefined)
    })
    expect(await secured).toBe('closed')
  })

  it('lets go of who says nothing', async () => {
    const clock = new ManualClock()
    const { host } = await start({ clock })
    const socket = connect(portOf(host), '127.0.0.1')
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve))
    await expect
      .poll(() => {
        clock.advance(10_000)
        return socket.destroyed || socket.readableEnded
      })
      .toBe(true)
    await closed
  })

  it('stops although some say nothing', async () => {
    const { host } = await startTestHost()
    const socket = connect(portOf(host), '127.0.0.1')
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await host.stop()
    await closed
  })
})
