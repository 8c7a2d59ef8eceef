/** Two ends on loopback, opened at once, one after the other, and towards nobody. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openSimultaneously } from './simultaneous-open.ts'

const left: (Socket | Server)[] = []
afterEach(() => {
  for (const each of left.splice(0)) {
    if ('destroy' in each) each.destroy()
    else each.close()
  }
})

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}

const at = (port: number) => ({ family: 4, ip: '127.0.0.1', port }) as const

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const outcome = Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)])
  server.listen({ port, host: '0.0.0.0', exclusive: true })
  const free = await outcome
  if (free) server.close()
  return free
}

async function saysHello(a: Socket, b: Socket): Promise<string> {
  a.write('hello')
  const [data] = (await once(b, 'data')) as [Buffer]
  return String(data)
}

describe('simultaneous open', () => {
  it.each([0, 40])('gives both ends one connection, %i ms apart', async (ms) => {
    const [a, b] = [await freePort(), await freePort()]
    const { signal } = new AbortController()
    const first = openSimultaneously({ localPort: a, to: at(b), signal })
    await new Promise((resolve) => setTimeout(resolve, ms))
    const ends = await Promise.all([first, openSimultaneously({ localPort: b, to: at(a), signal })])
    left.push(...ends)
    expect(ends.map(({ localPort, remotePort }) => [localPort, remotePort])).toEqual([
      [a, b],
      [b, a],
    ])
    expect(await saysHello(ends[0], ends[1])).toBe('hello')
    expect(await saysHello(ends[1], ends[0])).toBe('hello')
  })

  it('takes a connection from another port of the same address, as through a symmetric NAT', async () => {
    const [a, b] = [await freePort(), await freePort()]
    const { signal } = new AbortController()
    const opening = openSimultaneously({ localPort: a, to: at(b), signal })
    const other = await untilConnected(a)
    const end = await opening
    left.push(other, end)
    expect(end.remotePort).toBe(other.localPort)
  })

  it('leaves neither socket nor listener behind when it is called off', async () => {
    const [a, b] = [await freePort(), await freePort()]
    const controller = new AbortController()
    const opening = openSimultaneously({ localPort: a, to: at(b), signal: controller.signal })
    const reason = new Error('called off')
    setImmediate(() => controller.abort(reason))
    await expect(opening).rejects.toBe(reason)
    expect(await isFree(a)).toBe(true)
  })

  it('gives up after its connects, and leaves nothing behind', async () => {
    const [a, b] = [await freePort(), await freePort()]
    const { signal } = new AbortController()
    await expect(openSimultaneously({ localPort: a, to: at(b), signal })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
    expect(await isFree(a)).toBe(true)
  })
})

/** Tries until somebody listens there. */
async function untilConnected(port: number): Promise<Socket> {
  for (;;) {
    const socket = connect({ port, host: '127.0.0.1' })
    const connected = await new Promise<boolean>((resolve) => {
      socket.on('error', () => resolve(false))
      socket.once('connect', () => resolve(true))
    })
    if (connected) return socket
  }
}
