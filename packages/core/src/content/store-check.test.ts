import { describe, expect, it } from 'vitest'
import type { BoxHash, Root } from '../ids.ts'
import { ManualClock } from '../network/testing.ts'
import { createStore } from './store.ts'
import {
  CHECK_BYTES_PER_SECOND,
  CHECK_EVERY_MS,
  type CheckPlace,
  createStoreCheck,
  FIRST_CHECK_MS,
  type StoreCheckInit,
} from './store-check.ts'
import {
  bytesOf,
  CHUNK,
  createMemoryDisk,
  elsewhere,
  fill,
  KIB,
  type MemoryDisk,
  memoryStore,
  seal,
  until,
} from './testing.ts'

const SEALED = CHUNK + 28

function flip(disk: MemoryDisk, path: string, at: number): void {
  const bytes = disk.content(path)
  if (bytes === undefined) throw new Error(`no ${path}`)
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
}

const pathOf = (root: Root, kind: string) => `/s/${root.slice(0, 2)}/${root}.${kind}`

async function setUp(over: Partial<StoreCheckInit> = {}) {
  const disk = createMemoryDisk()
  const clock = new ManualClock()
  const store = await memoryStore({ disk })
  const saved: CheckPlace[] = []
  const problems: unknown[] = []
  const lost: Root[] = []
  store.onDamage((root) => lost.push(root))
  const check = (more: Partial<StoreCheckInit> = {}) =>
    createStoreCheck({
      store,
      boxes: { check: () => ({ last: null, bytes: 0, damaged: [] }) },
      clock,
      isBusy: () => false,
      load: () => null,
      save: (place) => saved.push({ ...place }),
      onDamagedBox: () => undefined,
      onProblem: (error) => problems.push(error),
      ...over,
      ...more,
    })
  return { disk, clock, store, saved, problems, lost, check }
}

