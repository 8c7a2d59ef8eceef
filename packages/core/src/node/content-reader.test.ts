import { expect, it } from 'vitest'
import type { SharedVersion, VisibleFile } from '../catalogue/index.ts'
import { reseal } from '../content/index.ts'
import { bytesOf, CHUNK, memoryStore, newKeys, seal, storeKeys } from '../content/testing.ts'
import type { EpochKeys } from '../crypto/index.ts'
import { ManualClock } from '../ledger/testing.ts'
import { createBell } from './bell.ts'
import { createContentReader } from './content-reader.ts'
import type { Session } from './session.ts'

const WAIT_MS = 20_000
/** more than what is read ahead */
const plain = bytesOf(80 * CHUNK + 3)
const newer = newKeys(2)

/** Somebody who has read the first chunk of a version when it is sealed anew, and its old chunks go. */
async function readerOf() {
  const store = await memoryStore()
  const old = await seal(store, plain)
  const shape = { size: old.size, chunk: old.chunk, version: 1 }
  let version = { ...shape, root: old.root, epoch: 1 } as unknown as SharedVersion
  const keys = new Map<number, EpochKeys>([[1, storeKeys]])
  const [clock, bell] = [new ManualClock(), createBell()]
  const waits = Promise.withResolvers<void>()
  let gaveUp: number | null = null
  const session = {
    clock,
    store,
    closing: new AbortController().signal,
    until(...args: Parameters<typeof bell.until>) {
      waits.resolve()
      return bell.until(...args)
    },
    readers: { begin: () => () => undefined },
    state: { versions: () => [version] },
    sharing: {
      keyring: { fileKey: (_: string, epoch: number) => keys.get(epoch) ?? null },
      views: { gaveUp: () => gaveUp },
    },
  } as unknown as Session
  const { read } = createContentReader(session, { file: newer.file, version: 1 } as VisibleFile, {})
  const iterator = read()[Symbol.asyncIterator]()
  const parts = [(await iterator.next()).value as Uint8Array]
  const { file } = await reseal({ store, from: old, oldKeys: storeKeys, newKeys: newer })
  version = { ...shape, root: file.root, epoch: 2 } as unknown as SharedVersion
  await store.remove(old.root)
  const rest = (async () => {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) parts.push(next.value)
    return Buffer.concat(parts)
  })()
  rest.catch(() => undefined)
  // it has read what was read ahead
  await waits.promise
  return {
    clock,
    rest,
    keyCame() {
      keys.set(2, newer)
      bell.ring()
    },
    denied() {
      gaveUp = 1
      bell.ring()
    },
  }
}

it('reads on in the new seal as soon as its key is here', async () => {
  const { rest, keyCame } = await readerOf()
  keyCame()
  expect((await rest).equals(plain)).toBe(true)
})

it('ends at once for a branch that is denied, and after a while where no key comes', async () => {
  const gone = { code: 'not-found', message: expect.stringContaining('version 1') }
  const former = await readerOf()
  former.denied()
  await expect(former.rest).rejects.toMatchObject(gone)
  const other = await readerOf()
  other.clock.advance(WAIT_MS)
  await expect(other.rest).rejects.toMatchObject(gone)
})
