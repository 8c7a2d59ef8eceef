/**
 * The power goes at every single operation of everything that the store does. What was not synced is lost, kept, or torn
 * sector by sector, names and folders too; then a start, a second cut in the middle of that, and another start.
 *
 * `POWER_CUTS=20` tries so many outcomes of each cut instead of the few that always run.
 */
import { describe, expect, it } from 'vitest'
import type { Root } from '../ids.ts'
import { exportTo } from './export.ts'
import { copyUnchanged, reseal } from './reseal.ts'
import {
  CHUNK,
  chunkOf,
  coinsOf,
  createMemoryDisk,
  elsewhere,
  fill,
  inPieces,
  type MemoryDisk,
  memoryStore,
  newKeys,
  seal,
  storeKeys,
} from './testing.ts'
import type { ContentStore, Manifest } from './types.ts'

/** Outcomes of each cut: nothing that was not synced is there, all of it, and mixed ones. */
const MIXED = 2
const OUTCOMES = [0, 1, ...Array.from({ length: Number(process.env.POWER_CUTS ?? 1) }, (_, at) => MIXED + at)]

interface Truth {
  manifest: Manifest
  chunks: Uint8Array[]
}

interface World {
  readonly disk: MemoryDisk
  readonly store: ContentStore
  /** what any version that may ever be found must hold */
  know(truth: Truth): void
  /** from now on these chunks of it are there, whatever happens; null: it never comes back */
  promise(root: Root, indexes: readonly number[] | null): void
  /** from now on a file of these bytes is there */
  promiseFile(path: string, bytes: Uint8Array): void
}

const CLOCKLESS = { flushChunks: 2, noteBytes: CHUNK }
const storeOn = (disk: MemoryDisk) => memoryStore({ disk, ...CLOCKLESS })
const all = ({ manifest }: Truth) => Array.from({ length: manifest.count }, (_, index) => index)

const one = await elsewhere(3 * CHUNK + 100, 1)
const next = await elsewhere(3 * CHUNK, 2)
const newKeysOf = newKeys(1)
const anew = await (async () => {
  const store = await memoryStore()
  const { file } = await reseal({ store, from: await seal(store, one.plain), oldKeys: storeKeys, newKeys: newKeysOf })
  if (file.manifest === null) throw new Error('a sealed version has a manifest')
  return {
    manifest: file.manifest,
    chunks: await Promise.all(all({ manifest: file.manifest, chunks: [] }).map((index) => file.read(index))),
  }
})()

/** In which `kept` lies as a whole, on the disk for good. */
async function withKept({ store, know, promise }: World, kept: Truth & { plain: Uint8Array }): Promise<Root> {
  know(kept)
  const { root } = await seal(store, kept.plain)
  promise(root, all(kept))
  return root
}

function spoil(disk: MemoryDisk, root: Root, kind: string, at: number): void {
  const bytes = disk.content(`/s/${root.slice(0, 2)}/${root}.${kind}`)
  if (bytes === undefined) throw new Error(`no ${kind}`)
  bytes[at] = (bytes[at] ?? 0) ^ 1
}

