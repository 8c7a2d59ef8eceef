import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { DecodeError } from '../codec/index.ts'
import { generateSigningKey } from '../crypto/index.ts'
import { nodeIdFromPublicKey } from '../ids.ts'
import { systemRandom } from '../random.ts'
import { type EntryDraft, makeEntry } from './entry.ts'
import { createSync, type Sync, type SyncInit } from './sync.ts'
import { decodeSyncFrame, encodeSyncFrame } from './sync-frames.ts'
import {
  copy,
  found,
  joined,
  type MemoryHost,
  MemoryNetwork,
  note,
  signedBytes,
  type TestLedger,
  testLedger,
  until,
} from './testing.ts'
import type { Entry } from './types.ts'

interface Node extends TestLedger {
  host: MemoryHost
  sync: Sync
  errors: unknown[]
}

const started: Node[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ sync }) => sync.stop()))
})

/** Heads are compared at connect; otherwise only pushes spread anything unless a test says how often. */
function node(network: MemoryNetwork, base: TestLedger, options: Partial<SyncInit> = {}): Node {
  const host = network.host(base.key)
  const errors: unknown[] = []
  const sync = createSync({
    ledger: base.ledger,
    host,
    clock: systemClock,
    random: systemRandom,
    isMember: () => true,
    digest: base.digest,
    headsIntervalMs: 60_000,
    onPeerError: (_, error) => void errors.push(error),
    ...options,
  })
  sync.start()
  const made = { ...base, host, sync, errors }
  started.push(made)
  return made
}

const sameEntries = (...nodes: TestLedger[]) =>
  new Set(nodes.map(({ ledger }) => Buffer.from(ledger.sync.headsHash()).toString('hex'))).size === 1
const converge = async (...nodes: TestLedger[]) => {
  for (const each of nodes)
    await until(each, () => each.ledger.count() === Math.max(...nodes.map(({ ledger }) => ledger.count())))
  expect(sameEntries(...nodes)).toBe(true)
  expect(new Set(nodes.map(({ digest }) => Buffer.from(digest()).toString('hex'))).size).toBe(1)
}

const typesSent = (host: MemoryHost) => host.sent.map((frame) => decodeSyncFrame(frame).type)

