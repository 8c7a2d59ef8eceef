/**
 * The baseline of a transfer over UDP, as two programs: file -> QUIC stream -> BLAKE3 of each mebibyte -> file, with the
 * QUIC that the node has, and nothing of libp2p. No checks, no protocol. `bare-quic.ts send FILE` prints its port;
 * `bare-quic.ts receive PORT FILE` ends when all has been written. Both tell what it took.
 */
import { open } from 'node:fs/promises'
import { blake3 } from '../../packages/core/src/crypto/index.ts'
import type { NativeStream } from '../../packages/core/src/network/quic-native.ts'
import { bareQuic, PART } from './bare-quic-native.ts'
import { measure, PASSES, type Took } from './passes.ts'

const MiB = 1024 * 1024
const [what, first = '', second = ''] = process.argv.slice(2)

const { native, config } = await bareQuic(10_000)

/** @returns what the last pass took */
async function send({ Server }: typeof native, path: string): Promise<Took> {
  const server = new Server(config, '127.0.0.1', 0)
  process.stdout.write(`${server.port()}\n`)
  const connection = await server.inboundConnection()
  for (let pass = 1; ; pass++) {
    const stream = await connection.inboundStream()
    const took = await measure(() => sendOver(stream, path))
    if (pass < PASSES) continue
    await server.abort()
    return took
  }
}

async function sendOver(stream: NativeStream, path: string): Promise<void> {
  const file = await open(path)
  await stream.read(1)
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(MiB)
    const { bytesRead } = await file.read(buffer, 0, MiB)
    if (bytesRead === 0) break
    for (let at = 0; at < bytesRead; at += PART) await stream.write(buffer.subarray(at, Math.min(at + PART, bytesRead)))
  }
  await file.close()
  await stream.finishWrite()
  // it ends when the other side has all
  while ((await stream.read(1)) !== null);
}

async function receive({ Client, SocketFamily }: typeof native, port: number, path: string): Promise<Took> {
  const client = new Client(config, SocketFamily.Ipv4)
  const connection = await client.outboundConnection('127.0.0.1', port)
  for (let pass = 1; ; pass++) {
    const took = await measure(async () => receiveOver(await connection.outboundStream(), path))
    if (pass < PASSES) continue
    client.abort()
    return took
  }
}

async function receiveOver(stream: NativeStream, path: string): Promise<void> {
  const file = await open(path, 'w')
  await stream.write(Uint8Array.of(1))
  const chunk = Buffer.allocUnsafeSlow(MiB)
  let filled = 0
  const flush = async () => {
    blake3(chunk.subarray(0, filled))
    await file.write(chunk, 0, filled)
    filled = 0
  }
  for (;;) {
    const data = await stream.read(Math.min(PART, MiB - filled))
    if (data === null) break
    chunk.set(data, filled)
    filled += data.length
    if (filled === MiB) await flush()
  }
  if (filled > 0) await flush()
  await file.close()
  await stream.finishWrite()
}

process.stdout.write(
  `${JSON.stringify(await (what === 'send' ? send(native, first) : receive(native, Number(first), second)))}\n`,
)
process.exit()
