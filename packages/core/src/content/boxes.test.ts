import { describe, expect, it } from 'vitest'
import { encodeCbor, encodeFrame, FrameDecoder } from '../codec/index.ts'
import { migrationsFolder, openDatabase } from '../database/index.ts'
import { type BoxHash, idBytes, type NodeId } from '../ids.ts'
import type { FrameStream, Host, StreamHandler } from '../network/index.ts'
import { type BoxStoreInit, createBoxStore, type StoppableBoxStore } from './boxes.ts'
import { MAX_BOX_BYTES } from './boxes-protocol.ts'
import { BoxInvalidError, StoreStoppedError } from './errors.ts'
import { bytesOf, until } from './testing.ts'

/** One direction of a stream, with frames encoded and decoded as on the wire. */
function pipe(maxFrameBytes: () => number) {
  const frames: Uint8Array[] = []
  const waiting: { resolve(frame: Uint8Array | null): void; reject(error: unknown): void }[] = []
  let end: { error: unknown } | null = null
  const settle = () => {
    while (waiting.length > 0 && (frames.length > 0 || end !== null)) {
      const next = waiting.shift()
      const frame = frames.shift()
      if (frame !== undefined) next?.resolve(frame)
      else if (end?.error !== undefined) next?.reject(end.error)
      else next?.resolve(null)
    }
  }
  return {
    push(frame: Uint8Array) {
      frames.push(...new FrameDecoder(maxFrameBytes()).push(encodeFrame(frame)))
      settle()
    },
    end(error?: unknown) {
      end ??= { error }
      settle()
    },
    pull: () =>
      new Promise<Uint8Array | null>((resolve, reject) => {
        waiting.push({ resolve, reject })
        settle()
      }),
  }
}

class Net {
  readonly handlers = new Map<NodeId, { handler: StreamHandler; max: number }>()
  readonly opened: NodeId[] = []
  unreachable = new Set<NodeId>()

  host(id: NodeId): Pick<Host, 'handle' | 'open'> {
    return {
      handle: (_, init, handler) => void this.handlers.set(id, { handler, max: init.maxFrameBytes }),
      open: async (peer, _, { maxFrameBytes, signal }) => {
        const server = this.handlers.get(peer)
        this.opened.push(peer)
        if (server === undefined || this.unreachable.has(peer)) throw new Error('unreachable')
        const there = pipe(() => server.max)
        const back = pipe(() => maxFrameBytes)
        const side = (peerId: NodeId, out: typeof there, into: typeof there): FrameStream => ({
          peer: peerId,
          path: 'tcp',
          write: async (frame) => out.push(frame),
          writeParts: async (parts) => out.push(Buffer.concat(parts)),
          read: () => into.pull(),
          close: async () => out.end(),
          abort: (reason) => {
            out.end(reason ?? new Error('aborted'))
            into.end(reason ?? new Error('aborted'))
          },
        })
        const client = side(peer, there, back)
        signal?.addEventListener('abort', () => client.abort(signal.reason))
        const service = side(id, back, there)
        void server
          .handler(service)
          .catch((error: unknown) => service.abort(error instanceof Error ? error : new Error()))
        return client
      },
    }
  }
}

const nodeOf = (name: string) => name as NodeId

function member(net: Net, name: string, init: Partial<BoxStoreInit> = {}): StoppableBoxStore {
  const database = openDatabase({ path: ':memory:', migrations: migrationsFolder('local') })
  return createBoxStore({ database, host: net.host(nodeOf(name)), mayServe: () => true, ...init })
}