const scenes: Record<string, (world: World) => Promise<void>> = {
  async upload(world) {
    await withKept(world, one)
    await withKept(world, next)
  },

  async fetch({ store, know, promise }) {
    know(one)
    const file = await store.open(one.manifest)
    await fill(file, one.manifest, one.chunks, 2)
    await file.flush()
    promise(file.root, [2])
    await Promise.all([0, 3].map((index) => file.write(index, chunkOf(one.chunks, index))))
    await file.write(1, chunkOf(one.chunks, 1))
    promise(file.root, all(one))
  },

  async 'update, whose unchanged chunks are copied'(world) {
    const former = await world.store.get(await withKept(world, one))
    // the same content but for its second chunk
    const plain = one.plain.slice()
    plain.fill(7, CHUNK, 2 * CHUNK)
    const elsewhereStore = await memoryStore()
    const made = await seal(elsewhereStore, plain)
    if (former === null || made.manifest === null) throw new Error('not sealed')
    const chunks = await Promise.all(Array.from({ length: made.count }, (_, index) => made.read(index)))
    world.know({ manifest: made.manifest, chunks })
    const file = await world.store.open(made.manifest)
    await file.setManifest(made.manifest)
    expect(await copyUnchanged({ from: former, to: file })).toBe(3)
    await file.write(1, chunkOf(chunks, 1))
    world.promise(file.root, [0, 1, 2, 3])
  },

  async 'sealing of what was fetched in part'(world) {
    world.know(one)
    await fill(await world.store.open(one.manifest), one.manifest, one.chunks, 1)
    await withKept(world, one)
  },

  async 'sealing anew'(world) {
    const root = await withKept(world, one)
    world.know(anew)
    const from = await world.store.get(root)
    if (from === null) throw new Error('not sealed')
    const stop = new AbortController()
    const first = reseal({
      store: world.store,
      from,
      oldKeys: storeKeys,
      newKeys: newKeysOf,
      signal: stop.signal,
      onProgress: (bytes) => bytes >= 2 * CHUNK && stop.abort(new Error('stopped')),
    })
    await expect(first).rejects.toThrow('stopped')
    const { file } = await reseal({ store: world.store, from, oldKeys: storeKeys, newKeys: newKeysOf })
    world.promise(file.root, all(anew))
    world.promise(root, [])
    await world.store.remove(root)
    world.promise(root, null)
  },

  async 'healing of a chunk, a manifest and a record'(world) {
    const root = await withKept(world, one)
    const file = await world.store.get(root)
    if (file === null) throw new Error('not sealed')
    spoil(world.disk, root, 'sealed', CHUNK + 28 + 5)
    world.promise(root, [0, 2, 3])
    await expect(file.read(1, { verify: true })).rejects.toThrow()
    await file.write(1, chunkOf(one.chunks, 1))
    world.promise(root, all(one))
    spoil(world.disk, root, 'manifest', 50)
    spoil(world.disk, root, 'have', 20)
    expect(await world.store.inspect(root)).toBe('mended')
  },

  async purge(world) {
    const kept = await withKept(world, next)
    const root = await withKept(world, one)
    world.promise(root, [])
    await world.store.remove(root)
    world.promise(root, null)
    world.promise(kept, all(next))
  },

  async 'loss of a file, and fetching it again'(world) {
    const root = await withKept(world, one)
    world.promise(root, [])
    // as whoever tidies up by hand would, without a sync
    await world.disk.remove(`/s/${root.slice(0, 2)}/${root}.sealed`)
    await world.store.stop()
    const store = await storeOn(world.disk)
    const file = await store.open(one.manifest)
    await fill(file, one.manifest, one.chunks, 0)
    await file.flush()
    world.promise(root, [0])
  },

  async export({ disk, promiseFile }) {
    const path = await exportTo({ source: inPieces(one.plain, 50_000), folder: '/e', name: 'filme.mov', disk })
    expect(path).toBe('/e/filme.mov')
    promiseFile(path, one.plain)
    expect(await exportTo({ source: inPieces(next.plain, 50_000), folder: '/e', name: 'filme.mov', disk })).not.toBe(
      path,
    )
    promiseFile(path, one.plain)
  },
}

interface Promises {
  from: number
  chunks: Map<Root, readonly number[] | null>
  files: Map<string, Uint8Array>
}

/** Everything that is found is right, everything that was promised is found. */
async function assertSound(disk: MemoryDisk, truths: ReadonlyMap<Root, Truth>, promises: Promises): Promise<void> {
  const store = await storeOn(disk)
  for (const { root } of store.list()) {
    const truth = truths.get(root)
    const file = await store.get(root)
    if (truth === undefined || file === null) throw new Error(`found ${root}, which never was`)
    for (let index = 0; index < file.count; index++) {
      if (file.has(index) && Buffer.compare(await file.read(index), chunkOf(truth.chunks, index)) !== 0)
        throw new Error(`chunk ${index} has a bit and other bytes`)
    }
  }
  for (const [root, indexes] of promises.chunks) {
    const truth = truths.get(root)
    if (indexes === null) {
      if (store.stat(root) !== null) throw new Error(`${root} came back`)
      continue
    }
    const file = await store.get(root)
    const lost = indexes.filter((index) => file?.has(index) !== true)
    if (lost.length > 0) throw new Error(`lost chunks ${lost} of ${truth?.manifest.count}`)
  }
  for (const [path, bytes] of promises.files) {
    const found = disk.content(path)
    if (found === undefined || Buffer.compare(found, bytes) !== 0) throw new Error(`${path} is lost or another`)
  }
  for (const name of await disk.list('/e')) {
    const found = disk.content(`/e/${name}`)
    const isWhole = [one.plain, next.plain].some((each) => found !== undefined && Buffer.compare(found, each) === 0)
    if (!name.endsWith('.part') && !isWhole) throw new Error(`${name} was published before it was whole`)
  }
  await store.stop()
}