describe('two members', () => {
  it('exchange what the other lacks when they meet, both ways', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const second = joined(first)
    for (let index = 0; index < 30; index++) first.ledger.append('note', note(index))
    for (let index = 0; index < 20; index++) second.ledger.append('note', note(index))
    const [a, b] = [node(memory, first), node(memory, second)]
    memory.connect(a.host, b.host)
    await until(a, () => a.ledger.count() === 52)
    await until(b, () => b.ledger.count() === 52)
    await converge(a, b)
    expect([...a.errors, ...b.errors, ...a.host.faults, ...b.host.faults]).toEqual([])
  })

  it('push a new entry at once, and know that they are in step', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const second = joined(first)
    const [a, b] = [node(memory, first, { headsIntervalMs: 40 }), node(memory, second, { headsIntervalMs: 40 })]
    memory.connect(a.host, b.host)
    const arrived = new Promise<Entry>((resolve) =>
      b.ledger.onEntries(({ entries, origin }) => origin === 'live' && entries[0] && resolve(entries[0])),
    )
    const written = a.ledger.append('note', note(1))
    expect((await arrived).id).toBe(written.id)
    await expect.poll(() => [a.sync.inSyncWith(), b.sync.inSyncWith()], { timeout: 5000 }).toEqual([1, 1])
    expect(a.sync.peerHeads()).toMatchObject([{ peer: b.ledger.self, inSync: true, status: { entries: 3 } }])
    memory.disconnect(a.host, b.host)
    expect(a.sync.inSyncWith()).toBe(0)
  })

  it('catch up 1,000 entries well within five seconds, with nothing sent twice', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const second = joined(first)
    first.db.write(() => {
      for (let index = 0; index < 1000; index++) first.ledger.append('note', note(index))
    })
    const [a, b] = [node(memory, first), node(memory, second)]
    const start = performance.now()
    memory.connect(a.host, b.host)
    await until(b, () => b.ledger.count() === 1002)
    expect(performance.now() - start).toBeLessThan(5000)
    const sent = a.host.sent
      .map(decodeSyncFrame)
      .reduce((sum, frame) => sum + (frame.type === 'entries' ? frame.entries.length : 0), 0)
    expect(sent).toBe(1000)
  })

  it('fetch only what is missing after a stream broke', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const second = joined(first)
    first.db.write(() => {
      for (let index = 0; index < 5000; index++) first.ledger.append('note', note(index))
    })
    const [a, b] = [node(memory, first), node(memory, second)]
    memory.connect(a.host, b.host)
    await until(b, () => b.ledger.count() > 1000)
    memory.disconnect(a.host, b.host)
    expect(b.ledger.count()).toBeLessThan(5002)
    a.host.sent.length = 0
    const had = b.ledger.count()
    memory.connect(a.host, b.host)
    await until(b, () => b.ledger.count() === 5002)
    const again = a.host.sent
      .map(decodeSyncFrame)
      .reduce((sum, frame) => sum + (frame.type === 'entries' ? frame.entries.length : 0), 0)
    // a frame that had been read before the cut may have been stored after it
    expect(again).toBeLessThanOrEqual(5002 - had)
    expect(again).toBeGreaterThan(0)
  })

  it('find where a fork left the feed', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    const network = found(first)
    const second = joined(first)
    const chain = (from: Entry | undefined, count: number, tag: number): Entry[] => {
      const entries: Entry[] = []
      for (let index = 0; index < count; index++) {
        const after = entries.at(-1) ?? from
        const place =
          after === undefined ? { seq: 0, prev: null, ms: 1 } : { seq: after.seq + 1, prev: after.id, ms: after.ms + 1 }
        const draft: EntryDraft = {
          network,
          incarnation: new Uint8Array(16),
          counter: 0,
          kind: 'note',
          seen: [],
          body: { tag },
          ...place,
        }
        entries.push(makeEntry(draft, first.key))
      }
      return entries
    }
    const common = chain(undefined, 50, 0)
    const left = chain(common.at(-1), 100, 1)
    const right = chain(common.at(-1), 30, 2)
    first.ledger.ingest([...common, ...left].map(signedBytes))
    second.ledger.ingest([...common, ...right].map(signedBytes))
    const [a, b] = [node(memory, first), node(memory, second)]
    memory.connect(a.host, b.host)
    await until(a, () => a.ledger.count() === 182)
    await until(b, () => b.ledger.count() === 182)
    expect(sameEntries(a, b)).toBe(true)
    expect(a.ledger.heads().filter(({ feed }) => feed === common[0]?.feed).length).toBe(2)
  })

  it('confirm to a member that lost power that its feed goes on', async () => {
    const memory = new MemoryNetwork()
    const key = generateSigningKey()
    const first = testLedger({ key })
    found(first)
    const second = joined(first)
    const last = first.ledger.append('note', note(1))
    copy(first, second)
    const witnesses = { members: () => [second.ledger.self], isSole: () => true }
    const again = testLedger({ key, db: first.db, local: first.local, witnesses })
    expect(again.ledger.sync.unconfirmedOwn()?.id).toBe(last.id)
    const [a, b] = [node(memory, again), node(memory, { ...second, digest: again.digest })]
    memory.connect(a.host, b.host)
    await expect.poll(() => a.ledger.sync.unconfirmedOwn(), { timeout: 5000 }).toBeNull()
    expect(a.ledger.append('note', note(2)).prev).toBe(last.id)
  })

  it('raise the alarm once when equal heads have unequal state', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const second = joined(first)
    const alarms: string[] = []
    const a = node(memory, first, { onDiverged: (peer) => void alarms.push(peer), headsIntervalMs: 20 })
    let wrong: Uint8Array | null = new Uint8Array(32).fill(1)
    const b = node(memory, second, { digest: () => wrong, headsIntervalMs: 20 })
    const hasTold = async (more: number) => {
      const told = () => typesSent(b.host).filter((type) => type === 'status').length
      const before = told()
      await expect.poll(told, { timeout: 5000 }).toBeGreaterThan(before + more)
    }
    memory.connect(a.host, b.host)
    await hasTold(4)
    expect(alarms).toEqual([b.ledger.self])
    expect(a.sync.divergedFrom()).toEqual([b.ledger.self])
    expect(b.sync.divergedFrom()).toEqual([a.ledger.self])
    expect(a.sync.inSyncWith()).toBe(0)

    // a node that cannot execute what it stores has no state to differ in
    wrong = null
    await hasTold(2)
    expect([a.sync.divergedFrom(), b.sync.divergedFrom()]).toEqual([[], []])
    expect([a.sync.inSyncWith(), b.sync.inSyncWith()]).toEqual([0, 0])

    wrong = first.digest()
    await expect.poll(() => a.sync.inSyncWith(), { timeout: 5000 }).toBe(1)
    expect(a.sync.divergedFrom()).toEqual([])

    // what was mended and breaks again is told again
    wrong = new Uint8Array(32).fill(2)
    await expect.poll(() => alarms.length, { timeout: 5000 }).toBe(2)
  })

  it('fetch on demand, as a newcomer does that knows no members yet', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    const network = found(first)
    const key = generateSigningKey()
    first.ledger.append('admit', { node: key.publicKey })
    const a = node(memory, first)
    const b = node(memory, testLedger({ key, network }), { isMember: () => false })
    memory.connect(a.host, b.host)
    expect(await b.sync.fetch(a.ledger.self)).toEqual({ stored: 2, complete: true })
    expect(await b.sync.fetch(a.ledger.self)).toEqual({ stored: 0, complete: true })
  })
})