describe('box store', () => {
  it('keeps boxes by hash, once, and forgets them', () => {
    const boxes = member(new Net(), 'a')
    const hash = boxes.put(bytesOf(1000))
    expect(boxes.put(bytesOf(1000))).toBe(hash)
    expect(boxes.local(hash)).toEqual(bytesOf(1000))
    boxes.remove(hash)
    boxes.remove(hash)
    expect(boxes.local(hash)).toBe(null)
  })

  it('finds the boxes that the disk has changed, and lets go of them', () => {
    const database = openDatabase({ path: ':memory:', migrations: migrationsFolder('local') })
    const boxes = member(new Net(), 'a', { database })
    const hashes = Array.from({ length: 600 }, (_, seed) => boxes.put(bytesOf(100, seed + 1))).sort()
    const spoilt = [hashes[0], hashes[299], hashes[599]] as BoxHash[]
    for (const hash of spoilt) {
      const bytes = boxes.local(hash) as Uint8Array
      bytes[50] = (bytes[50] ?? 0) ^ 4
      database.write(() => database.prepare('UPDATE boxes SET bytes = ? WHERE hash = ?').run(bytes, idBytes(hash)))
    }
    const found: BoxHash[] = []
    let after: BoxHash | null = null
    do {
      const page: ReturnType<typeof boxes.check> = boxes.check(after)
      found.push(...page.damaged)
      after = page.last
    } while (after !== null)
    expect([found, hashes.filter((hash) => !boxes.has(hash))]).toEqual([spoilt, spoilt])
  })

  it.each([0, MAX_BOX_BYTES + 1])('refuses a box of %d bytes', (length) => {
    expect(() => member(new Net(), 'a').put(new Uint8Array(length))).toThrow(BoxInvalidError)
  })

  it('fetches from whoever has it, and keeps it', async () => {
    const net = new Net()
    const a = member(net, 'a')
    const b = member(net, 'b')
    member(net, 'empty')
    net.unreachable.add(nodeOf('down'))
    for (const length of [1, 1000, MAX_BOX_BYTES]) {
      const hash = a.put(bytesOf(length))
      expect(await b.get(hash, ['down', 'empty', 'a'])).toEqual(bytesOf(length))
      expect(b.local(hash)).toEqual(bytesOf(length))
    }
    const asked = net.opened.length
    expect(await b.get(a.put(bytesOf(1)), ['a'])).toEqual(bytesOf(1))
    expect(net.opened.length).toBe(asked)
    expect(await b.get('ab'.repeat(32) as BoxHash, ['a', 'empty'])).toBe(null)
    expect(await b.get('cd'.repeat(32) as BoxHash, [])).toBe(null)
  })

  it('serves nothing to whom it may not, and that looks like not having it', async () => {
    const net = new Net()
    const a = member(net, 'a', { mayServe: (peer) => peer !== nodeOf('denied') })
    const denied = member(net, 'denied')
    const reader = member(net, 'reader')
    const hash = a.put(bytesOf(10))
    expect(await denied.get(hash, ['a'])).toBe(null)
    expect(await reader.get(hash, ['a'])).toEqual(bytesOf(10))
  })

  it('keeps no false box, names who sent it, and goes on to the next', async () => {
    const net = new Net()
    const honest = member(net, 'honest')
    const hash = honest.put(bytesOf(100))
    net.host(nodeOf('liar')).handle('boxes', { maxFrameBytes: 10_000, timeoutMs: 0 }, async (stream) => {
      await stream.read()
      await stream.write(bytesOf(100, 2))
      await stream.close()
    })
    const bad: [NodeId, BoxHash][] = []
    const boxes = member(net, 'b', { onBadSource: (...source) => bad.push(source) })
    expect(await boxes.get(hash, ['liar', 'honest'])).toEqual(bytesOf(100))
    expect(bad).toEqual([['liar', hash]])
  })

  it('looks up once for all who wait, together for one member, and again where an answer was cut short', async () => {
    const net = new Net()
    const a = member(net, 'a')
    const b = member(net, 'b')
    const lengths = [
      ...Array.from({ length: 100 }, (_, i) => i + 1),
      ...Array.from({ length: 20 }, (_, i) => MAX_BOX_BYTES - i),
    ]
    const hashes = lengths.map((length) => a.put(bytesOf(length)))
    const found = await Promise.all([...hashes, ...hashes].map((hash) => b.get(hash, ['a'])))
    expect(found.map((box) => box?.length)).toEqual([...lengths, ...lengths])
    // 120 boxes in requests of 64; the large ones in answers of about 4 MiB
    expect(net.opened.length).toBeLessThanOrEqual(6)
  })

  it('asks the next member when one is silent', async () => {
    const net = new Net()
    const a = member(net, 'a')
    const hash = a.put(bytesOf(5))
    net
      .host(nodeOf('silent'))
      .handle('boxes', { maxFrameBytes: 10_000, timeoutMs: 0 }, () => new Promise(() => undefined))
    const timers: (() => void)[] = []
    const clock = {
      now: () => 0,
      after: (_: number, callback: () => void) => {
        timers.push(callback)
        return () => undefined
      },
    }
    const b = member(net, 'b', { clock })
    const getting = b.get(hash, ['silent', 'a'])
    await until(() => timers.length === 1)
    timers[0]?.()
    expect(await getting).toEqual(bytesOf(5))
  })

  it('ends a wait by its signal alone, and all waits when it stops', async () => {
    const net = new Net()
    net
      .host(nodeOf('silent'))
      .handle('boxes', { maxFrameBytes: 10_000, timeoutMs: 0 }, () => new Promise(() => undefined))
    const b = member(net, 'b')
    const hash = 'ab'.repeat(32) as BoxHash
    const one = new AbortController()
    const first = b.get(hash, ['silent'], { signal: one.signal })
    const second = b.get(hash, ['silent'])
    const end = expect(second).rejects.toThrow(StoreStoppedError)
    one.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    b.stop()
    b.stop()
    await end
    await expect(b.get(hash, ['silent'])).rejects.toThrow(StoreStoppedError)
  })

  it.each([
    ['too many hashes', encodeCbor(Array.from({ length: 65 }, () => new Uint8Array(32)))],
    ['a short hash', encodeCbor([new Uint8Array(31)])],
    ['no list', encodeCbor({ hashes: [] })],
    ['no CBOR', Uint8Array.of(0xff, 0xff)],
    ['a large frame', new Uint8Array(5000)],
  ])('answers a request with %s by nothing', async (_, request) => {
    const net = new Net()
    const a = member(net, 'a')
    a.put(bytesOf(5))
    const stream = await net.host(nodeOf('b')).open(nodeOf('a'), 'boxes', { maxFrameBytes: MAX_BOX_BYTES })
    const sent = stream.write(request).then(() => stream.read())
    await expect(sent).rejects.toThrow()
  })

  it('answers exactly as asked', async () => {
    const net = new Net()
    const a = member(net, 'a')
    const hash = a.put(bytesOf(5))
    const stream = await net.host(nodeOf('b')).open(nodeOf('a'), 'boxes', { maxFrameBytes: MAX_BOX_BYTES })
    await stream.write(encodeCbor([new Uint8Array(32), idBytes(hash)]))
    expect([await stream.read(), await stream.read(), await stream.read()]).toEqual([
      new Uint8Array(0),
      bytesOf(5),
      null,
    ])
  })
})