/** And it goes on: what was being fetched is fetched to its end, what was being sealed is sealed. */
async function goOn(disk: MemoryDisk, truths: ReadonlyMap<Root, Truth>): Promise<void> {
  const store = await storeOn(disk)
  for (const root of store.unfinished()) {
    const from = await store.get(root)
    if (from?.complete !== true) continue
    const { file } = await reseal({ store, from, oldKeys: storeKeys, newKeys: newKeysOf })
    expect(file.root).toBe(anew.manifest.root)
    for (const index of all(anew)) await file.read(index, { verify: true })
  }
  for (const { manifest, chunks } of truths.values()) {
    const file = await store.open(manifest)
    await file.setManifest(manifest)
    for (const [index, chunk] of chunks.entries()) expect(await file.write(index, chunk)).toBe(true)
    expect(file.complete).toBe(true)
  }
  await store.stop()
}

describe('the power goes in the middle of', () => {
  it.each(Object.keys(scenes))('%s: no bit without its bytes, nothing lost, and it goes on', async (name) => {
    const disk = name === 'upload' ? createMemoryDisk() : await diskWithStore()
    const truths = new Map<Root, Truth>()
    const steps: Promises[] = [{ from: 0, chunks: new Map(), files: new Map() }]
    const step = (change: (now: Promises) => void) => {
      const before = steps.at(-1)
      const now = { from: disk.done, chunks: new Map(before?.chunks), files: new Map(before?.files) }
      change(now)
      steps.push(now)
    }
    await scenes[name]?.({
      disk,
      store: await storeOn(disk),
      know: (truth) => void truths.set(truth.manifest.root, truth),
      promise: (root, indexes) => step(({ chunks }) => chunks.set(root, indexes)),
      promiseFile: (path, bytes) => step(({ files }) => files.set(path, bytes)),
    })
    const end = disk.done
    for (let cut = 0; cut <= end; cut = nextCut(cut, end)) {
      for (const outcome of OUTCOMES) {
        // that all of it is there, is the least that can go wrong
        if (outcome === 1 && cut % 4 !== 0) continue
        const promises = steps.findLast(({ from }) => from <= cut) as Promises
        try {
          const after = disk.afterPowerCut(cut, outcomeOf(outcome, cut))
          await assertSound(after, truths, promises)
          if (outcome < MIXED) continue
          await goOn(after, truths)
          // once more, at some moment of that start
          const again = after.afterPowerCut((cut * 31) % (after.done + 1), outcomeOf(outcome, cut + 1))
          await assertSound(again, truths, { ...promises, chunks: withoutRemoved(promises.chunks) })
        } catch (error) {
          throw new Error(`cut at operation ${cut} of ${end}, outcome ${outcome}`, { cause: error })
        }
      }
    }
  })
})

/** `coinsOf` takes of each eight seeds two for nothing and all. */
const outcomeOf = (outcome: number, cut: number) =>
  coinsOf(outcome < MIXED ? outcome : 8 * (1000 * outcome + cut) + MIXED)

/** A store without anything in it, whose folders are there to stay. */
async function diskWithStore(): Promise<MemoryDisk> {
  const disk = createMemoryDisk()
  await (await storeOn(disk)).stop()
  return disk.afterPowerCut(disk.done, () => true)
}

/** Of the making of 256 folders a few cuts are enough. */
const FOLDERS = 256
const nextCut = (cut: number, end: number) => (end > FOLDERS && cut < FOLDERS - 16 ? cut + 16 : cut + 1)

/** `goOn` fetches again what was removed. */
function withoutRemoved(chunks: Promises['chunks']): Promises['chunks'] {
  return new Map([...chunks].filter(([, indexes]) => indexes !== null))
}
