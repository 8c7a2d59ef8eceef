/** One question and one answer over one given connection, by libp2p's ping protocol. */
import { randomBytes } from 'node:crypto'
import type { Connection } from '@libp2p/interface'

const PING_PROTOCOL = '/ipfs/ping/1.0.0'
const PING_BYTES = 32
/** Of our pings over one connection, at a time; more than one only while the last is being ended. */
const STREAMS = 4

/** Resolves when anything comes back, be it that the other side does not want to answer. @throws the signal's reason */
export async function pingOver(connection: Connection, signal: AbortSignal): Promise<void> {
  try {
    const stream = await connection.newStream(PING_PROTOCOL, {
      signal,
      runOnLimitedConnection: true,
      maxOutboundStreams: STREAMS,
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    stream.addEventListener('message', () => resolve(), { once: true })
    stream.addEventListener('close', () => resolve(), { once: true })
    const onAbort = () => stream.abort(new Error('given up'))
    signal.addEventListener('abort', onAbort, { once: true })
    stream.send(randomBytes(PING_BYTES))
    await promise
    signal.removeEventListener('abort', onAbort)
    // the other side ends when we do
    stream.close({ signal }).catch(() => stream.abort(new Error('not ended')))
  } catch (error) {
    signal.throwIfAborted()
    if (connection.status !== 'open') throw error
  }
  signal.throwIfAborted()
}
