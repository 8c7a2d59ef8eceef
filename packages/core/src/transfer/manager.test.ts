import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import type { SealedFile } from '../content/index.ts'
import { blake3 } from '../crypto/index.ts'
import { type Database, migrationsFolder, openDatabase } from '../database/index.ts'
import type { FileId } from '../ids.ts'
import { challenge } from './challenge.ts'
import { createTransfers } from './manager.ts'
import { challengeAnswer } from './protocol.ts'
import {
  createWorld,
  isChunkFrame,
  sealTestVersion,
  seededRandom,
  shapeOf,
  type TestMember,
  type TestWorld,
} from './testing.ts'
import type { TransferStatus, Transfers } from './types.ts'

const FILE = 'ab'.repeat(16) as FileId

/** Holds back chunk frames after the first few, until it is opened. */
function gateAfter(member: TestMember, frames: number) {
  const opened = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const counter = { sent: 0 }
  member.host.outgoing = async (frame) => {
    if (!isChunkFrame(frame)) return frame
    if (counter.sent >= frames) {
      reached.resolve()
      await opened.promise
    }
    counter.sent += 1
    return frame
  }
  return { reached: reached.promise, open: () => opened.resolve(), counter }
}

describe('transfers', () => {
  let world: TestWorld
  let source: TestMember
  let reader: TestMember
  let serving: Transfers
  const databases: Database[] = []
  const running: Transfers[] = []

  function start(
    member: TestMember,
    sources: TestMember[],
    more: Partial<Parameters<typeof createTransfers>[0]> = {},
  ): Transfers {
    const transfers = createTransfers({
      store: member.store,
      host: member.host,
      clock: systemClock,
      sourcesOf: () => sources.map((each) => each.host.id),
      mayFetch: () => true,
      ...more,
    })
    running.push(transfers)
    transfers.start()
    return transfers
  }

  function database(): Database {
    const db = openDatabase({ path: ':memory:', migrations: migrationsFolder('local') })
    databases.push(db)
    return db
  }

  function ended(transfers: Transfers, id: string): Promise<TransferStatus> {
    return new Promise((resolve) => {
      const off = transfers.onEnded((status) => {
        if (status.id !== id) return
        off()
        resolve(status)
      })
    })
  }

  function sealed(chunks: number, seed: number): Promise<SealedFile> {
    return sealTestVersion(source.store, chunks, seededRandom(seed))
  }

  beforeEach(async () => {
    world = await createWorld()
    source = await world.member()
    reader = await world.member()
    serving = start(source, [])
  })
  afterEach(async () => {
    for (const transfers of running.splice(0)) await transfers.stop()
    for (const db of databases.splice(0)) db.close()
    await world.stop()
  })

  it('fetches, tells its progress, and keeps what it did', async () => {
    const file = await sealed(12, 1)
    const transfers = start(reader, [source], { db: database() })
    const { id, done } = transfers.want(shapeOf(file), { kind: 'fetch', fileId: FILE })
    const end = ended(transfers, id)
    expect((await done).complete).toBe(true)
    expect(await end).toMatchObject({
      id,
      kind: 'fetch',
      fileId: FILE,
      state: 'done',
      bytes: file.size,
      total: file.size,
      sources: [{ id: source.host.id, bytes: file.size }],
      error: null,
    })
    expect(transfers.list()).toHaveLength(1)
    expect(serving.totals().sentBytes).toBe(transfers.totals().receivedBytes)
  })

  it('pauses, resumes and fetches nothing twice', async () => {
    const file = await sealed(30, 2)
    const gate = gateAfter(source, 10)
    const transfers = start(reader, [source])
    const { id, done } = transfers.want(shapeOf(file), { kind: 'fetch', fileId: FILE })
    await gate.reached
    // whatever the disk could do besides waits for it, here and there
    expect([transfers.isUrgent(), serving.isUrgent()]).toEqual([true, true])
    expect(await transfers.pause(id)).toMatchObject({ state: 'paused' })
    expect(transfers.isUrgent()).toBe(false)
    await expect(transfers.resume('none')).rejects.toMatchObject({ code: 'not-found' })
    const held = (await reader.store.get(file.root))?.held ?? 0
    expect(held).toBeLessThanOrEqual(10)
    gate.open()
    let sent = 0
    source.host.outgoing = (frame) => {
      if (isChunkFrame(frame)) sent += 1
      return frame
    }
    await transfers.resume(id)
    expect((await done).complete).toBe(true)
    expect(sent).toBe(30 - held)
    await expect(transfers.pause(id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('cancels for everyone who wants it; what has arrived stays', async () => {
    const file = await sealed(30, 3)
    const gate = gateAfter(source, 5)
    const transfers = start(reader, [source])
    const { id, done } = transfers.want(shapeOf(file), { kind: 'fetch', fileId: FILE })
    await gate.reached
    expect(await transfers.cancel(id)).toMatchObject({ state: 'cancelled' })
    await expect(done).rejects.toMatchObject({ name: 'TransferCancelledError', code: 'interrupted' })
    gate.open()
    expect(await reader.store.get(file.root)).not.toBeNull()
    expect(transfers.byRoot(file.root)).toBeNull()
  })

  it('joins wishes for one version, and ends with the last one that has not gone', async () => {
    const file = await sealed(30, 4)
    const gate = gateAfter(source, 3)
    const transfers = start(reader, [source])
    const one = new AbortController()
    const two = new AbortController()
    const first = transfers.want(shapeOf(file), { kind: 'replicate', fileId: FILE, signal: one.signal })
    const second = transfers.want(shapeOf(file), { kind: 'fetch', fileId: FILE, signal: two.signal })
    expect(second.id).toBe(first.id)
    expect(transfers.get(first.id).kind).toBe('fetch')
    await gate.reached
    two.abort(new Error('reader left'))
    await expect(second.done).rejects.toThrow('reader left')
    expect(transfers.get(first.id)).toMatchObject({ kind: 'replicate', state: 'running' })
    expect(transfers.isUrgent()).toBe(false)
    const end = ended(transfers, first.id)
    one.abort(new Error('no longer wanted'))
    await expect(first.done).rejects.toThrow('no longer wanted')
    expect(await end).toMatchObject({ state: 'cancelled' })
    await expect.poll(() => transfers.list()).toEqual([]) // nobody has cancelled it
    gate.open()
  })

  it('is there for a reader that comes while the last one leaves', async () => {
    const file = await sealed(30, 4)
    const gate = gateAfter(source, 3)
    const transfers = start(reader, [source])
    const [one, two] = [new AbortController(), new AbortController()]
    const options = { kind: 'fetch', fileId: FILE } as const
    const first = transfers.want(shapeOf(file), { ...options, signal: one.signal })
    await gate.reached
    one.abort(new Error('jumped'))
    await expect(first.done).rejects.toThrow('jumped')
    const second = transfers.want(shapeOf(file), { ...options, signal: two.signal })
    gate.open()
    expect((await second.done).complete).toBe(true)
    expect(transfers.list()).toMatchObject([{ id: second.id, state: 'done' }])
  })

  it('runs so many at once, a person before the network', async () => {
    const files = [await sealed(2, 5), await sealed(2, 6), await sealed(2, 7), await sealed(2, 8)]
    const gate = gateAfter(source, 0)
    const transfers = start(reader, [source], { maxRunning: { fetch: 1, background: 1, smallBackground: 1 } })
    const want = (at: number, kind: 'fetch' | 'replicate' | 'drain') =>
      transfers.want(shapeOf(files[at] as SealedFile), { kind, fileId: FILE })
    const first = want(0, 'fetch')
    const second = want(1, 'fetch')
    const third = want(2, 'fetch')
    const background = want(3, 'replicate')
    expect(transfers.list().map(({ id, state }) => [id, state])).toEqual([
      [first.id, 'running'],
      [background.id, 'running'],
      [second.id, 'queued'],
      [third.id, 'queued'],
    ])
    gate.open()
    await Promise.all([first, second, third, background].map((each) => each.done))
  })

  it('lets one go first: the last that runs makes room, but none that is being read; also after a restart', async () => {
    const files = await Promise.all([5, 6, 7, 8].map((seed) => sealed(2, seed)))
    const gate = gateAfter(source, 0)
    const db = database()
    const maxRunning = { fetch: 2, background: 1, smallBackground: 1 }
    const before = start(reader, [source], { db, maxRunning })
    const reading = new AbortController()
    const want = (at: number, signal?: AbortSignal) => {
      const options = { kind: 'fetch', fileId: FILE, ...(signal === undefined ? {} : { signal }) } as const
      const wanted = before.want(shapeOf(files[at] as SealedFile), options)
      wanted.done.catch(() => undefined) // the restart ends it
      return wanted.id
    }
    const states = (of: Transfers) => of.list().map(({ id, state }) => [id, state])
    const [running, read, second, last] = [want(0), want(1, reading.signal), want(2), want(3)]
    await gate.reached
    expect(() => before.first('none')).toThrow(/no such transfer/)
    expect(before.first(last.slice(0, 8)).id).toBe(last)
    await expect
      .poll(() => states(before))
      .toEqual([
        [read, 'running'],
        [last, 'running'],
        [running, 'queued'],
        [second, 'queued'],
      ])
    before.first(second)
    await expect.poll(() => before.get(second).state).toBe('running')
    reading.abort()
    await before.stop()

    const after = start(reader, [], { db, maxRunning: { ...maxRunning, fetch: 0 } })
    expect(states(after)).toEqual([second, last, running].map((id) => [id, 'queued']))
    gate.open()
  })

  it('goes on after a restart, but not with what only a caller waited for', async () => {
    const kept = await sealed(20, 9)
    const passing = await sealed(20, 10)
    const gate = gateAfter(source, 6)
    const db = database()
    const before = start(reader, [source], { db })
    const { id, done } = before.want(shapeOf(kept), { kind: 'fetch', fileId: FILE })
    const ending = new AbortController()
    const gone = before.want(shapeOf(passing), { kind: 'fetch', fileId: FILE, signal: ending.signal })
    const outcomes = Promise.allSettled([done, gone.done])
    await gate.reached
    await before.stop()
    await outcomes
    gate.open()
    const after = start(reader, [source], { db })
    expect(() => after.get(gone.id)).toThrow(/no such transfer/)
    const again = after.want(shapeOf(kept), { kind: 'replicate', fileId: FILE })
    expect(again.id).toBe(id)
    expect(after.get(id).kind).toBe('fetch')
    expect((await again.done).complete).toBe(true)
  })

  it('fails a fetch without source in time, and tries again when resumed', async () => {
    const file = await sealed(4, 11)
    source.host.kill()
    const transfers = start(reader, [source], { noSourceMs: 500 })
    const { id, done } = transfers.want(shapeOf(file), { kind: 'fetch', fileId: FILE })
    await expect(done).rejects.toMatchObject({ code: 'no-source' })
    expect(transfers.get(id)).toMatchObject({ state: 'failed', error: { code: 'no-source' } })
    source.host.revive()
    const end = ended(transfers, id)
    await transfers.resume(id)
    expect(await end).toMatchObject({ state: 'done', error: null })
  })

  it('goes on by itself with what failed without source when one comes, also after a restart, while it is wanted', async () => {
    const file = await sealed(4, 11)
    const db = database()
    source.host.kill()
    const before = start(reader, [source], { db, noSourceMs: 200 })
    const { id, done } = before.want(shapeOf(file), { kind: 'fetch', fileId: FILE })
    await expect(done).rejects.toMatchObject({ code: 'no-source' })
    await before.stop()

    source.host.revive()
    let isWanted = false
    const after = start(reader, [source], { db, isWanted: () => isWanted })
    await after.sourceCame(reader.host.id)
    await after.sourceCame(source.host.id)
    expect(after.get(id).state).toBe('failed')
    isWanted = true
    const end = ended(after, id)
    await after.sourceCame(source.host.id)
    expect(await end).toMatchObject({ state: 'done', error: null })
  })

  it('keeps the limits over a restart', async () => {
    const db = database()
    const first = start(reader, [source], { db })
    expect(first.limits()).toEqual({ up: null, down: null })
    expect(first.setLimits({ up: 5_000_000 })).toEqual({ up: 5_000_000, down: null })
    await first.stop()
    expect(start(reader, [source], { db }).limits()).toEqual({ up: 5_000_000, down: null })
  })

  it('holds a download to its cap', async () => {
    const file = await sealed(17, 12)
    const transfers = start(reader, [source])
    transfers.setLimits({ down: 1_000_000 })
    const began = performance.now()
    await transfers.want(shapeOf(file), { kind: 'fetch', fileId: FILE }).done
    // a quarter of a second's worth may be spent at once, and the last chunk is paid for afterwards
    const least = ((file.size - 250_000 - 2 * file.chunk) / 1_000_000) * 1000
    expect(performance.now() - began).toBeGreaterThan(least)
  })

  it('challenges: right, wrong, missing', async () => {
    const file = await sealed(3, 13)
    const nonce = seededRandom(14).bytes(32)
    const ask = (index: number, expected: Uint8Array) =>
      challenge({
        host: reader.host,
        clock: systemClock,
        peer: source.host.id,
        version: shapeOf(file),
        index,
        nonce,
        expected,
      })
    expect(await ask(1, challengeAnswer(nonce, await file.read(1)))).toBe('right')
    expect(await ask(1, blake3(nonce))).toBe('wrong')
    await source.store.remove(file.root)
    expect(await ask(1, blake3(nonce))).toBe('missing')
    source.host.kill()
    await expect(ask(1, nonce)).rejects.toMatchObject({ code: 'unreachable' })
  })
})
