/** Our noise beside libp2p's own: what the one sends the other reads. */
import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { ComponentLogger, Libp2p, Logger, MessageStream, MultiaddrConnection, Upgrader } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { steadyNoise } from './steady-noise.ts'
import { MAX_MESSAGE_BYTES } from './steady-yamux.ts'

const TAG_BYTES = 16
const log: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => log,
})
const logger: ComponentLogger = { forComponent: () => log }

type Make = typeof steadyNoise

async function secured(ours: Make, theirs: Make): Promise<{ near: MessageStream; far: MessageStream; wire: Wire }> {
  const encrypters = await Promise.all(
    [ours, theirs].map(async (make) => {
      const privateKey = await generateKeyPair('Ed25519')
      const upgrader = { getStreamMuxers: () => new Map() } as unknown as Upgrader
      return make()({ privateKey, peerId: peerIdFromPrivateKey(privateKey), logger, upgrader })
    }),
  )
  const [outbound, inbound] = multiaddrConnectionPair()
  const [near, far] = await Promise.all([
    encrypters[0]?.secureOutbound(outbound),
    encrypters[1]?.secureInbound(inbound),
  ])
  if (near === undefined || far === undefined) throw new Error('nothing is secured')
  return { near: near.connection, far: far.connection, wire: watch(inbound) }
}

interface Wire {
  /** lengths of the messages that came, as they name them */
  lengths(): number[]
}

function watch(connection: MultiaddrConnection): Wire {
  const parts: Uint8Array[] = []
  connection.addEventListener('message', ({ data }) => parts.push(Buffer.from(data.subarray())))
  return {
    lengths() {
      const all = Buffer.concat(parts)
      const lengths: number[] = []
      for (let at = 0; at < all.length; at += 2 + (lengths.at(-1) ?? 0)) lengths.push(all.readUInt16BE(at))
      return lengths
    },
  }
}

async function read(stream: MessageStream, bytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let left = bytes
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  stream.addEventListener('close', ({ error }) => reject(error ?? new Error('closed')))
  stream.addEventListener('message', ({ data }) => {
    parts.push(Buffer.from(data.subarray()))
    left -= data.byteLength
    if (left <= 0) resolve()
  })
  await promise
  return Buffer.concat(parts)
}

describe('noise', () => {
  it('is that of others, either way, whatever is sent', async () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 60_000, max: 140_000 }))
    for (const [ours, theirs] of [
      [steadyNoise, noise],
      [noise, steadyNoise],
      [steadyNoise, steadyNoise],
    ] as const) {
      const { near, far } = await secured(ours, theirs)
      await fc.assert(
        fc.asyncProperty(sizes, sizes, async (there, back) => {
          const [one, other] = [randomBytes(there), randomBytes(back)]
          const came = Promise.all([read(far, there), read(near, back)])
          near.send(one)
          far.send(other)
          const [gotThere, gotBack] = await came
          expect(gotThere.equals(one)).toBe(true)
          expect(gotBack.equals(other)).toBe(true)
        }),
        { numRuns: 12 },
      )
    }
  })

  it('cuts what is long into as few messages as there can be, of one length', async () => {
    const { near, far, wire } = await secured(steadyNoise, noise)
    const before = wire.lengths().length
    const came = read(far, 2 * MAX_MESSAGE_BYTES + 2)
    near.send(randomBytes(2 * MAX_MESSAGE_BYTES + 2))
    await came
    const third = (2 * MAX_MESSAGE_BYTES + 2) / 3 + TAG_BYTES
    expect(wire.lengths().slice(before)).toEqual([third, third, third])
  })

  it('ends when a byte is not what was sent', async () => {
    const { near, far } = await secured(steadyNoise, steadyNoise)
    const carrier = Reflect.get(near, 'stream') as MessageStream
    const send = carrier.send.bind(carrier)
    carrier.send = (data) => {
      const bytes = Buffer.from(data.subarray())
      bytes.writeUInt8(bytes.readUInt8(40_000) ^ 1, 40_000)
      return send(bytes)
    }
    const came = read(far, 50_000)
    near.send(randomBytes(50_000))
    await expect(came).rejects.toThrow()
  })
})

describe('a message', () => {
  const nodes: Libp2p[] = []
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())))

  it('goes to the socket at once: its length, each piece and its tag together', async () => {
    const [near, far] = await Promise.all(
      [0, 1].map(() =>
        createLibp2p({
          addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
          transports: [tcp()],
          connectionEncrypters: [steadyNoise()],
          streamMuxers: [yamux()],
        }),
      ),
    )
    if (near === undefined || far === undefined) throw new Error('no nodes')
    nodes.push(near, far)
    const { promise, resolve } = Promise.withResolvers<void>()
    let left = 60_000
    await far.handle('/sink', (stream) => {
      stream.addEventListener('message', ({ data }) => {
        left -= data.byteLength
        if (left === 0) resolve()
      })
    })
    const stream = await near.dialProtocol(far.getMultiaddrs(), '/sink')
    const [one, many] = [vi.spyOn(Socket.prototype, '_write'), vi.spyOn(Socket.prototype, '_writev' as '_write')]
    for (let at = 0; at < 6; at++) stream.send(randomBytes(10_000))
    await promise
    expect(one).not.toHaveBeenCalled()
    expect(many.mock.calls.length).toBeGreaterThanOrEqual(6)
    vi.restoreAllMocks()
  })
})