describe('a look through the store', () => {
  it('finds a flipped bit in a chunk, the last one too, and what was lost can be fetched again', async () => {
    const { disk, store, lost, check } = await setUp()
    const whole = await seal(store, bytesOf(3 * CHUNK + 5, 1))
    const spoilt = await seal(store, bytesOf(3 * CHUNK + 5, 2))
    flip(disk, pathOf(spoilt.root, 'sealed'), SEALED + 77)
    flip(disk, pathOf(spoilt.root, 'sealed'), 3 * SEALED + 32)
    await check().now()
    expect(store.stat(whole.root)).toMatchObject({ complete: true })
    expect([...Array(4).keys()].map((index) => spoilt.has(index))).toEqual([true, false, true, false])
    expect(new Set(lost)).toEqual(new Set([spoilt.root]))
    expect(store.stat(spoilt.root)).toMatchObject({ held: 2, complete: false })
    // on disk, too
    await store.stop()
    const again = await createStore({ folder: '/s', disk, floorBytes: 0 })
    expect(again.stat(spoilt.root)).toMatchObject({ held: 2 })
    await again.stop()
  })

  it('takes a sector that cannot be read for a damaged chunk', async () => {
    const { disk, store, check } = await setUp()
    const file = await seal(store, bytesOf(2 * CHUNK))
    let reads = 0
    disk.fault = (operation, path) => {
      if (operation === 'read' && path.endsWith('.sealed') && ++reads === 2)
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
    }
    await check().now()
    expect([file.has(0), file.has(1)]).toEqual([true, false])
  })

  it('writes a manifest and a record anew that the disk has changed', async () => {
    const { disk, store, lost, check } = await setUp()
    const file = await seal(store, bytesOf(2 * CHUNK))
    const right = ['manifest', 'have'].map((kind) => disk.content(pathOf(file.root, kind))?.slice())
    flip(disk, pathOf(file.root, 'manifest'), 40)
    flip(disk, pathOf(file.root, 'have'), 30)
    await check().now()
    expect(['manifest', 'have'].map((kind) => disk.content(pathOf(file.root, kind))?.slice())).toEqual(right)
    expect([file.complete, lost]).toEqual([true, []])
  })

  it('gives up a manifest of a version that nobody uses, and a version whose file is gone', async () => {
    const { disk, store } = await setUp()
    const first = (await seal(store, bytesOf(2 * CHUNK, 1))).root
    const second = (await seal(store, bytesOf(2 * CHUNK, 2))).root
    await store.stop()
    flip(disk, pathOf(first, 'manifest'), 40)
    const again = await memoryStore({ disk })
    const lost: Root[] = []
    again.onDamage((root) => lost.push(root))
    await disk.remove(pathOf(second, 'sealed'))
    const check = createStoreCheck({
      store: again,
      boxes: { check: () => ({ last: null, bytes: 0, damaged: [] }) },
      clock: new ManualClock(),
      isBusy: () => false,
      load: () => null,
      save: () => undefined,
      onDamagedBox: () => undefined,
      onProblem: () => undefined,
    })
    await check.now()
    expect(again.stat(first)).toMatchObject({ held: 2, complete: false })
    expect(again.stat(second)).toBeNull()
    expect(new Set(lost)).toEqual(new Set([first, second]))
  })

  it('takes a disk that was pulled out for no loss', async () => {
    const { disk, store, lost, check } = await setUp()
    const { root } = await seal(store, bytesOf(2 * CHUNK))
    await disk.remove('/s')
    await expect(check().now()).rejects.toThrow(/lost or cannot read/)
    expect([store.stat(root)?.complete, lost]).toEqual([true, []])
  })

  it('tells of boxes, page by page', async () => {
    const found: BoxHash[] = []
    const pages = new Map([
      [null, { last: 'aa' as BoxHash, bytes: 10, damaged: [] }],
      ['aa', { last: 'bb' as BoxHash, bytes: 10, damaged: ['ab' as BoxHash] }],
      ['bb', { last: null, bytes: 0, damaged: [] }],
    ])
    const { check } = await setUp({
      boxes: { check: (after) => pages.get(after) ?? { last: null, bytes: 0, damaged: [] } },
      onDamagedBox: (hash) => found.push(hash),
    })
    const one = check()
    await one.now()
    expect([found, one.place()]).toMatchObject([['ab'], { bytes: 20, phase: 'boxes' }])
  })

  it('reads no faster than it may, not while somebody waits, and again only after 30 days', async () => {
    let isBusy = true
    const { clock, store, problems, saved, check } = await setUp({ isBusy: () => isBusy })
    const count = 20
    await seal(store, bytesOf(count * CHUNK))
    const one = check()
    one.start()
    clock.advance(FIRST_CHECK_MS + 5_000)
    await settle()
    expect(one.bytes()).toBe(0)
    isBusy = false
    const began = clock.now()
    while (one.place()?.ended == null) {
      await settle()
      clock.advance(5)
    }
    expect(one.bytes()).toBe(count * SEALED)
    expect(clock.now() - began).toBeGreaterThanOrEqual(((count * SEALED) / CHECK_BYTES_PER_SECOND) * 1000)
    expect([problems, saved.at(-1)?.ended]).toEqual([[], one.place()?.ended])
    for (let hours = 0; hours < CHECK_EVERY_MS / 3_600_000 - 1; hours++) clock.advance(3_600_000)
    await settle()
    expect(one.bytes()).toBe(count * SEALED)
    for (let hours = 0; hours < 3; hours++) clock.advance(3_600_000)
    await until(() => {
      clock.advance(1000)
      return one.bytes() === 2 * count * SEALED
    })
    await one.stop()
  })

  it('is not kept from looking for ever by one who waits for ever, and hardly by one when it was asked for', async () => {
    const { clock, store, check } = await setUp({ isBusy: () => true })
    await seal(store, bytesOf(3 * CHUNK))
    const one = check()
    one.start()
    clock.advance(FIRST_CHECK_MS)
    const began = clock.now()
    await until(() => {
      clock.advance(1000)
      return one.bytes() > 0
    })
    expect(clock.now() - began).toBeGreaterThanOrEqual(60_000)
    const asked = one.now()
    const askedAt = clock.now()
    await until(() => {
      clock.advance(100)
      return one.place()?.ended != null
    })
    await asked
    expect(clock.now() - askedAt).toBeLessThan(60_000)
    await one.stop()
  })

  it('goes on after a restart where it stood', async () => {
    const { clock, store, saved, check } = await setUp({ bytesPerSecond: 64 * KIB })
    for (const seed of [1, 2, 3]) await seal(store, bytesOf(4 * CHUNK, seed))
    const first = check()
    first.start()
    clock.advance(FIRST_CHECK_MS)
    await until(() => {
      clock.advance(100)
      return first.bytes() >= 6 * SEALED
    })
    await first.stop()
    const place = saved.at(-1)
    const second = check({ load: () => place ?? null })
    second.start()
    clock.advance(FIRST_CHECK_MS)
    await until(() => {
      clock.advance(100)
      return second.place()?.ended != null
    })
    // of 12 chunks; the one that was under way is read twice at most
    expect(first.bytes() + second.bytes()).toBeGreaterThanOrEqual(12 * SEALED)
    expect(first.bytes() + second.bytes()).toBeLessThanOrEqual(13 * SEALED)
    expect(second.place()?.began).toBe(place?.began)
    await second.stop()
  })

  it('looks at one version at once that somebody doubts, but not for each word', async () => {
    const { disk, clock, store, lost, check } = await setUp()
    const file = await seal(store, bytesOf(2 * CHUNK))
    flip(disk, pathOf(file.root, 'sealed'), 20)
    const one = check()
    one.look(file.root)
    one.look(file.root)
    await until(() => {
      clock.advance(1000)
      return one.bytes() === SEALED * 2
    })
    expect(lost).toEqual([file.root])
    await one.stop()
    expect(one.bytes()).toBe(SEALED * 2)
  })
})

it('a chunk that is on its way is no damage', async () => {
  const { manifest, chunks } = await elsewhere(4 * CHUNK)
  const { store, lost, check } = await setUp()
  const file = await store.open(manifest)
  await fill(file, manifest, chunks, 1, 3)
  await check().now()
  expect([file.held, lost]).toEqual([2, []])
})

/** What follows from the last step of the clock has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}
