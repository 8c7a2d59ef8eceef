import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import type { SealedFile } from '../content/index.ts'
import type { NodeId } from '../ids.ts'
import { createBudget } from './budget.ts'
import { createDownload } from './download.ts'
import type { DownloadInit, SourceProblem } from './download-types.ts'
import { createLimits } from './limits.ts'
import { createProvider, type MayFetch } from './provider.ts'
import {
  copyChunks,
  createWorld,
  isChunkFrame,
  sealTestVersion,
  seededRandom,
  shapeOf,
  TEST_CHUNK,
  type TestMember,
  type TestWorld,
} from './testing.ts'

const SEALED = TEST_CHUNK + 28

describe('download', () => {
  let world: TestWorld
  const stops: (() => void)[] = []

  beforeEach(async () => {
    world = await createWorld()
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop()
    await world.stop()
  })

  function serve(member: TestMember, mayFetch: MayFetch = () => true) {
    const provider = createProvider({
      store: member.store,
      host: member.host,
      clock: systemClock,
      mayFetch,
      up: createLimits({ clock: systemClock }).up,
    })
    stops.push(() => provider.stop())
    return provider
  }

  function fetch(member: TestMember, file: SealedFile, sources: TestMember[], more: Partial<DownloadInit> = {}) {
    const problems: SourceProblem[] = []
    const budget = createBudget()
    const download = createDownload({
      version: shapeOf(file),
      store: member.store,
      host: member.host,
      clock: systemClock,
      random: seededRandom(7),
      sources: () => sources.map((source) => source.host.id),
      budget,
      limits: createLimits({ clock: systemClock }),
      urgent: true,
      onSourceProblem: (problem) => problems.push(problem),
      signal: new AbortController().signal,
      ...more,
    })
    return { download, problems, budget }
  }

  async function members(count: number): Promise<TestMember[]> {
    return Promise.all(Array.from({ length: count }, () => world.member()))
  }

  async function expectSame(got: SealedFile, file: SealedFile) {
    expect(got.complete).toBe(true)
    for (let index = 0; index < file.count; index++) {
      expect(Buffer.compare(await got.read(index, { verify: true }), await file.read(index))).toBe(0)
    }
  }

  it('gets a version from one source, nothing twice, and gives all credit back', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(source.store, 40, seededRandom(1))
    serve(source)
    const { download, problems, budget } = fetch(reader, file, [source])
    await expectSame(await download.done, file)
    const { bytes, wasted, sources } = download.progress()
    expect({ bytes, wasted }).toEqual({ bytes: file.size, wasted: 0 })
    expect([...sources]).toEqual([[source.host.id, file.size]])
    expect(problems).toEqual([])
    expect(budget.used).toBe(0)
  })

  it('gets an empty version', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await (await source.store.beginSealing(TEST_CHUNK)).finish()
    serve(source)
    const got = await fetch(reader, file, [source]).download.done
    expect({ complete: got.complete, count: got.count }).toEqual({ complete: true, count: 0 })
  })

  it('goes on when a source dies midway, one lies and one is partial; the liar is dropped and named', async () => {
    const [first, liar, partial, dying, reader] = (await members(5)) as [
      TestMember,
      TestMember,
      TestMember,
      TestMember,
      TestMember,
    ]
    const file = await sealTestVersion(first.store, 120, seededRandom(2))
    const all = Array.from({ length: 120 }, (_, index) => index)
    await copyChunks(file, liar.store, all)
    await copyChunks(file, dying.store, all)
    await copyChunks(
      file,
      partial.store,
      all.filter((index) => index % 3 === 0),
    )
    for (const member of [first, liar, partial, dying]) serve(member)
    liar.host.outgoing = (frame) => {
      const tampered = frame.slice()
      if (isChunkFrame(frame)) tampered[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1
      return tampered
    }
    let sent = 0
    dying.host.outgoing = (frame) => {
      if (isChunkFrame(frame)) sent += 1
      if (sent === 5) queueMicrotask(() => dying.host.kill())
      return frame
    }
    const { download, problems, budget } = fetch(reader, file, [first, liar, partial, dying])
    await expectSame(await download.done, file)
    const wrong = problems.filter((problem) => problem.kind === 'wrong-chunk')
    expect(wrong.map((problem) => problem.peer)).toEqual([liar.host.id])
    expect(problems.some((problem) => problem.peer === dying.host.id && problem.kind === 'unreachable')).toBe(true)
    const { sources } = download.progress()
    expect(sources.get(liar.host.id)).toBeUndefined()
    expect(sources.get(first.host.id)).toBeGreaterThan(0)
    expect(sources.get(partial.host.id)).toBeGreaterThan(0)
    expect(budget.used).toBe(0)
  })

  it('is not held up by a slow source, and asks the last chunks of it elsewhere', async () => {
    const [fast, slow, reader] = (await members(3)) as [TestMember, TestMember, TestMember]
    const file = await sealTestVersion(fast.store, 60, seededRandom(3))
    await copyChunks(
      file,
      slow.store,
      Array.from({ length: 60 }, (_, index) => index),
    )
    serve(fast)
    serve(slow)
    const never = Promise.withResolvers<Uint8Array>()
    slow.host.outgoing = (frame) => (isChunkFrame(frame) ? never.promise : frame)
    const { download } = fetch(reader, file, [slow, fast])
    await expectSame(await download.done, file)
    expect(download.progress().sources.get(slow.host.id)).toBeUndefined()
    never.resolve(new Uint8Array(1))
  })

  it('fetches only what is missing after it was ended', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(source.store, 50, seededRandom(4))
    serve(source)
    const ending = new AbortController()
    let arrived = 0
    const first = fetch(reader, file, [source], {
      signal: ending.signal,
      onChunk: () => {
        arrived += 1
        if (arrived === 20) ending.abort(new Error('power cut'))
      },
    })
    await expect(first.download.done).rejects.toThrow('power cut')
    expect(first.budget.used).toBe(0)
    const held = (await reader.store.get(file.root))?.held ?? 0
    expect(held).toBeGreaterThanOrEqual(20)
    expect(held).toBeLessThan(50)
    let chunks = 0
    source.host.outgoing = (frame) => {
      if (isChunkFrame(frame)) chunks += 1
      return frame
    }
    await expectSame(await fetch(reader, file, [source]).download.done, file)
    expect(chunks).toBe(50 - held)
  })

  it('tells a peer that may not fetch nothing but no', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(source.store, 3, seededRandom(5))
    const asked: [NodeId, Uint8Array | undefined][] = []
    serve(source, (peer, _root, proof) => {
      asked.push([peer, proof])
      return false
    })
    let frames = 0
    source.host.outgoing = (frame) => {
      frames += 1
      return frame
    }
    const proof = new Uint8Array(64).fill(9)
    const { download, problems } = fetch(reader, file, [source], { noSourceMs: 300, proof: () => proof })
    await expect(download.done).rejects.toMatchObject({ name: 'NoSourceError', code: 'no-source' })
    expect(problems[0]).toMatchObject({ kind: 'refused', error: { answer: 'refused' } })
    expect(asked[0]).toEqual([reader.host.id, proof])
    expect(frames).toBe(asked.length)
  })

  it('lets a client go when its permission ends', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(source.store, 200, seededRandom(6))
    let isAllowed = true
    const provider = serve(source, () => isAllowed)
    const { download, problems } = fetch(reader, file, [source], {
      noSourceMs: 300,
      onChunk: () => {
        if (!isAllowed) return
        isAllowed = false
        void provider.recheck()
      },
    })
    await expect(download.done).rejects.toMatchObject({ code: 'no-source' })
    expect(problems[0]).toMatchObject({ kind: 'refused' })
    expect((await reader.store.get(file.root))?.complete).toBe(false)
  })

  it('waits for sources in the background, and goes on when they appear', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(source.store, 5, seededRandom(7))
    serve(source)
    source.host.kill()
    const unreachable = Promise.withResolvers<void>()
    const { download } = fetch(reader, file, [source], {
      urgent: false,
      noSourceMs: 1,
      onSourceProblem: () => unreachable.resolve(),
    })
    await unreachable.promise
    source.host.revive()
    download.refresh()
    await expectSame(await download.done, file)
  })

  it('passes on what arrives: a partial member is a source at once', async () => {
    const [source, middle, reader] = (await members(3)) as [TestMember, TestMember, TestMember]
    const file = await sealTestVersion(source.store, 30, seededRandom(8))
    serve(source)
    const relay = serve(middle)
    // the reader knows only the member in the middle, which has nothing when it is asked first
    const first = fetch(middle, file, [source], {
      onFile: (each) => relay.offer(each),
      onChunk: (index) => relay.arrived(file.root, index),
    })
    const second = fetch(reader, file, [middle])
    const [, got] = await Promise.all([first.download.done, second.download.done])
    await expectSame(got, file)
  })

  it('asks for a reader position first', async () => {
    const [source, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(source.store, 64, seededRandom(9))
    serve(source)
    const order: number[] = []
    const { download } = fetch(reader, file, [source], {
      priority: [40, 41, 42],
      onChunk: (index) => order.push(index),
    })
    await download.done
    expect(order.slice(0, 3).toSorted()).toEqual([40, 41, 42])
  })

  it('never has more on the way than the budget, whatever the number of sources', async () => {
    const all = await members(5)
    const reader = all[4] as TestMember
    const sources = all.slice(0, 4)
    const file = await sealTestVersion((sources[0] as TestMember).store, 60, seededRandom(10))
    for (const source of sources.slice(1))
      await copyChunks(
        file,
        source.store,
        Array.from({ length: 60 }, (_, i) => i),
      )
    for (const source of sources) serve(source)
    const capacity = 5 * SEALED
    const inner = createBudget(capacity)
    let most = 0
    const budget: typeof inner = {
      get used() {
        return inner.used
      },
      get urgentActive() {
        return inner.urgentActive
      },
      holder(init) {
        const holder = inner.holder(init)
        return {
          ...holder,
          tryReserve(bytes) {
            const granted = holder.tryReserve(bytes)
            most = Math.max(most, inner.used)
            return granted
          },
        }
      },
    }
    await expectSame(await fetch(reader, file, sources, { budget }).download.done, file)
    expect(most).toBeLessThanOrEqual(capacity)
    expect(most).toBeGreaterThan(SEALED)
  })

  it('drops a source that sends what was not asked for', async () => {
    const [source, liar, reader] = (await members(3)) as [TestMember, TestMember, TestMember]
    const file = await sealTestVersion(source.store, 20, seededRandom(11))
    await copyChunks(
      file,
      liar.store,
      Array.from({ length: 20 }, (_, index) => index),
    )
    serve(source)
    serve(liar)
    liar.host.outgoing = (frame) => {
      const tampered = frame.slice()
      if (isChunkFrame(frame)) new DataView(tampered.buffer).setUint32(1, 0xffff)
      return tampered
    }
    const { download, problems } = fetch(reader, file, [liar, source])
    await expectSame(await download.done, file)
    expect(problems).toMatchObject([{ peer: liar.host.id, kind: 'protocol', error: { name: 'SourceBrokenError' } }])
  })

  it('says who sent something else when nobody is left', async () => {
    const [liar, reader] = (await members(2)) as [TestMember, TestMember]
    const file = await sealTestVersion(liar.store, 3, seededRandom(12))
    serve(liar)
    liar.host.outgoing = (frame) => (isChunkFrame(frame) ? frame.slice(0, -1) : frame)
    const { download } = fetch(reader, file, [liar], { noSourceMs: 300 })
    await expect(download.done).rejects.toMatchObject({
      code: 'no-source',
      message: expect.stringContaining(liar.host.id.slice(-8)),
      details: { missing: 3, faulty: [liar.host.id] },
    })
  })
})
