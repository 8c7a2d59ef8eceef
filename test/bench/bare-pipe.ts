/**
 * The baseline of a transfer, as two programs: file -> node:net -> BLAKE3 of each mebibyte -> file. No checks, no
 * protocol. `bare-pipe.ts send FILE` prints its port; `bare-pipe.ts receive PORT FILE` ends when all has been
 * written. Both tell what it took.
 */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { blake3 } from '../../packages/core/src/crypto/index.ts'
import { measure, PASSES, type Took } from './passes.ts'

const MiB = 1024 * 1024
const [what, first = '', second = ''] = process.argv.slice(2)

/** @returns what the last pass took */
async function send(path: string): Promise<Took> {
  const server = createServer()
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
  })
  for (let pass = 1; ; pass++) {
    const [socket] = (await once(server, 'connection')) as [Socket]
    const took = await measure(() => sendOver(socket, path))
    if (pass < PASSES) continue
    server.close()
    return took
  }
}

async function sendOver(socket: Socket, path: string): Promise<void> {
  const file = await open(path)
  for (const buffer = Buffer.allocUnsafeSlow(MiB); ; ) {
    const { bytesRead } = await file.read(buffer, 0, MiB)
    if (bytesRead === 0) break
    await new Promise((resolve) => socket.write(buffer.subarray(0, bytesRead), resolve))
  }
  await file.close()
  socket.end()
}

async function receive(port: number, path: string): Promise<Took> {
  for (let pass = 1; ; pass++) {
    const took = await measure(() => receiveOver(connect(port, '127.0.0.1'), path))
    if (pass === PASSES) return took
  }
}

async function receiveOver(socket: Socket, path: string): Promise<void> {
  const file = await open(path, 'w')
  const turns: Buffer[] = [Buffer.allocUnsafeSlow(MiB), Buffer.allocUnsafeSlow(MiB)]
  let writing: Promise<unknown> = Promise.resolve()
  let filled = 0
  const flush = async () => {
    const [chunk] = turns.splice(0, 1) as [Buffer]
    const bytes = chunk.subarray(0, filled)
    filled = 0
    blake3(bytes)
    await writing
    writing = file.write(bytes)
    turns.push(chunk)
  }
  for await (const data of socket as AsyncIterable<Buffer<ArrayBuffer>>) {
    for (let at = 0; at < data.length; ) {
      const taken = data.copy(turns[0] as Buffer, filled, at)
      filled += taken
      at += taken
      if (filled === MiB) await flush()
    }
  }
  if (filled > 0) await flush()
  await writing
  await file.close()
}

const took = await (what === 'send' ? send(first) : receive(Number(first), second))
process.stdout.write(`${JSON.stringify(took)}\n`)