describe('three members', () => {
  it('pass on what one of them cannot tell the third', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const bases = [joined(first), joined(first)] as const
    for (const base of bases) copy(first, base)
    const [a, b, c] = [node(memory, first), node(memory, bases[0]), node(memory, bases[1])]
    memory.connect(a.host, b.host)
    memory.connect(b.host, c.host)
    await Promise.all([a, b, c].map((each) => until(each, () => each.ledger.count() === 3)))
    const entry = a.ledger.append('note', note(1))
    await until(c, () => c.ledger.get(entry.id) !== undefined)
    await converge(a, b, c)
    expect(typesSent(c.host)).not.toContain('want')
  })

  it('link up with a member that is admitted while it is connected', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    const network = found(first)
    const key = generateSigningKey()
    const members = new Set([first.ledger.self])
    const isMember = (id: typeof first.ledger.self) => members.has(id)
    const a = node(memory, first, { isMember })
    const b = node(memory, testLedger({ key, network }), { isMember })
    memory.connect(a.host, b.host)
    expect(a.host.sent).toEqual([])
    members.add(nodeIdFromPublicKey(key.publicKey))
    a.ledger.append('admit', { node: key.publicKey })
    await until(b, () => b.ledger.count() === 2)
  })

  it('fetch each entry from one of two peers only', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const bases = [joined(first), joined(first)] as const
    first.db.write(() => {
      for (let index = 0; index < 2000; index++) first.ledger.append('note', note(index))
    })
    copy(first, bases[0])
    const [a, b, c] = [node(memory, first), node(memory, bases[0]), node(memory, bases[1])]
    memory.connect(a.host, c.host)
    memory.connect(b.host, c.host)
    await until(c, () => c.ledger.count() === 2003)
    const sent = [...a.host.sent, ...b.host.sent].map(decodeSyncFrame)
    expect(sent.reduce((sum, frame) => sum + (frame.type === 'entries' ? frame.entries.length : 0), 0)).toBe(2000)
  })
})

describe('a hostile member', () => {
  const hostile = async (...frames: Uint8Array[]) => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const a = node(memory, first, { isMember: () => false })
    const mallory = memory.host(generateSigningKey())
    memory.connect(a.host, mallory)
    const stream = await mallory.open(a.ledger.self, 'ledger', { maxFrameBytes: 1 << 20 })
    for (const frame of frames) await stream.write(frame)
    await expect.poll(() => a.host.faults.length, { timeout: 5000 }).toBe(1)
    expect(a.host.faults[0]).toBeInstanceOf(DecodeError)
    expect(a.ledger.count()).toBe(1)
  }

  it.each([
    ['garbage', [new Uint8Array([0xff])]],
    ['an answer that nobody asked for', [encodeSyncFrame({ type: 'done' })]],
    [
      'an entry that is none',
      [encodeSyncFrame({ type: 'push', entries: [{ bytes: new Uint8Array(3), sig: null, cosig: null }] })],
    ],
    [
      'news where ranges are expected',
      [encodeSyncFrame({ type: 'ask', buckets: new Uint8Array(1024) }), encodeSyncFrame({ type: 'done' })],
    ],
  ])('is cut off when it sends %s', async (_, frames) => hostile(...frames))

  it('that announces what it does not have ends the fetch without harm', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const a = node(memory, first)
    const mallory = memory.host(generateSigningKey())
    const head = {
      feed: first.ledger.heads()[0]?.feed ?? ('' as never),
      seq: 1_000_000,
      id: 'ee'.repeat(32) as Entry['id'],
    }
    mallory.handle('ledger', { maxFrameBytes: 1 << 20, timeoutMs: 0 }, async (stream) => {
      for (let frame = await stream.read(); frame !== null; frame = await stream.read()) {
        const { type } = decodeSyncFrame(frame)
        if (type === 'ask')
          await stream.write(
            encodeSyncFrame({ type: 'heads', differs: new Uint8Array(8).fill(255), heads: [head], more: false }),
          )
        if (type === 'want') await stream.write(encodeSyncFrame({ type: 'done' }))
      }
    })
    memory.connect(a.host, mallory)
    expect(await a.sync.fetch(mallory.id)).toEqual({ stored: 0, complete: false })
  })
})

describe('stop', () => {
  it('ends all streams and leaves nothing running, also twice', async () => {
    const memory = new MemoryNetwork()
    const first = testLedger()
    found(first)
    const second = joined(first)
    const [a, b] = [node(memory, first, { headsIntervalMs: 10 }), node(memory, second, { headsIntervalMs: 10 })]
    memory.connect(a.host, b.host)
    await expect.poll(() => a.sync.inSyncWith(), { timeout: 5000 }).toBe(1)
    await a.sync.stop()
    await a.sync.stop()
    const sent = a.host.sent.length
    a.ledger.append('note', note(1))
    await expect(b.sync.fetch(a.ledger.self)).rejects.toThrow()
    expect(a.host.sent.length).toBe(sent)
    a.sync.start()
    await until(b, () => b.ledger.count() === 3)
  })
})
