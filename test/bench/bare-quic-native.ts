/** The QUIC of the bare programs: the node's, with its windows, and nothing of libp2p. */
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { loadQuic } from '../../packages/core/src/network/quic-native.ts'
import { CONNECTION_WINDOW, STREAM_WINDOW } from '../../packages/core/src/network/quic-stream.ts'

const MiB = 1024 * 1024
/** What is written, or read, at once. */
export const PART = 256 * 1024

/** @param handshakeTimeout ms @throws where QUIC was not compiled for this machine */
export async function bareQuic(handshakeTimeout: number) {
  const native = loadQuic()
  if (native === null) throw new Error('no QUIC for this machine')
  const config = new native.QuinnConfig({
    privateKeyProto: privateKeyToProtobuf(await generateKeyPair('Ed25519')),
    handshakeTimeout,
    maxIdleTimeout: 10_000,
    keepAliveInterval: 4_000,
    maxConcurrentStreamLimit: 8,
    maxStreamData: STREAM_WINDOW,
    maxConnectionData: CONNECTION_WINDOW,
    receiveBufferSize: 4 * MiB,
    sendBufferSize: 4 * MiB,
  })
  return { native, config }
}
