/**
 * A peer with software of its own: a bare libp2p node that speaks the protocols of a network on the wire, as whoever
 * holds its key. Nothing of the product's network room is in it, so that nothing of it keeps the peer polite.
 */
import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { loadIdentity } from '../../packages/core/src/node/identity.ts'

export interface Stranger {
  readonly id: string
  /** a connection that the other side has accepted; it may close it soon after */
  dial(address: string): Promise<Connection>
  stop(): Promise<void>
}

/** @param dataDir of a node that does not run, to be that node; without it somebody new */
export async function startStranger(dataDir?: string): Promise<Stranger> {
  const node = await createLibp2p({
    privateKey: dataDir === undefined ? await generateKeyPair('Ed25519') : keyOf(dataDir),
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: { reconnectRetries: 0 },
    connectionMonitor: { enabled: false },
  })
  return {
    id: node.peerId.toString(),
    dial: (address) => node.dial(multiaddr(address), { signal: AbortSignal.timeout(10_000) }),
    stop: async () => await node.stop(),
  }
}

function keyOf(dataDir: string): PrivateKey {
  const { seed, publicKey } = loadIdentity(dataDir).signing
  return privateKeyFromRaw(new Uint8Array(Buffer.concat([seed, publicKey])))
}

export type Ending = 'unsupported' | 'reset' | 'closed' | 'open'

export interface Heard {
  readonly bytes: Buffer
  /** how the other side left the stream; `open`: it still was when we had waited long enough */
  readonly ending: Ending
}

/** Opens one stream, sends all of it, and listens until the other side ends it, has answered, or the time is over. */
export async function ask(
  connection: Connection,
  protocol: string,
  message: Uint8Array,
  options: { waitMs?: number; untilAnswered?: boolean } = {},
): Promise<Heard> {
  const waitMs = options.waitMs ?? 3_000
  let stream: Stream
  try {
    stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(waitMs), runOnLimitedConnection: true })
  } catch (error) {
    const isUnknown = error instanceof Error && error.name === 'UnsupportedProtocolError'
    return { bytes: Buffer.alloc(0), ending: isUnknown ? 'unsupported' : 'reset' }
  }
  const heard = listen(stream, waitMs, options.untilAnswered ?? false)
  try {
    stream.send(message)
  } catch {
    // it was reset before anything could be said: `listen` tells
  }
  return await heard
}

function listen(stream: Stream, waitMs: number, untilAnswered: boolean): Promise<Heard> {
  return new Promise((resolve) => {
    const parts: Uint8Array[] = []
    const settle = (ending: Ending) => {
      clearTimeout(timer)
      resolve({ bytes: Buffer.concat(parts), ending })
      stream.abort(new Error('heard enough'))
    }
    const timer = setTimeout(() => settle('open'), waitMs)
    stream.addEventListener('message', ({ data }) => {
      parts.push(data instanceof Uint8Array ? data : data.subarray())
      if (untilAnswered) settle('open')
    })
    stream.addEventListener('end', () => settle(isReset(stream) ? 'reset' : 'closed'))
    stream.addEventListener('close', ({ error }) => settle(error !== undefined || isReset(stream) ? 'reset' : 'closed'))
    if (isReset(stream)) settle('reset')
  })
}

function isReset({ status }: Stream): boolean {
  return status === 'reset' || status === 'aborted'
}

/** Resolves when the connection is gone. @returns milliseconds that it took */
export async function untilClosed(connection: Connection, deadlineMs: number): Promise<number> {
  const began = performance.now()
  if (connection.status !== 'closed' && connection.status !== 'aborted') {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`still connected after ${deadlineMs} ms`)), deadlineMs)
      connection.addEventListener('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
  return performance.now() - began
}
