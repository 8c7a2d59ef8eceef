/**
 * What a path through two NATs, or over a relay, takes without us: file -> socket -> BLAKE3 of each mebibyte -> file, as two
 * programs, each in its own namespace.
 *
 *     bare-paths.ts send|receive <way> <file> <bytes> <own port> <host> <port>
 *
 * `tcp`, `tls`: both connect to where the other's router will show it, at once. `dial`: both connect to a forwarder.
 * `quic`: the sender opens its router by a datagram to <host>, the receiver dials. Both print what the last pass took.
 *
 *     bare-paths.ts forward <port>     joins the first two that connect; prints its processor time when they have gone
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, TLSSocket, type TLSSocketOptions, type TlsOptions } from 'node:tls'
import { blake3 } from '../../packages/core/src/crypto/index.ts'
import type { NativeClient, NativeStream } from '../../packages/core/src/network/quic-native.ts'
import { bareQuic, PART } from './bare-quic-native.ts'
import { measure, PASSES, type Took } from './passes.ts'

const MiB = 1024 * 1024
const TRY_MS = 200
const [role = '', way = '', path = '', size = '', ownPort = '', host = '', port = ''] = process.argv.slice(2)
const BYTES = Number(size)
/** as lanes have it */
const TLS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const
const KEY = Buffer.alloc(32, 7)

interface Pipe {
  write(bytes: Buffer): Promise<unknown>
  /** null at the end */
  read(): Promise<Uint8Array | null>
  end(): Promise<void>
}

function overSocket(socket: Socket): Pipe {
  socket.setNoDelay(true)
  const parts: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]()
  return {
    write: (bytes) => new Promise((resolve) => socket.write(bytes, resolve)),
    read: async () => {
      const { value, done } = await parts.next()
      return done === true ? null : value
    },
    end: async () => {
      socket.destroySoon()
      await sleep(TRY_MS)
    },
  }
}

/** Again and again until the other side is there, too. */
async function connected(localPort?: number): Promise<Socket> {
  for (;;) {
    const socket = connect({ host, port: Number(port), ...(localPort === undefined ? {} : { localPort }) })
    try {
      await once(socket, 'connect')
      return socket
    } catch {
      socket.destroy()
      await sleep(TRY_MS)
    }
  }
}

async function secured(socket: Socket): Promise<Socket> {
  if (role === 'receive') {
    const secure = connectTls({
      ...TLS,
      socket,
      pskCallback: () => ({ psk: KEY, identity: 'bare' }),
      checkServerIdentity: () => undefined,
    })
    await once(secure, 'secureConnect')
    return secure
  }
  const options: TLSSocketOptions & Pick<TlsOptions, 'pskCallback'> = { ...TLS, isServer: true, pskCallback: () => KEY }
  const secure = new TLSSocket(socket, options)
  await once(secure, 'secure')
  return secure
}

async function overQuic(): Promise<Pipe> {
  const { native, config } = await bareQuic(30_000)
  let stream: NativeStream
  if (role === 'send') {
    await openRouter()
    const server = new native.Server(config, '0.0.0.0', Number(ownPort))
    stream = await (await server.inboundConnection()).inboundStream()
  } else {
    stream = await (await outbound(() => new native.Client(config, native.SocketFamily.Ipv4))).outboundStream()
  }
  return {
    write: async (bytes) => {
      for (let at = 0; at < bytes.length; at += PART) await stream.write(bytes.subarray(at, at + PART))
    },
    read: async () => await stream.read(PART),
    end: async () => {
      await stream.finishWrite()
      await sleep(TRY_MS)
    },
  }
}

/** From the port that is listened on in a moment, to anybody. */
async function openRouter(): Promise<void> {
  const socket = createSocket('udp4')
  socket.bind(Number(ownPort))
  await once(socket, 'listening')
  await new Promise((resolve) => socket.send('.', Number(port), host, resolve))
  await new Promise<void>((resolve) => socket.close(resolve))
}

async function outbound(client: () => NativeClient) {
  for (;;) {
    try {
      return await client().outboundConnection(host, Number(port))
    } catch {
      await sleep(TRY_MS)
    }
  }
}

async function send(pipe: Pipe): Promise<void> {
  const file = await open(path)
  await pipe.read()
  for (const buffer = Buffer.allocUnsafeSlow(MiB); ; ) {
    const { bytesRead } = await file.read(buffer, 0, MiB)
    if (bytesRead === 0) break
    await pipe.write(buffer.subarray(0, bytesRead))
  }
  await file.close()
}

async function receive(pipe: Pipe): Promise<void> {
  const file = await open(path, 'w')
  await pipe.write(Buffer.from('.'))
  const chunk = Buffer.allocUnsafeSlow(MiB)
  let filled = 0
  for (let left = BYTES; left > 0; ) {
    const data = await pipe.read()
    if (data === null) throw new Error('it has ended')
    left -= data.length
    for (let at = 0; at < data.length; ) {
      const taken = Math.min(MiB - filled, data.length - at)
      chunk.set(data.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (filled < MiB && left > 0) continue
      blake3(chunk.subarray(0, filled))
      await file.write(chunk, 0, filled)
      filled = 0
    }
  }
  await file.close()
}

async function forward(): Promise<void> {
  const server = createServer({ pauseOnConnect: false })
  server.listen(Number(way))
  const [one] = (await once(server, 'connection')) as [Socket]
  one.on('error', () => one.destroy())
  const [other] = (await once(server, 'connection')) as [Socket]
  other.on('error', () => other.destroy())
  const before = process.cpuUsage()
  one.pipe(other)
  other.pipe(one)
  await Promise.all([once(one, 'close'), once(other, 'close')])
  const { user, system } = process.cpuUsage(before)
  process.stdout.write(`${JSON.stringify({ cpu: (user + system) / 1e6 / PASSES })}\n`)
  server.close()
}

async function transfer(): Promise<void> {
  const pipe =
    way === 'quic'
      ? await overQuic()
      : way === 'dial'
        ? overSocket(await connected())
        : way === 'tls'
          ? overSocket(await secured(await connected(Number(ownPort))))
          : overSocket(await connected(Number(ownPort)))
  let took: Took = { ms: 0, cpu: 0 }
  for (let pass = 0; pass < PASSES; pass++) took = await measure(() => (role === 'send' ? send(pipe) : receive(pipe)))
  // the sender has handed everything on, the other has still to take it
  if (role === 'receive') await pipe.write(Buffer.from('.'))
  else await pipe.read()
  process.stdout.write(`${JSON.stringify(took)}\n`)
  await pipe.end()
}

await (role === 'forward' ? forward() : transfer())
process.exit()
