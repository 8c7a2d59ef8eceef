import { describe, expect, it } from 'vitest'
import type { SharedVersion } from '../catalogue/index.ts'
import { openStream, reseal } from '../content/index.ts'
import { bytesOf, CHUNK, collect, createMemoryDisk, memoryStore, newKeys, seal, storeKeys } from '../content/testing.ts'
import type { EpochKeys } from '../crypto/index.ts'
import type { FileId, Root } from '../ids.ts'
import { ManualClock } from '../ledger/testing.ts'
import { createAnewSealer } from './anew-sealer.ts'
import { readOlder } from './older-seal.ts'
import { createSealAnew } from './seal-anew.ts'

const short = bytesOf(5 * CHUNK + 3)
/** more than what is read ahead */
const long = bytesOf(80 * CHUNK + 3)
const newer = newKeys(2)
const file = newer.file
const WAIT_MS = 60_000

/** A reader with the old seal, for whom another one has published the new one. */
async function reader(plain = short) {
  const elsewhere = await memoryStore()
  const there = await seal(elsewhere, plain)
  const published = await reseal({ store: elsewhere, from: there, oldKeys: storeKeys, newKeys: newer })
  const disk = createMemoryDisk()
  const store = await memoryStore({ disk })
  const old = await seal(store, plain)
  const { root } = published.file
  const version = { file, root, epoch: 2, formerRoots: [old.root] } as unknown as SharedVersion
  const keys = new Map<number, EpochKeys>([[1, storeKeys]])
  const clock = new ManualClock()
  const problems: unknown[] = []
  const waited: FileId[] = []
  let gaveUp: number | null = null
  const sealAnew = createSealAnew({
    clock,
    state: { versionOfRoot: (asked: Root) => (asked === root ? version : null) },
    sharing: () => ({
      keyring: { fileKey: (_: FileId, epoch: number) => keys.get(epoch) ?? null, gaveUp: () => gaveUp },
    }),
    store,
    sealer: createAnewSealer(store, () => undefined),
    closing: new AbortController().signal,
    onProblem: (error) => problems.push(error),
    onWaited: (each) => waited.push(each),
  })
  const giveUp = () => {
    gaveUp = 1
  }
  return { disk, store, old, root, keys, clock, problems, waited, sealAnew, giveUp }
}

describe('sealing anew by a reader', () => {
  it('waits for the new key, but not for ever', async () => {
    const { sealAnew, root, clock, keys, waited } = await reader()
    expect([sealAnew.can(root), sealAnew.awaitsKey(root), sealAnew.awaitsKey(root)]).toEqual([false, true, true])
    clock.advance(WAIT_MS - 1)
    expect([sealAnew.awaitsKey(root), waited]).toEqual([true, []])
    clock.advance(1)
    expect([sealAnew.awaitsKey(root), waited]).toEqual([false, [file]])
    // it may still come
    keys.set(2, newer)
    expect([sealAnew.can(root), sealAnew.awaitsKey(root)]).toEqual([true, false])
  })

  it('does not wait where the key is here, none was, or the owner has said that there is none', async () => {
    const has = await reader()
    has.keys.set(2, newer)
    expect(has.sealAnew.awaitsKey(has.root)).toBe(false)
    const never = await reader()
    never.keys.clear()
    expect(never.sealAnew.awaitsKey(never.root)).toBe(false)
    const denied = await reader()
    denied.giveUp()
    expect(denied.sealAnew.awaitsKey(denied.root)).toBe(false)
  })

  it('makes the version that was published, and lets the older seal be read meanwhile', async () => {
    const { sealAnew, root, keys, store, old, problems } = await reader(long)
    keys.set(2, newer)
    const older = await sealAnew.older(root)
    if (older === null) throw new Error('no older seal')
    const signal = new AbortController().signal
    const range = { start: CHUNK - 1, end: long.length }
    expect(Buffer.compare(await collect(readOlder(older, range, signal)), long.subarray(range.start))).toBe(0)
    const reading = readOlder(older, range, signal)[Symbol.asyncIterator]()
    await reading.next()
    const [one, two] = await Promise.all([sealAnew.seal(root), sealAnew.seal(root)])
    expect([one, two, problems]).toEqual([true, true, []])
    await store.remove(old.root)
    await expect(collect({ [Symbol.asyncIterator]: () => reading })).rejects.toMatchObject({
      name: 'VersionRemovedError',
    })
    const sealed = await store.get(root)
    if (sealed === null) throw new Error('not sealed')
    expect(Buffer.compare(await collect(openStream({ file: sealed, keys: newer })), long)).toBe(0)
  })

  it('ends where the disk has spoilt a chunk of the older seal: the new one is fetched', async () => {
    const { sealAnew, root, keys, disk, old, problems } = await reader()
    keys.set(2, newer)
    const bytes = disk.content(`/s/${old.root.slice(0, 2)}/${old.root}.sealed`)
    const at = 3 * (CHUNK + 28) + 40
    if (bytes === undefined) throw new Error('no chunks')
    bytes[at] = (bytes[at] ?? 0) ^ 1
    const older = await sealAnew.older(root)
    expect(await sealAnew.seal(root)).toBe(false)
    expect(problems).toMatchObject([{ name: 'ChunkMissingError' }])
    expect(sealAnew.can(root)).toBe(false)
    if (older === null) throw new Error('no older seal')
    await expect(
      collect(readOlder(older, { start: 0, end: short.length }, new AbortController().signal)),
    ).rejects.toMatchObject({ name: 'ChunkMissingError' })
  })
})
