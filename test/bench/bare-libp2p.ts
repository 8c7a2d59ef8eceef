/**
 * The baseline of a transfer over libp2p, as two programs: file -> libp2p stream -> BLAKE3 of each mebibyte -> file, over
 * the node's own libp2p with all its settings. No checks, no protocol. `bare-libp2p.ts send FILE` prints its address;
 * `bare-libp2p.ts receive ADDRESS FILE` ends when all has been written. Both tell what it took.
 */
import { open } from 'node:fs/promises'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../../packages/core/src/clock.ts'
import { blake3, generateSigningKey } from '../../packages/core/src/crypto/index.ts'
import { startLibp2p } from '../../packages/core/src/network/libp2p-node.ts'
import { RelayReservations } from '../../packages/core/src/network/relay-reservations.ts'
import { measure, PASSES, type Took } from './passes.ts'

const MiB = 1024 * 1024
const PROTOCOL = '/bare/1'
/** mebibytes that came and are not written yet, at which reading pauses */
const MAX_WAITING = 4
const [what, first = '', second = ''] = process.argv.slice(2)

const node = await startLibp2p({
  signingKey: generateSigningKey(),
  listen: what === 'send' ? ['/ip4/127.0.0.1/tcp/0'] : [],
  announce: [],
  reservations: new RelayReservations(),
  gater: {},
  lanes: { clock: systemClock, takers: new Map() },
  onComponents: () => undefined,
})

/** @returns what the last pass took */
async function send(path: string): Promise<Took> {
  const { promise, resolve, reject } = Promise.withResolvers<Took>()
  let passes = 0
  await node.handle(PROTOCOL, async (stream) => {
    const took = measure(() => sendOver(stream, path))
    passes += 1
    if (passes === PASSES) took.then(resolve, reject)
    await took
  })
  process.stdout.write(`${node.getMultiaddrs()[0]}\n`)
  return await promise
}

async function sendOver(stream: Stream, path: string): Promise<void> {
  // it ends when the other side has all
  const over = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
  const file = await open(path)
  await new Promise((resolve) => stream.addEventListener('message', resolve, { once: true }))
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(MiB)
    const { bytesRead } = await file.read(buffer, 0, MiB)
    if (bytesRead === 0) break
    stream.send(buffer.subarray(0, bytesRead))
    while (stream.writableNeedsDrain)
      await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }))
  }
  await file.close()
  await stream.close()
  await over
}

async function receive(address: string, path: string): Promise<Took> {
  const connection = await node.dial(multiaddr(address))
  for (let pass = 1; ; pass++) {
    const took = await measure(async () => receiveOver(await connection.newStream(PROTOCOL), path))
    if (pass === PASSES) return took
  }
}

async function receiveOver(stream: Stream, path: string): Promise<void> {
  const file = await open(path, 'w')
  const idle: Buffer[] = []
  const next = () => idle.pop() ?? Buffer.allocUnsafeSlow(MiB)
  let chunk = next()
  let filled = 0
  let waiting = 0
  let resuming = false
  let writing: Promise<unknown> = Promise.resolve()
  const write = async (full: Buffer, bytes: number) => {
    await file.write(full, 0, bytes)
    idle.push(full)
    waiting -= 1
    if (stream.readStatus !== 'paused') return
    // what waits is handed out in here; a pause amid that would be lost on the muxer
    resuming = true
    stream.resume()
    resuming = false
    pause()
  }
  const pause = () => {
    if (waiting >= MAX_WAITING && !resuming && stream.readStatus === 'readable') stream.pause()
  }
  const flush = () => {
    const [full, bytes] = [chunk, filled]
    blake3(full.subarray(0, bytes))
    writing = writing.then(() => write(full, bytes))
    chunk = next()
    filled = 0
    waiting += 1
    pause()
  }
  const take = (data: Uint8Array) => {
    for (let at = 0; at < data.length; ) {
      const part = data.subarray(at, at + MiB - filled)
      chunk.set(part, filled)
      filled += part.length
      at += part.length
      if (filled === MiB) flush()
    }
  }
  await new Promise<void>((resolve, reject) => {
    stream.addEventListener('message', ({ data }) => {
      for (const piece of data instanceof Uint8Array ? [data] : data) take(piece)
    })
    stream.addEventListener('close', ({ error }) => (error === undefined ? resolve() : reject(error)))
    stream.addEventListener('end', () => resolve())
    // listens from here on: a stream that nobody listens to takes little
    stream.send(Uint8Array.of(1))
  })
  if (filled > 0) flush()
  await writing
  await file.close()
  await stream.close()
}

process.stdout.write(`${JSON.stringify(await (what === 'send' ? send(first) : receive(first, second)))}\n`)
await node.stop()
