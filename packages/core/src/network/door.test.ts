import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Door, MAX_UNKNOWN, PER_SECOND } from './door.ts'
import { ManualClock } from './testing.ts'

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function listen(door: Door): Promise<{ port: number; open(from: string): Promise<Socket> }> {
  const entered = new Map<number, () => void>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    door.enter(socket)
    entered.get(socket.remotePort ?? 0)?.()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets: Socket[] = []
  ending.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => {
      for (const socket of sockets) socket.destroy()
    },
  )
  const { port } = server.address() as { port: number }
  return {
    port,
    async open(from) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: from })
      sockets.push(socket)
      socket.on('error', () => {})
      // a socket that is not read does not tell of its end
      socket.resume()
      // who is refused may hear that before anything else
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
      await new Promise<void>((resolve) => {
        entered.set(socket.localPort ?? 0, resolve)
        // it may have been accepted before this line
        setImmediate(() => setImmediate(resolve))
      })
      return socket
    },
  }
}

describe('the door', () => {
  it('sends away the oldest of whoever has the most, never one who came alone', async () => {
    const clock = new ManualClock()
    const door = new Door(clock)
    const { open } = await listen(door)
    const alone = await open('127.0.0.3')
    const first = await open('127.0.0.2')
    const firstGone = new Promise((resolve) => first.once('close', resolve))
    const many: Socket[] = []
    while (many.length < MAX_UNKNOWN + 20) {
      many.push(await open('127.0.0.2'))
      if (many.length % 50 === 0) clock.advance(1_000)
    }
    await firstGone
    await expect.poll(() => many.filter(({ closed }) => closed).length).toBeGreaterThanOrEqual(20)
    const late = await open('127.0.0.4')
    expect(door.size).toBeLessThanOrEqual(MAX_UNKNOWN)
    expect([alone, late, many.at(-1)].map((socket) => socket?.closed)).toEqual([false, false, false])
  })

  it('refuses who comes too often, and lets others in meanwhile', async () => {
    const clock = new ManualClock()
    const door = new Door(clock)
    const { open } = await listen(door)
    const many: Socket[] = []
    while (many.length < PER_SECOND + 10) many.push(await open('127.0.0.2'))
    await expect.poll(() => many.filter(({ closed }) => closed).length).toBe(10)
    expect((await open('127.0.0.3')).closed).toBe(false)
    clock.advance(1_000)
    const later = await open('127.0.0.2')
    await expect.poll(() => door.size).toBe(PER_SECOND + 2)
    expect(later.closed).toBe(false)
  })

  it('forgets who is known, and who has gone', async () => {
    const clock = new ManualClock()
    const door = new Door(clock)
    const { open } = await listen(door)
    const friend = await open('127.0.0.2')
    const other = await open('127.0.0.2')
    await expect.poll(() => door.size).toBe(2)
    door.known(friend.localAddress, friend.localPort)
    expect(door.size).toBe(1)
    other.destroy()
    await expect.poll(() => door.size).toBe(0)
    expect(friend.closed).toBe(false)
  })
})
