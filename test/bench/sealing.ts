/**
 * `npm run bench -- sealing [MiB]`: the core of an upload (read, cut, seal, hash, write) beside what its four parts take
 * one after the other, measured in the same run on the same file system. Prints a table; asserts nothing.
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../packages/core/src/clock.ts'
import { chunkSizeFor, createStore, readSourceFile, reseal, sealStream } from '../../packages/core/src/content/index.ts'
import { blake3, deriveEpochKeys, newFileKey } from '../../packages/core/src/crypto/index.ts'
import type { FileId, NetworkId } from '../../packages/core/src/ids.ts'
import { systemRandom } from '../../packages/core/src/random.ts'

const MiB = 1024 * 1024
const RUNS = 3

/** MiB per second, the best of a few runs: the others were disturbed. */
async function rate(mib: number, work: () => unknown): Promise<number> {
  let best = 0
  for (let run = 0; run < RUNS; run++) {
    const began = performance.now()
    await work()
    best = Math.max(best, (mib * 1000) / (performance.now() - began))
  }
  return best
}

export async function benchSealing(mib = 512): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'))
  const path = join(folder, 'source')
  const piece = randomBytes(MiB)
  const write = (to: string) => {
    const handle = openSync(to, 'w')
    for (let at = 0; at < mib; at++) writeSync(handle, piece)
    fdatasyncSync(handle)
    closeSync(handle)
  }
  try {
    write(path)
    const parts = {
      read: await rate(mib, () => {
        const handle = openSync(path, 'r')
        while (readSync(handle, piece, 0, MiB, null) > 0);
        closeSync(handle)
      }),
      'AES-256-GCM': await rate(mib, () => {
        const key = randomBytes(32)
        for (let at = 0; at < mib; at++) {
          const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12))
          cipher.update(piece)
          cipher.final()
          cipher.getAuthTag()
        }
      }),
      BLAKE3: await rate(mib, () => {
        for (let at = 0; at < mib; at++) blake3(piece)
      }),
      write: await rate(mib, () => write(join(folder, 'copy'))),
    }
    const bound = 1 / Object.values(parts).reduce((sum, each) => sum + 1 / each, 0)

    const store = await createStore({ folder: join(folder, 'store'), clock: systemClock, random: systemRandom })
    const network = 'ab'.repeat(32) as NetworkId
    const file = 'cd'.repeat(16) as FileId
    const chunk = chunkSizeFor(mib * MiB)
    const keys = () => deriveEpochKeys(network, file, 1, newFileKey())
    const [oldKeys, newKeys] = [keys(), keys()]
    const sealed = await rate(mib, async () => {
      const { source, close } = await readSourceFile(path)
      const { file } = await sealStream({ store, keys: keys(), source, chunk })
      await close()
      await store.remove(file.root)
    })
    const { source, close } = await readSourceFile(path)
    const { file: from } = await sealStream({ store, keys: oldKeys, source, chunk })
    await close()
    const resealed = await rate(mib, async () => {
      const { file } = await reseal({ store, from, oldKeys, newKeys })
      await store.remove(file.root)
    })
    await store.stop()

    const row = (what: string, figure: number) => ({
      what,
      'MiB/s': Math.round(figure),
      'of the bound': (figure / bound).toFixed(2),
    })
    console.table([
      ...Object.entries(parts).map(([what, figure]) => row(what, figure)),
      row('bound: 1 / (1/read + 1/AES + 1/BLAKE3 + 1/write)', bound),
      row('upload: read, cut, seal, hash, write', sealed),
      row('sealing anew: read, open, seal, hash, write', resealed),
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
